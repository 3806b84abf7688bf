"""What a policy may do to the gait's shape: by rates, within the shape's own limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.gait import shape_array
from tests.core.walking import CONFIG, DT, GAIT, PARTS, SHAPE, asking, settled, walk

RATES = shape_array(CONFIG.shape_rates)
LOW, HIGH = shape_array(CONFIG.shape_min), shape_array(CONFIG.shape_max)
WALK = asking((0.1, 0.0, 0.0))


def modulated(rate: float, part: str = "height"):
    """WALK with one part of its shape changed at a rate."""
    rates = np.zeros(len(PARTS))
    rates[PARTS.index(part)] = rate
    return WALK._replace(rates=rates)


@pytest.mark.parametrize("part", PARTS)
def test_a_rate_is_per_second_whatever_the_tick(part):
    column = PARTS.index(part)
    rate = 0.3 * min(RATES[column], HIGH[column] - SHAPE[column])
    for dt in (0.01, 0.02):
        *_, (state, out) = walk(modulated(rate, part), round(0.5 / dt), dt=dt, state=settled(WALK))
        assert out.shape[column] - SHAPE[column] == pytest.approx(0.5 * rate, abs=1e-12)
        others = np.arange(len(PARTS)) != column
        np.testing.assert_array_equal(state.shape[others], SHAPE[others])


@given(rates=st.lists(st.floats(-1e6, 1e6), min_size=len(PARTS), max_size=len(PARTS)))
def test_no_rate_gets_past_the_shapes_range_or_its_rates(rates):
    before = SHAPE
    for state, _ in walk(WALK._replace(rates=np.array(rates)), 60, dt=0.05, state=settled(WALK)):
        assert (state.shape >= LOW - 1e-12).all()
        assert (state.shape <= HIGH + 1e-12).all()
        assert (np.abs(state.shape - before) <= RATES * 0.05 + 1e-12).all()
        before = state.shape


def test_at_the_end_of_the_range_it_turns_back_at_once():
    *_, (state, _) = walk(modulated(0.05), 1000, state=settled(WALK))
    assert state.shape[0] == pytest.approx(HIGH[0])
    ((state, _),) = walk(modulated(-0.05), 1, state=state)
    assert state.shape[0] == pytest.approx(HIGH[0] - 0.05 * DT)


@pytest.mark.parametrize("gone", [None, np.full(len(PARTS), np.nan)], ids=["none", "nan"])
def test_without_its_policy_the_shape_returns_to_what_was_asked(gone):
    *_, (state, _) = walk(modulated(-0.05), 40, state=settled(WALK))
    assert state.shape[0] == pytest.approx(SHAPE[0] - 0.02)
    states = [s for s, _ in walk(WALK._replace(rates=gone), 40, state=state)]
    assert states[0].shape[0] - state.shape[0] == pytest.approx(RATES[0] * DT)
    np.testing.assert_array_equal(states[-1].modulation, 0.0)
    np.testing.assert_array_equal(states[-1].shape, SHAPE)


def test_longer_strides_travel_further_in_the_same_time():
    usual, long = (settled(asking((0.1, 0.0, 0.0), [*SHAPE[:5], times])) for times in (1.0, 1.5))
    np.testing.assert_allclose(long.stride, 1.5 * usual.stride, rtol=1e-12)
    assert GAIT.step(long, WALK, DT)[1].command[0] == pytest.approx(0.1)


def test_robots_without_a_policy_walk_on_beside_those_with_one():
    rates = np.full((2, len(PARTS)), np.nan)
    rates[1] = 0.01
    both = asking((0.1, 0.0, 0.0), lead=(2,))._replace(rates=rates)
    alone = [out.feet for _, out in walk(WALK, 80)]
    together = [out.feet for _, out in walk(both, 80)]
    np.testing.assert_array_equal([feet[0] for feet in together], alone)
    assert np.abs(together[-1][1] - alone[-1]).max() > 1e-3


def test_asked_is_the_command_within_the_speed_limits_in_its_direction():
    limit = np.array(CONFIG.limits.speed)
    for command in ((0.1, 0.02, 0.3), (2.0, 0.0, 2.0)):
        _, out = GAIT.step(settled(WALK), asking(command), DT)
        excess = max(1.0, (np.abs(command) / limit).max())
        np.testing.assert_allclose(out.asked, np.array(command) / excess, rtol=1e-12)
