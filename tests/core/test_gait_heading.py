"""Holding the heading: against slipping feet, and never against the user."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.gait.heading import HeadingConfig, hold
from tests.core.walking import DT, asking, make_gait, settled

LOOP = HeadingConfig(gain=2.0, most=0.4, lead=0.5)
GAIT = make_gait(heading=LOOP)


def turning(command, slip: float, seconds: float, start: float = 0.0):
    """Yaw of a robot that turns as its feet are told to, and slips besides [rad/s]."""
    inputs, yaw, yaws = asking(command), start, []
    state = settled(asking((0.1, 0.0, 0.0)))
    for _ in range(round(seconds / DT)):
        state, out = GAIT.step(state, inputs._replace(yaw=np.array(yaw)), DT)
        yaw += (out.command[2] + slip) * DT
        yaws.append(yaw)
    return np.array(yaws), state


def test_a_robot_that_slips_keeps_its_heading_but_for_slip_over_gain():
    yaws, _ = turning((0.1, 0.0, 0.0), slip=0.2, seconds=8.0)
    np.testing.assert_allclose(yaws[-100:], 0.2 / LOOP.gain, atol=1e-3)
    free, _ = turning((0.1, 0.0, 0.0), slip=0.5, seconds=8.0)  # more than it may add
    assert free[-1] - free[-101] == pytest.approx(0.5 - LOOP.most, abs=1e-3)


def test_what_is_told_to_turn_turns_so_far_whatever_slips():
    yaws, _ = turning((0.1, 0.0, 0.3), slip=-0.1, seconds=10.0)
    assert yaws[-1] == pytest.approx(0.3 * 10.0 - 0.1 / LOOP.gain, abs=0.02)


@given(start=st.floats(-20.0, 20.0))
def test_whole_turns_make_no_difference(start):
    yaws, _ = turning((0.1, 0.0, 0.0), slip=0.1, seconds=0.5, start=start)
    usual, _ = turning((0.1, 0.0, 0.0), slip=0.1, seconds=0.5)
    np.testing.assert_allclose(yaws - start, usual, atol=1e-9)


def test_a_robot_at_rest_does_not_turn_back_and_forgets():
    state = GAIT.initial(asking())
    for tick in range(50):
        yaw = np.array(0.02 * tick)
        state, out = GAIT.step(state, asking()._replace(yaw=yaw), DT)
        assert not out.command.any()
        assert state.heading == yaw
    assert not state.walking


def test_without_a_yaw_it_walks_as_if_there_were_no_loop():
    inputs = asking((0.1, 0.0, 0.2))
    blind, deaf = settled(inputs), settled(inputs)
    for _ in range(30):
        blind, first = GAIT.step(blind, inputs._replace(yaw=np.array(np.nan)), DT)
        deaf, second = GAIT.step(deaf, inputs, DT)
        np.testing.assert_array_equal(first.feet, second.feet)


def test_a_yaw_that_comes_back_is_where_it_goes_on_from():
    heading, yaw = np.array([0.3, np.nan, 0.3]), np.array([np.nan, 0.1, 9.0])
    turn, after = hold(LOOP, heading, yaw, np.zeros(3), np.ones(3, bool), DT)
    np.testing.assert_array_equal(turn[:2], 0.0)
    assert np.isnan(after[0])
    assert after[1] == 0.1
    assert abs(after[2] - yaw[2]) <= LOOP.lead


@given(
    heading=st.floats(-10, 10), yaw=st.floats(-10, 10), turn=st.floats(-2, 2), walks=st.booleans()
)
def test_it_adds_no_more_than_it_may(heading, yaw, turn, walks):
    add, after = hold(LOOP, np.array(heading), np.array(yaw), np.array(turn), np.array(walks), DT)
    assert abs(add) <= LOOP.most
    assert abs(after - yaw - turn * DT) <= LOOP.lead + 1e-12
    assert walks or add == 0.0


def test_the_command_that_is_reported_as_asked_is_the_users():
    _, state = turning((0.1, 0.0, 0.0), slip=0.2, seconds=2.0)
    np.testing.assert_allclose(state.asked, [0.1, 0.0, 0.0], atol=1e-15)
    assert state.command[2] < -0.1
    assert not state.slowed
