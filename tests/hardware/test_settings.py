"""The servos' settings: a factory servo is refused, set right, and read back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stride_bringup.cli import calibrate_servos
from stride_hardware.driver import Driver, DriverConfig
from stride_hardware.emulator.bus import Answer, EmulatedBus
from stride_hardware.rustypot_bus import RustypotBus
from stride_hardware.sts import registers as reg
from tests.hardware.parts import (
    FILE,
    SPEC,
    TIMEOUT,
    WANTED,
    calibration,
    emulated,
    on_a_port,
    place,
    robot_on_a_bus,
)

REMEDY = "run ./stride calibrate servos --settings"


@contextmanager
def driver_of(wire: EmulatedBus, folder: Path) -> Iterator[Driver]:
    with on_a_port(wire, folder / "robot") as port:
        bus = RustypotBus("feetech", port, 1_000_000, TIMEOUT)
        try:
            yield Driver(bus, calibration(), SPEC, DriverConfig(read_budget=0.5), WANTED)
        finally:
            bus.close()


def refusal(wire: EmulatedBus, folder: Path) -> str:
    """Why the driver refuses those servos; empty: it does not."""
    with driver_of(wire, folder) as driver:
        try:
            driver.check((reg.MODEL,))
        except ValueError as error:
            return str(error)
        return ""


def factory_robot() -> EmulatedBus:
    wire = emulated(calibration().ids)
    place(wire, calibration(), SPEC.home.tolist())
    return wire


def set_right(wire: EmulatedBus, folder: Path) -> int:
    with on_a_port(wire, folder / "robot") as port:
        return calibrate_servos.main(["--settings", "--port", port, "--out", str(FILE)])


def test_factory_servos_are_refused_set_right_and_then_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = factory_robot()
    assert refusal(wire, tmp_path) == (
        "servo 1 (FL_tilt): position_gain (register 21): 32: expected 64"
        f" (and 11 more like it); {REMEDY}"
    )
    wire.servos[0].write(reg.TORQUE_ENABLE.address, b"\x01")
    assert set_right(wire, tmp_path) == 0
    *said, path = capsys.readouterr().out.splitlines()
    assert said[0] == "servo 1 (FL_tilt): position_gain 32 -> 64"
    assert (len(said), path) == (12, str(FILE))
    assert [servo.get(reg.P_GAIN) for servo in wire.servos] == [64] * 12
    assert [servo.get(reg.LOCK) for servo in wire.servos] == [1] * 12
    assert not any(servo.powered for servo in wire.servos)
    assert refusal(wire, tmp_path) == ""
    assert set_right(wire, tmp_path) == 0
    assert capsys.readouterr().out.startswith("servo 1 (FL_tilt): set as it shall be\n")


@pytest.mark.parametrize(
    ("register", "value", "said"),
    [
        (reg.MODE, 1, "mode (register 33): 1: expected 0"),
        (reg.MIN_ANGLE, 1000, "min_position_limit (register 9): 1000: expected 0"),
        (reg.MAX_ANGLE, 3000, "max_position_limit (register 11): 3000: expected 4095"),
        (reg.MAX_TORQUE, 500, "max_torque_limit (register 16): 500: expected 1000"),
        (reg.MAX_TEMPERATURE, 90, "max_temperature_limit (register 13): 90: expected 70"),
        (reg.RETURN_DELAY, 250, "return_delay_time (register 7): 250: expected 0"),
        (reg.OVERLOAD_TORQUE, 25, "overload_torque (register 36): 25: expected 80"),
        (reg.I_GAIN, 5, "integral_gain (register 23): 5: expected 0"),
    ],
    ids=lambda value: str(getattr(value, "address", value)),
)
def test_a_value_of_another_robots_is_refused_and_written_over(
    tmp_path: Path, register: reg.Register, value: int, said: str
) -> None:
    wire = robot_on_a_bus()
    servo = wire.servos[6]
    servo._put(register, value)
    assert refusal(wire, tmp_path) == f"servo 7 (RL_tilt): {said}; {REMEDY}"
    assert set_right(wire, tmp_path) == 0
    assert refusal(wire, tmp_path) == ""


def test_what_a_servo_forgets_with_its_power_the_driver_writes(tmp_path: Path) -> None:
    wire = robot_on_a_bus()
    slowed = wire.servos[4]
    odd = (reg.ACCELERATION, 20), (reg.GOAL_SPEED, 300), (reg.GOAL_TIME, 900), (reg.LOCK, 0)
    with driver_of(wire, tmp_path) as driver:
        for start in (lambda: driver.check((reg.MODEL,)), lambda: driver.command(0.1, SPEC.home)):
            for register, value in odd:
                slowed._put(register, value)
            driver.command(0.1, None)
            driver.read(0.1)
            start()
            driver.bus.powered([5])  # what was written before is there now
            assert [slowed.get(register) for register, _ in odd] == [0, 0, 0, 1]


class CutShort(EmulatedBus):
    """Its line is cut when one servo has been sent so many packets that write."""

    left = 3

    def request(self, data: bytes, now: float) -> Answer:
        if len(data) > 5 and data[2] == 6 and data[4] == 3:
            self.left -= 1
        self.faults.pulled = self.left < 0
        return super().request(data, now)


def test_a_write_that_was_cut_short_is_noticed_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = robot_on_a_bus()
    wire = CutShort(whole.servos)
    servo = wire.servos[5]
    for register, value in ((reg.MAX_TORQUE, 500), (reg.P_GAIN, 32), (reg.OVERLOAD_TORQUE, 25)):
        servo._put(register, value)
    assert set_right(wire, tmp_path) == 2
    heard = capsys.readouterr()
    (line,) = heard.err.splitlines()
    assert line == (
        "./stride calibrate servos: servo 6 (FR_shoulder_R): does not tell its settings:"
        f" check the cable and the power, then {REMEDY}"
    )
    assert heard.out.count("set as it shall be") == 5
    # unlocked, and two of three written
    assert [servo.get(one) for one in (reg.LOCK, reg.MAX_TORQUE, reg.P_GAIN)] == [0, 1000, 64]
    said = "servo 6 (FR_shoulder_R): overload_torque (register 36): 25: expected 80"
    assert refusal(whole, tmp_path) == f"{said}; {REMEDY}"
    assert set_right(whole, tmp_path) == 0
    assert "servo 6 (FR_shoulder_R): overload_torque 25 -> 80" in capsys.readouterr().out
    assert refusal(whole, tmp_path) == ""


def test_a_register_that_does_not_keep_what_is_written_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = factory_robot()
    monkeypatch.setattr(wire.servos[0], "write", lambda *_: None)
    assert set_right(wire, tmp_path) == 2
    assert capsys.readouterr().err == (
        "./stride calibrate servos: servo 1 (FL_tilt): position_gain (register 21): 32: expected"
        " 64, which was written 3 times\n"
    )
