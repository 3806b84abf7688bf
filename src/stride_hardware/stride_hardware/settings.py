"""The servos' own settings: what the robot's figures stand on; written once, looked at each time.

A gain of half the value is half the stiffness, a narrowed range of angles clips the feet, and
nothing else would say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from stride_core.robot import ServoSpec

from stride_hardware.layouts import LAYOUTS, Setting
from stride_hardware.motors import BusError, MotorBus

REMEDY = "run ./stride calibrate servos --settings"
_ROUNDS = 3
"""A write that was lost is written again."""


class SettingsError(ValueError):
    """A servo is not set as the robot wants it; one line."""


class Wanted(NamedTuple):
    """A setting and what it shall be."""

    setting: Setting
    value: int


class Stray(NamedTuple):
    """A register of a servo that holds something else."""

    servo: int
    wanted: Wanted
    found: int

    def __str__(self) -> str:
        name, at = self.wanted.setting.name, self.wanted.setting.field.address
        return f"{name} (register {at}): {self.found}: expected {self.wanted.value}"


def wanted(backend: str, servo: ServoSpec) -> tuple[Wanted, ...]:
    """What servos of a make shall hold to be those of a robot's description."""
    layout = LAYOUTS.get(backend)
    found = []
    for setting in layout.settings if layout is not None else ():
        value = setting.value
        if value is None:
            value = getattr(servo.settings, setting.name)
        if value is not None:
            found.append(Wanted(setting, value))
    return tuple(found)


def strays(bus: MotorBus, joints: Mapping[int, str], wants: Sequence[Wanted]) -> list[Stray]:
    """What is not as it shall be; by servo, in the order of ``wants``.

    Args:
        bus: of the servos.
        joints: name of each servo's joint, by id.
        wants: of ``wanted``.

    Raises:
        SettingsError: a servo does not tell.
    """
    if not wants:
        return []
    found = bus.values(list(joints), [one.setting.field for one in wants])
    for servo, joint in joints.items():
        if servo not in found:
            raise SettingsError(
                f"servo {servo} ({joint}): does not tell its settings: check the cable and the"
                f" power, then {REMEDY}"
            )
    return [
        Stray(servo, one, value)
        for servo in joints
        for one, value in zip(wants, found[servo], strict=True)
        if value != one.value
    ]


def impose(bus: MotorBus, ids: Sequence[int], wants: Sequence[Wanted]) -> None:
    """Write those that a servo forgets with its power; nobody answers."""
    for one in wants:
        if not one.setting.kept:
            bus.put(ids, one.setting.field, one.value)


def check(bus: MotorBus, joints: Mapping[int, str], wants: Sequence[Wanted]) -> None:
    """Write what servos forget, and see that all of them are set as they shall be.

    The torque is off; arguments as of ``strays``.

    Raises:
        SettingsError: one is not; one line.
    """
    wrong: list[Stray] = []
    for _ in range(_ROUNDS):
        impose(bus, list(joints), wants)
        wrong = strays(bus, joints, wants)
        if all(stray.wanted.setting.kept for stray in wrong):
            break
    if wrong:
        first, rest = wrong[0], len(wrong) - 1
        more = f" (and {rest} more like it)" if rest else ""
        raise SettingsError(f"servo {first.servo} ({joints[first.servo]}): {first}{more}; {REMEDY}")


def store(
    bus: MotorBus, backend: str, servo: int, joint: str, wants: Sequence[Wanted]
) -> list[Stray]:
    """Write what one servo keeps without power, and read it back; what it held before.

    Only what differs is written: such a memory bears so many writes.

    Raises:
        SettingsError: it does not hold what was written; one line.
        BusError: the port is gone.
    """
    lock = LAYOUTS[backend].lock
    kept = [one for one in wants if one.setting.kept]
    before = wrong = strays(bus, {servo: joint}, kept)
    for _ in range(_ROUNDS):
        if not wrong:
            return before
        try:
            if lock is not None:
                bus.store(servo, lock, 0)
            for stray in wrong:
                bus.store(servo, stray.wanted.setting.field, stray.wanted.value)
        finally:
            if lock is not None:
                with suppress(BusError):
                    bus.store(servo, lock, 1)
        wrong = strays(bus, {servo: joint}, kept)
    if wrong:
        raise SettingsError(
            f"servo {servo} ({joint}): {wrong[0]}, which was written {_ROUNDS} times"
        )
    return before
