"""The driver's decisions: when the motors get torque, and when not any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stride_hardware.driver import Driver, DriverConfig, Power
from stride_hardware.mock_bus import MockBus
from stride_hardware.motors import Sample
from tests.hardware.parts import SPEC, mocked

DT = 0.01
CONFIG = DriverConfig(
    command_timeout=0.1, damping_time=0.2, soft_start_time=0.5, soft_start_share=0.25
)


class Bench:
    """A driver with its clock."""

    def __init__(self, config: DriverConfig = CONFIG) -> None:
        self.driver: Driver
        self.bus: MockBus
        self.driver, self.bus = mocked(config)
        self.now = 100.0

    def tick(self, *command: object, times: int = 1) -> None:
        """Ticks with a command after each, or without one."""
        for _ in range(times):
            self.now += DT
            self.driver.read(self.now)
            self.driver.step(self.now)
            for one in command:
                self.driver.command(self.now, one if one is None else np.asarray(one))

    def following(self) -> Bench:
        self.tick(None)
        self.tick(SPEC.home, times=60)
        assert self.driver.power == Power.FOLLOWING
        return self

    def is_(self, power: Power) -> bool:
        return self.driver.power == power

    @property
    def on(self) -> bool:
        return any(self.bus.on.values())


def test_nothing_has_torque_before_the_watchdog_said_no_torque_once() -> None:
    bench = Bench()
    bench.tick(SPEC.home, times=20)
    assert bench.is_(Power.LOCKED) and not bench.on
    bench.tick(None)
    bench.tick(SPEC.home)
    assert bench.is_(Power.STARTING) and all(bench.bus.on.values())


def test_the_torque_comes_on_where_the_joints_are_and_rises() -> None:
    bench = Bench()
    below = SPEC.home + 0.3
    here = bench.driver.calibration.counts(below).tolist()
    bench.bus.at = dict(zip(bench.bus.at, here, strict=True))
    bench.tick(None)
    bench.bus.log.clear()
    bench.tick(below)
    # what was held goes out before the torque comes on, and it is where the joints are
    assert bench.bus.log.index("strength") < bench.bus.log.index("on")
    assert bench.bus.log.index("goals") < bench.bus.log.index("on")
    assert list(bench.bus.at.values()) == here
    shares = []
    for _ in range(60):
        bench.tick(below)
        shares.append(min(bench.bus.strength.values()))
    assert shares[0] == pytest.approx(0.25 + 0.75 * DT / 0.5)
    assert shares[24] == pytest.approx(0.625)
    assert np.diff(shares).min() >= 0.0 and shares[-1] == 1.0
    assert bench.is_(Power.FOLLOWING)


def test_silence_lets_the_torque_fall_and_locks() -> None:
    bench = Bench().following()
    bench.tick(times=9)
    assert bench.is_(Power.FOLLOWING)
    bench.tick(times=2)  # beyond 100 ms, whatever the rounding
    assert bench.is_(Power.RAMPING)
    shares = []
    while bench.on:
        bench.tick()
        shares.append(min(bench.bus.strength.values()))
        assert len(shares) < 30
    assert len(shares) == pytest.approx(20, abs=2)
    assert (np.diff(shares[:-1]) < 0.0).all()
    assert bench.is_(Power.LOCKED)
    assert bench.driver.cause in ("no command for 100 ms", "no command for 110 ms")
    bench.tick(SPEC.home, times=10)
    assert not bench.on
    bench.tick(None)
    bench.tick(SPEC.home)
    assert bench.on


def test_a_driver_that_was_held_up_itself_does_not_blame_the_others() -> None:
    bench = Bench().following()
    bench.now += 5.0  # the machine slept; the commands wait in the queue
    bench.tick(SPEC.home)
    assert bench.is_(Power.FOLLOWING)


def test_a_command_without_positions_is_no_torque_at_once() -> None:
    bench = Bench().following()
    bench.tick(None)
    assert bench.is_(Power.OFF) and not bench.on


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_position_that_is_not_finite_is_refused_and_is_no_sign_of_life(bad: float) -> None:
    bench = Bench().following()
    before = dict(bench.bus.at)
    command = SPEC.home.copy()
    command[4] = bad
    bench.tick(command, times=11)
    assert bench.bus.at == before
    assert bench.is_(Power.RAMPING)


@settings(max_examples=50)
@given(st.lists(st.floats(-10.0, 10.0), min_size=12, max_size=12))
def test_no_goal_lies_beyond_a_limit(wanted: list[float]) -> None:
    bench = Bench(replace(CONFIG, soft_start_time=0.0))
    bench.tick(None)
    bench.tick(wanted, times=3)
    counts = np.array(list(bench.bus.at.values()))
    angles = bench.driver.calibration.angles(counts)
    half = np.pi / 4096
    assert ((angles >= SPEC.joint_lower - half) & (angles <= SPEC.joint_upper + half)).all()
    inside = np.clip(wanted, SPEC.joint_lower, SPEC.joint_upper)
    np.testing.assert_allclose(angles, inside, atol=1.001 * half)


def test_a_servo_is_missing_after_so_many_ticks_and_comes_back() -> None:
    bench = Bench().following()
    bench.bus.silent.add(5)
    bench.tick(SPEC.home, times=3)
    assert np.isfinite(bench.driver.read(bench.now).position).all()
    assert not bench.driver.missing.any()
    bench.tick(SPEC.home)
    assert np.flatnonzero(bench.driver.missing).tolist() == [4]
    reading = bench.driver.read(bench.now)
    assert np.flatnonzero(np.isnan(reading.position)).tolist() == [4]
    bench.bus.silent.clear()
    for _ in range(30):
        bench.tick(SPEC.home)
        bench.driver.read_health(bench.now)
    assert not bench.driver.missing.any()


@pytest.mark.parametrize("health_per_tick", [1, 7, 20])
def test_each_missing_servo_has_its_turn_and_no_tick_tries_two(
    health_per_tick: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(replace(CONFIG, health_per_tick=health_per_tick))
    bench.bus.silent = {5, 9}
    asked: list[list[int]] = []
    read = bench.bus.read

    def listen(ids: Sequence[int], budget: float) -> Sample:
        asked.append(list(ids))
        return read(ids, budget)

    monkeypatch.setattr(bench.bus, "read", listen)
    for _ in range(46):
        bench.tick()
        bench.driver.read_health(bench.now)
    tries = [[servo for servo in ids if servo in (5, 9)] for ids in asked[6:]]
    assert sorted(filter(None, tries)) == [[5], [5], [9], [9]]


def test_when_the_line_is_back_all_are_read_at_once() -> None:
    bench = Bench()
    bench.bus.silent |= set(bench.bus.at)
    bench.tick(times=6)
    assert bench.driver.missing.all()
    bench.bus.silent.clear()
    bench.tick()
    assert not bench.driver.missing.any()


def test_with_a_servo_missing_the_motors_do_not_come_on() -> None:
    bench = Bench()
    bench.bus.silent.add(5)
    bench.tick(None, times=6)
    bench.tick(SPEC.home, times=5)
    assert bench.is_(Power.OFF) and bench.driver.refused == 5


def test_a_motor_that_missed_the_word_is_told_again() -> None:
    bench = Bench()
    bench.tick(None)
    bench.tick(SPEC.home)
    bench.bus.on[3] = False  # the sync write was lost on it
    bench.tick(SPEC.home, times=2)
    assert bench.bus.on[3]


def test_a_share_of_the_torque_is_passed_on() -> None:
    bench = Bench().following()
    bench.driver.command(bench.now, SPEC.home, np.linspace(0.0, 1.0, 12))
    np.testing.assert_allclose(list(bench.bus.strength.values()), np.linspace(0.0, 1.0, 12))


def test_a_servo_that_restarted_ends_the_torque_of_all() -> None:
    bench = Bench().following()
    bench.bus.on[7] = False
    for _ in range(12):
        bench.driver.read_health(bench.now)
    assert bench.is_(Power.RAMPING)
    assert bench.driver.cause == "servo 7 (RL_tilt) restarted: no torque"


def test_the_slow_registers_are_read_in_turns() -> None:
    bench = Bench()
    rounds = [bench.driver.read_health(bench.now) for _ in range(24)]
    assert rounds == ([False] * 11 + [True]) * 2
    assert all(health and health.voltage == 7.4 for health in bench.driver.health)


def test_slow_figures_that_come_no_more_are_unknown() -> None:
    bench = Bench()
    for round_ in range(6):
        for _ in range(12):
            bench.driver.read_health(bench.now)
        known = [health is not None for health in bench.driver.health]
        assert known == [servo != 5 or round_ < 5 for servo in bench.driver.calibration.ids]
        bench.bus.silent = {5}  # it tells its position, and no more than that


def test_the_check_before_the_start() -> None:
    driver, bus = mocked()
    driver.check((777,))
    with pytest.raises(ValueError, match=r"servo 1 \(FL_tilt\): model 777: expected 1111"):
        driver.check((1111,))
    bus.silent |= {2, 7}
    with pytest.raises(ValueError, match=r"servo 2 \(FL_shoulder_L\), 7 \(RL_tilt\): no answer"):
        driver.check()
    bus.silent.clear()
    bus.at[1] = 100
    with pytest.raises(ValueError, match=r"FL_tilt: -?\d\.\d\d rad: expected from -1.00 to 1.00"):
        driver.check()


def test_while_it_is_forbidden_nobody_gives_torque() -> None:
    bench = Bench().following()
    bench.driver.forbid(bench.now, "two voices")
    bench.tick(SPEC.home, times=30)
    assert bench.is_(Power.LOCKED) and not bench.on
    bench.tick(None, SPEC.home, None, SPEC.home, times=20)
    bench.driver.forbid(bench.now, "two voices")
    assert bench.is_(Power.LOCKED) and not bench.on and bench.driver.cause == "two voices"
    bench.driver.forbid(bench.now, "")
    bench.tick(None)
    bench.tick(SPEC.home)
    assert bench.is_(Power.STARTING) and bench.on
