"""The five-bar linkage in its leg plane: dimensions, and what bounds the foot's workspace.

Points of the plane are complex numbers w = x + i·depth, from the middle between the two pivots,
x forward and depth downward. An arm's elbow is at pivot + i·upper·exp(i q).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import param

ComplexArray = NDArray[np.complex128]

ELBOW = np.array([-1.0, 1.0])
"""Which way an arm bends: the front one by −β, forward, the rear one by +β."""
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class FivebarGeometry:
    """Dimensions of a leg."""

    plane_offset: float = param(doc="leg plane outside of the axis", unit="m", min=0.0, max=1.0)
    pivot_drop: float = param(doc="pivots below the tilt axis", unit="m", min=0.0, max=1.0)
    pivot_spacing: float = param(doc="between the pivots", unit="m", min=1e-4, max=1.0)
    upper: float = param(doc="shoulder to elbow", unit="m", min=1e-3, max=1.0)
    lower: float = param(doc="elbow to foot", unit="m", min=1e-3, max=1.0)
    singularity_margin: float = param(
        doc="from where an arm is straight or folded", unit="m", min=1e-5, max=0.1
    )

    def __post_init__(self) -> None:
        least = self.upper + 0.5 * self.pivot_spacing
        if self.lower <= least:
            # Otherwise the lower links can line up with the foot between them, a singularity.
            raise ValueError(
                f"lower: {self.lower:g}: expected more than upper + pivot_spacing / 2 = {least:g}"
            )
        if self.reach[0] >= self.reach[1]:
            raise ValueError(
                f"singularity_margin: {self.singularity_margin:g}: expected less than half of"
                " twice the shorter link, or nothing is left to reach"
            )

    @cached_property
    def pivots(self) -> FloatArray:
        """X of the front and the rear pivot, (2,) [m]."""
        return np.array([0.5, -0.5]) * self.pivot_spacing

    @cached_property
    def reach(self) -> tuple[float, float]:
        """Least and greatest distance of the foot from a pivot, margins kept [m]."""
        return (
            abs(self.lower - self.upper) + self.singularity_margin,
            self.lower + self.upper - self.singularity_margin,
        )


def solve_plane(g: FivebarGeometry, x: FloatArray, depth: FloatArray, out: FloatArray) -> None:
    """Inverse kinematics in the plane, written to `out` (..., 5) for feet x, depth (...).

    The columns are the angles of shoulder L and R [rad], the foot's distances from pivot L and R
    [m] and its depth [m]. The angles mean something where the distances are within reach.
    """
    back = g.pivots - x[..., None]
    square = back * back + (depth * depth)[..., None]
    reach = np.sqrt(square, out=out[..., 2:4])
    # Law of cosines in the triangle pivot, elbow, foot.
    cosine = (square + (g.upper**2 - g.lower**2)) / (reach * (2.0 * g.upper))
    bend = np.arccos(np.minimum(np.maximum(cosine, -1.0), 1.0))
    out[..., 0:2] = np.arctan2(back, depth[..., None]) + ELBOW * bend
    out[..., 4] = depth


@dataclass(frozen=True, eq=False)
class Arcs:
    """Arcs of circles, (arcs,) each: centre, radius [m], angle of the middle, half angle [rad]."""

    centre: ComplexArray
    radius: FloatArray
    middle: FloatArray
    half: FloatArray

    def at(self, angle: FloatArray) -> ComplexArray:
        """Points (..., arcs) at angles (..., arcs) around the centres."""
        points: ComplexArray = self.centre + self.radius * np.exp(1j * angle)
        return points

    def nearest_angle(self, point: ComplexArray) -> FloatArray:
        """Angle (..., arcs) of the point of each arc which is nearest to `point` (...)."""
        away = np.angle((point[..., None] - self.centre) * np.exp(-1j * self.middle))
        angle: FloatArray = self.middle + np.minimum(np.maximum(away, -self.half), self.half)
        return angle

    def split(self, longest: float) -> Arcs:
        """Return the same arcs cut into pieces of at most `longest` [rad]."""
        rows = []
        for centre, radius, middle, half in zip(
            self.centre, self.radius, self.middle, self.half, strict=True
        ):
            count = math.ceil(2.0 * half / longest)
            piece = half / count
            rows += [
                (centre, radius, middle - half + (2 * index + 1) * piece, piece)
                for index in range(count)
            ]
        return Arcs(*map(np.array, zip(*rows, strict=True)))


class _Circle(NamedTuple):
    """A circle on which one column of `solve_plane` has a limit's value."""

    centre: complex
    radius: float
    column: int
    limit: float


def make_boundary(g: FivebarGeometry, lower: FloatArray, upper: FloatArray) -> Arcs:
    """Return the boundary of the foot's workspace in the leg plane.

    Every piece of it is an arc: of a circle about a pivot where an arm is as straight or as folded
    as the margin allows, or of a circle about an elbow whose shoulder stands at a limit. So cut
    each of these eight circles wherever it meets another and keep the pieces which are reachable.

    Args:
        g: dimensions.
        lower: (5,) limits of the columns of `solve_plane`.
        upper: likewise.

    Raises:
        ValueError: nothing is reachable, or the foot could rise to the pivots.
    """
    circles = list(_circles(g, lower, upper))
    kept = [
        (circle.centre, circle.radius, *span)
        for circle in circles
        for span in _kept_spans(g, circle, circles, lower, upper)
    ]
    if not kept:
        raise ValueError("the limits of the shoulders leave nothing to reach")
    arcs = Arcs(*map(np.array, zip(*kept, strict=True)))
    ends = np.concatenate([arcs.at(arcs.middle - arcs.half), arcs.at(arcs.middle + arcs.half)])
    if ends.imag.min() < 1e-6:
        # Above them another assembly of the linkage begins, with crossing elbows.
        raise ValueError("the limits of the shoulders let the foot rise to the pivots")
    return arcs


def _circles(g: FivebarGeometry, lower: FloatArray, upper: FloatArray) -> Iterator[_Circle]:
    for arm, pivot in enumerate(g.pivots):
        for limit in (lower, upper):
            yield _Circle(pivot, limit[2 + arm], 2 + arm, limit[2 + arm])
            elbow = pivot + 1j * g.upper * cmath.exp(1j * limit[arm])
            yield _Circle(elbow, g.lower, arm, limit[arm])


def _kept_spans(
    g: FivebarGeometry,
    circle: _Circle,
    circles: list[_Circle],
    lower: FloatArray,
    upper: FloatArray,
) -> list[tuple[float, float]]:
    """Middle and half angle of each piece of a circle that bounds the workspace."""
    crossings = {cut for other in circles for cut in _cuts(circle, other)}
    cuts = sorted(crossings.union(_line_cuts(circle))) or [0.0]
    starts, ends = np.array(cuts), np.array([*cuts[1:], cuts[0] + 2.0 * math.pi])
    middles = circle.centre + circle.radius * np.exp(0.5j * (starts + ends))
    solved = np.empty((len(cuts), 5))
    solve_plane(g, middles.real, middles.imag, solved)
    # On the far half of an elbow's circle the arm bends the other way: that half is no limit.
    good = within(solved, lower, upper, _TOLERANCE)
    good &= np.abs(solved[:, circle.column] - circle.limit) < _TOLERANCE
    spans: list[list[float]] = []
    for start, end, keep in zip(starts, ends, good, strict=True):
        if keep and spans and spans[-1][1] == start:
            spans[-1][1] = end
        elif keep:
            spans.append([start, end])
    return [(0.5 * (start + end), 0.5 * (end - start)) for start, end in spans]


def within(solved: FloatArray, lower: FloatArray, upper: FloatArray, tolerance: float) -> BoolArray:
    """Whether all columns (..., 5) of `solve_plane` are within their limits, (...)."""
    good = (solved >= lower - tolerance) & (solved <= upper + tolerance)
    return np.asarray(good.all(axis=-1))


def _cuts(circle: _Circle, other: _Circle) -> list[float]:
    """Angles in [0, 2π) on `circle` where `other` crosses it."""
    between = other.centre - circle.centre
    gap = abs(between)
    if gap < _TOLERANCE:
        return []
    cosine = (gap**2 + circle.radius**2 - other.radius**2) / (2.0 * gap * circle.radius)
    if abs(cosine) > 1.0:
        return []
    towards, away = cmath.phase(between), math.acos(cosine)
    return [(towards - away) % (2.0 * math.pi), (towards + away) % (2.0 * math.pi)]


def _line_cuts(circle: _Circle) -> list[float]:
    """Angles in [0, 2π) on `circle` at the depth of the pivots."""
    sine = -circle.centre.imag / circle.radius
    if abs(sine) > 1.0:
        return []
    angle = math.asin(sine)
    return [angle % (2.0 * math.pi), (math.pi - angle) % (2.0 * math.pi)]
