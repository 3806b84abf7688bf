"""What a policy's trial must show, and what a switch does when all goes wrong at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
from stride_control.policy.background import Background
from stride_core.contract import NominalGait
from tests.policy.stage import CONFIG, Stage, policy, scene, stage

A, B, C = policy("a", 0.2), policy("b", -0.3), policy("c", 0.1)
SHADOW, FADE, PROBATION, RETURN = 5, 10, 20, 5  # ticks, of CONFIG
NAN = policy("nan", math.nan)
TILTED = CONFIG.probation_tilt + 0.01


@pytest.fixture
def walk() -> Iterator[Stage]:
    """Policy a is in charge since tick 0."""
    with stage(first=A) as made:
        made.go(3)
        yield made


# --- the shadow run -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "how", "why"),
    [
        (NAN, {"up": (math.nan, 0.0, 1.0)}, "observation: not finite"),
        (policy("p", 0.2, gait=NominalGait("pace")), {}, "it is for the gait pace, not trot"),
        (
            policy("h", 0.2, gait=NominalGait("trot", {"cycle_time": 0.45})),
            {"shape": (0.085, 0.03, 0.4, 0.0, 0.0, 1.0)},
            "it is for cycle_time 0.45, not 0.4",
        ),
        (policy("s", 0.2, mean=2000.0), {}, "strange to it: novelty 20: expected less than 16"),
    ],
)
def test_who_was_never_tried_does_not_take_over(
    walk: Stage, candidate: Any, how: dict[str, Any], why: str
) -> None:
    walk.ask(candidate)
    walk.go(SHADOW + 1, **how)
    assert walk.told()[-1][1:] == ("REFUSED", candidate.name)
    assert walk.outcomes == [(f"shadow run: never tried: {why}", "")]
    assert walk.go() == pytest.approx(0.2)


def test_only_ticks_in_which_it_answers_are_a_trial(walk: Stage) -> None:
    """One bad tick of five: over all ticks 22 mm in one would be 10 in five, and pass."""
    walk.ask(policy("bold", -0.9))
    walk.go(SHADOW - 1, up=(math.nan, 0.0, 1.0))
    walk.go(2)
    assert "differ by 22.0 mm" in walk.outcomes[0][0]
    assert walk.switch.report is not None and walk.switch.report.ticks == 1


def test_what_it_would_say_in_full_is_compared_however_faintly_it_may_say_it(walk: Stage) -> None:
    """At a novelty of 15.9 of 16 the strength is 0.0005."""
    walk.ask(policy("faint", -0.9, mean=1590.0))
    walk.go(SHADOW + 1)
    assert "differ by 22.0 mm" in walk.outcomes[0][0]


# --- the way out --------------------------------------------------------------------------------


def test_none_takes_over_from_whoever_is_on_its_way(walk: Stage) -> None:
    walk.ask(B)
    walk.go(2)
    walk.ask(None)
    walk.go(FADE + 1)
    assert walk.outcomes == [("superseded by none", ""), ("", "none")]
    kinds = [(tick, kind, name) for tick, kind, name in walk.told()[2:]]
    assert kinds == [(5, "REFUSED", "b"), (5, "SWITCHED", "")]
    assert walk.go() == 0.0 and walk.switch.idle


# --- a clock that is set back -------------------------------------------------------------------


def tick(walk: Stage, number: int, tilt: float = 0.0) -> list[str]:
    """A tick of another time; what happened."""
    walk.switch.tick(scene(number), tilt)
    return [event.kind.name for event in walk.switch.events()]


def test_a_shadow_run_begins_anew_with_the_clock() -> None:
    with stage() as made:
        for number in range(1000, 1003):
            tick(made, number)
        made.ask(B)
        told = [tick(made, number) for number in (1003, 1004, *range(50))]
        assert [kind for kinds in told for kind in kinds] == ["LOADED", "SWITCHED", "CONFIRMED"]
        assert told.index(["SWITCHED"]) == 2 + SHADOW
        assert told.index(["CONFIRMED"]) == 2 + SHADOW + FADE + PROBATION


@pytest.mark.parametrize("within", [3, FADE + 3])
def test_a_probation_begins_anew_with_the_clock(within: int) -> None:
    with stage() as made:
        tick(made, 1000)
        made.ask(B)
        for number in range(1001, 1001 + SHADOW + within):
            tick(made, number)
        told = [tick(made, number) for number in range(50)]
        assert told.index(["CONFIRMED"]) == PROBATION


# --- roll-back ----------------------------------------------------------------------------------


def unproven(walk: Stage) -> None:
    """A is proven, b in its probation, c fades in and tilts the trunk."""
    walk.ask(B)
    walk.go(SHADOW + FADE + 1)
    walk.ask(C)
    walk.go(SHADOW + 3)
    walk.go(tilt=TILTED)
    assert walk.told()[-1][1:] == ("ROLLED_BACK", "b")


def test_an_unproven_policy_that_comes_back_is_in_its_probation_again(walk: Stage) -> None:
    unproven(walk)
    back = walk.told()[-1][0]
    walk.go(RETURN + PROBATION + 5)
    confirmed = [tick for tick, kind, name in walk.told() if (kind, name) == ("CONFIRMED", "b")]
    assert confirmed and back + PROBATION < confirmed[-1] <= back + RETURN + PROBATION
    walk.go(5, tilt=TILTED)
    assert walk.go() == pytest.approx(-0.3)


def test_a_tilt_that_goes_on_brings_the_proven_one_back(walk: Stage) -> None:
    unproven(walk)
    walk.go(2 * RETURN + 2, tilt=TILTED)
    assert walk.told()[-1][1:] == ("ROLLED_BACK", "a")
    assert walk.switch.state == "steady"
    assert walk.go() == pytest.approx(0.2)
    assert np.abs(np.diff(walk.offsets())).max() <= 1.5 * 0.5 / RETURN + 1e-9


# --- a start in mid-walk ------------------------------------------------------------------------


def test_a_start_in_mid_walk_says_so_and_has_its_probation() -> None:
    with stage() as made:
        made.go(7)
        made.switch.start(B)
        made.go(FADE + PROBATION + 1)
        assert made.told() == [(7, "SWITCHED", "b"), (7 + FADE + PROBATION, "CONFIRMED", "b")]
        assert "after the first tick" in made.events[0][1].reason


@pytest.mark.parametrize("when", [3, FADE + 2])
def test_who_started_in_mid_walk_and_tilts_goes(when: int) -> None:
    with stage() as made:
        made.go(7)
        made.switch.start(B)
        made.go(when)
        made.go(tilt=TILTED)
        assert made.told()[-1] == (7 + when, "ROLLED_BACK", "")
        assert made.go(RETURN + 1) == 0.0 and made.switch.idle


def test_the_start_comes_before_what_was_asked_for_before_the_first_tick() -> None:
    with stage(first=A) as made:
        made.ask(B)
        made.go()
        assert made.told() == [(0, "SWITCHED", "a"), (0, "LOADED", "b")]


def test_at_the_start_of_time_there_is_no_probation() -> None:
    with stage(first=A) as made:
        made.go(5, tilt=TILTED)
        assert made.told() == [(0, "SWITCHED", "a")]


# --- what is said of it -------------------------------------------------------------------------


def test_the_strength_is_the_share_of_the_policy_that_is_named(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + FADE + 2)
    for applied in walk.applied:
        mine, other = (-0.3, 0.2) if applied.policy == B.identity else (0.2, -0.3)
        said = applied.strength * mine + (1.0 - applied.strength) * other
        assert applied.offset[0, 0] / 0.02 == pytest.approx(said)
    assert walk.applied[3 + SHADOW].strength == 0.0 and walk.applied[-1].strength == 1.0


def test_faults_are_counted_by_kind_with_the_newest_value() -> None:
    values = iter([200.0, 0.1, 300.0, 0.1, 400.0, 0.1])
    with stage(first=policy("wild", lambda _: next(values))) as made:
        made.go(6)
        newest = "action 400: expected finite numbers within 100"
        assert made.switch.faults == {"action": (3, newest)}


# --- the thread ---------------------------------------------------------------------------------


def test_the_thread_outlives_a_task_that_fails_and_says_so() -> None:
    lines: list[str] = []
    background, done = Background("test", lines.append), Flag()

    def fail() -> None:
        raise OSError(2, "two\nlines")

    background.do(fail)
    background.do(done.set)
    background.close()
    assert done.is_set()
    assert lines == ["FileNotFoundError: [Errno 2] two lines"]
