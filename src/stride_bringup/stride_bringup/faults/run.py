"""Runs the cases on the stage, and makes the table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Any

import numpy as np

from stride_bringup.faults.cases import TICK, Case
from stride_bringup.faults.stage import Stage
from stride_msgs.msg import SafetyStatus

_CALM_S = 0.3
_GOES_ON_S = 1.5
_PATIENT_S = 30.0
_ATTEMPTS = 3
_AGES = ("STATE_STALE", "IMU_STALE", "TARGET_STALE")
_SAMPLE_MS = 10.0
"""The servos' torque is seen as often as the twin says it."""
_ROUNDING = 1e-3
"""Goals of servos are counts: half of one is 0.8 mrad."""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        answered_ms: from the fault to the watchdog's first command without positions.
        detected_ms: to the first word that names the reason.
        safe_ms: to the motors without torque; None where the robot went on.
        late_ms: by how much the reaction was beyond what the thresholds in force and two ticks
            allow; negative: it was earlier; None where nothing is said to react.
        action, state: of the watchdog then.
        beyond: how far a goal of a servo was beyond its joint's limits [rad].
        fine: all of it as the table promises.
        why: what was not.
        stalled: the machine itself held messages up: another reason than the case's, for age.
        attempts: of which this was the last; a case that failed, or took longer than promised, on
            a machine that stalled has more.
    """

    group: str
    name: str
    reason: str
    answered_ms: float | None
    detected_ms: float | None
    safe_ms: float | None
    late_ms: float | None
    action: str
    state: str
    beyond: float
    fine: bool
    why: str
    stalled: bool
    attempts: int = 1


_ACTIONS = ("pass", "warn", "limit", "hold", "sit", "damp", "stop")
_STATES = ("BOOT", "STANDBY", "STANDING", "ACTIVE", "DAMPING", "ESTOP")


def run(
    cases: Sequence[Case], say: Callable[[str], None] = lambda text: None, strict: bool = True
) -> list[Outcome]:
    """Run them, on a new stage after each that breaks one.

    Args:
        cases: to run.
        say: hears a line about each.
        strict: with the robot's own timeouts, as ``HardwareOptions.strict``.

    Returns:
        One for each case; fewer where the machine was too busy to start the run again.
    """
    outcomes: list[Outcome] = []
    rest = [(case, 1) for case in cases]
    late = 0
    while rest and late < _ATTEMPTS:
        try:
            with Stage(strict) as stage:
                late = 0
                _act(stage, rest, outcomes, say)
        except TimeoutError as error:
            late += 1
            say(str(error))
    return outcomes


def _act(
    stage: Stage,
    rest: list[tuple[Case, int]],
    outcomes: list[Outcome],
    say: Callable[[str], None],
) -> None:
    """Run cases from the front of ``rest`` until one breaks the stage."""
    while rest:
        case, attempt = rest.pop(0)
        outcome = replace(_one(stage, case), attempts=attempt)
        say(_line(outcome))
        late = stage.options.strict and (outcome.late_ms or 0.0) > 0.0
        if (late or (outcome.stalled and not outcome.fine)) and attempt < _ATTEMPTS:
            rest.insert(0, (case, attempt + 1))
        else:
            outcomes.append(outcome)
        if case.breaks or not stage.mend():
            return


def _one(stage: Stage, case: Case) -> Outcome:
    stage.until(lambda: False, patience=_CALM_S)
    stage.worst = -np.inf
    seen = _Seen(stopped=not stage.torque())
    stage.spoilt_at = stage.answered_at = None
    t0 = monotonic()
    case.inject(stage)

    def watch() -> bool:
        now = monotonic()
        if seen.named is None and _named(stage, case, t0):
            seen.named, seen.status = now, stage.status[1] if stage.status else None
        if seen.safe is None and not stage.torque():
            seen.safe = now
        return seen.safe is not None and seen.named is not None

    if case.ends:
        patience = case.within + 3.0 if stage.options.strict else case.within + _PATIENT_S
        stage.until(watch, patience=max(2.0 * case.within, patience))
    else:
        stage.until(lambda: watch() and False, patience=max(_GOES_ON_S, case.within + 0.5))
    # a fault on a wire begins with the first message that it spoils
    return _judge(stage, case, stage.spoilt_at or t0, seen)


def _lateness(
    case: Case, answered: float | None, named: float | None, safe: float | None
) -> float | None:
    """Beyond what is promised [ms]: of the watchdog's answer, or of the motors without it."""
    if not case.reason:
        return None
    if case.ends and case.reason in ("driver", "guard"):
        answered = None if safe is None else safe - _SAMPLE_MS
    time = answered if case.ends else named
    return None if time is None else round(time - 1e3 * case.within, 1)


@dataclass
class _Seen:
    stopped: bool  # before the fault
    named: float | None = None
    safe: float | None = None
    status: SafetyStatus | None = None


def _named(stage: Stage, case: Case, t0: float) -> bool:
    if case.reason in ("driver", "guard"):
        cause = stage.cause()
        by_guard, by_watchdog = cause.endswith("the guard"), cause.startswith("watchdog")
        return by_guard if case.reason == "guard" else bool(cause) and not by_watchdog
    return stage.fresh(t0) and (not case.reason or stage.has(case.reason))


def _judge(stage: Stage, case: Case, t0: float, seen: _Seen) -> Outcome:
    detected = None if seen.named is None else 1e3 * (seen.named - t0)
    safe = None if seen.safe is None else 1e3 * (seen.safe - t0)
    wrong = []
    if case.reason and detected is None:
        wrong.append(f"{case.reason} was not named")
    if case.ends and safe is None:
        wrong.append("the motors kept their torque")
    if not case.ends and (safe is not None or stage.state != SafetyStatus.ACTIVE):
        wrong.append("the robot did not go on")
    if seen.stopped or (safe is not None and safe < 0.0):
        wrong.append("the robot had stopped before")
    if (
        case.ends
        and safe is not None
        and not stage.until(lambda: bool(stage.cause()), patience=_CALM_S)
    ):
        wrong.append("no cause on disk")
    if stage.worst > _ROUNDING:
        wrong.append(f"a servo was sent {stage.worst:.3f} rad beyond a limit")
    answered = _since(t0, stage.answered_at) if case.ends else None
    status = seen.status or (stage.status[1] if stage.status else None)
    return Outcome(
        group=case.group,
        name=case.name,
        reason=case.reason,
        answered_ms=answered,
        detected_ms=None if detected is None or not case.reason else round(detected, 1),
        safe_ms=None if safe is None else round(safe, 1),
        late_ms=_lateness(case, answered, detected, safe),
        action="" if status is None else _ACTIONS[status.action],
        state=_STATES[stage.state] if stage.state >= 0 else "",
        beyond=float(stage.worst),
        fine=not wrong,
        why="; ".join(wrong),
        stalled=seen.stopped or any(stage.has(reason) for reason in _AGES if reason != case.reason),
    )


def _since(t0: float, instant: float | None) -> float | None:
    return None if instant is None else round(1e3 * (instant - t0), 1)


def _line(one: Outcome) -> str:
    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    mark = "ok  " if one.fine else "FAIL"
    return (
        f"{mark} {one.group}: {one.name}: {one.reason or 'goes on'} after"
        f" {ms(one.detected_ms)} ms, {one.action}, safe after {ms(one.safe_ms)} ms"
        f" {one.why}"
    )


def table(outcomes: Sequence[Outcome], limits: dict[tuple[str, str], float]) -> str:
    """As Markdown."""
    lines = [
        "| fault | named | after ms | action | no torque asked after ms | no torque after ms |"
        " at most ms | state | |",
        "|---|---|---:|---|---:|---:|---:|---|---|",
    ]
    group = ""
    for one in outcomes:
        if one.group != group:
            group = one.group
            lines.append(f"| **{group}** | | | | | | | | |")
        most = limits[one.group, one.name]
        cells = [
            one.name,
            one.reason or "–",
            _number(one.detected_ms),
            one.action,
            _number(one.answered_ms),
            "goes on" if one.safe_ms is None else _number(one.safe_ms),
            _number(1e3 * most),
            one.state,
            _remark(one),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _remark(one: Outcome) -> str:
    remarks = [f"**{one.why}**"] if not one.fine else []
    if one.late_ms is not None and one.late_ms > 0.0:
        remarks.append(f"**late by {one.late_ms:.0f} ms**")
    if one.attempts > 1:
        remarks.append(f"attempt {one.attempts}")
    return ", ".join(remarks)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def summary(outcomes: Sequence[Outcome], cases: int) -> dict[str, Any]:
    """How many ended as promised, how many in time; reaction beyond the threshold, 99 % [ms]."""
    late = [one.late_ms for one in outcomes if one.late_ms is not None]
    reaction = np.percentile(late, 99) + 2e3 * TICK if late else np.nan
    return {
        "cases": cases,
        "as_promised": sum(one.fine for one in outcomes),
        "late": sum(one > 0.0 for one in late),
        "reaction_p99_ms": round(float(reaction), 1) if late else None,
    }


def as_dicts(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(one) for one in outcomes]


def to_stderr(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
