"""Ways to spoil messages on a wire."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from stride_control.messages import NANOSECONDS, stamp_ns, to_stamp

from stride_bringup.faults.stage import Mutate, Stage

Change = Callable[[Any], None]


def changed(change: Change) -> Mutate:
    """Every message with something else in it."""

    def mutate(message: Any) -> list[Any]:
        other = copy.deepcopy(message)
        change(other)
        return [other]

    return mutate


def only(count: int, mutate: Mutate) -> Mutate:
    """The first messages alone."""
    left = [count]

    def some(message: Any) -> Any:
        left[0] -= 1
        return mutate(message) if left[0] >= 0 else [message]

    return some


def dropped(_message: Any) -> list[Any]:
    """None comes through."""
    return []


def doubled(message: Any) -> list[Any]:
    """Each comes three times."""
    return [message, message, message]


def swapped() -> Mutate:
    """Each second comes before the first."""
    kept: list[Any] = []

    def mutate(message: Any) -> list[Any]:
        kept.append(copy.deepcopy(message))
        if len(kept) < 2:
            return []
        pair = [kept[1], kept[0]]
        kept.clear()
        return pair

    return mutate


def delayed(stage: Stage, topic: str, seconds: float) -> Mutate:
    """Each comes later."""

    def mutate(message: Any) -> list[Any]:
        stage.send(topic, copy.deepcopy(message), seconds)
        return []

    return mutate


def shifted(seconds: float) -> Mutate:
    """Stamps of another time."""

    def change(message: Any) -> None:
        stamp = stamp_ns(message.header.stamp) + round(seconds * NANOSECONDS)
        message.header.stamp = to_stamp(stamp)

    return changed(change)


def joint(field: str, row: int, value: float, add: bool = False) -> Mutate:
    """One joint's number is another."""

    def change(message: Any) -> None:
        values = getattr(message, field)
        if len(values) > row:
            values[row] = values[row] + value if add else value

    return changed(change)


def noisy(field: str, row: int, size: float) -> Mutate:
    """One joint's number jumps to and fro."""
    sign = [1.0]

    def change(message: Any) -> None:
        sign[0] = -sign[0]
        values = getattr(message, field)
        if len(values) > row:
            values[row] += sign[0] * size

    return changed(change)


def renamed(message: Any) -> list[Any]:
    """Joints of another robot."""
    other = copy.deepcopy(message)
    other.name = [f"not_{name}" for name in message.name]
    return [other]


def short(message: Any) -> list[Any]:
    """A position too few."""
    other = copy.deepcopy(message)
    other.position = list(message.position)[:-1]
    return [other]


def imu(**parts: tuple[float, ...]) -> Mutate:
    """An IMU that says something else; ``orientation``, ``angular_velocity`` and so on."""

    def change(message: Any) -> None:
        for name, values in parts.items():
            target = getattr(message, name)
            for axis, value in zip("xyzw", values, strict=False):
                setattr(target, axis, value)

    return changed(change)


NAN = math.nan
INF = math.inf
