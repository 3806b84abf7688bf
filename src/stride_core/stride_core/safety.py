"""The watchdog's decision: what may reach the motors, and why not.

    state, decision = step(config, limits, state, inputs, now)

Pure and batched: the safety node and training call the same lines. A check without data has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stride_core.arrays import BoolArray, FloatArray, IntArray, clip, every
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
from stride_core.safety_measure import Found, derated, measure
from stride_core.safety_records import (
    Decision,
    Explanation,
    JointLimits,
    Motors,
    SafetyInputs,
    SafetyState,
)
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
_TARGET_STALE = AT["target_stale"]
_SILENT = AT["motors_stale"]
_STANDING, _DAMPING = np.int64(Mode.STANDING), np.int64(Mode.DAMPING)
_ACTIVE = np.int64(Mode.ACTIVE)
_SIT, _DAMP, _HOLD, _LIMIT = (int(a) for a in (Action.SIT, Action.DAMP, Action.HOLD, Action.LIMIT))
_POSITION_BIT, _SPEED_BIT = np.int64(Reason.POSITION_LIMIT), np.int64(Reason.SPEED_LIMIT)
_EVENT = [int(event).bit_length() - 1 for event in Event]


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
    with np.errstate(invalid="ignore"):  # what is not finite becomes NaN, and NaN fails
        found = measure(config, limits, state, inputs, now)
    good = found.values <= config.table.limit
    if every(good) and every(state.mode == _ACTIVE):
        return _carry_on(config, limits, state, inputs, found, now)
    with np.errstate(invalid="ignore"):
        verdict = _judge(config, state, found.values, good, now)
    mode = next_mode(state.mode, _case(config, state, inputs, found, verdict))
    on = powered(mode)

    standing = mode == _STANDING
    follow = found.usable & ~verdict.hold
    command, over, lag = _clip(config, limits, state, standing, inputs, follow, found.elapsed)
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
            target_time=found.target_time,
            since=verdict.since,
            stood=np.where(standing, np.minimum(state.stood, now), np.inf),
            position=inputs.position,
            up=inputs.up,
            load=np.where(np.isfinite(found.load), found.load, state.load),
        ),
        Decision(
            command=command,
            powered=on,
            action=action,
            reasons=verdict.faults | latched | clipped,
            torque=np.ones(now.shape) if inputs.motors is None else derated(config, found.values),
            values=found.values,
            over=over,
            lag=lag,
        ),
    )


def _carry_on(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    found: Found,
    now: FloatArray,
) -> tuple[SafetyState, Decision]:
    """What ``step`` comes to where all checks hold on robots that are ACTIVE: almost every tick.

    Nothing is judged, and nothing changes but the command.
    """
    none = np.zeros(now.shape, np.int64)[()]
    most = config.max_joint_speed * found.elapsed
    command, over, lag = _approach(limits, inputs.target, state.command, most)
    clipped = _POSITION_BIT * (over > 0.0) | _SPEED_BIT * (lag > 0.0)
    return (
        SafetyState(
            state.mode,
            none,
            command,
            now,
            found.target_time,
            config.table.never if not now.shape else np.full(found.values.shape, np.inf),
            state.stood,
            inputs.position,
            inputs.up,
            found.load,
        ),
        Decision(
            command,
            state.mode == _ACTIVE,
            _LIMIT * (clipped != 0),
            clipped,
            np.ones(now.shape),  # the temperature is below what begins to derate
            found.values,
            over,
            lag,
        ),
    )


class _Verdict(NamedTuple):
    """Of the checks of one tick, ``(...)`` each, ``since`` ``(..., checks)``.

    Attributes:
        level: the highest action that a check asks for.
        trusted: no check of the robot itself asks to sit or worse, nor would if it failed on: a
            robot that has torque bears that for a while, one that has none need not begin with it.
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
    config: SafetyConfig, state: SafetyState, values: FloatArray, good: BoolArray, now: FloatArray
) -> _Verdict:
    """Hold the values against their limits.

    What a stale or broken state shows is not judged: that it is stale or broken says enough.
    """
    table = config.table
    instant = now[..., None]
    since = np.where(good, np.inf, np.minimum(state.since, instant))
    held = instant - since
    failing = ~good & table.counts[state.mode]
    fired = failing & ~(held < table.persistence)
    for each in (failing, fired):
        blind = each[..., _STALE] | each[..., _IMU_STALE]
        each[..., _NOT_FINITE] &= ~blind
        each[..., DERIVED] &= ~(blind | each[..., _NOT_FINITE])[..., None]
        each[..., MOTORS] &= ~each[..., _SILENT, None]
    levels = np.where(held > table.damp_after, np.maximum(table.level, _DAMP), table.level) * fired
    doubts = np.maximum(levels, table.to_start * failing)[..., 1:TARGETS]
    return _Verdict(
        level=np.maximum.reduce(levels, axis=-1),
        trusted=np.maximum.reduce(doubts, axis=-1) < _SIT,
        hold=np.logical_or.reduce(levels == _HOLD, axis=-1),
        faults=np.add.reduce(fired * table.bit, axis=-1),
        ended=np.add.reduce((levels >= _DAMP) * table.bit, axis=-1),
        since=since,
    )


def _case(
    config: SafetyConfig,
    state: SafetyState,
    inputs: SafetyInputs,
    found: Found,
    verdict: _Verdict,
) -> NDArray[np.uint8]:
    """The bits of ``Event``, ``(...)``."""
    events = np.zeros((*found.usable.shape, 8), dtype=bool)
    events[..., _EVENT[0]] = inputs.estop
    events[..., _EVENT[1]] = verdict.level >= _DAMP
    events[..., _EVENT[2]] = verdict.trusted
    fed = found.values[..., _TARGET_STALE] <= config.table.target_age
    events[..., _EVENT[3]] = found.usable & fed
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
    elapsed: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The command and what was clipped of it, as ``_approach`` has them.

    The reference, itself within the limits, is the last command, or where the joints are when the
    motors come on; where the target is not followed, it is held.
    """
    on = powered(state.mode)
    reference = np.where(
        on[..., None], state.command, clip(inputs.position, limits.lower, limits.upper)
    )
    speed = np.where(standing, config.standing_speed, config.max_joint_speed)
    goal = np.where(follow[..., None], inputs.target, reference)
    return _approach(limits, goal, reference, speed * np.where(on, elapsed, 0.0))


def _approach(
    limits: JointLimits, goal: FloatArray, reference: FloatArray, most: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The goal within the joints' limits, and no further from the reference than ``most`` [rad].

    Returns the command ``(..., joints)`` and ``Decision.over`` and ``Decision.lag``, ``(...)``.
    """
    most = most[..., None] if most.ndim else most
    within = clip(goal, limits.lower, limits.upper)
    command = clip(within, reference - most, reference + most)
    if every(command == goal):
        none = np.zeros(most.shape[:-1])[()]
        return command, none, none
    return (
        command,
        np.maximum.reduce(np.abs(goal - within), axis=-1),
        np.maximum.reduce(np.abs(within - command), axis=-1),
    )


def explain(
    config: SafetyConfig, decision: Decision, before: Sequence[Explanation] = ()
) -> list[Explanation]:
    """The reasons of one robot's decision (no leading dimensions), the strictest first.

    A reason that is only latched keeps the number that it had ``before``: that of now would be one
    with which nothing is wrong.
    """
    held, known = int(decision.reasons), {one.reason: one for one in before}
    said = [
        known[name.upper()]
        if value <= limit and name.upper() in known
        else Explanation(name.upper(), float(value), float(limit))
        for name, bit, value, limit in zip(
            NAMES, config.table.bit.tolist(), decision.values, config.table.limit, strict=True
        )
        if held & bit
    ]
    for name, value in (("POSITION_LIMIT", decision.over), ("SPEED_LIMIT", decision.lag)):
        if held & int(Reason[name]):
            said.append(Explanation(name, float(value), 0.0))
    return said
