"""How long a stride may be: what the leg reaches and what the servo's speed allows.

Both depend on the height of the foot below the hip alone once the leg is known, so they are
tabulated over it when a gait is built, from the robot's own kinematics, and interpolated in ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_core.arrays import FloatArray, clip
from stride_core.robot import RobotSpec

_HEIGHTS = 33
_LONGEST_HALF = 0.5
_BISECTIONS = 14
_REACH_MARGIN = 0.002
"""A stride keeps this far [m] from the edge of the workspace, so that a residual has room."""


@dataclass(frozen=True)
class StrideLimits:
    """A table over the height below the hip, evenly spaced.

    Attributes:
        lowest, spacing: of the heights [m].
        table: ``(heights, 4)``: longest stride along x and y both of whose ends every leg reaches
            [m]; fastest foot along x and y, the joint that works hardest turning at the share of
            the servo's no-load speed that the gait may use [m/s].
    """

    lowest: float
    spacing: float
    table: FloatArray

    def longest(self, height: FloatArray, swing_time: FloatArray) -> FloatArray:
        """Longest stride along x and y.

        The swinging foot must travel the stride forward again in the swing's time, so on average it
        moves at ``stride/swing_time ≤ ω·lever``: the bound ``v ≤ ω·h·(1-D)/D`` of a leg that is one
        straight link of length h. The Bézier's peak lies above its average; there the servo lags,
        and the measured calibration makes up for it.

        Args:
            height, swing_time: ``(...)`` [m], [s].

        Returns:
            ``(..., 2)`` [m].
        """
        both = self._at(height)
        return np.minimum(both[..., :2], both[..., 2:] * swing_time[..., None])

    def _at(self, height: FloatArray) -> FloatArray:
        row = clip((height - self.lowest) / self.spacing, 0.0, _HEIGHTS - 1.001)
        low = row.astype(np.intp)
        below = self.table[low]
        return below + (row - low)[..., None] * (self.table[low + 1] - below)


def stride_limits(
    spec: RobotSpec, heights: tuple[float, float], servo_share: float
) -> StrideLimits:
    """Tabulate the limits of a robot between two heights below the hip [m]."""
    height = np.linspace(*heights, _HEIGHTS)
    feet = np.repeat(spec.stance[None], _HEIGHTS, axis=0)
    feet[..., 2] = -height[:, None]
    reach = np.stack([_reach(spec, feet, axis) for axis in (0, 1)], axis=-1)
    foot_speed = _lever(spec, feet) * servo_share * spec.servo.no_load_speed
    return StrideLimits(
        lowest=heights[0],
        spacing=float(height[1] - height[0]),
        table=np.concatenate([reach, foot_speed], axis=1),
    )


def _reach(spec: RobotSpec, feet: FloatArray, axis: int) -> FloatArray:
    """Longest stride along one axis whose two ends every leg reaches, ``(heights,)``."""
    reached, missed = np.zeros(len(feet)), np.full(len(feet), _LONGEST_HALF)
    for _ in range(_BISECTIONS):
        half = 0.5 * (reached + missed)
        ends = np.stack([feet, feet])
        ends[0, ..., axis] += half[:, None]
        ends[1, ..., axis] -= half[:, None]
        solution = spec.kinematics.inverse(ends)
        good = (solution.reachable & (solution.margin > _REACH_MARGIN)).all(axis=(0, -1))
        reached, missed = np.where(good, half, reached), np.where(good, missed, half)
    return 2.0 * reached


def _lever(spec: RobotSpec, feet: FloatArray) -> FloatArray:
    """Foot speed along x and y for 1 rad/s of the joint that works hardest, ``(heights, 2)``."""
    solution = spec.kinematics.inverse(feet)
    joint_speed = np.linalg.inv(spec.kinematics.jacobian(solution.angles))[..., :2]
    return 1.0 / np.abs(joint_speed).max(axis=(-3, -2))
