"""Closed-form kinematics of a leg with a planar five-bar linkage behind a tilt joint.

Hip frame: the tilt axis is x. The leg plane stands `plane_offset` outside of it and turns with it;
in it two arms hang from pivots at x = ±pivot_spacing/2, `pivot_drop` below the axis. Angles of the
arms count from straight down, positive towards −x (about +y): an arm's elbow is at
pivot + upper·(−sin q, −cos q) in (x, z). The front arm (shoulder_L) has its elbow forward, the rear
arm (shoulder_R) backward, always; the tips of both lower links are joined and are the foot.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import ConfigError, from_mapping
from stride_core.kinematics.fivebar_plane import ELBOW, FivebarGeometry, solve_plane
from stride_core.kinematics.fivebar_workspace import FivebarWorkspace
from stride_core.kinematics.interface import IkSolution

_FARTHEST = 1e3
"""A target further away than this [m] is taken for garbage, like one that is not finite."""


class FivebarKinematics:
    """`LegKinematics` of the five-bar legs of one robot."""

    passive_joints = ("elbow_L", "elbow_R")

    def __init__(
        self,
        geometry: FivebarGeometry,
        side: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        stance: FloatArray,
    ) -> None:
        """Prepare the legs of a robot.

        Args:
            geometry: dimensions, the same for every leg.
            side: (legs,) +1 where out is +y, −1 where it is −y.
            lower: (3,) limits of tilt, shoulder L, shoulder R [rad].
            upper: likewise.
            stance: (legs, 3) feet for targets that are not finite [m].

        Raises:
            ValueError: the limits leave nothing to reach, or let an arm turn inside out.
        """
        if max(abs(lower[0]), abs(upper[0])) > 0.5 * math.pi:
            raise ValueError(f"tilt: {lower[0]:g} to {upper[0]:g}: expected within ±1.5708")
        self.geometry = geometry
        self.workspace = FivebarWorkspace(geometry, lower[1:], upper[1:])
        self._side = side
        self._stance = stance
        self._tilt = np.sort(side[:, None] * (lower[0], upper[0]), axis=1)
        # Limits of the columns of `_solve`: those of the joints, then of the foot in its plane.
        low = np.array([lower[0], *self.workspace.lower])
        high = np.array([upper[0], *self.workspace.upper])
        self._lower, self._upper = low[:3], high[:3]
        self._middle, self._half = 0.5 * (low + high), 0.5 * (high - low)

    @classmethod
    def build(
        cls,
        geometry: dict[str, Any],
        *,
        hips: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        stance: FloatArray,
        where: str,
    ) -> FivebarKinematics:
        """Build from a robot's YAML; raises ConfigError. See `make_kinematics`."""
        if lower.shape != (len(hips), 3) or (np.ptp([lower, upper], axis=1) > 0.0).any():
            raise ConfigError(
                f"{where}: joints: expected three a leg, limits the same on every leg"
            )
        parsed = from_mapping(FivebarGeometry, geometry, f"{where}: geometry")
        try:
            return cls(parsed, np.where(hips[:, 1] < 0.0, -1.0, 1.0), lower[0], upper[0], stance)
        except ValueError as error:
            raise ConfigError(f"{where}: joints: {error}") from None

    def forward(self, angles: FloatArray) -> FloatArray:
        """Return the feet (..., legs, 3) [m] of joint angles (..., legs, 3) [rad]."""
        g = self.geometry
        sine, cosine = np.sin(angles), np.cos(angles)
        x, depth = self._plane_foot(sine[..., 1:], cosine[..., 1:])
        y0, z0 = self._side * g.plane_offset, -(g.pivot_drop + depth)
        feet = np.empty(angles.shape)
        feet[..., 0] = x
        feet[..., 1] = y0 * cosine[..., 0] - z0 * sine[..., 0]
        feet[..., 2] = y0 * sine[..., 0] + z0 * cosine[..., 0]
        return feet

    def _plane_foot(self, sine: FloatArray, cosine: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Foot in the leg plane: x and depth below the pivots (...) [m].

        Takes sines and cosines (..., 2) of the shoulders.
        """
        g = self.geometry
        sl, sr, cl, cr = sine[..., 0], sine[..., 1], cosine[..., 0], cosine[..., 1]
        half = 0.5 * g.upper
        # Half the way from elbow R to elbow L, forward and upward.
        across = 0.5 * g.pivot_spacing - half * (sl - sr)
        up = half * (cr - cl)
        # The foot is on the line through its middle, square to it and on the lower side, at the
        # distance sqrt(lower² − half²). Elbows on one point (limits forbid it) would divide by 0.
        square = np.maximum(across * across + up * up, 1e-18)
        k = np.sqrt(g.lower * g.lower / square - 1.0)
        return k * up - half * (sl + sr), k * across + half * (cl + cr)

    def inverse(self, feet: FloatArray) -> IkSolution:
        """Return joint angles for foot targets (..., legs, 3) [m] in hip frames; see `IkSolution`.

        An unreachable target is answered with the nearest reachable foot, exactly. The answer moves
        continuously with the target, except where two points of the workspace are equally near.
        """
        feet = np.array(feet, dtype=np.float64)
        with np.errstate(all="ignore"):
            solved = self._solve(feet)
            slack = self._half - np.abs(solved - self._middle)
            reachable: BoolArray = slack.min(axis=-1) >= 0.0
            distance = np.zeros(reachable.shape)
            missed = not reachable.all()
            if missed:
                distance[~reachable] = self._project(feet, ~reachable)
                solved[~reachable] = self._solve(feet)[~reachable]
        measure = partial(self._margin, feet, solved, slack[..., 0], reachable)
        angles = solved[..., :3]
        if missed:
            angles = np.minimum(np.maximum(angles, self._lower), self._upper)
        return IkSolution(np.ascontiguousarray(angles), feet, distance, reachable, measure)

    def _solve(self, feet: FloatArray) -> FloatArray:
        """Tilt, and the columns of `solve_plane`: (..., legs, 6)."""
        g = self.geometry
        x, y, z = feet[..., 0], feet[..., 1] * self._side, feet[..., 2]
        down = np.sqrt(np.maximum(y * y + z * z - g.plane_offset**2, 0.0))
        solved = np.empty((*feet.shape[:-1], 6))
        turn = np.arctan2(z, y) + np.arctan2(down, g.plane_offset)
        np.multiply(self._side, turn, out=solved[..., 0])
        solve_plane(g, x, down - g.pivot_drop, solved[..., 1:])
        return solved

    def _project(self, feet: FloatArray, missed: BoolArray) -> FloatArray:
        """Put the nearest feet in place of the `missed` (..., legs); return how far (n,) [m]."""
        leg = np.broadcast_to(np.arange(len(self._side)), missed.shape)[missed]
        target = feet[missed]
        mirror = np.ones(target.shape)
        mirror[:, 1] = self._side[leg]
        sound = (np.abs(target) < _FARTHEST).all(axis=-1)
        reached = self._stance[leg]
        reached[sound] = mirror[sound] * self.workspace.nearest(
            target[sound] * mirror[sound], self._tilt[leg[sound]]
        )
        feet[missed] = reached
        distance: FloatArray = np.sqrt(np.square(reached - target).sum(axis=-1))
        return np.where(sound, distance, np.inf)

    def _margin(
        self, feet: FloatArray, solved: FloatArray, turn: FloatArray, reachable: BoolArray
    ) -> FloatArray:
        """Distance of feet within the workspace from its boundary and from the tilt's limits."""
        # The leg plane at the limit passes at least this far from the foot.
        from_tilt = (solved[..., 5] + self.geometry.pivot_drop) * np.sin(turn)
        with np.errstate(all="ignore"):
            inside = self.workspace.margin(feet[..., 0] + 1j * solved[..., 5])
        return np.where(reachable, np.minimum(from_tilt, inside), 0.0)

    def jacobian(self, angles: FloatArray) -> FloatArray:
        """Return ∂feet/∂angles (..., legs, 3, 3) [m/rad] at joint angles (..., legs, 3) [rad]."""
        sine, cosine = np.sin(angles), np.cos(angles)
        depth, link_x, link_z = self._links(sine[..., 1:], cosine[..., 1:])
        # Each lower link u keeps its length: u · (foot' − elbow') = 0; solved for foot' (2 × 2).
        pull = self.geometry.upper * (link_z * sine[..., 1:] - link_x * cosine[..., 1:])
        turn = link_x[..., 0] * link_z[..., 1] - link_z[..., 0] * link_x[..., 1]
        pull /= turn[..., None]
        up = pull * link_x[..., ::-1] * -ELBOW[::-1]
        y0, z0 = self._side * self.geometry.plane_offset, -(self.geometry.pivot_drop + depth)
        out = np.zeros((*angles.shape, 3))
        out[..., 1, 0] = -(y0 * sine[..., 0] + z0 * cosine[..., 0])
        out[..., 2, 0] = y0 * cosine[..., 0] - z0 * sine[..., 0]
        out[..., 0, 1:] = pull * link_z[..., ::-1] * ELBOW[::-1]
        out[..., 1, 1:] = -up * sine[..., :1]
        out[..., 2, 1:] = up * cosine[..., :1]
        return out

    def passive(self, angles: FloatArray) -> FloatArray:
        """Return elbows L and R (..., legs, 2) [rad]: lower link from upper, about +y."""
        sine, cosine = np.sin(angles[..., 1:]), np.cos(angles[..., 1:])
        _, x, z = self._links(sine, cosine)
        elbows: FloatArray = np.arctan2(z * sine - x * cosine, -(z * cosine + x * sine))
        return elbows

    def _links(self, sine: FloatArray, cosine: FloatArray) -> tuple[FloatArray, ...]:
        """Depth of the foot (...), and the lower links, elbow to foot: x and z (..., 2) [m]."""
        x, depth = self._plane_foot(sine, cosine)
        link_x = x[..., None] - self.geometry.pivots + self.geometry.upper * sine
        link_z = self.geometry.upper * cosine - depth[..., None]
        return depth, link_x, link_z
