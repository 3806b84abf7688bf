from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.frames import quat_from_rpy
from stride_core.heading import HeadingConfig, HeadingState, hold, initial, yaw_of

CONFIG = HeadingConfig(gain=2.0, limit=0.5, slack=0.6)


def _follow(asked: float, bias: float, seconds: float, gain: float) -> float:
    """Heading error of a robot that turns as told, plus a bias [rad/s]."""
    config = HeadingConfig(gain=gain, limit=0.5, slack=0.6)
    state, yaw, dt = initial(()), 3.0, 0.02  # near ±π, where it wraps
    begin = yaw
    for tick in range(round(seconds / dt)):
        measured = np.array((yaw + np.pi) % (2 * np.pi) - np.pi)
        command = np.array([0.2, 0.0, asked])
        state, told = hold(config, state, command, measured, dt if tick else 0.0)
        yaw += (told[2] + bias) * dt
    return yaw - begin - asked * seconds


@pytest.mark.parametrize("asked", [0.0, 0.4, -0.7])
def test_a_bias_leaves_the_error_that_balances_it_and_no_more(asked: float) -> None:
    # at rest gain · error = bias
    assert _follow(asked, 0.3, 20.0, 2.0) == pytest.approx(0.3 / 2.0, abs=0.02)
    assert _follow(asked, 0.3, 20.0, 0.0) == pytest.approx(6.0, abs=1e-6)


def test_without_gain_no_command_changes_by_a_bit() -> None:
    command = np.random.default_rng(0).normal(size=(5, 3))
    _, told = hold(HeadingConfig(), HeadingState(np.ones(5)), command, np.zeros(5), 0.02)
    assert np.array_equal(told, command)


def test_a_robot_that_stands_forgets_its_heading() -> None:
    state, _ = hold(CONFIG, HeadingState(np.array(1.0)), np.zeros(3), np.array(0.2), 0.02)
    assert state.wanted == 0.2


def test_a_missing_yaw_corrects_nothing_and_begins_anew() -> None:
    command = np.array([0.2, 0.0, 0.1])
    state, told = hold(CONFIG, HeadingState(np.array(0.5)), command, np.array(np.nan), 0.02)
    assert np.array_equal(told, command)
    state, told = hold(CONFIG, state, command, np.array(1.5), 0.02)
    assert np.array_equal(told, command)
    assert state.wanted == 1.5


@given(st.floats(-10, 10), st.floats(-np.pi, np.pi), st.floats(-1, 1))
def test_the_correction_is_bounded_and_points_home(wanted: float, yaw: float, turn: float) -> None:
    command = np.array([0.1, 0.0, turn])
    state, told = hold(CONFIG, HeadingState(np.array(wanted)), command, np.array(yaw), 0.0)
    assert abs(told[2] - turn) <= CONFIG.limit
    assert abs(float(state.wanted) - yaw) <= CONFIG.slack + 1e-12
    assert (told[2] - turn) * np.sin(float(state.wanted) - yaw) >= 0.0


def test_yaw_is_that_of_the_rotation_and_zeros_are_none() -> None:
    rpy = np.array([[0.2, -0.3, 2.5], [0.0, 0.1, -3.0]])
    assert yaw_of(quat_from_rpy(rpy)) == pytest.approx(rpy[:, 2])
    assert np.isnan(yaw_of(np.zeros(4)))
