"""Figures of a run against paths whose figures are known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from stride_core.frames import quat_from_rpy
from stride_sim.statistics import RunStatistics, Summary

PERIOD = 0.01


def run(
    ticks: int,
    speed: tuple[float, float] = (0.0, 0.0),
    turn: float = 0.0,
    yaw: float = 0.0,
    rpy: tuple[float, float] = (0.0, 0.0),
    heights: tuple[float, ...] = (0.08,),
) -> Summary:
    """A trunk that moves by ``speed`` in its own frame and turns, from the world's origin."""
    statistics = RunStatistics(PERIOD)
    position = np.zeros(3)
    for k in range(ticks):
        heading = yaw + turn * PERIOD * k
        statistics.add(position, quat_from_rpy((*rpy, heading)), heights[k % len(heights)])
        # a chord of the arc: over one tick the heading's middle is the direction of travel
        middle = heading + 0.5 * turn * PERIOD
        cos, sin = math.cos(middle), math.sin(middle)
        forward, left = np.multiply(speed, PERIOD)
        position = position + np.array([cos * forward - sin * left, sin * forward + cos * left, 0])
    return statistics.summary(wall_seconds=2.0)


def test_a_straight_walk_in_any_heading_is_forward() -> None:
    found = run(1001, speed=(0.2, 0.0), yaw=2.0)
    assert found.distance_m == pytest.approx(2.0)
    assert (found.mean_vx_mps, found.mean_vy_mps) == pytest.approx((0.2, 0.0), abs=1e-9)
    assert found.lateral_drift_m == pytest.approx(0.0, abs=1e-9)
    assert found.ticks == 1001
    assert found.sim_seconds == pytest.approx(10.01)
    assert found.realtime_factor == pytest.approx(5.005)


def test_sideways_is_to_the_left_and_drifts_by_the_whole_way() -> None:
    found = run(101, speed=(0.0, 0.1), yaw=-1.0)
    assert found.mean_vy_mps == pytest.approx(0.1)
    assert found.lateral_drift_m == pytest.approx(0.1)


def test_a_full_circle_comes_home_and_counts_its_turn_beyond_half() -> None:
    found = run(1001, speed=(0.1, 0.0), turn=2 * math.pi / 10.0)
    assert found.distance_m == pytest.approx(0.0, abs=1e-6)
    assert found.mean_wz_rps == pytest.approx(2 * math.pi / 10.0)
    assert found.mean_vx_mps == pytest.approx(0.1, rel=1e-3)


def test_tilt_and_height_are_those_of_the_path() -> None:
    found = run(100, rpy=(-0.1, 0.05), heights=(0.07, 0.09))
    assert found.max_abs_roll_deg == pytest.approx(math.degrees(0.1))
    assert found.max_abs_pitch_deg == pytest.approx(math.degrees(0.05))
    assert found.height_mean_m == pytest.approx(0.08)
    assert found.height_std_m == pytest.approx(0.01)


def test_a_fall_counts_once_until_the_robot_is_up_again() -> None:
    statistics = RunStatistics(PERIOD)
    for down in (False, True, True, False, True):
        statistics.add(np.zeros(3), quat_from_rpy((0.0, 0.0, 0.0)), 0.08, down)
    assert statistics.summary(1.0).falls == 2


def test_latencies_are_percentiles_of_what_was_added() -> None:
    statistics = RunStatistics(PERIOD)
    for microseconds in range(1, 101):
        statistics.add_latency(float(microseconds))
    assert statistics.latency() == pytest.approx({"p50": 50.5, "p99": 99.01, "p99.9": 99.901})
    assert statistics.latest_latency == 100.0


def test_without_a_tick_there_is_nothing_and_no_crash() -> None:
    found = RunStatistics(PERIOD).summary(1.0)
    assert (found.ticks, found.distance_m, found.falls) == (0, 0.0, 0)
