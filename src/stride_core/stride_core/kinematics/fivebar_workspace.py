"""The nearest reachable foot of a five-bar leg, and how far a foot is from the limits.

The reachable set is the plane workspace (`fivebar_plane.make_boundary`) swung about the tilt axis
between two limits. Here the leg is a left one: out is +y. A foot of the plane, x + i·depth, stands
at height −(pivot_drop + depth) and `plane_offset` outside of the axis; at tilt 0 its polar
coordinates about the axis are radius = hypot of the two and an angle that depends on the depth.
"""

from __future__ import annotations

import numpy as np

from stride_core.arrays import BoolArray, FloatArray
from stride_core.kinematics.fivebar_plane import (
    ComplexArray,
    FivebarGeometry,
    make_boundary,
    solve_plane,
    within,
)

_LONGEST_PIECE = 0.2
_NEWTON_STEPS = 4
_TIE = 1e-12


class FivebarWorkspace:
    """What one leg reaches."""

    def __init__(self, geometry: FivebarGeometry, lower: FloatArray, upper: FloatArray) -> None:
        """Take limits (2,) of shoulders L and R [rad]; raises ValueError as `make_boundary`."""
        near, far = geometry.reach
        self.geometry = geometry
        self.lower = np.array([*lower, near, near, 0.0])
        self.upper = np.array([*upper, far, far, 2.0 * far])
        self._arcs = make_boundary(geometry, self.lower, self.upper)
        self._pieces = self._arcs.split(_LONGEST_PIECE)
        # For `margin`: a point is beside an arc when it is within the arc's sector.
        self._unit = np.exp(-1j * self._arcs.middle)
        self._sector = np.cos(self._arcs.half)

    def margin(self, point: ComplexArray) -> FloatArray:
        """Distance [m] (...) of points (...) of the plane workspace from its boundary."""
        away = point[..., None] - self._arcs.centre
        distance = np.abs(away)
        # Arcs meet in corners that point outward (each is a limit of its own), so the nearest
        # boundary point is never a corner and its arc lies square to the way there.
        beside = (away * self._unit).real >= distance * self._sector
        gap = np.where(beside, np.abs(distance - self._arcs.radius), np.inf)
        return np.asarray(gap.min(axis=-1))

    def nearest(self, target: FloatArray, tilt: FloatArray) -> FloatArray:
        """Nearest reachable feet of finite targets that are not reachable.

        Where several are equally near, one of them, always the same.

        Args:
            target: (n, 3) [m], hip frame of a left leg.
            tilt: (2,) or (n, 2) least and greatest tilt [rad].

        Returns:
            (n, 3) [m].
        """
        g = self.geometry
        tilt = np.broadcast_to(tilt, (len(target), 2))
        radius = np.hypot(target[:, 1], target[:, 2])
        angle = np.arctan2(target[:, 2], target[:, 1])
        # The target as the leg planes at the two tilt limits see it, (n, 2) ...
        height = -radius[:, None] * np.sin(angle[:, None] - tilt)
        seen = target[:, :1] + 1j * (height - g.pivot_drop)
        # ... and as the plane through it sees it, at whatever tilt that takes, (n,).
        height = np.sqrt(np.maximum(radius * radius - g.plane_offset**2, 0.0))
        own = target[:, 0] + 1j * (height - g.pivot_drop)

        # The nearest foot is on the edge of the workspace, the tilt free or at a limit, ...
        free = self._refine(self._pieces.nearest_angle(own), target[:, 0], radius)
        edges = [self._pieces.at(free)]
        edges += [self._pieces.at(self._pieces.nearest_angle(seen[:, face])) for face in (0, 1)]
        # ... or inside of it in a plane at a limit: at the foot of the perpendicular.
        faces = np.where(self._inside(seen), seen, edges[0][:, :1])
        return self._choose(np.concatenate([*edges, faces], axis=1), target, tilt)

    def _inside(self, point: ComplexArray) -> BoolArray:
        solved = np.empty((*point.shape, 5))
        solve_plane(self.geometry, point.real, point.imag, solved)
        return within(solved, self.lower, self.upper, 0.0)

    def _refine(self, angle: FloatArray, x: FloatArray, radius: FloatArray) -> FloatArray:
        """Newton's method along each piece for the nearest foot when the tilt is free.

        The tilt then points the leg at the target, and what is left to minimise is
        ½ (foot x − x)² + ½ (foot radius − radius)², a smooth function of the angle on the arc.

        Args:
            angle: (n, pieces) to start from.
            x: (n,) of the target [m].
            radius: (n,) of the target about the tilt axis [m].
        """
        g, arcs = self.geometry, self._pieces
        goal = radius[:, None]
        for _ in range(_NEWTON_STEPS):
            offset = arcs.radius * np.exp(1j * angle)
            point = arcs.centre + offset
            ahead = point.real - x[:, None]
            height = point.imag + g.pivot_drop
            around = np.sqrt(height * height + g.plane_offset**2)
            rate = height * offset.real
            slope = -ahead * offset.imag + (1.0 - goal / around) * rate
            curve = (
                offset.imag**2
                - ahead * offset.real
                + (1.0 - goal / around) * (offset.real**2 - height * offset.imag)
                + goal * rate**2 / around**3
            )
            # Downhill also where the function is concave.
            step = slope / np.maximum(np.abs(curve), 1e-3 * arcs.radius**2)
            angle = angle - step
            angle = np.minimum(np.maximum(angle, arcs.middle - arcs.half), arcs.middle + arcs.half)
        return angle

    def _choose(self, point: ComplexArray, target: FloatArray, tilt: FloatArray) -> FloatArray:
        """Of the plane feet (n, candidates), each at its best tilt, return the nearest (n, 3)."""
        g = self.geometry
        yz = g.plane_offset - 1j * (point.imag + g.pivot_drop)
        aim = (target[:, 1] + 1j * target[:, 2])[:, None]
        best = np.angle(aim * yz.conj())
        yz = yz * np.exp(1j * np.minimum(np.maximum(best, tilt[:, :1]), tilt[:, 1:]))
        square = (point.real - target[:, :1]) ** 2 + np.abs(yz - aim) ** 2
        distance = np.sqrt(square)
        # The first of equals, so that rounding does not decide.
        row = np.arange(len(target))
        pick = (distance <= distance.min(axis=1, keepdims=True) + _TIE).argmax(axis=1)
        chosen = yz[row, pick]
        return np.stack([point.real[row, pick], chosen.real, chosen.imag], axis=-1)
