"""What only the critic sees, by name: truth that no deployed robot could know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError
from stride_core.frames import yaw_of
from stride_sim.plant import Plant
from stride_sim.records import Truth

from stride_training.following import Following, off_heading

_AROUND = np.array([(0.0, 0.0), (0.03, 0.03), (0.03, -0.03), (-0.03, 0.03), (-0.03, -0.03)])
"""Where the ground about a foot is looked at [m]."""


class _Source(NamedTuple):
    size: Callable[[Plant], int]
    read: Callable[[Plant, Truth, Following], FloatArray]


def _around(plant: Plant, truth: Truth, following: Following) -> FloatArray:
    """Height of the ground about each foot, less the foot's [m], in centimetres."""
    feet = truth.feet_world
    place = feet[:, :, None, :2] + _AROUND
    n = len(feet)
    x, y = place[..., 0].reshape(n, -1), place[..., 1].reshape(n, -1)
    which = np.repeat(truth.choice[:, None], x.shape[1], axis=1)
    ground = truth.grounds.height_at(which, x, y).reshape(*place.shape[:-1])
    return 100.0 * (ground - feet[..., 2:]).reshape(n, -1)


def _following(plant: Plant, truth: Truth, following: Following) -> FloatArray:
    """Averages that rewards judge by, and the heading's error."""
    yaw = yaw_of(truth.quaternion)
    off = off_heading(following, yaw)
    return np.column_stack([following.velocity, following.turn, following.pace, off])


_SOURCES = {
    "velocity": _Source(lambda p: 3, lambda p, t, f: t.linear_velocity),
    "quaternion": _Source(lambda p: 4, lambda p, t, f: t.quaternion),
    "turning": _Source(lambda p: 3, lambda p, t, f: t.angular_velocity),
    "feet": _Source(lambda p: len(p.spec.legs), lambda p, t, f: t.foot_clearance),
    "height": _Source(lambda p: 1, lambda p, t, f: t.height[:, None]),
    "contact": _Source(lambda p: len(p.spec.legs), lambda p, t, f: t.foot_force / p.weight),
    "domain": _Source(lambda p: p.domain.shape[1], lambda p, t, f: p.domain),
    "push": _Source(lambda p: 2, lambda p, t, f: p.pushed / p.weight),
    "following": _Source(lambda p: 5, _following),
    "around": _Source(lambda p: len(p.spec.legs) * len(_AROUND), _around),
}


class Privileged:
    """Builds the critic's part; ``size`` is that of the whole vector, 0 without names."""

    def __init__(self, names: Sequence[str], plant: Plant) -> None:
        """Look the names up.

        Raises:
            ConfigError: a name is unknown; one line.
        """
        for name in names:
            if name not in _SOURCES:
                known = ", ".join(_SOURCES)
                raise ConfigError(f"privileged: {name!r}: expected one of {known}")
        self._plant = plant
        self._read = [_SOURCES[name].read for name in names]
        self.size = sum(_SOURCES[name].size(plant) for name in names)

    def build(self, truth: Truth, following: Following) -> list[FloatArray]:
        """Parts, ``(N, …)`` each."""
        return [read(self._plant, truth, following) for read in self._read]
