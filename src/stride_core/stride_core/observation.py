"""What a policy sees, by name: nothing else decides what an observation holds, or its order.

    observation = Observation(robot, ("gravity", "gyro", ...), actions=12).build(observed)

The nodes, training and a policy's contract all go through ``Observation``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stride_core.arrays import FloatArray
from stride_core.config import ConfigError, param
from stride_core.control import Sensed
from stride_core.gait import GaitOutput
from stride_core.gait.config import SHAPE_PARTS
from stride_core.robot import RobotSpec


class Observed(NamedTuple):
    """All that a deployed policy may know of a tick.

    Attributes:
        sensed: the robot.
        gait: where the gait wants the feet.
        action: ``(..., actions)`` what the policy answered in the tick before, within ±1.
    """

    sensed: Sensed
    gait: GaitOutput
    action: FloatArray


@dataclass(frozen=True)
class Term:
    """One named part of an observation, as a policy's contract states it."""

    name: str = param()
    size: int = param(min=1, max=10_000)
    unit: str = param()
    frame: str = param("", doc="in which its vectors are given; empty for what has none")


class _Source(NamedTuple):
    """Where a term comes from; ``size`` takes the robot and the number of actions."""

    size: Callable[[RobotSpec, int], int]
    unit: str
    frame: str
    read: Callable[[RobotSpec, Observed], FloatArray]


def _joints(robot: RobotSpec, actions: int) -> int:
    return len(robot.joints)


def _oscillator(robot: RobotSpec, observed: Observed) -> FloatArray:
    angle = 2.0 * np.pi * observed.gait.phase[..., 0]
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1)


_SOURCES = {
    "gravity": _Source(lambda r, a: 3, "1", "trunk", lambda r, o: -o.sensed.up),
    "gyro": _Source(lambda r, a: 3, "rad/s", "trunk", lambda r, o: o.sensed.gyro),
    "joint_position": _Source(_joints, "rad", "", lambda r, o: o.sensed.position - r.home),
    "joint_velocity": _Source(_joints, "rad/s", "", lambda r, o: o.sensed.velocity),
    "phase": _Source(lambda r, a: 2, "1", "", _oscillator),
    "swing": _Source(
        lambda r, a: len(r.legs), "1", "", lambda r, o: o.gait.swing.astype(np.float64)
    ),
    "shape": _Source(lambda r, a: len(SHAPE_PARTS), "m, s", "", lambda r, o: o.gait.shape),
    "asked": _Source(lambda r, a: 3, "m/s, rad/s", "trunk", lambda r, o: o.gait.asked),
    "command": _Source(lambda r, a: 3, "m/s, rad/s", "trunk", lambda r, o: o.gait.command),
    "action": _Source(lambda r, a: a, "1", "", lambda r, o: o.action),
}
"""Terms by name. joint_position is relative to the stance's; phase is sine and cosine of the first
leg's; asked is the user's command within the speed limits, command what the feet follow."""

DEPLOYABLE = (
    "gravity",
    "gyro",
    "joint_position",
    "joint_velocity",
    "phase",
    "swing",
    "shape",
    "asked",
    "command",
    "action",
)
"""The layout that policies have unless they say otherwise."""


class Observation:
    """Builds the observations of one layout.

    Attributes:
        terms: in their order.
        size: of the whole vector.
    """

    def __init__(self, robot: RobotSpec, names: Sequence[str], actions: int) -> None:
        """Look the names up.

        Args:
            robot: whose observations.
            names: of terms, each at most once.
            actions: size of the policy's answer.

        Raises:
            ConfigError: a name is unknown or doubled, or there is none; one line.
        """
        if not names:
            raise ConfigError("observation: empty; expected names of terms")
        for name in names:
            if name not in _SOURCES:
                known = ", ".join(_SOURCES)
                raise ConfigError(f"observation: {name!r}: expected one of {known}")
            if list(names).count(name) > 1:
                raise ConfigError(f"observation: {name!r}: named more than once")
        self._robot = robot
        self._read = [_SOURCES[name].read for name in names]
        self.terms = tuple(
            Term(name, source.size(robot, actions), source.unit, source.frame)
            for name, source in ((name, _SOURCES[name]) for name in names)
        )
        self.size = sum(term.size for term in self.terms)

    def build(self, observed: Observed) -> FloatArray:
        """The observation, ``(..., size)``."""
        return np.concatenate([read(self._robot, observed) for read in self._read], axis=-1)
