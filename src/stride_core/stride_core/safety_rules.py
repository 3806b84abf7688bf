"""What follows from the watchdog's checks: the transitions, written as rules, looked up as arrays.

``RULES`` is filled by calling ``next_mode`` and
``faults`` for every mode and every outcome of the checks, so that these two are the table.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from itertools import product
from typing import NamedTuple

import numpy as np

from stride_core.arrays import IntArray


class Mode(IntEnum):
    """States of the watchdog; the numbers of ``stride_msgs/SafetyStatus``.

    Motors are powered in ACTIVE alone (STANDING waits for the complete watchdog).
    """

    BOOT = 0
    STANDBY = 1
    STANDING = 2
    ACTIVE = 3
    DAMPING = 4
    ESTOP = 5


class Action(IntEnum):
    """What was done to this tick's command, in order of severity."""

    PASS = 0
    WARN = 1
    LIMIT = 2
    HOLD = 3
    SIT = 4
    DAMP = 5
    STOP = 6


class Reason(IntFlag):
    """Why. Several may hold at once; those that ended ACTIVE stay until a reset."""

    POSITION_LIMIT = 1
    SPEED_LIMIT = 2
    TARGET_NOT_FINITE = 4
    TARGET_STALE = 8
    STATE_NOT_FINITE = 16
    STATE_STALE = 32
    TILT = 64
    EMERGENCY_STOP = 128


class Check(IntEnum):
    """Outcomes that decide, as bits of a case: the first five are good, the others asked for."""

    FRESH = 0
    FINITE = 1
    UPRIGHT = 2
    USABLE = 3
    FED = 4
    ESTOP = 5
    RESET = 6


class Outcome(NamedTuple):
    """The checks of one robot in one tick."""

    fresh: bool
    finite: bool
    upright: bool
    usable: bool
    fed: bool
    estop: bool
    reset: bool

    @property
    def trusted(self) -> bool:
        """The robot's state is known, and it stands."""
        return self.fresh and self.finite and self.upright


def next_mode(mode: Mode, outcome: Outcome) -> Mode:
    """The transitions; an emergency stop goes before all."""
    if outcome.estop:
        return Mode.ESTOP
    if mode >= Mode.DAMPING:
        return Mode.STANDBY if outcome.reset and outcome.trusted else mode
    if mode == Mode.BOOT:
        return Mode.STANDBY if outcome.trusted else Mode.BOOT
    if mode == Mode.ACTIVE:
        return Mode.ACTIVE if outcome.trusted and outcome.fed else Mode.DAMPING
    return Mode.ACTIVE if outcome.trusted and outcome.usable and outcome.fed else Mode.STANDBY


def faults(mode: Mode, outcome: Outcome) -> Reason:
    """Reasons that hold now; that no target comes is no fault before the robot was active."""
    if outcome.estop:
        return Reason.EMERGENCY_STOP
    found = Reason(0)
    if not outcome.fresh:
        found |= Reason.STATE_STALE
    elif not outcome.finite:
        found |= Reason.STATE_NOT_FINITE
    elif not outcome.upright:
        found |= Reason.TILT
    if mode >= Mode.ACTIVE and not outcome.fed:
        found |= Reason.TARGET_STALE
    if mode >= Mode.ACTIVE and not outcome.usable:
        found |= Reason.TARGET_NOT_FINITE
    return found


def action(mode: Mode, reasons: Reason) -> Action:
    """What was done to the command."""
    if mode == Mode.ESTOP:
        return Action.STOP
    if mode != Mode.ACTIVE:
        return Action.DAMP
    if Reason.TARGET_NOT_FINITE in reasons:
        return Action.HOLD
    return Action.LIMIT if reasons & (Reason.POSITION_LIMIT | Reason.SPEED_LIMIT) else Action.PASS


class Rules(NamedTuple):
    """The rules as arrays.

    Attributes:
        mode, reasons: ``(modes, 256)`` by mode and case, a case being the bits of ``Check``.
        action: ``(modes, 256)`` by the new mode and the reasons.
    """

    mode: IntArray
    reasons: IntArray
    action: IntArray


def _tabulate() -> Rules:
    shape = (len(Mode), 256)
    tables = Rules(*(np.zeros(shape, dtype=np.int64) for _ in Rules._fields))
    for mode in Mode:
        for values in product((False, True), repeat=len(Check)):
            case = sum(value << check for check, value in zip(Check, values, strict=True))
            tables.mode[mode, case] = next_mode(mode, Outcome(*values))
            tables.reasons[mode, case] = faults(mode, Outcome(*values))
        for bits in range(256):
            tables.action[mode, bits] = action(mode, Reason(bits))
    return tables


RULES = _tabulate()
