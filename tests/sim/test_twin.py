"""The twin: registers move the plant's joints, and the plant's joints are in the registers."""

from __future__ import annotations

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_hardware.sts import registers as reg
from stride_hardware.sts.protocol import Fault
from stride_sim.twin import Twin
from tests.hardware.parts import SPEC, calibration

AT = {joint: row for row, joint in enumerate(SPEC.joints)}


class Driven:
    """A twin whose servos' registers are written, in a time of its own."""

    def __init__(self) -> None:
        self.twin, self.now = Twin(SPEC, calibration()), 100.0
        self.twin.advance(self.now)

    def go(self, goal: FloatArray, seconds: float) -> FloatArray:
        """Hold a goal (joints,) [rad] for a while; where the joints then are, by the registers."""
        counts = calibration().counts(goal).tolist()
        for servo, count in zip(self.twin.servos, counts, strict=True):
            servo.write(reg.GOAL_POSITION.address, reg.GOAL_POSITION.encode(count))
            servo.write(reg.TORQUE_ENABLE.address, b"\x01")
        for _ in range(round(seconds / 0.02)):
            self.twin.answer(b"", self.now)
            self.now += 0.02
        self.twin.answer(b"", self.now)
        for servo in self.twin.servos:
            servo.read(reg.PRESENT_POSITION.address, 2)  # as a driver would
        read = [servo.get(reg.PRESENT_POSITION) for servo in self.twin.servos]
        return calibration().angles(np.array(read))


def test_a_robot_without_torque_lies_and_stands_up_when_told() -> None:
    driven = Driven()
    low = float(driven.twin.seen[1].height[0])
    assert not driven.twin.powered
    there = driven.go(SPEC.home, 1.0)
    np.testing.assert_allclose(there, SPEC.home, atol=0.06)
    np.testing.assert_allclose(there, driven.twin.seen[0].position[0], atol=np.pi / 4096 * 1.01)
    assert float(driven.twin.seen[1].height[0]) > low + 0.03


def test_with_half_the_gain_it_sags_twice_as_far() -> None:
    driven, sag = Driven(), []
    tilted = [AT[joint] for joint in SPEC.joints if joint.endswith("_shoulder_L")]
    for gain in (64, 32, 64):
        for servo in driven.twin.servos:
            servo.write(reg.LOCK.address, b"\x00")
            servo.write(reg.P_GAIN.address, bytes([gain]))
        driven.go(SPEC.home, 1.5)
        now = driven.twin.seen[1].joint_position[0]
        sag.append(float(np.abs(now - SPEC.home)[tilted].mean()))
    assert sag[0] > 0.005
    assert sag[1] / sag[0] == pytest.approx(2.0, rel=0.15)
    assert sag[2] == pytest.approx(sag[0], rel=0.2)  # dry friction


def test_what_is_held_does_not_turn_trips_and_is_reported() -> None:
    driven = Driven()
    before = driven.go(SPEC.home, 1.0)
    driven.twin.jammed[AT["FL_shoulder_L"]] = True
    goal = SPEC.home.copy()
    goal[AT["FL_shoulder_L"]] += 0.4
    after = driven.go(goal, 2.4)
    assert after[AT["FL_shoulder_L"]] == pytest.approx(before[AT["FL_shoulder_L"]], abs=0.01)
    servo = driven.twin.servos[AT["FL_shoulder_L"]]
    assert servo.fault == Fault.OVERLOAD and servo.strength == 0.2
    assert servo.temperature > driven.twin.servos[AT["RR_tilt"]].temperature


def test_what_is_caught_amid_a_swing_stops_there_and_the_robot_stands() -> None:
    driven, joint = Driven(), AT["FL_shoulder_L"]
    driven.go(SPEC.home, 1.0)
    caught, held = np.nan, []
    for tick in range(60):
        goal = SPEC.home.copy()
        for leg, way in (("FL", 1), ("RR", 1), ("FR", -1), ("RL", -1)):
            for side in "LR":
                swing = 0.35 * np.sin(2 * np.pi * 2.2 * 0.02 * tick)
                goal[AT[f"{leg}_shoulder_{side}"]] += way * swing
        truth = driven.twin.seen[1]
        if tick == 26:
            assert abs(truth.joint_velocity[0, joint]) > 4.0
            caught = truth.joint_position[0, joint]
            driven.twin.jammed[joint] = True
        elif tick > 26:
            held.append(truth.joint_position[0, joint])
        driven.go(goal, 0.02)
    assert not driven.twin.plant.diverged.any()
    np.testing.assert_allclose(held, caught, atol=0.06)
    assert np.ptp(held[3:]) < 0.01


def test_a_swing_at_full_voltage_is_no_overload() -> None:
    # the firmware's figures are taken ten times a second: just when this swing is at its hardest
    driven = Driven()
    driven.go(SPEC.home, 1.0)
    for _ in range(30):
        for way in (0.25, -0.25):
            goal = SPEC.home.copy()
            goal[AT["FL_tilt"]] += way
            driven.go(goal, 0.06 if way > 0.0 else 0.04)
    assert not driven.twin.servos[AT["FL_tilt"]].fault


def test_without_power_the_registers_begin_anew() -> None:
    driven = Driven()
    driven.go(SPEC.home, 0.5)
    driven.twin.unplugged = True
    driven.twin.advance(driven.now + 0.1)
    assert not driven.twin.powered
    driven.twin.unplugged = False
    driven.twin.answer(b"", driven.now + 0.2)
    assert [servo.get(reg.TORQUE_ENABLE) for servo in driven.twin.servos] == [0] * 12


def test_a_machine_that_is_too_slow_gets_slow_motion() -> None:
    driven = Driven()
    tick = driven.twin.plant.tick
    driven.twin.advance(driven.now + 60.0)
    assert driven.twin.plant.tick == tick + 50
