"""The watchdog's decision: what may reach the motors, and why not.

    state, decision = step(config, state, inputs, now)

Pure and batched: the safety node and training call the same lines. A check without data has failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, IntArray, clip
from stride_core.config import param


class Mode(IntEnum):
    """States of the watchdog; the numbers of ``stride_msgs/SafetyStatus``.

    Motors are powered in ACTIVE alone (STANDING and SIT wait for the complete watchdog).
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
    """Why. Several may hold at once; the latched ones stay until a reset."""

    POSITION_LIMIT = 1
    SPEED_LIMIT = 2
    TARGET_NOT_FINITE = 4
    TARGET_STALE = 8
    STATE_NOT_FINITE = 16
    STATE_STALE = 32
    TILT = 64
    EMERGENCY_STOP = 128


LATCHING = Reason.STATE_NOT_FINITE | Reason.STATE_STALE | Reason.TILT | Reason.TARGET_STALE
"""Reasons that end ACTIVE: the motors are damped until somebody resets the watchdog."""


@dataclass(frozen=True)
class SafetyConfig:
    """Thresholds."""

    max_joint_speed: float = param(
        doc="fastest change of a commanded joint", unit="rad/s", min=0.1, max=100.0, dynamic=True
    )
    max_tilt: float = param(
        1.0472, doc="largest angle between the trunk's z and the vertical", unit="rad",
        min=0.1, max=3.2, dynamic=True,
    )
    state_timeout: float = param(
        0.1, doc="oldest joint or IMU reading that counts", unit="s", min=0.005, max=10.0
    )
    target_timeout: float = param(
        0.2, doc="this long without a usable joint target damps the motors", unit="s",
        min=0.005, max=10.0,
    )


@dataclass(frozen=True)
class JointLimits:
    """Of the robot, ``(joints,)`` [rad]."""

    lower: FloatArray
    upper: FloatArray


class SafetyState(NamedTuple):
    """What the watchdog remembers.

    Attributes:
        mode: ``(...)`` of ``Mode``.
        latched: ``(...)`` bits of ``Reason`` that ended ACTIVE.
        command: ``(..., joints)`` last position command [rad]; NaN while the motors are off.
        command_time: ``(...)`` when it was given [s].
        target_time: ``(...)`` stamp of the last usable target [s].
    """

    mode: IntArray
    latched: IntArray
    command: FloatArray
    command_time: FloatArray
    target_time: FloatArray


class SafetyInputs(NamedTuple):
    """What is known now. What never came has the time -inf.

    Attributes:
        target: ``(..., joints)`` wanted positions [rad].
        target_time: ``(...)`` its stamp [s].
        position: ``(..., joints)`` measured [rad].
        up: ``(..., 3)`` the world's vertical as a unit vector in the trunk's frame, from the IMU.
        state_time: ``(...)`` stamp of the older of joints and IMU [s].
        estop: ``(...)`` an emergency stop is asked for.
        reset: ``(...)`` leaving DAMPING or ESTOP is asked for.
    """

    target: FloatArray
    target_time: FloatArray
    position: FloatArray
    up: FloatArray
    state_time: FloatArray
    estop: BoolArray
    reset: BoolArray


class Decision(NamedTuple):
    """What the motors get.

    Attributes:
        command: ``(..., joints)`` [rad]; finite and within limits where ``powered``, else NaN.
        powered: ``(...)``; False means damping: no position command at all.
        action: ``(...)`` of ``Action``.
        reasons: ``(...)`` bits of ``Reason`` that hold now or are latched.
        tilt: ``(...)`` [rad]; NaN when unknown.
        state_age, target_age: ``(...)`` of the readings and of the last usable target [s].
        excess: ``(...)`` how far the clipped command is from the target [rad].
    """

    command: FloatArray
    powered: BoolArray
    action: IntArray
    reasons: IntArray
    tilt: FloatArray
    state_age: FloatArray
    target_age: FloatArray
    excess: FloatArray


class Explanation(NamedTuple):
    """One reason for people: what was measured, and the limit it was held against."""

    reason: str
    value: float
    limit: float


def initial(lead: tuple[int, ...], joints: int) -> SafetyState:
    """A watchdog that has seen nothing; ``lead`` are the leading dimensions."""
    never = np.full(lead, -np.inf)
    return SafetyState(
        mode=np.full(lead, int(Mode.BOOT)),
        latched=np.zeros(lead, dtype=np.int64),
        command=np.full((*lead, joints), np.nan),
        command_time=never,
        target_time=never,
    )


def step(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    now: FloatArray,
) -> tuple[SafetyState, Decision]:
    """Decide what reaches the motors at ``now`` [s], ``(...)``.

    Checked in the order of trust: is the robot's state new and finite, is it upright, is there a
    target; only a usable target is then clipped to the joints' limits and speed. Every comparison
    is written so that NaN fails it.
    """
    tilt = np.arccos(clip(inputs.up[..., 2], -1.0, 1.0))
    state_age = now - inputs.state_time
    fresh = state_age <= config.state_timeout
    finite = np.isfinite(inputs.position).all(axis=-1) & np.isfinite(inputs.up).all(axis=-1)
    upright = tilt <= config.max_tilt
    usable = np.isfinite(inputs.target).all(axis=-1)
    recent = now - inputs.target_time <= config.target_timeout
    target_time = np.where(usable, inputs.target_time, state.target_time)
    target_age = now - target_time
    fed = target_age <= config.target_timeout

    faults = (
        ~fresh * int(Reason.STATE_STALE)
        | (fresh & ~finite) * int(Reason.STATE_NOT_FINITE)
        | (fresh & finite & ~upright) * int(Reason.TILT)
        | ~fed * int(Reason.TARGET_STALE)
        | inputs.estop * int(Reason.EMERGENCY_STOP)
    )
    trusted = fresh & finite & upright
    mode = _next_mode(state.mode, faults, trusted, trusted & usable & recent, inputs)
    powered = mode == Mode.ACTIVE
    stopped = mode >= Mode.DAMPING
    latched = np.where(stopped, state.latched | faults, 0)

    command, clipped, excess = _clip(config, limits, state, inputs, now, usable)
    silent = mode <= Mode.STANDBY
    reasons = np.where(silent, 0, faults | ~usable * int(Reason.TARGET_NOT_FINITE)) | latched
    reasons = reasons | np.where(powered, clipped, 0)
    held = np.where(usable, np.where(clipped > 0, int(Action.LIMIT), int(Action.PASS)), int(Action.HOLD))
    off = np.where(mode == Mode.ESTOP, int(Action.STOP), int(Action.DAMP))
    command = np.where(powered[..., None], command, np.nan)
    return (
        SafetyState(mode, latched, command, np.where(powered, now, -np.inf), target_time),
        Decision(
            command=command,
            powered=powered,
            action=np.where(powered, held, off),
            reasons=reasons,
            tilt=tilt,
            state_age=state_age,
            target_age=target_age,
            excess=excess,
        ),
    )


def explain(config: SafetyConfig, decision: Decision) -> list[Explanation]:
    """The reasons of one robot's decision (no leading dimensions), the strictest first."""
    tilt, excess = float(decision.tilt), float(decision.excess)
    measured = {
        Reason.EMERGENCY_STOP: (math.nan, math.nan),
        Reason.TILT: (tilt, config.max_tilt),
        Reason.STATE_NOT_FINITE: (math.nan, math.nan),
        Reason.STATE_STALE: (float(decision.state_age), config.state_timeout),
        Reason.TARGET_STALE: (float(decision.target_age), config.target_timeout),
        Reason.TARGET_NOT_FINITE: (math.nan, math.nan),
        Reason.POSITION_LIMIT: (excess, 0.0),
        Reason.SPEED_LIMIT: (excess, 0.0),
    }
    held = Reason(int(decision.reasons))
    return [Explanation(str(r.name), *pair) for r, pair in measured.items() if r in held]


def _next_mode(
    mode: IntArray, faults: IntArray, trusted: BoolArray, ready: BoolArray, inputs: SafetyInputs
) -> IntArray:
    """The transition table: one row for each state left, ESTOP above all."""
    idle = np.where(ready, int(Mode.ACTIVE), np.where(trusted, int(Mode.STANDBY), mode))
    active = np.where(faults & int(LATCHING), int(Mode.DAMPING), int(Mode.ACTIVE))
    stopped = np.where(inputs.reset & trusted, int(Mode.STANDBY), mode)
    after = np.where(mode <= Mode.STANDBY, idle, np.where(mode >= Mode.DAMPING, stopped, active))
    return np.where(inputs.estop, int(Mode.ESTOP), after)


def _clip(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    now: FloatArray,
    usable: BoolArray,
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Target within the joints' limits, and no further from the last command than their speed.

    The first command after the motors come on is where the joints are; without a usable target the
    last command is held. Returns the command ``(..., joints)``, bits of ``Reason``, and
    how far from the target that is ``(...)`` [rad].
    """
    on = np.isfinite(state.command)
    last = np.where(on, state.command, inputs.position)
    goal = np.where(usable[..., None], inputs.target, last)
    within = clip(goal, limits.lower, limits.upper)
    elapsed = np.where(on[..., 0], now - state.command_time, 0.0)
    most = config.max_joint_speed * clip(elapsed, 0.0, config.target_timeout)
    most = most[..., None]
    command = clip(within, last - most, last + most)
    # a joint measured beyond its limit is led back at once, whatever its speed
    command = clip(command, limits.lower, limits.upper)
    clipped = (within != goal).any(axis=-1) * int(Reason.POSITION_LIMIT) | (
        command != within
    ).any(axis=-1) * int(Reason.SPEED_LIMIT)
    return command, clipped, np.abs(command - goal).max(axis=-1)
