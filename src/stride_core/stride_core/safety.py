"""The watchdog's decision: what may reach the motors, and why not.

    state, decision = step(config, limits, state, inputs, now)

Pure and batched: the safety node and training call the same lines. A check without data has failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stride_core.arrays import BoolArray, FloatArray, IntArray, clip
from stride_core.safety_config import (
    AT,
    DERIVED,
    MOTORS,
    NAMES,
    TARGETS,
    Check,
    Checks,
    SafetyConfig,
)
from stride_core.safety_measure import Measured, derated, load, measure
from stride_core.safety_rules import Action, Event, Mode, Reason, next_mode, powered

__all__ = [
    "Action",
    "Check",
    "Checks",
    "Decision",
    "Explanation",
    "JointLimits",
    "Mode",
    "Motors",
    "Reason",
    "SafetyConfig",
    "SafetyInputs",
    "SafetyState",
    "explain",
    "initial",
    "step",
]

_STALE, _IMU_STALE, _NOT_FINITE = AT["state_stale"], AT["imu_stale"], AT["state_not_finite"]
_TARGET_STALE, _TILT = AT["target_stale"], AT["tilt"]
_SILENT = AT["motors_stale"]
_STANDING, _DAMPING = np.int64(Mode.STANDING), np.int64(Mode.DAMPING)
_SIT, _DAMP, _HOLD, _LIMIT = (int(a) for a in (Action.SIT, Action.DAMP, Action.HOLD, Action.LIMIT))
_POSITION_BIT, _SPEED_BIT = np.int64(Reason.POSITION_LIMIT), np.int64(Reason.SPEED_LIMIT)
_EVENT = [int(event).bit_length() - 1 for event in Event]


@dataclass(frozen=True)
class JointLimits:
    """Of the robot, ``(joints,)`` [rad], and the most torque of a servo [N·m]."""

    lower: FloatArray
    upper: FloatArray
    torque: float = math.inf


class Motors(NamedTuple):
    """What the motors' driver says of them, ``(...)`` each; NaN for what was never heard.

    Attributes:
        time: stamp of it [s].
        missing: how many do not answer.
        fault: error bits of all of them.
        locked: 1 while the driver obeys nobody.
        temperature: of the hottest [°C].
        voltage_low, voltage_high: the lowest and highest supply [V].
    """

    time: FloatArray
    missing: FloatArray
    fault: FloatArray
    locked: FloatArray
    temperature: FloatArray
    voltage_low: FloatArray
    voltage_high: FloatArray


class SafetyState(NamedTuple):
    """What the watchdog remembers.

    Attributes:
        mode: ``(...)`` of ``Mode``.
        latched: ``(...)`` bits of ``Reason`` that ended the motion.
        command: ``(..., joints)`` last position command [rad]; NaN while the motors are off.
        time: ``(...)`` of the last step [s].
        target_time: ``(...)`` stamp of the last usable target [s].
        since: ``(..., checks)`` when each check began to fail [s]; inf while it holds.
        stood: ``(...)`` when standing up began [s].
        position: ``(..., joints)`` of the tick before [rad].
        up: ``(..., 3)`` likewise.
        load: ``(..., joints)`` mean square of the motors' share of their torque.
    """

    mode: IntArray
    latched: IntArray
    command: FloatArray
    time: FloatArray
    target_time: FloatArray
    since: FloatArray
    stood: FloatArray
    position: FloatArray
    up: FloatArray
    load: FloatArray


class SafetyInputs(NamedTuple):
    """What is known now. What never came has the time -inf.

    The fields from ``imu_time`` on are None where this plant has no such thing, and then are not
    checked; where it has one that is silent, they are NaN or -inf, and fail.

    Attributes:
        target: ``(..., joints)`` wanted positions [rad].
        target_time: ``(...)`` its stamp [s].
        position: ``(..., joints)`` measured [rad].
        up: ``(..., 3)`` the world's vertical as a unit vector in the trunk's frame, from the IMU.
        state_time: ``(...)`` stamp of the joints' state [s], and of the IMU's if there is no
            ``imu_time``.
        estop: ``(...)`` an emergency stop is asked for.
        reset: ``(...)`` leaving DAMPING or ESTOP is asked for.
        imu_time: ``(...)`` stamp of the IMU's reading [s].
        velocity, effort: ``(..., joints)`` measured [rad/s], [N·m].
        gyro, accel: ``(..., 3)`` in the trunk's frame [rad/s], [m/s²].
        command_time: ``(...)`` stamp of the last cmd_vel [s].
        motors: what their driver says.
        lost: ``(...)`` nodes without a sign of life.
    """

    target: FloatArray
    target_time: FloatArray
    position: FloatArray
    up: FloatArray
    state_time: FloatArray
    estop: BoolArray
    reset: BoolArray
    imu_time: FloatArray | None = None
    velocity: FloatArray | None = None
    effort: FloatArray | None = None
    gyro: FloatArray | None = None
    accel: FloatArray | None = None
    command_time: FloatArray | None = None
    motors: Motors | None = None
    lost: FloatArray | None = None


class Decision(NamedTuple):
    """What the motors get.

    Attributes:
        command: ``(..., joints)`` [rad]; finite and within limits where ``powered``, else NaN.
        powered: ``(...)``; False means damping: no position command at all.
        action: ``(...)`` of ``Action``.
        reasons: ``(...)`` bits of ``Reason`` that hold now or are latched.
        torque: ``(...)`` share of the torque that the motors may use, 0 to 1.
        values: ``(..., checks)`` what was measured, in the order of ``Checks``.
        over: ``(...)`` how far the target lies beyond the joints' limits [rad].
        lag: ``(...)`` how far the command stays behind the target for the joints' speed [rad].
    """

    command: FloatArray
    powered: BoolArray
    action: IntArray
    reasons: IntArray
    torque: FloatArray
    values: FloatArray
    over: FloatArray
    lag: FloatArray

    @property
    def tilt(self) -> FloatArray:
        """``(...)`` [rad]; NaN when unknown."""
        tilt: FloatArray = self.values[..., _TILT]
        return tilt


class Explanation(NamedTuple):
    """One reason for people: what was measured, and the limit it was held against."""

    reason: str
    value: float
    limit: float


def initial(lead: tuple[int, ...], joints: int) -> SafetyState:
    """A watchdog that has seen nothing; ``lead`` are the leading dimensions."""
    never = np.full(lead, -np.inf)
    unknown = np.full((*lead, joints), np.nan)
    return SafetyState(
        mode=np.full(lead, int(Mode.BOOT)),
        latched=np.zeros(lead, dtype=np.int64),
        command=unknown,
        time=never,
        target_time=never,
        since=np.full((*lead, len(NAMES)), np.inf),
        stood=np.full(lead, np.inf),
        position=unknown,
        up=np.full((*lead, 3), np.nan),
        load=np.zeros((*lead, joints)),
    )


def step(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    now: FloatArray,
) -> tuple[SafetyState, Decision]:
    """Decide what reaches the motors at ``now`` [s], ``(...)``.

    Every check is a column of one array: its value is held against its limit, for as long as it
    must fail its level counts, and the highest level decides. Every comparison is written so that
    NaN fails it.
    """
    usable = np.logical_and.reduce(np.isfinite(inputs.target), axis=-1)
    target_time = np.where(usable, inputs.target_time, state.target_time)
    measured = Measured(usable, target_time, load(limits.torque, state, inputs, now))
    with np.errstate(invalid="ignore"):  # what is not finite becomes NaN, and NaN fails
        values = measure(config, limits, state, inputs, measured, now)
        verdict = _judge(config, state, values, now)

    mode = next_mode(state.mode, _case(config, state, inputs, usable, values, verdict))
    on = powered(mode)

    standing = mode == _STANDING
    follow = usable & ~verdict.hold
    command, over, lag = _clip(config, limits, state, standing, inputs, follow, now)
    clipped = (_POSITION_BIT * (over > 0.0) | _SPEED_BIT * ((lag > 0.0) & ~standing)) * on
    latched = (state.latched | verdict.ended) * (mode >= _DAMPING)
    action = np.where(
        on, np.maximum(verdict.level, _LIMIT * (clipped != 0)), _DAMP + (mode > _DAMPING)
    )
    command = np.where(on[..., None], command, np.nan)
    return (
        SafetyState(
            mode=mode,
            latched=latched,
            command=command,
            time=now,
            target_time=target_time,
            since=verdict.since,
            stood=np.where(standing, np.minimum(state.stood, now), np.inf),
            position=inputs.position,
            up=inputs.up,
            load=measured.load,
        ),
        Decision(
            command=command,
            powered=on,
            action=action,
            reasons=verdict.faults | latched | clipped,
            torque=np.ones(now.shape) if inputs.motors is None else derated(config, values),
            values=values,
            over=over,
            lag=lag,
        ),
    )


class _Verdict(NamedTuple):
    """Of the checks of one tick, ``(...)`` each, ``since`` ``(..., checks)``.

    Attributes:
        level: the highest action that a check asks for.
        trusted: no check of the robot itself asks to sit or worse.
        hold: the target is not to be followed now.
        faults, ended: bits of the checks that fail, and of those that end the motion.
        since: as in ``SafetyState``.
    """

    level: IntArray
    trusted: BoolArray
    hold: BoolArray
    faults: IntArray
    ended: IntArray
    since: FloatArray


def _judge(
    config: SafetyConfig, state: SafetyState, values: FloatArray, now: FloatArray
) -> _Verdict:
    """Hold the values against their limits.

    What a stale or broken state shows is not judged: that it is stale or broken says enough.
    """
    table = config.table
    good = values <= table.limit
    if good.all():  # what every tick of a healthy robot comes to
        none = np.zeros(now.shape, np.int64)
        no = np.zeros(now.shape, bool)
        return _Verdict(none, ~no, no, none, none, np.full(values.shape, np.inf))
    instant = now[..., None]
    since = np.where(good, np.inf, np.minimum(state.since, instant))
    held = instant - since
    fired = ~(good | (held < table.persistence)) & table.counts[state.mode]
    blind = fired[..., _STALE] | fired[..., _IMU_STALE]
    fired[..., _NOT_FINITE] &= ~blind
    fired[..., DERIVED] &= ~(blind | fired[..., _NOT_FINITE])[..., None]
    fired[..., MOTORS] &= ~fired[..., _SILENT, None]
    levels = np.where(held > table.damp_after, np.maximum(table.level, _DAMP), table.level) * fired
    return _Verdict(
        level=np.maximum.reduce(levels, axis=-1),
        trusted=np.maximum.reduce(levels[..., 1:TARGETS], axis=-1) < _SIT,
        hold=np.logical_or.reduce(levels == _HOLD, axis=-1),
        faults=np.add.reduce(fired * table.bit, axis=-1),
        ended=np.add.reduce((levels >= _DAMP) * table.bit, axis=-1),
        since=since,
    )


def _case(
    config: SafetyConfig,
    state: SafetyState,
    inputs: SafetyInputs,
    usable: BoolArray,
    values: FloatArray,
    verdict: _Verdict,
) -> NDArray[np.uint8]:
    """The bits of ``Event``, ``(...)``."""
    events = np.zeros((*usable.shape, 8), dtype=bool)
    events[..., _EVENT[0]] = inputs.estop
    events[..., _EVENT[1]] = verdict.level >= _DAMP
    events[..., _EVENT[2]] = verdict.trusted
    fed = values[..., _TARGET_STALE] <= config.table.target_age
    events[..., _EVENT[3]] = usable & fed
    events[..., _EVENT[4]] = _reached(config, state, inputs)
    events[..., _EVENT[5]] = inputs.reset
    case: NDArray[np.uint8] = np.packbits(events, axis=-1, bitorder="little")[..., 0]
    return case


def _reached(config: SafetyConfig, state: SafetyState, inputs: SafetyInputs) -> BoolArray:
    """Whether a robot that stands up has come to its target, by command and by measurement."""
    standing = state.mode == _STANDING
    if not np.count_nonzero(standing):
        return standing
    far = np.maximum(np.abs(inputs.target - state.command), np.abs(inputs.target - inputs.position))
    near = np.maximum.reduce(far, axis=-1) <= config.standing_tolerance
    reached: BoolArray = standing & near
    return reached


def _clip(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    standing: BoolArray,
    inputs: SafetyInputs,
    follow: BoolArray,
    now: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Target within the joints' limits, and no further from the reference than their speed allows.

    The reference, itself within the limits, is the last command, or where the joints are when the
    motors come on; where the target is not followed, it is held. Returns the command
    ``(..., joints)`` and ``Decision.over`` and ``Decision.lag``.
    """
    on = powered(state.mode)[..., None]
    reference = np.where(on, state.command, clip(inputs.position, limits.lower, limits.upper))
    elapsed = np.where(on[..., 0], now - state.time, 0.0)
    elapsed = clip(elapsed, 0.0, config.table.target_age)
    speed = np.where(standing, config.standing_speed, config.max_joint_speed)
    goal = np.where(follow[..., None], inputs.target, reference)
    within = clip(goal, limits.lower, limits.upper)
    most = (speed * elapsed)[..., None]
    command = clip(within, reference - most, reference + most)
    return (
        command,
        np.maximum.reduce(np.abs(goal - within), axis=-1),
        np.maximum.reduce(np.abs(within - command), axis=-1),
    )


def explain(config: SafetyConfig, decision: Decision) -> list[Explanation]:
    """The reasons of one robot's decision (no leading dimensions), the strictest first."""
    held = int(decision.reasons)
    said = [
        Explanation(name.upper(), float(value), float(limit))
        for name, bit, value, limit in zip(
            NAMES, config.table.bit.tolist(), decision.values, config.table.limit, strict=True
        )
        if held & bit
    ]
    for name, value in (("POSITION_LIMIT", decision.over), ("SPEED_LIMIT", decision.lag)):
        if held & int(Reason[name]):
            said.append(Explanation(name, float(value), 0.0))
    return said
