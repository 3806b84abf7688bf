"""Adding the learned residual: scaled already, clipped here, dropped where it is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stride_core.residual import add_residual

NOMINAL = np.array([[0.01, 0.024, -0.085], [0.0, -0.024, -0.07]])
any_float = st.floats(allow_nan=True, allow_infinity=True)


def test_a_small_residual_is_added():
    got = add_residual(NOMINAL, np.array([[0.001, -0.002, 0.003], [0.0, 0.0, 0.0]]), 0.02)
    np.testing.assert_allclose(got[0], [0.011, 0.022, -0.082], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(got[1], NOMINAL[1])


def test_each_axis_is_clipped_by_itself():
    got = add_residual(np.zeros((1, 3)), np.array([[0.5, -0.5, 0.003]]), 0.02)
    np.testing.assert_array_equal(got, [[0.02, -0.02, 0.003]])


def test_a_limit_for_each_axis():
    got = add_residual(
        np.zeros((1, 3)), np.array([[1.0, -1.0, -1.0]]), np.array([0.03, 0.02, 0.01])
    )
    np.testing.assert_array_equal(got, [[0.03, -0.02, -0.01]])


def test_limit_zero_is_no_residual():
    np.testing.assert_array_equal(add_residual(NOMINAL, np.ones((2, 3)), 0.0), NOMINAL)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_residual_that_is_not_finite_is_dropped_for_that_leg_alone(bad, axis):
    offset = np.full((2, 3), 0.004)
    offset[0, axis] = bad
    got = add_residual(NOMINAL, offset, 0.02)
    np.testing.assert_array_equal(got[0], NOMINAL[0])
    np.testing.assert_array_equal(got[1], NOMINAL[1] + 0.004)


@given(arrays(float, (3, 2, 3), elements=any_float), st.floats(0.0, 0.2))
def test_whatever_comes_the_feet_stay_within_the_limit(offset, limit):
    got = add_residual(NOMINAL, offset, limit)
    assert (np.abs(got - NOMINAL) <= limit + 1e-15).all()
    sound = np.isfinite(offset).all(axis=-1)
    np.testing.assert_array_equal(got[~sound], np.broadcast_to(NOMINAL, offset.shape)[~sound])


@given(arrays(float, (2, 3), elements=st.floats(-0.02, 0.02)))
def test_within_the_limit_nothing_is_lost(offset):
    np.testing.assert_array_equal(add_residual(NOMINAL, offset, 0.02), NOMINAL + offset)


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(0)
    nominal, offset = rng.normal(size=(*lead, 4, 3)), rng.normal(size=(*lead, 4, 3))
    offset[rng.random((*lead, 4)) < 0.2] = np.nan
    got = add_residual(nominal, offset, 0.5)
    assert got.shape == (*lead, 4, 3)
    for index in np.ndindex(lead):
        np.testing.assert_array_equal(got[index], add_residual(nominal[index], offset[index], 0.5))


def test_arguments_are_left_alone():
    offset, nominal = np.array([[np.nan, 1.0, 1.0]]), NOMINAL[:1].copy()
    add_residual(nominal, offset, 0.02)
    np.testing.assert_array_equal(offset, [[np.nan, 1.0, 1.0]])
    np.testing.assert_array_equal(nominal, NOMINAL[:1])
