"""Which ticks are due: a tick each period, none lost to a timer's phase, lost time given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_sim.pacing import EARLY, Pacer


def taken(pacer: Pacer, now: float, early: float = 0.0) -> int:
    """Ticks due at a time, one after the other, as when each is answered at once."""
    count = 0
    while pacer.due(now, early):
        count += 1
    return count


def test_a_timer_in_phase_takes_one_tick_each_time() -> None:
    pacer = Pacer(0.01, 1.0)
    assert [taken(pacer, 100.0 + 0.01 * k, EARLY) for k in range(5)] == [1, 1, 1, 1, 1]


def test_the_factor_shortens_the_wall_period() -> None:
    assert Pacer(0.01, 4.0).wall_period == pytest.approx(0.0025)


def test_a_call_too_early_takes_nothing_and_loses_nothing() -> None:
    pacer = Pacer(0.01, 1.0)
    assert taken(pacer, 0.0) == 1  # the next is due at 0.010
    assert taken(pacer, 0.004, EARLY) == 0
    assert taken(pacer, 0.0099) == 0  # nor an answer ahead of its time begins the next
    assert taken(pacer, 0.0099, EARLY) == 1


def test_late_ticks_follow_one_another_until_the_time_is_made_up_for() -> None:
    pacer = Pacer(0.01, 1.0)
    taken(pacer, 0.0)
    assert taken(pacer, 0.019) == 1  # due at 0.010, 0.9 periods late
    assert taken(pacer, 0.0201) == 1  # due at 0.020
    assert taken(pacer, 0.0455) == 2  # due at 0.030 and 0.040


def test_time_that_cannot_be_caught_up_with_is_given_up() -> None:
    pacer = Pacer(0.01, 1.0, catch_up=10)
    taken(pacer, 0.0)
    assert taken(pacer, 1.005) == 10  # of the 100 that were due
    assert [taken(pacer, 1.015 + 0.01 * k) for k in range(3)] == [1, 1, 1]


def test_after_a_pause_the_next_call_is_the_origin() -> None:
    pacer = Pacer(0.01, 1.0)
    taken(pacer, 0.0)
    pacer.restart()
    assert taken(pacer, 50.0) == 1
    assert taken(pacer, 50.0101) == 1


@given(st.lists(st.floats(-0.3, 0.3), min_size=50, max_size=200))
def test_a_jittering_timer_of_the_same_period_takes_each_tick_once(jitter: list[float]) -> None:
    pacer = Pacer(0.01, 1.0)
    taken(pacer, 0.0)
    for k, shift in enumerate(jitter):
        assert taken(pacer, 0.01 * (k + 1 + shift), EARLY) == 1
