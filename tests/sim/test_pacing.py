"""Which ticks are due: a tick each period, none lost to a timer's phase, lost time given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_sim.pacing import Pacer


def test_a_timer_in_phase_takes_one_tick_each_time() -> None:
    pacer = Pacer(0.01, 1.0)
    assert [pacer.due(100.0 + 0.01 * k) for k in range(5)] == [1, 1, 1, 1, 1]


def test_the_factor_shortens_the_wall_period() -> None:
    assert Pacer(0.01, 4.0).wall_period == pytest.approx(0.0025)


def test_a_call_too_early_takes_nothing_and_loses_nothing() -> None:
    pacer = Pacer(0.01, 1.0)
    assert pacer.due(0.0) == 1  # the next is due at 0.010
    assert pacer.due(0.004) == 0
    assert pacer.due(0.010) == 1


def test_a_late_call_takes_one_tick_until_a_whole_period_is_lost() -> None:
    pacer = Pacer(0.01, 1.0)
    pacer.due(0.0)
    assert pacer.due(0.019) == 1  # due at 0.010, 0.9 periods late
    assert pacer.due(0.020) == 1  # due at 0.020
    assert pacer.due(0.0455) == 2  # due at 0.030 and 0.040


def test_time_that_cannot_be_caught_up_with_is_given_up() -> None:
    pacer = Pacer(0.01, 1.0, catch_up=10)
    pacer.due(0.0)
    taken = [pacer.due(1.005 + 0.01 * k) for k in range(20)]
    # 10 of the 100 that were due, two at a time, beside the one of each period
    assert taken == [2] * 9 + [1] * 11


def test_ticks_that_are_late_come_few_at_a_time_and_none_is_lost() -> None:
    pacer = Pacer(0.01, 1.0, catch_up=10, burst=3)
    pacer.due(0.0)
    taken = [pacer.due(0.0805 + 0.01 * k) for k in range(5)]  # 8 are due at the first call
    assert taken == [3, 3, 3, 2, 1]
    assert sum(taken) == 12


def test_after_a_pause_the_next_call_is_the_origin() -> None:
    pacer = Pacer(0.01, 1.0)
    pacer.due(0.0)
    pacer.restart()
    assert pacer.due(50.0) == 1
    assert pacer.due(50.010) == 1


@given(st.lists(st.floats(-0.3, 0.3), min_size=50, max_size=200))
def test_a_jittering_timer_of_the_same_period_takes_each_tick_once(jitter: list[float]) -> None:
    pacer = Pacer(0.01, 1.0)
    pacer.due(0.0)
    assert all(pacer.due(0.01 * (k + 1 + shift)) == 1 for k, shift in enumerate(jitter))
