"""Averages of what robots do against the closed forms of a first-order filter."""

from __future__ import annotations

import numpy as np
import pytest
from stride_training.following import AVERAGE, PACE, at_rest, follow, off_heading

PERIOD, TICKS = 0.02, 75


def test_averages_of_steady_motion_are_the_filters_closed_form() -> None:
    """From rest at v: after n ticks v (1 − (1 − T/τ)ⁿ); the turn, integrated, is where to look."""
    planar = np.array([[0.3, -0.1], [0.1, 0.0]])
    turn = np.array([0.4, 0.0])
    command = np.array([[0.2, 0.0, 0.5], [0.1, 0.0, 0.0]])
    yaw, aim = np.array([3.0, -1.0]), np.array([0.45, 0.0])
    found = at_rest(yaw)
    for _ in range(TICKS):
        found = follow(found, planar, turn, command, aim, PERIOD)
    quick, slow = (1.0 - (1.0 - PERIOD / time) ** TICKS for time in (AVERAGE, PACE))
    assert found.velocity == pytest.approx(planar * quick)
    assert found.turn == pytest.approx(turn * quick)
    assert found.pace == pytest.approx(np.array([0.1, 0.0]) * slow)
    assert found.heading == pytest.approx(yaw + aim * PERIOD * TICKS)


def test_sway_about_the_asked_speed_is_no_error_of_the_pace() -> None:
    """A sway of ±0.2 m/s at 2.5 Hz shows in the velocity, and hardly in the pace."""
    found = at_rest(np.zeros(1))
    quick, slow = [], []
    for tick in range(20 * TICKS):
        sway = 0.2 * np.sin(2.0 * np.pi * 2.5 * tick * PERIOD)
        planar, asked = np.array([[0.3 + sway, 0.0]]), np.array([[0.3, 0.0, 0.0]])
        found = follow(found, planar, np.zeros(1), asked, np.zeros(1), PERIOD)
        quick.append(found.velocity[0, 0] - 0.3)
        slow.append(found.pace[0])
    settled = slice(10 * TICKS, None)
    assert np.abs(slow[settled]).max() < 0.015 < 0.04 < np.abs(quick[settled]).max()


def test_the_headings_error_is_the_short_way_round() -> None:
    found = at_rest(np.array([3.0]))
    assert off_heading(found, np.array([-3.0])) == pytest.approx(2.0 * np.pi - 6.0)
