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
_ACTIVE, _DAMPING = np.int64(Mode.ACTIVE), np.int64(Mode.DAMPING)
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
        command: ``(..., joints)`` last position command [rad]; NaN while the motors are off.
        time: ``(...)`` of the last step [s].
        target_time: ``(...)`` stamp of the last usable target [s].
    """

    mode: IntArray
    latched: IntArray
    command: FloatArray
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
        command=np.full((*lead, joints), np.nan),
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
    finite = np.logical_and.reduce(np.isfinite(inputs.position), axis=-1) & np.logical_and.reduce(
        np.isfinite(inputs.up), axis=-1
    )

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

    on = (state.mode == _ACTIVE)[..., None]
    reference = np.where(on, state.command, clip(inputs.position, limits.lower, limits.upper))
    elapsed = np.where(on[..., 0], now - state.time, 0.0)
    command, over, lag = _clip(config, limits, reference, elapsed, inputs.target, usable)
    clipped = _POSITION_BIT * (over > 0.0) | _SPEED_BIT * (lag > 0.0)
    powered = mode == _ACTIVE
    latched = (state.latched | faults) * (mode >= _DAMPING)
    reasons = faults | latched | clipped * powered
    action = RULES.action[mode, reasons]
    command = np.where(powered[..., None], command, np.nan)
    return (
        SafetyState(mode, latched, command, now, target_time),
        Decision(
            command=command,
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
    reference: FloatArray,
    elapsed: FloatArray,
    target: FloatArray,
    usable: BoolArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Target within the joints' limits, and no further from the reference than their speed allows.

    The reference, itself within the limits, is the last command, or where the joints are when the
    motors come on; without a usable target it is held. Returns the command ``(..., joints)`` and
    ``Decision.over`` and ``Decision.lag``.
    """
    goal = np.where(usable[..., None], target, reference)
    within = clip(goal, limits.lower, limits.upper)
    most = config.max_joint_speed * clip(elapsed, 0.0, config.target_timeout)[..., None]
    command = clip(within, reference - most, reference + most)
    return (
        command,
        np.maximum.reduce(np.abs(goal - within), axis=-1),
        np.maximum.reduce(np.abs(within - command), axis=-1),
    )


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
