"""The watchdog's decision: what may reach the motors, and why not.

    state, decision = step(config, state, inputs, now)

Pure and batched: the safety node and training call the same lines. A check without data has failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, IntArray, clip
from stride_core.config import param
from stride_core.safety_rules import RULES, Action, Check, Mode, Reason

__all__ = [
    "Action",
    "Decision",
    "Explanation",
    "JointLimits",
    "Mode",
    "Reason",
    "SafetyConfig",
    "SafetyInputs",
    "SafetyState",
    "explain",
    "initial",
    "step",
]

_FRESH, _FINITE, _UPRIGHT, _USABLE, _FED, _ESTOP, _RESET = (int(check) for check in Check)
_POSITION_BIT, _SPEED_BIT = np.int64(Reason.POSITION_LIMIT), np.int64(Reason.SPEED_LIMIT)


@dataclass(frozen=True)
class SafetyConfig:
    """Thresholds."""

    max_joint_speed: float = param(
        doc="fastest change of a commanded joint", unit="rad/s", min=0.1, max=100.0, dynamic=True
    )
    max_tilt: float = param(
        1.0472,
        doc="largest angle between the trunk's z and the vertical",
        unit="rad",
        min=0.1,
        max=3.2,
        dynamic=True,
    )
    state_timeout: float = param(
        0.1, doc="oldest joint or IMU reading that counts", unit="s", min=0.005, max=10.0
    )
    target_timeout: float = param(
        0.2,
        doc="this long without a usable joint target damps the motors",
        unit="s",
        min=0.005,
        max=10.0,
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
        reference: ``(..., joints)`` what the next command may not leave too fast [rad]: the last
            command, or while the motors are off where the joints are.
        time: ``(...)`` of the last step [s].
        target_time: ``(...)`` stamp of the last usable target [s].
    """

    mode: IntArray
    latched: IntArray
    reference: FloatArray
    time: FloatArray
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
        state_age, target_age: ``(...)`` between now and the stamps of the readings and
            of the last usable target [s].
        over: ``(...)`` how far the target lies beyond the joints' limits [rad].
        lag: ``(...)`` how far the command stays behind the target for the joints' speed [rad].
    """

    command: FloatArray
    powered: BoolArray
    action: IntArray
    reasons: IntArray
    tilt: FloatArray
    state_age: FloatArray
    target_age: FloatArray
    over: FloatArray
    lag: FloatArray


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
        reference=np.full((*lead, joints), np.nan),
        time=never,
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

    The checks become one number for each robot, and ``RULES`` says what follows from it. Every
    comparison is written so that NaN fails it.
    """
    usable = np.logical_and.reduce(np.isfinite(inputs.target), axis=-1)
    target_time = np.where(usable, inputs.target_time, state.target_time)
    tilt = np.arccos(clip(inputs.up[..., 2], -1.0, 1.0))
    # a stamp from the future is as wrong as an old one
    state_age, target_age = np.abs(now - inputs.state_time), np.abs(now - target_time)
    finite = np.isfinite(inputs.position).all(axis=-1) & np.isfinite(inputs.up).all(axis=-1)

    checks = np.zeros((*usable.shape, 8), dtype=bool)
    checks[..., _FRESH] = state_age <= config.state_timeout
    checks[..., _FINITE] = finite
    checks[..., _UPRIGHT] = tilt <= config.max_tilt
    checks[..., _USABLE] = usable
    checks[..., _FED] = target_age <= config.target_timeout
    checks[..., _ESTOP] = inputs.estop
    checks[..., _RESET] = inputs.reset
    case = np.packbits(checks, axis=-1, bitorder="little")[..., 0]
    mode, faults = RULES.mode[state.mode, case], RULES.reasons[state.mode, case]

    command, over, lag = _clip(config, limits, state, inputs.target, usable, now)
    clipped = (over > 0.0) * _POSITION_BIT | (lag > 0.0) * _SPEED_BIT
    powered = mode == Mode.ACTIVE
    latched = (state.latched | faults) * (mode >= Mode.DAMPING)
    reasons = faults | latched | clipped * powered
    action = RULES.action[mode, reasons]
    on = powered[..., None]
    return (
        SafetyState(mode, latched, np.where(on, command, inputs.position), now, target_time),
        Decision(
            command=np.where(on, command, np.nan),
            powered=powered,
            action=action,
            reasons=reasons,
            tilt=tilt,
            state_age=state_age,
            target_age=target_age,
            over=over,
            lag=lag,
        ),
    )


def _clip(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    target: FloatArray,
    usable: BoolArray,
    now: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Target within the joints' limits, and no further from the reference than their speed allows.

    Without a usable target the reference is held. Returns the command ``(..., joints)`` and
    ``Decision.over`` and ``Decision.lag``.
    """
    goal = np.where(usable[..., None], target, state.reference)
    within = clip(goal, limits.lower, limits.upper)
    elapsed = clip(now - state.time, 0.0, config.target_timeout)
    most = (config.max_joint_speed * elapsed)[..., None]
    command = clip(within, state.reference - most, state.reference + most)
    # a joint that starts beyond its limit is led back at once, whatever its speed
    command = clip(command, limits.lower, limits.upper)
    return command, np.abs(goal - within).max(axis=-1), np.abs(within - command).max(axis=-1)


def explain(config: SafetyConfig, decision: Decision) -> list[Explanation]:
    """The reasons of one robot's decision (no leading dimensions), the strictest first."""
    measured = {
        Reason.EMERGENCY_STOP: (math.nan, math.nan),
        Reason.TILT: (float(decision.tilt), config.max_tilt),
        Reason.STATE_NOT_FINITE: (math.nan, math.nan),
        Reason.STATE_STALE: (float(decision.state_age), config.state_timeout),
        Reason.TARGET_STALE: (float(decision.target_age), config.target_timeout),
        Reason.TARGET_NOT_FINITE: (math.nan, math.nan),
        Reason.POSITION_LIMIT: (float(decision.over), 0.0),
        Reason.SPEED_LIMIT: (float(decision.lag), 0.0),
    }
    held = Reason(int(decision.reasons))
    return [Explanation(str(r.name), *pair) for r, pair in measured.items() if r in held]
