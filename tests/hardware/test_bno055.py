"""The IMU's driver against an emulated part on a serial port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stride_hardware.bno055 import Bno055
from stride_hardware.emulator.bno055 import EmulatedBno055
from stride_hardware.emulator.pty_port import PtyPort, serve
from stride_hardware.motors import BusError
from tests.hardware.parts import TIMEOUT

from stride_hardware import bno055

TURNED = (0.1, -0.2, 0.3, 0.9273618495495703)  # of unit length


@pytest.fixture
def part() -> EmulatedBno055:
    return EmulatedBno055()


@pytest.fixture
def port(part: EmulatedBno055, tmp_path: Path) -> Iterator[str]:
    stop = threading.Event()
    with PtyPort(tmp_path / "imu") as made:
        thread = threading.Thread(
            target=serve, args=(made, part.answer, lambda _: 0.02, stop.is_set)
        )
        thread.start()
        yield made.path
        stop.set()
        thread.join()


def test_it_reads_what_the_part_measures(part: EmulatedBno055, port: str) -> None:
    imu = Bno055(port, TIMEOUT)
    part.quaternion, part.gyro, part.accel = TURNED, (0.5, -1.0, 2.0), (0.0, 1.0, 9.81)
    reading = imu.read()
    assert reading is not None
    assert reading.quaternion == pytest.approx(TURNED, abs=2.0**-14)
    assert reading.gyro == pytest.approx((0.5, -1.0, 2.0), abs=1 / 900)
    assert reading.accel == pytest.approx((0.0, 1.0, 9.81), abs=0.01)
    imu.close()


def test_it_chooses_units_and_fusion_without_the_magnetometer(
    part: EmulatedBno055, port: str
) -> None:
    Bno055(port, TIMEOUT).close()
    # m/s² (bit 0 clear), rad/s (bit 1 set); operation mode IMU
    assert part.memory[bno055.UNIT_SEL] == 0b10
    assert part.memory[bno055.OPR_MODE] == 0x08


def test_a_part_that_does_not_fuse_yet_says_nothing(part: EmulatedBno055, port: str) -> None:
    imu = Bno055(port, TIMEOUT)
    part.memory[bno055.OPR_MODE] = bno055.CONFIG
    assert imu.read() is None
    imu.close()


def test_an_overrun_is_asked_again_at_the_start_and_counts_later(
    part: EmulatedBno055, port: str
) -> None:
    part.busy = 2
    imu = Bno055(port, TIMEOUT)
    assert imu.errors == 2
    part.busy = 1
    assert imu.read() is None
    assert imu.read() is not None
    part.silent = True
    assert imu.read() is None
    imu.close()


def test_a_port_that_vanishes_is_named(tmp_path: Path, part: EmulatedBno055) -> None:
    stop = threading.Event()
    with PtyPort(tmp_path / "imu") as made:
        thread = threading.Thread(
            target=serve, args=(made, part.answer, lambda _: 0.02, stop.is_set)
        )
        thread.start()
        imu = Bno055(made.path, TIMEOUT)
        assert imu.read() is not None
        stop.set()
        thread.join()
    with pytest.raises(BusError, match=r"imu .*/imu: "):
        imu.read()
    imu.close()


def test_another_part_or_none_is_refused(part: EmulatedBno055, port: str, tmp_path: Path) -> None:
    part.memory[bno055.CHIP_ID] = 0x83
    with pytest.raises(BusError, match=r"chip 0x83: expected a BNO055 \(chip 0xa0\)"):
        Bno055(port, TIMEOUT)
    part.silent = True
    with pytest.raises(BusError, match="no answer: expected a BNO055"):
        Bno055(port, TIMEOUT)
    with pytest.raises(BusError, match="no such device"):
        Bno055(str(tmp_path / "none"), TIMEOUT)
