"""The watchdog, case by case: what is checked, what is done about it, and what is said."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.safety import (
    Action,
    Decision,
    Explanation,
    Mode,
    Reason,
    SafetyState,
    explain,
    initial,
)
from tests.core.watchdog import (
    CONFIG,
    DT,
    HOME,
    NOW,
    PER_TICK,
    STANDING_TICK,
    UPRIGHT,
    decide,
    healthy,
    powered_up,
    standing_by,
    standing_up,
    tilted,
)

NEVER = -np.inf
UNKNOWN = np.full(3, np.nan)
FAULTS: dict[Reason, dict[str, Any]] = {  # old enough to be stale in the ticks after NOW too
    Reason.STATE_STALE: {"state_time": NOW - 0.126},
    Reason.STATE_NOT_FINITE: {"position": [0.25, np.nan, 1.0]},
    Reason.TILT: {"up": tilted(1.01)},
    Reason.TARGET_STALE: {"target_time": NOW - 0.251},
    Reason.EMERGENCY_STOP: {"estop": True},
}


def near_home(*offset: float) -> FloatArray:
    return HOME + np.array(offset)


def verdict(state: SafetyState, decision: Decision) -> tuple[Mode, Action, Reason]:
    return Mode(int(state.mode)), Action(int(decision.action)), Reason(int(decision.reasons))


def assert_motors_off(decision: Decision) -> None:
    assert not decision.powered
    assert np.isnan(decision.command).all()


# --- before the motors are on --------------------------------------------------------------------


def test_nothing_has_come_yet():
    state, decision = decide(
        initial((), 3), target=UNKNOWN, target_time=NEVER, position=UNKNOWN, up=UNKNOWN,
        state_time=NEVER, imu_time=NEVER, motors=healthy(NEVER),
    )  # fmt: skip
    missing = Reason.STATE_STALE | Reason.IMU_STALE | Reason.MOTORS_STALE
    assert verdict(state, decision) == (Mode.BOOT, Action.DAMP, missing)
    assert_motors_off(decision)


def test_a_state_without_a_target_is_standby():
    state, decision = decide(initial((), 3), target=UNKNOWN, target_time=NEVER)
    assert verdict(state, decision) == (Mode.STANDBY, Action.DAMP, Reason(0))
    assert_motors_off(decision)


def test_state_and_target_power_the_motors_and_the_robot_stands_up():
    state, decision = decide(standing_by())
    assert verdict(state, decision) == (Mode.STANDING, Action.PASS, Reason(0))
    assert decision.powered
    np.testing.assert_array_equal(decision.command, HOME)
    state, decision = decide(state, NOW + DT)
    assert verdict(state, decision) == (Mode.ACTIVE, Action.PASS, Reason(0))


def test_it_stands_up_slowly_from_where_it_lies():
    low = near_home(0.0, 0.0, -1.0)
    state, _ = decide(standing_by(), position=low)
    position, ticks = low, 0
    while state.mode == Mode.STANDING:
        ticks += 1
        state, decision = decide(state, NOW + ticks * DT, position=position)
        before, position = position, decision.command  # servos that follow at once
        assert (np.abs(position - before) <= STANDING_TICK + 1e-12).all() or state.mode != 2
    # 1 rad at 2 rad/s to within the tolerance of 0.25: the tick after 24 of 1/64 s
    assert (ticks, Mode(int(state.mode))) == (25, Mode.ACTIVE)


def test_a_robot_that_cannot_stand_up_is_damped_in_the_end():
    state, _ = decide(standing_by(), position=near_home(0.0, 0.0, -1.0))
    now = NOW
    while state.mode == Mode.STANDING:
        now += 1.0 / 16.0
        state, decision = decide(state, now, position=near_home(0.0, 0.0, -1.0))
    assert verdict(state, decision) == (Mode.DAMPING, Action.DAMP, Reason.STANDING_TIMEOUT)
    assert now == NOW + 8.0 + 1.0 / 16.0


@pytest.mark.parametrize("wrong", [
    *(change for reason, change in FAULTS.items() if reason != Reason.EMERGENCY_STOP),
    {"target": UNKNOWN}, {"up": [0.0, np.nan, 1.0]}, {"position": [np.inf, 0.0, 0.0]},
    {"target": [0.0, 0.0, np.inf]},
])  # fmt: skip
def test_the_motors_stay_off_while_anything_is_wrong(wrong):
    for state in (initial((), 3), standing_by()):
        for tick in range(3):
            state, decision = decide(state, NOW + tick * DT, **wrong)
            assert_motors_off(decision)


def test_they_come_on_when_it_is_right_again_and_no_trace_is_left():
    for field in ("position", "target", "up"):
        unknown: dict[str, Any] = {field: UNKNOWN}
        state, _ = decide(standing_by(), **unknown)
        _, decision = decide(state, NOW + DT)
        np.testing.assert_array_equal(decision.command, HOME)


def test_a_recent_target_does_not_power_the_motors_when_the_newest_is_not_finite():
    state, _ = decide(standing_by(), up=tilted(2.0))  # a usable target, but a fallen robot
    _, decision = decide(state, NOW + DT, target=UNKNOWN)
    assert_motors_off(decision)


def test_before_the_motors_are_on_limits_are_no_reason():
    state, decision = decide(standing_by(), target=[9.0, -9.0, 9.0], target_time=NEVER)
    assert verdict(state, decision) == (Mode.STANDBY, Action.DAMP, Reason(0))


def test_the_first_command_is_where_the_joints_are_now():
    position = np.array([0.9, -0.4, 0.1])  # and not at HOME, where they were a tick ago
    state, decision = decide(standing_by(), position=position, target=HOME)
    np.testing.assert_array_equal(decision.command, position)
    assert verdict(state, decision) == (Mode.STANDING, Action.PASS, Reason(0))  # that is its way


def test_joints_beyond_their_limits_are_led_to_the_limit_at_once():
    _, decision = decide(standing_by(), position=[1.1, -0.6, -0.15])
    np.testing.assert_array_equal(decision.command, [1.0, -0.5, 0.0])


def test_standby_is_kept_when_the_state_is_lost_before_the_motors_were_on():
    state, decision = decide(standing_by(), target=UNKNOWN, state_time=NEVER)
    assert verdict(state, decision) == (Mode.STANDBY, Action.DAMP, Reason.STATE_STALE)


@pytest.mark.parametrize("change", [{"reset": True}, {}])
def test_a_robot_that_stands_up_is_watched_as_one_that_walks(change):
    for reason, wrong in FAULTS.items():
        state, decision = decide(standing_up(), **{**change, **wrong})
        assert state.mode in (Mode.DAMPING, Mode.ESTOP), reason
        assert_motors_off(decision)


# --- the command ---------------------------------------------------------------------------------


def test_a_target_within_reach_of_one_tick_passes():
    target = near_home(PER_TICK, -0.1, 0.0)
    state, decision = decide(powered_up(), target=target)
    assert verdict(state, decision) == (Mode.ACTIVE, Action.PASS, Reason(0))
    np.testing.assert_array_equal(decision.command, target)


def test_a_leap_is_slowed_to_the_speed_limit_joint_by_joint():
    _, decision = decide(powered_up(), target=near_home(0.5, 0.1, -1.0))
    np.testing.assert_array_equal(decision.command, near_home(PER_TICK, 0.1, -PER_TICK))
    assert decision.action == Action.LIMIT
    assert decision.reasons == Reason.SPEED_LIMIT
    assert explain(CONFIG, decision) == [Explanation("SPEED_LIMIT", 1.0 - PER_TICK, 0.0)]


def test_a_leap_arrives_after_as_many_ticks_as_its_speed_needs():
    state, target = powered_up(), near_home(0.5, 0.0, 0.0)  # 4 ticks of 0.125
    commands = []
    for tick in range(5):
        now = NOW + tick * DT
        state, decision = decide(state, now, target=target)
        commands.append(decision.command[0] - HOME[0])
    assert commands == [0.125, 0.25, 0.375, 0.5, 0.5]


def test_beyond_the_joints_limit_is_clipped_to_it():
    edge: dict[str, Any] = {"position": [0.95, -0.5, 2.0], "target": [0.95, -0.5, 2.0]}
    state, _ = decide(standing_by(), **edge)
    state, _ = decide(state, NOW + DT, **edge)
    state, decision = decide(state, NOW + 2 * DT, target=[1.05, -0.75, 2.05])
    np.testing.assert_array_equal(decision.command, [1.0, -0.5, 2.0])
    assert decision.action == Action.LIMIT
    assert decision.reasons == Reason.POSITION_LIMIT
    assert explain(CONFIG, decision) == [Explanation("POSITION_LIMIT", 0.25, 0.0)]


def test_after_a_gap_in_the_ticks_the_command_moves_by_one_timeouts_worth_at_most():
    slow = dataclasses.replace(CONFIG, max_joint_speed=1.0)  # 0.25 rad in 0.25 s
    _, decision = decide(powered_up(), NOW + 8.0, slow, target=[-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(decision.command, [0.0, 0.0, 1.0])


def test_time_that_stands_still_or_goes_back_moves_nothing():
    for now in (NOW - DT, NOW - 5.0):
        _, decision = decide(powered_up(), now, target=HOME + 0.05)
        np.testing.assert_array_equal(decision.command, HOME)


# --- targets that cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_target_that_is_not_finite_holds_the_last_command(bad):
    state, decision = decide(powered_up(), target=[0.25, bad, 1.0])
    assert verdict(state, decision) == (Mode.ACTIVE, Action.HOLD, Reason.TARGET_NOT_FINITE)
    np.testing.assert_array_equal(decision.command, HOME)


def test_held_too_long_the_motors_are_damped():
    state = powered_up()  # the last good target is of NOW - 1/64
    for tick in range(16):  # ages 1/64 … 16/64 = the timeout
        state, decision = decide(state, NOW + tick * DT, target=UNKNOWN)
        assert verdict(state, decision)[:2] == (Mode.ACTIVE, Action.HOLD)
        np.testing.assert_array_equal(decision.command, HOME)
    state, decision = decide(state, NOW + 16 * DT, target=UNKNOWN)
    assert verdict(state, decision) == (
        Mode.DAMPING, Action.DAMP, Reason.TARGET_NOT_FINITE | Reason.TARGET_STALE,
    )  # fmt: skip
    assert_motors_off(decision)


def test_a_good_target_ends_the_hold():
    state, _ = decide(powered_up(), target=UNKNOWN)
    state, decision = decide(state, NOW + DT, target=HOME + 0.05)
    assert verdict(state, decision) == (Mode.ACTIVE, Action.PASS, Reason(0))
    np.testing.assert_array_equal(decision.command, HOME + 0.05)


def test_an_old_target_counts_until_its_timeout_exactly():
    state, decision = decide(powered_up(), target_time=NOW - 0.25)
    assert verdict(state, decision) == (Mode.ACTIVE, Action.PASS, Reason(0))
    state, decision = decide(powered_up(), target_time=np.nextafter(NOW - 0.25, 0))
    assert verdict(state, decision) == (Mode.DAMPING, Action.DAMP, Reason.TARGET_STALE)


def test_state_age_and_tilt_count_until_their_limits_exactly():
    _, decision = decide(powered_up(), state_time=NOW - 0.125)
    assert decision.powered
    _, decision = decide(powered_up(), up=tilted(0.999))
    assert decision.powered
    assert decision.tilt == pytest.approx(0.999, abs=1e-12)


def test_upside_down_and_a_vector_longer_than_one_are_angles_too():
    _, decision = decide(powered_up(), up=[0.0, 0.0, -1.0])
    assert decision.tilt == math.pi
    _, decision = decide(powered_up(), up=[0.0, 0.0, 1.0 + 1e-9])
    assert decision.tilt == 0.0
    assert decision.powered


# --- faults latch --------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_ends_active_at_once(reason):
    state, decision = decide(powered_up(), **FAULTS[reason])
    stop = reason == Reason.EMERGENCY_STOP
    mode, action = (Mode.ESTOP, Action.STOP) if stop else (Mode.DAMPING, Action.DAMP)
    assert verdict(state, decision) == (mode, action, reason)
    assert_motors_off(decision)


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_latches_until_a_reset_and_then_power_returns(reason):
    stopped, _ = decide(powered_up(), **FAULTS[reason])
    for tick in range(1, 4):
        stopped, decision = decide(stopped, NOW + tick * DT)
        assert_motors_off(decision)
        assert Reason(int(stopped.latched)) == reason
        assert reason in Reason(int(decision.reasons))
    state, decision = decide(stopped, NOW + 4 * DT, reset=True)
    assert verdict(state, decision) == (Mode.STANDBY, Action.DAMP, Reason(0))
    assert_motors_off(decision)
    position = HOME + 0.2  # the joints have moved: the command starts there
    state, decision = decide(state, NOW + 5 * DT, position=position)
    assert verdict(state, decision)[0] == Mode.STANDING
    np.testing.assert_array_equal(decision.command, position)


@pytest.mark.parametrize("reason", [Reason.STATE_STALE, Reason.STATE_NOT_FINITE, Reason.TILT])
@pytest.mark.parametrize("mode", [Mode.DAMPING, Mode.ESTOP])
def test_a_reset_is_refused_while_the_robot_cannot_be_trusted(reason, mode):
    first = FAULTS[reason] if mode == Mode.DAMPING else {"estop": True}
    stopped, _ = decide(powered_up(), **first)
    state, decision = decide(stopped, reset=True, **FAULTS[reason])
    assert state.mode == mode
    assert_motors_off(decision)
    state, decision = decide(state, NOW + DT)  # and is not remembered
    assert state.mode == mode
    assert_motors_off(decision)


def test_further_faults_add_to_the_latched_reasons():
    state, _ = decide(powered_up(), **FAULTS[Reason.TILT])
    state, decision = decide(state, **FAULTS[Reason.STATE_NOT_FINITE])
    assert Reason(int(decision.reasons)) == Reason.TILT | Reason.STATE_NOT_FINITE


@pytest.mark.parametrize("change", [{}, *FAULTS.values()])
def test_emergency_stop_is_above_all(change):
    for state in (initial((), 3), powered_up(), decide(powered_up(), up=tilted(2.0))[0]):
        state, decision = decide(state, **{**change, "estop": True, "reset": True})
        assert state.mode == Mode.ESTOP
        assert decision.action == Action.STOP
        assert Reason.EMERGENCY_STOP in Reason(int(decision.reasons))
        assert_motors_off(decision)


def test_a_reset_while_active_changes_nothing():
    state, decision = decide(powered_up(), reset=True)
    assert verdict(state, decision) == (Mode.ACTIVE, Action.PASS, Reason(0))


@pytest.mark.parametrize("ahead", [1.0, 1e9, np.inf])
@pytest.mark.parametrize("stamp", ["state_time", "target_time"])
def test_a_stamp_from_the_future_is_no_proof_of_freshness(stamp, ahead):
    # otherwise one bad stamp would switch its timeout off
    _, decision = decide(powered_up(), **{stamp: NOW + ahead})
    assert_motors_off(decision)


# --- what is said --------------------------------------------------------------------------------


def test_explanations_name_reason_value_and_limit_the_strictest_first():
    wrong: dict[str, Any] = {"up": tilted(1.5), "target_time": NOW - 0.5}
    state, decision = decide(powered_up(), **wrong)
    tilt, target = explain(CONFIG, decision)
    assert (tilt.reason, tilt.limit) == ("TILT", 1.0)
    assert tilt.value == pytest.approx(1.5)
    assert target == Explanation("TARGET_STALE", 0.5, 0.25)
    _, decision = decide(state, estop=True)
    names = [item.reason for item in explain(CONFIG, decision)]
    assert names == ["EMERGENCY_STOP", "TILT", "TARGET_STALE"]


def test_explanations_of_a_stale_state_and_of_limits():
    _, decision = decide(powered_up(), state_time=NOW - 0.25)
    assert explain(CONFIG, decision) == [Explanation("STATE_STALE", 0.25, 0.125)]
    # asked for 1.5 with the limit at 1.0, allowed 0.125 from 0.25
    _, decision = decide(powered_up(), target=[1.5, *HOME[1:]])
    assert explain(CONFIG, decision) == [
        Explanation("POSITION_LIMIT", 0.5, 0.0), Explanation("SPEED_LIMIT", 0.625, 0.0),
    ]  # fmt: skip


def test_nothing_wrong_needs_no_explanation():
    _, decision = decide(powered_up(), up=UPRIGHT)
    assert explain(CONFIG, decision) == []
