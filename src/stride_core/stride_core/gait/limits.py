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
_LONGEST = 1.0
_SHORTEST = 1e-4
_NOWHERE = np.zeros(2)
_STRIDES = 501
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

    def longest(
        self, height: FloatArray, swing_time: FloatArray, outside: FloatArray = _NOWHERE
    ) -> FloatArray:
        """Longest stride along x and y.

        The swinging foot must travel the stride forward again in the swing's time, so on average it
        moves at ``stride/swing_time ≤ ω·lever``: the bound ``v ≤ ω·h·(1-D)/D`` of a leg that is one
        straight link of length h. The Bézier's peak lies above its average; there the servo lags,
        and the measured calibration makes up for it.

        Args:
            height, swing_time: ``(...)`` [m], [s].
            outside: ``(..., 2)`` how much further out than the stance the foot rests [m].

        Returns:
            ``(..., 2)`` [m], at least 0.1 mm.
        """
        both = self._at(height)
        reach = both[..., :2]
        left = 1.0 - (2.0 * np.maximum(outside, 0.0) / reach).sum(axis=-1, keepdims=True)
        longest = np.minimum(reach * left, both[..., 2:] * swing_time[..., None])
        return np.maximum(longest, _SHORTEST)

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
    """Longest stride along one axis whose two ends every leg reaches, ``(heights,)``.

    Outward step by step, since a crouching leg may have gaps that a bisection would leap over; the
    heights that have failed are left out, which spares the slow projection of far targets.
    """
    longest = np.zeros(len(feet))
    going = np.arange(len(feet))
    for stride in np.linspace(0.0, _LONGEST, _STRIDES):
        ends = np.repeat(feet[going, None], 2, axis=1)
        ends[:, 0, :, axis] += 0.5 * stride
        ends[:, 1, :, axis] -= 0.5 * stride
        solution = spec.kinematics.inverse(ends)
        good = (solution.reachable & (solution.margin > _REACH_MARGIN)).all(axis=(1, 2))
        going = going[good]
        longest[going] = stride
        if not len(going):
            break
    return longest


def _lever(spec: RobotSpec, feet: FloatArray) -> FloatArray:
    """Foot speed along x and y for 1 rad/s of the joint that works hardest, ``(heights, 2)``."""
    solution = spec.kinematics.inverse(feet)
    joint_speed = np.linalg.inv(spec.kinematics.jacobian(solution.angles))[..., :2]
    return 1.0 / np.abs(joint_speed).max(axis=(-3, -2))
