"""The foot's path: by hand, against de Casteljau's construction, and its derivatives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.gait.trajectory import foot_path

duties = st.floats(0.3, 0.95)
lifts = st.floats(0.0, 0.1)
lengths = st.floats(-0.3, 0.3)
strides = st.tuples(lengths, lengths)


def path(phase, duty, stride=(0.1, 0.0), lift=0.03):
    """Displacement and swing of one foot at many phases."""
    phase = np.asarray(phase, float)
    legs = np.broadcast_to(np.asarray(stride, float), (*phase.shape, 2))
    return foot_path(phase, np.array(duty), legs, np.array(lift))


def bezier(points, u):
    """De Casteljau: repeated linear interpolation between the control points."""
    level = [np.full_like(u, p) for p in points]
    while len(level) > 1:
        level = [a + (b - a) * u for a, b in pairwise(level)]
    return level[0]


def test_stance_by_hand():
    # Duty 0.6: touch-down at +stride/2, a quarter of the stance later at +stride/4, ...
    got, swing = path([0.0, 0.15, 0.3, 0.45, np.nextafter(0.6, 0)], 0.6, stride=(0.1, -0.04))
    np.testing.assert_allclose(got[:, 0], [0.05, 0.025, 0.0, -0.025, -0.05], atol=1e-15)
    np.testing.assert_allclose(got[:, 1], [-0.02, -0.01, 0.0, 0.01, 0.02], atol=1e-15)
    assert (got[:, 2] == 0.0).all()
    assert not swing.any()


def test_a_quarter_of_the_swing_by_hand():
    # u = 1/4, k = 0.4/0.6 = 2/3. Horizontally the Bézier of -1/2, -1/2 - 2/9, 1/2 + 2/9, 1/2 is
    # (27·(-1/2) + 27·(-13/18) + 9·13/18 + 1/2)/64 = -26/64; vertically 16·(3/16)² = 9/16.
    got, swing = path([0.7], 0.6, stride=(0.1, 0.0), lift=0.03)
    np.testing.assert_allclose(got[0], [-0.1 * 26 / 64, 0.0, 0.03 * 9 / 16], atol=1e-16)
    assert swing.all()


@given(duties, strides, lifts)
def test_swing_is_the_bezier_of_its_control_points(duty, stride, lift):
    u = np.linspace(0.0, 1.0, 41)[:-1]
    k = (1.0 - duty) / duty
    along = bezier([-0.5, -0.5 - k / 3.0, 0.5 + k / 3.0, 0.5], u)
    want = np.column_stack(
        [along * stride[0], along * stride[1], bezier([0.0, 0.0, 8.0 / 3.0 * lift, 0.0, 0.0], u)]
    )
    got, _ = path(duty + u * (1.0 - duty), duty, stride, lift)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


def test_apex_is_exactly_the_step_height():
    got, _ = path([0.75], 0.5, lift=0.0371)  # u = 1/2 without rounding
    assert got[0, 2] == 0.0371
    assert got[0, 0] == 0.0


@given(duties, st.floats(1e-4, 0.1))
def test_apex_is_the_step_height_and_nothing_is_higher(duty, lift):
    got, _ = path([0.5 * (1.0 + duty)], duty, lift=lift)
    assert got[0, 2] == pytest.approx(lift, rel=1e-12)
    whole, _ = path(np.linspace(0.0, 1.0, 1001)[:-1], duty, lift=lift)
    assert whole[:, 2].max() <= lift * (1.0 + 1e-12)
    assert whole[:, 2].min() == 0.0


@given(duties, strides)
def test_stance_is_linear_and_as_long_as_the_stride(duty, stride):
    phase = np.append(np.linspace(0.0, duty, 50)[:-1], np.nextafter(duty, 0.0))
    got, _ = path(phase, duty, stride)
    np.testing.assert_allclose(got[0, :2] - got[-1, :2], stride, atol=1e-15)
    np.testing.assert_allclose(np.diff(got[:-1], 2, axis=0), 0.0, atol=1e-15)


@given(duties, strides, lifts)
def test_position_meets_at_lift_off_and_touch_down(duty, stride, lift):
    lift_off, _ = path([np.nextafter(duty, 0.0), duty], duty, stride, lift)
    np.testing.assert_allclose(lift_off[0], lift_off[1], atol=1e-14)
    np.testing.assert_allclose(lift_off[1], [-stride[0] / 2, -stride[1] / 2, 0.0], atol=1e-15)
    touch_down, _ = path([np.nextafter(1.0, 0.0), 0.0], duty, stride, lift)
    np.testing.assert_allclose(touch_down[0], touch_down[1], atol=1e-13)


@given(duties, strides, lifts)
def test_velocity_is_continuous_over_the_whole_cycle(duty, stride, lift):
    # |v'| of a Bézier of degree n is at most n(n-1)·max|second difference of its control points|:
    # along 6·(1 + k) with k = (1 - duty)/duty, up 12·16/3·lift, both over (1 - duty)². A corner
    # would change the velocity by more than that in a step of 1e-5, however small the step.
    cells = 100_000
    phase = np.arange(cells) / cells
    got, _ = path(phase, duty, stride, lift)
    velocity = np.diff(np.concatenate([got, got[:2]]), axis=0) * cells
    change = np.abs(np.diff(velocity, axis=0)).max(axis=0)
    swing = 1.0 - duty
    most = np.array([6.0 * abs(stride[0]) / duty, 6.0 * abs(stride[1]) / duty, 64.0 * lift])
    most /= swing * swing
    assert (change <= most / cells * (1.0 + 1e-6) + 1e-9).all()


@given(duties, strides, lifts)
def test_velocity_at_both_ends_of_the_swing_is_that_of_the_stance(duty, stride, lift):
    step = 1e-7
    got, _ = path([duty, duty + step, 1.0 - step, 0.0], duty, stride, lift)
    want = -np.array([*stride, 0.0]) / duty
    curve = 64.0 * (lift + abs(stride[0]) + abs(stride[1])) / (duty * (1.0 - duty) ** 2) * step
    np.testing.assert_allclose((got[1] - got[0]) / step, want, atol=curve + 1e-7)
    np.testing.assert_allclose((got[3] - got[2]) / step, want, atol=curve + 1e-7)


@given(duties, st.floats(0.0, 1.0, exclude_max=True))
def test_swing_begins_at_the_duty_and_is_off_the_ground(duty, phase):
    got, swing = path([phase], duty, lift=0.02)
    assert swing[0] == (phase >= duty)
    if duty + 1e-6 < phase < 1.0 - 1e-6:
        assert got[0, 2] > 0.0
    if phase <= duty:
        assert got[0, 2] == 0.0


@given(duties, strides, lifts, st.floats(0.0, 0.5))
def test_lean_moves_the_whole_path_behind_by_its_share_of_the_stride(duty, stride, lift, lean):
    phase = np.linspace(0.0, 1.0, 50)[:-1]
    legs = np.broadcast_to(stride, (len(phase), 2))
    straight, _ = path(phase, duty, stride, lift)
    got, swing = foot_path(phase, np.array(duty), legs, np.array(lift), np.array(lean))
    want = straight - [lean * stride[0], lean * stride[1], 0.0]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(swing, phase >= duty)


def test_without_stride_or_lift_the_foot_stays():
    phase = np.linspace(0.0, 1.0, 100)[:-1]
    got, _ = path(phase, 0.6, stride=(0.0, 0.0), lift=0.0)
    assert (got == 0.0).all()


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,), (2, 0)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(3)
    phase, duty = rng.uniform(0, 1, (*lead, 4)), rng.uniform(0.3, 0.95, (*lead, 1))
    stride, lift = rng.uniform(-0.1, 0.1, (*lead, 4, 2)), rng.uniform(0, 0.05, (*lead, 1))
    got, swing = foot_path(phase, duty, stride, lift)
    assert got.shape == (*lead, 4, 3)
    assert swing.shape == (*lead, 4)
    for index in np.ndindex(lead):
        one, one_swing = foot_path(phase[index], duty[index], stride[index], lift[index])
        np.testing.assert_allclose(got[index], one, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(swing[index], one_swing)


def test_arguments_are_left_alone():
    phase, stride = np.array([0.1, 0.9]), np.full((2, 2), 0.1)
    foot_path(phase, np.array([0.6]), stride, np.array([0.02]))
    np.testing.assert_array_equal(phase, [0.1, 0.9])
    np.testing.assert_array_equal(stride, 0.1)
