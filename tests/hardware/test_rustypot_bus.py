"""The real driver library against the emulated bus, and how it takes what goes wrong there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from stride_hardware.driver import Driver, DriverConfig
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.emulator.servo import Measured
from stride_hardware.layouts import LAYOUTS
from stride_hardware.motors import BusError
from stride_hardware.rustypot_bus import RustypotBus, check_port
from stride_hardware.settings import SettingsError, check, store, wanted
from stride_hardware.sts import registers as reg
from tests.hardware.parts import SPEC, TIMEOUT, calibration, emulated, on_a_port

IDS = [1, 2, 3, 9]


@pytest.fixture
def wire() -> EmulatedBus:
    return emulated(IDS)


@pytest.fixture
def bus(wire: EmulatedBus, tmp_path: Path) -> Iterator[RustypotBus]:
    with on_a_port(wire, tmp_path / "bus") as port:
        made = RustypotBus("feetech", port, 1_000_000, TIMEOUT)
        yield made
        made.close()


def test_what_the_servos_measure_is_read(wire: EmulatedBus, bus: RustypotBus) -> None:
    for servo, at in zip(wire.servos, (10.0, 2000.0, 4000.0, 4095.0), strict=True):
        servo.measured = Measured(at, speed=-at, duty=-0.25)
    assert bus.models([*IDS, 4]) == dict.fromkeys(IDS, 777)
    sample = bus.read(IDS, 1.0)
    assert sample.fresh.all()
    assert sample.counts.tolist() == [10, 2000, 4000, 4095]
    np.testing.assert_allclose(sample.speed, -sample.counts * 2 * np.pi / 4096)
    np.testing.assert_allclose(sample.duty, -0.25)


def test_what_is_written_reaches_the_servos(wire: EmulatedBus, bus: RustypotBus) -> None:
    bus.write_power(IDS, True)
    bus.write_strength(IDS, [0.0, 0.5, 1.0, 2.0])
    bus.write_goals(IDS, [0, 1, 2, 4095])
    assert bus.powered(IDS).all()
    assert [servo.get(reg.TORQUE_LIMIT) for servo in wire.servos] == [0, 500, 1000, 1000]
    assert [servo.get(reg.GOAL_POSITION) for servo in wire.servos] == [0, 1, 2, 4095]
    bus.write_power(IDS, False)
    assert not bus.powered(IDS).any()


def test_the_slow_registers(wire: EmulatedBus, bus: RustypotBus) -> None:
    servo = wire.servos[1]
    servo.measured, servo.temperature, servo.voltage = Measured(duty=0.5), 41.0, 7.2
    health = bus.health(2)
    assert health is not None
    assert (health.temperature, health.fault, health.powered) == (41.0, 0, False)
    assert health.voltage == pytest.approx(7.2)
    assert health.current == pytest.approx(1.25, abs=0.01)
    assert bus.health(5) is None


def test_one_servo_that_vanishes_costs_the_others_nothing(
    wire: EmulatedBus, bus: RustypotBus
) -> None:
    for lost in wire.servos:
        lost.silent = True
        sample = bus.read(IDS, 1.0)
        assert sample.fresh.tolist() == [servo is not lost for servo in wire.servos]
        lost.silent = False
    assert bus.read(IDS, 1.0).fresh.all()


def test_half_a_chain_that_is_cut_off_takes_the_other_half_not_along(
    wire: EmulatedBus, bus: RustypotBus
) -> None:
    budget = 1.2 * TIMEOUT  # of two timeouts it bears one
    for lost in wire.servos[1:]:
        lost.silent = True
    seen = [bus.read(IDS, budget).fresh.tolist() for _ in range(6)]
    assert seen[-3:] == [[True, False, False, False]] * 3
    for found in wire.servos[1:]:
        found.silent = False
    assert any(bus.read(IDS, budget).fresh.all() for _ in range(3))


def test_a_bad_wire_is_mended_by_trying_again(wire: EmulatedBus, bus: RustypotBus) -> None:
    wire.faults.corrupt = 0.002  # about every eighth read of four servos has a bad byte
    complete = [bus.read(IDS, 1.0).fresh.all() for _ in range(100)]
    assert sum(complete) >= 95
    assert bus.traffic.errors > 3


def test_a_dead_bus_takes_no_longer_than_budget_and_a_timeout(
    wire: EmulatedBus, bus: RustypotBus
) -> None:
    wire.faults.pulled = True
    start = monotonic()
    assert not bus.read(IDS, 0.02).fresh.any()
    assert monotonic() - start < 10 * TIMEOUT
    wire.faults.pulled = False
    assert bus.read(IDS, 1.0).fresh.all()


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12], r"servo 5 \(FR_shoulder_L\): no answer"),
        ([*range(1, 13), 3], r"servo 3 \(FL_shoulder_R\): tells its model and not its position"),
    ],
)
def test_a_robot_with_an_id_missing_or_doubled_is_refused(
    tmp_path: Path, ids: list[int], said: str
) -> None:
    made = calibration()
    counts = dict(zip(made.ids, made.counts(SPEC.home).tolist(), strict=True))
    wire = emulated(ids)
    for servo in wire.servos:
        servo.measured = Measured(float(counts[servo.id]))
    if len(ids) > 12:
        wire.servos[-1].measured = Measured(1234.0)
    with on_a_port(wire, tmp_path / "robot") as port:
        bus = RustypotBus("feetech", port, 1_000_000, 0.02)
        with pytest.raises(ValueError, match=said):
            Driver(bus, made, SPEC, DriverConfig(read_budget=0.5)).check((777,))
        bus.close()


def test_ports_that_cannot_be_opened_are_named(tmp_path: Path, bus: RustypotBus) -> None:
    with pytest.raises(BusError, match=r"no such device: is the adapter plugged in\?"):
        RustypotBus("feetech", str(tmp_path / "none"), 1_000_000, TIMEOUT)
    with pytest.raises(BusError, match="busy: another program has opened it"):
        RustypotBus("feetech", str(tmp_path / "bus"), 1_000_000, TIMEOUT)
    (tmp_path / "file").write_text("")
    with pytest.raises(BusError, match=r"port .*file: expected a serial device"):
        RustypotBus("feetech", str(tmp_path / "file"), 1_000_000, TIMEOUT)


def test_a_port_that_is_pulled_is_no_silent_servo(wire: EmulatedBus, tmp_path: Path) -> None:
    with on_a_port(wire, tmp_path / "usb") as port:
        bus = RustypotBus("feetech", port, 1_000_000, TIMEOUT)
        assert bus.read([1], 0.5).fresh.all()
    asked = (
        lambda: bus.read([1], 0.5), lambda: bus.health(1), lambda: bus.write_goals([1], [2048]),
        lambda: bus.powered([1]),
    )  # fmt: skip
    for ask in asked:
        with pytest.raises(BusError, match=r"port .*usb: "):
            ask()
    bus.close()


def test_a_port_without_permission_names_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tmp_path / "port"
    port.write_text("")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BusError, match=r"no permission: join the group \w+ \(sudo usermod -aG"):
        check_port(str(port))


class FakeDynamixel:
    """The calls of rustypot's controller on tables of bytes."""

    def __init__(self, ids: list[int]) -> None:
        self.tables = {i: bytearray(256) for i in ids}

    def sync_read_raw_data_with_error(self, ids, address, size):
        return [(list(self.tables[i][address : address + size]), 0) for i in ids]

    def read_raw_data_with_error(self, servo, address, size):
        return list(self.tables[servo][address : address + size]), 0

    def write_raw_data(self, servo, address, row):
        self.tables[servo][address : address + len(row)] = bytes(row)

    def sync_write_raw_data(self, ids, address, rows):
        for servo, row in zip(ids, rows, strict=True):
            self.tables[servo][address : address + len(row)] = bytes(row)


def test_dynamixels_have_their_own_table() -> None:
    fake = FakeDynamixel([1, 2])
    bus = RustypotBus("dynamixel", "-", 1_000_000, TIMEOUT, controller=fake)
    fake.tables[1][132:136] = (-5).to_bytes(4, "little", signed=True)
    fake.tables[1][128:132] = (-100).to_bytes(4, "little", signed=True)
    fake.tables[2][124:126] = (885).to_bytes(2, "little")
    fake.tables[2][144:147] = bytes([120, 0, 45])
    sample = bus.read([1, 2], 1.0)
    assert sample.counts.tolist() == [-5, 0]
    assert sample.speed[0] == pytest.approx(-22.9 * 2 * np.pi / 60)
    assert sample.duty.tolist() == [0.0, 1.0]
    health = bus.health(2)
    assert health is not None and (health.temperature, health.voltage) == (45.0, 12.0)
    bus.write_goals([1, 2], [-1, 4095])
    assert fake.tables[1][116:120] == b"\xff\xff\xff\xff"
    bus.write_power([1, 2], True)
    assert bus.powered([1, 2]).all()


def test_dynamixels_get_their_settings() -> None:
    fake = FakeDynamixel([1])
    bus = RustypotBus("dynamixel", "-", 1_000_000, TIMEOUT, controller=fake)
    fake.tables[1][9], fake.tables[1][11], fake.tables[1][108] = 250, 1, 7
    wants = wanted("dynamixel", SPEC.servo)
    with pytest.raises(
        SettingsError, match=r"return_delay_time \(register 9\): 250: expected 0 \("
    ):
        check(bus, {1: "neck"}, wants)
    changed = store(bus, "dynamixel", 1, "neck", wants)
    assert [stray.wanted.setting.name for stray in changed] == [
        "return_delay_time", "operating_mode", "pwm_limit", "max_position_limit",
    ]  # fmt: skip
    check(bus, {1: "neck"}, wants)
    table = fake.tables[1]
    assert (table[11], bytes(table[48:52])) == (3, b"\xff\x0f\0\0")
    assert (bytes(table[84:86]), table[108]) == (
        b"\x40\0",
        0,
    )  # forgotten without power: the driver's


def test_each_make_is_rustypots_own_table() -> None:
    import rustypot

    gains = {"position": "p", "integral": "i", "derivative": "d"}
    theirs_of = {
        "feetech": {f"{name}_gain": f"{one}_coefficient" for name, one in gains.items()},
        "dynamixel": {f"{name}_gain": f"position_{one}_gain" for name, one in gains.items()},
    }
    for name, fields in {
        "feetech": {
            "goal": "goal_position", "power": "torque_enable", "strength": "torque_limit",
            "position": "present_position", "speed": "present_velocity", "duty": "present_load",
            "voltage": "present_voltage", "temperature": "present_temperature",
            "status": "status", "current": "present_current", "lock": "lock",
        },
        "dynamixel": {
            "goal": "goal_position", "power": "torque_enable", "strength": "goal_pwm",
            "position": "present_position", "speed": "present_velocity", "duty": "present_pwm",
            "voltage": "present_input_voltage", "temperature": "present_temperature",
            "current": "present_current",
        },
    }.items():  # fmt: skip
        controller = getattr(rustypot, LAYOUTS[name].controller)
        assert controller.resolution() == LAYOUTS[name].resolution
        for field, register in fields.items():
            ours, theirs = getattr(LAYOUTS[name], field), controller.register(register)
            assert theirs is not None, register
            assert (ours.address, ours.size) == (theirs.addr, theirs.size), register
            if ours.signed and theirs.encoding != "unsigned":
                assert ours.sign == theirs.sign_bit, register
        for setting in LAYOUTS[name].settings:
            register = theirs_of[name].get(setting.name, setting.name)
            theirs = controller.register(register)
            assert (setting.field.address, setting.field.size) == (theirs.addr, theirs.size)
