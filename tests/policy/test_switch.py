"""Shadow, fade, probation, roll-back and unloading, tick by tick."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stride_core.arrays import FloatArray
from tests.policy.stage import CONFIG, Stage, policy, scene, stage

A, B, C = policy("a", 0.2), policy("b", -0.3), policy("c", 0.1)
SHADOW, FADE, PROBATION, RETURN = 5, 10, 20, 5  # ticks, of CONFIG


@pytest.fixture
def walk() -> Iterator[Stage]:
    """Policy a is in charge since tick 0."""
    with stage(first=A) as made:
        made.go(3)
        yield made


def weight(tick: float, ticks: int) -> float:
    share = tick / ticks
    return 3 * share**2 - 2 * share**3


def test_without_a_policy_nothing_is_applied() -> None:
    with stage() as made:
        assert made.switch.idle
        assert made.go(2) == 0.0
        assert made.applied[-1].policy == ""
        assert made.applied[-1].rates is None


def test_at_the_start_of_time_a_policy_has_its_whole_say_from_the_first_tick() -> None:
    with stage(first=A) as made:
        assert made.go() == pytest.approx(0.2)
        assert made.told() == [(0, "SWITCHED", "a")]


def test_in_a_run_that_is_under_way_the_first_policy_fades_in() -> None:
    with stage() as made:
        made.go(7)
        made.switch.start(A)
        made.go(FADE + 1)
        wanted = [0.2 * weight(k, FADE) for k in range(FADE + 1)]
        np.testing.assert_allclose(made.offsets()[7:], wanted, atol=1e-12)


def test_a_swap_goes_by_shadow_run_fade_and_probation_to_the_tick(walk: Stage) -> None:
    walk.ask(B)
    walk.go(60)
    assert walk.told()[1:] == [
        (3, "LOADED", "b"),
        (3 + SHADOW, "SWITCHED", "b"),
        (3 + SHADOW + FADE + PROBATION, "CONFIRMED", "b"),
    ]
    start = 3 + SHADOW
    expected = np.full(63, -0.3)
    expected[:start] = 0.2
    for k in range(FADE):
        expected[start + k] = 0.2 + weight(k, FADE) * (-0.3 - 0.2)
    np.testing.assert_allclose(walk.offsets(), expected, atol=1e-12)
    assert walk.outcomes == [("", B.identity)]


def test_the_policy_named_in_a_tick_is_the_one_in_charge(walk: Stage) -> None:
    walk.ask(B)
    walk.go(20)
    names = [applied.policy for applied in walk.applied]
    assert names[3 + SHADOW - 1 : 3 + SHADOW + 1] == [A.identity, B.identity]


def test_a_swap_to_none_fades_out_without_a_shadow_run(walk: Stage) -> None:
    walk.ask(None)
    walk.go(FADE + 1)
    wanted = [0.2 * (1.0 - weight(k, FADE)) for k in range(FADE + 1)]
    np.testing.assert_allclose(walk.offsets()[3:], wanted, atol=1e-12)
    assert walk.switch.idle
    assert walk.outcomes == [("", "none")]


def test_a_swap_from_none_comes_back_to_none(walk: Stage) -> None:
    with stage() as made:
        made.go(2)
        made.ask(B)
        made.go(SHADOW + FADE + 2)
        made.go(tilt=1.0)
        assert made.told()[-1][1:] == ("ROLLED_BACK", "")
        assert made.go(RETURN + 1) == 0.0
        assert made.switch.idle


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=5), trip=st.integers(0, 40))
def test_whatever_happens_the_residual_moves_by_little_in_a_tick(
    values: list[float], trip: int
) -> None:
    """The steepest slope of smoothstep is 1.5; roll-back is the fastest fade."""
    policies = [policy(f"p{i}", value) for i, value in enumerate(values)]
    with stage(replace(CONFIG, shadow_difference=1.0), first=policies[0]) as made:
        made.go()
        for number, each in enumerate(policies[1:]):
            while made.switch.busy:
                made.go()
            made.ask(each)
            for tick in range(45):
                made.go(tilt=1.0 if tick == trip and number % 2 == 0 else 0.0)
        steps = np.abs(np.diff(made.offsets()))
        spread = max(values) - min(values)
        assert steps.max(initial=0.0) <= 1.5 * spread / RETURN + 1e-9


@pytest.mark.parametrize("when", [2, 7, FADE + 4])
def test_a_tilt_in_its_probation_brings_the_old_one_back(walk: Stage, when: int) -> None:
    walk.ask(B)
    walk.go(SHADOW + when)
    walk.go(tilt=CONFIG.probation_tilt + 0.01)
    tick = 3 + SHADOW + when
    assert walk.told()[-1] == (tick, "ROLLED_BACK", "a")
    assert "tilted beyond 0.6 rad in its probation" in walk.events[-1][1].reason
    assert walk.events[-1][1].previous == B.identity
    assert walk.go(RETURN + 1) == pytest.approx(0.2)
    assert walk.switch.state == "steady"


def test_after_its_probation_a_tilt_is_not_its_matter(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + FADE + PROBATION + 1)
    walk.go(5, tilt=2.0)
    assert walk.go() == pytest.approx(-0.3)


def test_a_tilt_that_nobody_knows_is_none(walk: Stage) -> None:
    walk.ask(B)
    walk.go(60, tilt=math.nan)
    assert walk.told()[-1][1] == "CONFIRMED"


def test_what_follows_an_unproven_policy_comes_back_to_the_proven_one(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + FADE + 1)
    walk.ask(C)
    walk.go(SHADOW + FADE + 1)
    walk.go(tilt=1.0)
    assert walk.told()[-1][1:] == ("ROLLED_BACK", "a")


def test_a_policy_that_comes_back_while_another_is_in_its_shadow_run(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + FADE + 1)
    walk.ask(C)
    walk.go(SHADOW - 1)
    walk.go(tilt=1.0)  # b fails; a comes back over RETURN ticks, then c takes over
    walk.go(RETURN + FADE + 3)
    kinds = [(kind, name) for _, kind, name in walk.told()[-2:]]
    assert kinds == [("ROLLED_BACK", "a"), ("SWITCHED", "c")]
    assert walk.go() == pytest.approx(0.1)
    assert np.abs(np.diff(walk.offsets())).max() <= 1.5 * 0.5 / RETURN + 1e-9


class Moody:
    """A network that fails from one call to another."""

    def __init__(self, failing: range, how: float | Exception = math.nan) -> None:
        self.calls, self.failing, self.how = 0, failing, how

    def __call__(self, _seen: FloatArray) -> float:
        self.calls += 1
        if self.calls - 1 not in self.failing:
            return 0.4
        if isinstance(self.how, Exception):
            raise self.how
        return self.how


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (math.nan, "action nan: expected finite numbers within 100"),
        (math.inf, "action inf"),
        (-1e3, "action 1000: expected finite numbers within 100"),
        (RuntimeError("two\nlines"), "two lines"),
    ],
)
def test_a_faulty_tick_is_a_tick_of_the_nominal_gait(how: float | Exception, words: str) -> None:
    with stage(first=policy("moody", Moody(range(2, 4), how))) as made:
        made.go(6)
        np.testing.assert_allclose(made.offsets(), [0.4, 0.4, 0, 0, 0.4, 0.4], atol=1e-12)
        (tally,) = made.switch.faults.values()
        assert words in tally.newest and tally.ticks == 2
        assert [applied.strength for applied in made.applied][1:4] == [1.0, 0.0, 0.0]


def test_consecutive_faults_unload_it_with_the_reason() -> None:
    with stage(first=policy("moody", Moody(range(2, 100)))) as made:
        made.go(8)
        assert made.told()[1:] == [(4, "UNLOADED", "")]
        assert made.events[-1][1].reason == "3 faults in a row: the nominal gait goes on"
        assert made.events[-1][1].previous.startswith("moody@")
        assert made.switch.idle


def test_faults_with_good_ticks_between_do_not_unload_it() -> None:
    calls = iter(range(1000))
    with stage(first=policy("moody", lambda _: math.nan if next(calls) % 3 else 0.1)) as made:
        made.go(60)
        assert made.switch.active is not None
        assert made.switch.faults["action"].ticks == 40


def test_faults_in_its_probation_bring_the_old_one_back(walk: Stage) -> None:
    walk.ask(policy("moody", Moody(range(SHADOW + 4, 1000))))
    walk.go(SHADOW + 4 + CONFIG.fault_limit)
    assert walk.told()[-1][1:] == ("ROLLED_BACK", "a")
    assert "3 faults in a row in its probation" in walk.events[-1][1].reason
    assert walk.go(RETURN + 1) == pytest.approx(0.2)


def test_what_the_sensors_lack_is_not_held_against_the_policy(walk: Stage) -> None:
    assert walk.go(10, up=(math.nan, 0.0, 1.0)) == 0.0
    assert walk.switch.active is A
    assert walk.go() == pytest.approx(0.2)
    assert walk.switch.faults == {"observation": (10, "observation: not finite")}


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (Moody(range(3, 99)), "shadow run: action nan"),
        (Moody(range(1), RuntimeError("no")), "shadow run: no"),
        (-0.9, "shadow run: its feet differ by 22.0 mm from what is applied: expected at most 20"),
    ],
)
def test_who_fails_in_the_shadow_run_never_touches_the_residual(
    walk: Stage, say: Moody | float, words: str
) -> None:
    walk.ask(policy("bad", say))
    walk.go(30)
    assert walk.told()[-1] == (3 + SHADOW, "REFUSED", "bad")
    assert words in walk.events[-1][1].reason
    assert words in walk.outcomes[0][0]
    np.testing.assert_allclose(walk.offsets(), 0.2, atol=1e-12)


def test_who_is_too_slow_in_the_shadow_run_is_refused_by_its_own_time(walk: Stage) -> None:
    def compute(_seen: FloatArray) -> float:
        np.linalg.svd(np.ones((300, 300)))
        return 0.1

    walk.ask(policy("slow", compute))
    walk.go(SHADOW + 2)
    assert walk.outcomes[0][0] == "shadow run: too slow: expected at most 2 ms"
    assert walk.told()[-1][1] == "REFUSED"


def test_a_late_answer_is_none() -> None:
    with stage(first=policy("late", Moody(range(0)))) as made:
        made.go(2)
        made.switch.bounds = replace(made.switch.bounds, deadline=-1.0)
        assert made.go() == 0.0
        assert "later than" in made.switch.faults["late"].newest


def test_while_one_is_on_its_way_no_other_is_taken(walk: Stage) -> None:
    walk.ask(B)
    walk.go()
    walk.ask(C)
    walk.go()
    why = "busy: b is on its way; try again"
    assert [text for text, _ in walk.outcomes] == [why]
    refused = [event for _, event in walk.events if event.kind.name == "REFUSED"]
    assert [(event.policy[0], event.reason) for event in refused] == [("c", why)]


def test_who_comes_during_a_fade_waits_for_its_end(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + 2)
    walk.ask(C)
    walk.go(FADE + FADE + 2)
    switched = [tick for tick, kind, _ in walk.told() if kind == "SWITCHED"]
    assert switched[1:] == [3 + SHADOW, 3 + SHADOW + FADE + 1]
    assert np.abs(np.diff(walk.offsets())).max() <= 1.5 * 0.5 / FADE + 1e-9
    assert walk.go() == pytest.approx(0.1)


def test_a_policy_remembers_its_own_answers_and_no_others(walk: Stage) -> None:
    """In its shadow run, too: the last action it sees is what it said, within ±1."""
    seen: list[float] = []

    def echo(observation: FloatArray) -> float:
        seen.append(observation[3])
        return 0.5 if len(seen) % 2 else 7.0

    walk.ask(policy("echo", echo))
    walk.go(SHADOW + 4)
    assert seen[:6] == [0.0, 0.5, 1.0, 0.5, 1.0, 0.5]


def test_rates_fade_with_the_policy_and_end_with_it(walk: Stage) -> None:
    adaptive = policy("adaptive", 0.2, {"height": 0.1})
    walk.ask(adaptive)
    walk.go(SHADOW + FADE + 2)
    rates = [applied.rates for applied in walk.applied]
    assert rates[:4] == [None] * 4
    faded = np.array([r[0] for r in rates[3 + SHADOW :] if r is not None])
    np.testing.assert_allclose(
        faded[:FADE], [0.02 * weight(k, FADE) for k in range(FADE)], atol=1e-12
    )
    assert faded[-1] == pytest.approx(0.02)
    walk.ask(None)
    walk.go(FADE + 1)
    assert walk.applied[-1].rates is None


def test_in_another_gait_than_its_own_it_has_no_say(walk: Stage) -> None:
    assert walk.go(2, pattern="pace") == 0.0
    assert walk.go(2) == pytest.approx(0.2)


def test_a_clock_that_is_set_back_ends_the_fade(walk: Stage) -> None:
    walk.ask(B)
    walk.go(SHADOW + 3)
    late = walk.switch.tick(scene(-1), 0.0)
    assert late.offset[0, 0] == pytest.approx(-0.3 * 0.02)


def test_equal_requests_in_equal_ticks_give_equal_runs() -> None:
    def run() -> tuple[list[float], list[tuple[int, str, str]]]:
        with stage(first=A) as made:
            made.go(3)
            made.ask(B)
            made.go(20)
            made.go(tilt=1.0)
            made.go(10)
            return made.offsets().tolist(), made.told()

    assert run() == run()


def test_a_shadow_run_that_nobody_waits_for_delays_the_swap_and_no_tick(walk: Stage) -> None:
    walk.switch._wait = False
    walk.ask(B)
    walk.go(SHADOW)
    for _ in range(2000):
        walk.go()
        if walk.told()[-1][1] == "SWITCHED":
            break
    assert walk.told()[-1][1:] == ("SWITCHED", "b")
