"""The watchdog's states, and the one table of what leads from each to the next.

``next_mode`` looks a transition up; ``drawing`` draws the table for the documentation.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stride_core.arrays import BoolArray, IntArray


class Mode(IntEnum):
    """States of the watchdog; the numbers of ``stride_msgs/SafetyStatus``."""

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
    """Why. Several may hold at once; those that ended the motion stay until a reset.

    The first are the checks, in the order of ``safety_config.Checks``; the last two say that a
    command was clipped.
    """

    EMERGENCY_STOP = 1 << 0
    CLOCK_JUMP = 1 << 1
    STATE_STALE = 1 << 2
    IMU_STALE = 1 << 3
    STATE_NOT_FINITE = 1 << 4
    TILT = 1 << 5
    FALL = 1 << 6
    TILT_RATE = 1 << 7
    FREE_FALL = 1 << 8
    STATE_JUMP = 1 << 9
    JOINT_HARD_LIMIT = 1 << 10
    JOINT_SOFT_LIMIT = 1 << 11
    JOINT_SPEED = 1 << 12
    TORQUE = 1 << 13
    MOTORS_STALE = 1 << 14
    MOTOR_MISSING = 1 << 15
    MOTOR_FAULT = 1 << 16
    MOTORS_LOCKED = 1 << 17
    TEMPERATURE = 1 << 18
    TEMPERATURE_HIGH = 1 << 19
    VOLTAGE_LOW = 1 << 20
    VOLTAGE_HIGH = 1 << 21
    NODE_LOST = 1 << 22
    TICK_OVERRUN = 1 << 23
    STANDING_TIMEOUT = 1 << 24
    TARGET_NOT_FINITE = 1 << 25
    TARGET_STALE = 1 << 26
    TARGET_LATE = 1 << 27
    COMMAND_STALE = 1 << 28
    POSITION_LIMIT = 1 << 29
    SPEED_LIMIT = 1 << 30


class Event(IntFlag):
    """What a transition depends on, as the checks of one tick have it."""

    ESTOP = 1
    """Somebody asks for an emergency stop."""
    DAMP = 2
    """A check says damp."""
    TRUSTED = 4
    """The robot's state is known and sound: no check but those of targets says sit or worse."""
    READY = 8
    """There is a target, finite and fresh."""
    REACHED = 16
    """Standing up has come to where the target is."""
    RESET = 32
    """Somebody asks for a reset."""


class Transition(NamedTuple):
    """From one state to another when all of ``when`` hold."""

    source: Mode
    target: Mode
    when: Event


_STOPS = tuple(Transition(mode, Mode.ESTOP, Event.ESTOP) for mode in Mode if mode != Mode.ESTOP)

TRANSITIONS: tuple[Transition, ...] = (
    *_STOPS,
    Transition(Mode.ESTOP, Mode.ESTOP, Event.ESTOP),
    Transition(Mode.BOOT, Mode.STANDBY, Event.TRUSTED),
    Transition(Mode.STANDBY, Mode.STANDING, Event.TRUSTED | Event.READY),
    Transition(Mode.STANDING, Mode.DAMPING, Event.DAMP),
    Transition(Mode.STANDING, Mode.ACTIVE, Event.REACHED),
    Transition(Mode.ACTIVE, Mode.DAMPING, Event.DAMP),
    Transition(Mode.DAMPING, Mode.STANDBY, Event.RESET | Event.TRUSTED),
    Transition(Mode.ESTOP, Mode.STANDBY, Event.RESET | Event.TRUSTED),
)
"""The first that applies counts; without one the state stays."""

POWERED = np.array([mode in (Mode.STANDING, Mode.ACTIVE) for mode in Mode])
"""By state: whether the motors have torque."""


def successor(mode: Mode, events: Event) -> Mode:
    """The state after ``mode``."""
    for source, target, when in TRANSITIONS:
        if source == mode and when & events == when:
            return target
    return mode


_CASES = 1 << len(Event)
_TABLE = np.array(
    [[successor(mode, Event(case)) for case in range(_CASES)] for mode in Mode], np.int64
)


def next_mode(mode: IntArray, events: NDArray[np.integer]) -> IntArray:
    """``successor`` of many robots, ``(...)`` each."""
    following: IntArray = _TABLE[mode, events]
    return following


def drawing() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Mode.BOOT.name}"]
    for source, target, when in TRANSITIONS:
        if source != target:
            words = " and ".join(str(event.name).lower() for event in when)
            lines.append(f"    {source.name} --> {target.name}: {words}")
    for mode in Mode:
        lines.append(f"    {mode.name}: {mode.name} ({'torque' if POWERED[mode] else 'no torque'})")
    return "\n".join(lines)


def powered(mode: IntArray) -> BoolArray:
    """Whether the motors have torque, ``(...)``."""
    on: BoolArray = POWERED[mode]
    return on
