"""Each check of the watchdog: what it measures, when it speaks, and what follows."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from stride_core.config import ConfigError, from_mapping
from stride_core.robot import load_robot
from stride_core.safety import (
    Action,
    Check,
    Checks,
    Mode,
    Reason,
    SafetyConfig,
    explain,
    initial,
)
from stride_core.safety_config import NAMES
from stride_core.safety_rules import TRANSITIONS, Event, drawing, successor
from tests.core.watchdog import CONFIG, DT, HOME, LIMITS, NOW, decide, healthy, powered_up, tilted

CHECKS = dataclasses.replace(
    CONFIG.checks,
    target_late=Check(0.125, "warn"), tick_overrun=Check(0.0625, "warn"),
    state_jump=Check(0.25, "hold", 0.0, 0.125), fall=Check(0.5, "damp", 0.25),
    clock_jump=Check(0.5), tilt_rate=Check(8.0, "damp", 0.0625),
    joint_soft_limit=Check(0.0625, "warn"), joint_hard_limit=Check(0.25, "damp", 0.0625),
    joint_speed=Check(16.0, "damp", 0.0625), free_fall=Check(0.75, "damp", 0.125),
    motor_fault=Check(0.5, "damp", 0.125), temperature=Check(67.0, "sit", 0.5, 2.0),
    voltage_low=Check(-6.0, "sit", 0.5, 2.0), motors_stale=Check(0.5, "sit", 0.0, 2.0),
)  # fmt: skip
STRICT = dataclasses.replace(CONFIG, checks=CHECKS)

# What makes each check fail for good, the value it then reports, and one that just passes.
CASES: dict[str, tuple[Any, float, Any]] = {
    "imu_stale": (lambda t: {"imu_time": t - 0.25}, 0.25, lambda t: {"imu_time": t - 0.125}),
    "state_stale": (lambda t: {"state_time": t - 0.25}, 0.25, lambda t: {"state_time": t - 0.125}),
    "tilt": (lambda t: {"up": tilted(1.25)}, 1.25, lambda t: {"up": tilted(0.999)}),
    "fall": (lambda t: {"up": tilted(0.75)}, 0.75, lambda t: {"up": tilted(0.499)}),
    "tilt_rate": (
        lambda t: {"gyro": np.array([6.0, 8.0, 50.0])}, 10.0,
        lambda t: {"gyro": np.array([0.0, 8.0, 50.0])},
    ),
    "free_fall": (
        lambda t: {"accel": np.array([0.0, 0.0, 0.981])}, 0.9,
        lambda t: {"accel": np.array([0.0, 0.26 * 9.81, 0.0])},
    ),
    "joint_soft_limit": (
        lambda t: {"position": np.array([0.25, -0.625, 1.0])}, 0.125,
        lambda t: {"position": np.array([0.25, -0.5625, 1.0])},
    ),
    "joint_hard_limit": (
        lambda t: {"position": np.array([1.5, -0.25, 1.0])}, 0.5,
        lambda t: {"position": np.array([1.25, -0.25, 1.0])},
    ),
    "joint_speed": (
        lambda t: {"velocity": np.array([0.0, -20.0, 3.0])}, 20.0,
        lambda t: {"velocity": np.array([16.0, -16.0, 3.0])},
    ),
    "motor_missing": (lambda t: {"motors": healthy(t, missing=2.0)}, 2.0, None),
    "motor_fault": (lambda t: {"motors": healthy(t, fault=32.0)}, 32.0, None),
    "motors_locked": (lambda t: {"motors": healthy(t, locked=1.0)}, 1.0, None),
    "motors_stale": (
        lambda t: {"motors": healthy(t - 0.75)}, 0.75, lambda t: {"motors": healthy(t - 0.5)},
    ),
    "temperature": (
        lambda t: {"motors": healthy(t, temperature=70.0)}, 70.0,
        lambda t: {"motors": healthy(t, temperature=67.0)},
    ),
    "temperature_high": (
        lambda t: {"motors": healthy(t, temperature=60.0)}, 60.0,
        lambda t: {"motors": healthy(t, temperature=58.0)},
    ),
    "voltage_low": (
        lambda t: {"motors": healthy(t, voltage_low=5.5)}, -5.5,
        lambda t: {"motors": healthy(t, voltage_low=6.0)},
    ),
    "voltage_high": (
        lambda t: {"motors": healthy(t, voltage_high=9.0)}, 9.0,
        lambda t: {"motors": healthy(t, voltage_high=8.8)},
    ),
    "node_lost": (lambda t: {"lost": np.array(1.0)}, 1.0, None),
    "target_stale": (
        lambda t: {"target_time": t - 0.5}, 0.5, lambda t: {"target_time": t - 0.125},
    ),
    "target_late": (
        lambda t: {"target_time": t - 0.1875}, 0.1875, lambda t: {"target_time": t - 0.125},
    ),
    "command_stale": (
        lambda t: {"command_time": t - 2.0}, 2.0, lambda t: {"command_time": t - 1.0},
    ),
    "state_not_finite": (lambda t: {"up": np.array([np.nan, 0.0, 1.0])}, np.nan, None),
    "target_not_finite": (lambda t: {"target": np.array([0.0, np.inf, 0.0])}, 1.0, None),
    "emergency_stop": (lambda t: {"estop": True}, 1.0, None),
}  # fmt: skip
OTHERWISE = {"clock_jump", "tick_overrun", "state_jump", "torque", "standing_timeout"}
"""Checks that need a history, with tests of their own."""


def held(name: str, change: Any, seconds: float) -> tuple[list[Any], Any]:
    """Keep a fault up; actions and reasons by tick, and the last decision."""
    state, said, decision = powered_up(), [], None
    for tick in range(int(seconds / DT) + 1):
        now = NOW + tick * DT
        state, decision = decide(state, now, STRICT, **change(now))
        reason = Reason[name.upper()]
        said.append((Action(int(decision.action)), reason in Reason(int(decision.reasons))))
    return said, (state, decision)


def test_every_check_has_a_case() -> None:
    assert set(CASES) | OTHERWISE == set(NAMES)
    assert [reason.name for reason in Reason][: len(NAMES)] == [name.upper() for name in NAMES]


@pytest.mark.parametrize("name", CASES)
def test_a_check_speaks_after_its_persistence_and_its_action_follows(name: str) -> None:
    fault, value, _ = CASES[name]
    check: Check = getattr(CHECKS, name)
    said, (state, decision) = held(name, fault, check.persistence + 4 * DT)
    first = round(check.persistence / DT)
    assert not any(spoke for _, spoke in said[:first])
    assert all(spoke for _, spoke in said[first:])
    action = Action[check.action.upper()]
    assert said[first][0] == action
    explained = {item.reason: item for item in explain(STRICT, decision)}
    assert explained[name.upper()].limit == check.limit
    np.testing.assert_allclose(explained[name.upper()].value, value, atol=1e-9)
    on = action < Action.DAMP
    assert decision.powered == on and (state.mode == Mode.ACTIVE) == on


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_at_its_limit_a_check_holds(name: str) -> None:
    check: Check = getattr(CHECKS, name)
    said, _ = held(name, CASES[name][2], check.persistence + 4 * DT)
    assert not any(spoke for _, spoke in said)


@pytest.mark.parametrize("name", [n for n in CASES if getattr(CHECKS, n).persistence > 0.0])
def test_an_interruption_starts_the_persistence_anew(name: str) -> None:
    check: Check = getattr(CHECKS, name)
    state, most = powered_up(), round(check.persistence / DT)
    for tick in range(3 * most):
        now = NOW + tick * DT
        change = {} if tick % most == most - 1 else CASES[name][0](now)
        state, decision = decide(state, now, STRICT, **change)
        assert Reason[name.upper()] not in Reason(int(decision.reasons))


@pytest.mark.parametrize("name", [n for n in CASES if getattr(CHECKS, n).persistence > 0.0])
def test_what_is_borne_for_a_while_is_no_state_to_begin_with(name: str) -> None:
    check: Check = getattr(CHECKS, name)
    for mode in (Mode.BOOT, Mode.DAMPING, Mode.ESTOP):
        state = initial((), 3) if mode == Mode.BOOT else powered_up()
        state = state._replace(mode=np.array(mode))
        state, decision = decide(state, NOW, STRICT, reset=True, **CASES[name][0](NOW))
        shock = name in ("tilt_rate", "free_fall", "joint_speed")
        serious = Action[check.action.upper()] >= Action.SIT and not shock
        assert state.mode == (mode if serious else Mode.STANDBY) and not decision.powered


@pytest.mark.parametrize("name", ["temperature", "voltage_low", "motors_stale"])
def test_what_sits_damps_in_the_end(name: str) -> None:
    check: Check = getattr(CHECKS, name)
    said, (state, _) = held(name, CASES[name][0], check.damp_after + 2 * DT)
    assert said[-3][0] == Action.SIT
    assert said[-1][0] == Action.DAMP and state.mode == Mode.DAMPING


@pytest.mark.parametrize(
    "unknown",
    [
        {"imu_time": -np.inf}, {"velocity": np.full(3, np.nan)}, {"gyro": np.full(3, np.nan)},
        {"accel": np.full(3, np.nan)}, {"motors": healthy(np.nan)}, {"lost": np.nan},
        {"motors": healthy(NOW, temperature=np.nan)}, {"motors": healthy(NOW, missing=np.nan)},
    ],
)  # fmt: skip
def test_a_check_without_data_has_failed(unknown: dict[str, Any]) -> None:
    state, actions = powered_up(), []
    for tick in range(40):
        state, decision = decide(state, NOW + tick * DT, STRICT, **unknown)
        actions.append(Action(int(decision.action)))
    assert max(actions) >= Action.SIT


def test_what_a_plant_has_not_is_not_checked() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("imu_time", "velocity", "effort", "gyro", "accel", "command_time", "motors")
    )
    _, decision = decide(powered_up(), config=STRICT, **nothing)
    assert decision.action == Action.PASS


def test_a_reading_that_jumps_holds_the_command_and_noise_without_end_damps() -> None:
    state, leap = powered_up(), HOME + np.array([0.6, 0.0, 0.0])  # 0.35 beyond 16 rad/s · 1/64 s
    state, decision = decide(state, NOW, STRICT, position=leap, target=HOME + 0.1)
    assert decision.action == Action.HOLD
    assert Reason.STATE_JUMP in Reason(int(decision.reasons))
    np.testing.assert_array_equal(decision.command, HOME)
    for tick in range(1, 12):
        state, decision = decide(
            state, NOW + tick * DT, STRICT, position=leap if tick % 2 == 0 else HOME
        )
    assert state.mode == Mode.DAMPING


def test_an_attitude_that_jumps_is_no_turn() -> None:
    _, decision = decide(powered_up(), NOW, STRICT, up=tilted(0.99))  # 63 rad/s
    assert decision.action == Action.HOLD


@pytest.mark.parametrize("gap", [0.5625, -0.5625, 100.0, -1e6, np.inf])
def test_a_clock_that_jumps_ends_the_motion(gap: float) -> None:
    now = NOW - DT + gap
    state, decision = decide(powered_up(), now, STRICT)
    assert state.mode == Mode.DAMPING
    assert Reason.CLOCK_JUMP in Reason(int(decision.reasons))


def test_a_late_tick_is_a_warning() -> None:
    _, decision = decide(powered_up(), NOW - DT + 0.125, STRICT)
    assert decision.action == Action.WARN
    assert decision.reasons == Reason.TICK_OVERRUN


def test_a_motor_at_its_torque_for_long_makes_the_robot_sit() -> None:
    state, ticks = powered_up(), 0
    full = np.array([0.0, -LIMITS.torque, 0.0])
    while True:
        state, decision = decide(state, NOW + ticks * DT, STRICT, effort=full)
        if decision.action == Action.SIT:
            break
        ticks += 1
        assert ticks < 400
    # 1 - exp(-t) > 0.6 at t = 0.92 s, and then a second of persistence
    assert ticks * DT == pytest.approx(0.92 + 1.0, abs=0.05)
    assert decision.reasons == Reason.TORQUE


def test_torque_is_taken_away_before_it_is_too_hot() -> None:
    for temperature, share in ((30.0, 1.0), (58.0, 1.0), (62.5, 0.75), (67.0, 0.5), (90.0, 0.5)):
        _, decision = decide(powered_up(), motors=healthy(NOW, temperature=temperature))
        assert decision.torque == pytest.approx(share)


def test_no_joint_may_turn_faster_than_its_servo_could() -> None:
    robot = load_robot("fivebar", "sts3215_345")
    assert SafetyConfig(8.0).for_servo(robot.servo).checks.joint_speed.limit == 1.25 * 5.4
    fast = load_robot("fivebar").servo  # 12.8 rad/s
    assert SafetyConfig(8.0).for_servo(fast).checks.joint_speed.limit == 15.0


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({"tilt": {"limit": 1.0, "action": "warn"}}, "checks.tilt.action: 'warn': expected damp"),
        ({"state_stale": {"limit": 1.0, "action": "sit"}}, "checks.state_stale.action: 'sit'"),
        ({"emergency_stop": {"limit": 0.5, "action": "damp"}}, "expected stop"),
        ({"emergency_stop": {"limit": 1.0, "action": "stop"}}, "emergency_stop.limit: 1: expected"),
        ({"temperature_high": {"limit": 80.0}}, "temperature_high.limit: 80: expected below"),
        ({"tilt": {"limit": float("nan")}}, "tilt: limit"),
        ({"tilt": {"limit": 1e6}}, "checks.tilt.limit: 1e+06: expected 0.1 to 1.6"),
        ({"tilt": {"limit": 1.0, "persistence": 60.0}}, "tilt.persistence: 60: expected 0 to 1"),
        ({"state_stale": {"limit": -1.0}}, "checks.state_stale.limit: -1: expected 0.001 to 10"),
        ({"motors_locked": {"limit": 0.5, "action": "warn"}}, "motors_locked.action: 'warn'"),
        ({"tilt": {"limit": 1.0, "persistence": -1.0}}, "persistence: -1"),
        ({"fall": {"limit": 1.0, "action": "jump"}}, "action: 'jump': expected one of warn, limit"),
        ({"tlit": {"limit": 1.0}}, "did you mean tilt?"),
    ],
)
def test_thresholds_that_open_a_hole_are_refused(checks: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        from_mapping(SafetyConfig, {"max_joint_speed": 8.0, "checks": checks}, "safety")
    assert "\n" not in str(caught.value)


def test_what_a_file_leaves_out_of_a_check_stays_as_it_is_by_default() -> None:
    made = from_mapping(
        SafetyConfig, {"max_joint_speed": 8.0, "checks": {"fall": {"limit": 0.5}}}, "safety"
    )
    assert made.checks == dataclasses.replace(Checks(), fall=Check(0.5, "damp", 0.3))


def test_the_table_of_transitions() -> None:
    for mode in Mode:
        for case in range(64):
            events, after = Event(case), successor(mode, Event(case))
            if Event.ESTOP in events:
                assert after == Mode.ESTOP
            elif after != mode:
                assert Event.RESET in events or mode < Mode.DAMPING
                assert after != Mode.ACTIVE or mode == Mode.STANDING
                assert after != Mode.STANDING or Event.TRUSTED | Event.READY in events
            if mode in (Mode.STANDING, Mode.ACTIVE) and Event.DAMP in events:
                assert after >= Mode.DAMPING


def test_the_drawing_shows_every_transition() -> None:
    text = drawing()
    arrows = [line for line in text.splitlines() if "-->" in line and "[*]" not in line]
    assert len(arrows) == sum(t.source != t.target for t in TRANSITIONS)
    assert "    STANDBY --> STANDING: trusted and ready" in arrows


def test_defaults_are_in_the_order_of_their_reasons() -> None:
    assert tuple(field.name for field in dataclasses.fields(Checks)) == NAMES
