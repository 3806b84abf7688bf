"""The guard: the torque goes when the driver dies or hangs, and the cause is on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.guard import Watch
from stride_hardware.state_file import record
from stride_hardware.sts import registers as reg
from tests.graph.harness import wait_until
from tests.hardware.parts import TIMEOUT, emulated, on_a_port

IDS = [1, 2, 3]
DRIVER = """
    import json, os, sys, time
    from stride_hardware.guard import Guard, Watch
    from stride_hardware.rustypot_bus import RustypotBus
    watch = Watch(**(json.loads(sys.argv[1]) | {"driver": os.getpid()}))
    bus = RustypotBus("feetech", watch.port, 1_000_000, watch.bus_timeout)
    bus.write_power(watch.ids, True)
    guard = Guard(watch)
    guard_process = guard._process.pid
    for beat in range(int(sys.argv[2])):
        guard.beat()
        if not beat:
            print(guard_process, flush=True)
        time.sleep(0.01)
    bus.write_power(watch.ids, False)
    bus.close()
    guard.dismiss()
"""


class Driver:
    """A driver in a process of its own, with servos that it has given torque."""

    def __init__(self, wire: EmulatedBus, port: str, folder: Path, beats: int) -> None:
        self.wire, self.state = wire, folder / "state.json"
        watch = Watch(
            driver=0, backend="feetech", port=port, baudrate=1_000_000, bus_timeout=TIMEOUT,
            ids=IDS, silence=0.5, damping_time=0.1, patience=60.0, state_file=str(self.state),
        )  # fmt: skip
        code = textwrap.dedent(DRIVER)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(asdict(watch)), str(beats)],
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.guard = int(self.process.stdout.readline())
        wait_until(lambda: all(servo.powered for servo in wire.servos))

    def cause(self) -> str:
        wait_until(self.state.is_file)
        return str(json.loads(self.state.read_text())["cause"])

    def watched(self) -> bool:
        """Whether the guard lives."""
        try:
            return f"{self.state}" in Path(f"/proc/{self.guard}/cmdline").read_text()
        except OSError:
            return False


@pytest.fixture
def wire() -> EmulatedBus:
    return emulated(IDS)


@pytest.fixture
def port(wire: EmulatedBus, tmp_path: Path) -> Iterator[str]:
    with on_a_port(wire, tmp_path / "bus") as path:
        yield path


@pytest.mark.parametrize(
    ("signum", "cause"),
    [(signal.SIGKILL, "driver died"), (signal.SIGSTOP, "driver hung: no sign for 500 ms")],
)
def test_a_driver_that_dies_or_hangs_leaves_no_torque(
    wire: EmulatedBus, port: str, tmp_path: Path, signum: int, cause: str
) -> None:
    driver = Driver(wire, port, tmp_path, beats=6000)
    os.kill(driver.process.pid, signum)
    wait_until(lambda: not any(servo.powered for servo in wire.servos))
    assert driver.cause() == f"{cause}; torque taken off by the guard"
    assert driver.process.wait(10) == -signal.SIGKILL
    assert [servo.get(reg.TORQUE_LIMIT) for servo in wire.servos] == [0, 0, 0]  # it fell first


def test_where_the_last_state_cannot_be_written_the_torque_goes_and_one_line_says_so(
    wire: EmulatedBus, port: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = Driver(wire, port, tmp_path, beats=6000)
    driver.state.mkdir()
    (driver.state / "in the way").touch()
    driver.process.kill()
    driver.process.wait(10)
    said = ""

    def line() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return said.endswith("\n")

    wait_until(line)
    assert not any(servo.powered for servo in wire.servos)
    assert said.startswith("stride: locked: driver died; torque taken off by the guard (")
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.new"))


def test_silence_is_no_proof_that_the_torque_is_off(
    wire: EmulatedBus, port: str, tmp_path: Path
) -> None:
    driver = Driver(wire, port, tmp_path, beats=6000)
    wire.servos[1].silent = True  # its line is cut, not its power
    driver.process.kill()
    assert driver.cause() == "driver died; not every servo answered the guard"
    assert [servo.powered for servo in wire.servos] == [False, True, False]
    driver.process.wait(10)


def test_a_port_that_was_gone_with_the_driver_is_waited_for(
    wire: EmulatedBus, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with on_a_port(wire, tmp_path / "bus") as port:
        driver = Driver(wire, port, tmp_path, beats=6000)
    driver.process.kill()  # the cable was pulled, then the driver died; the servos have power
    driver.process.wait(10)
    assert driver.cause() == (
        f"driver died; port {port}: no such device: is the adapter plugged in?;"
        " the guard waits for it, up to 60 s"
    )
    assert all(servo.powered for servo in wire.servos)
    assert "the servos may still have torque\n" in capfd.readouterr().err
    with on_a_port(wire, tmp_path / "bus"):
        wait_until(lambda: driver.cause() == "driver died; torque taken off by the guard")
        assert not any(servo.powered for servo in wire.servos)
        wait_until(lambda: not driver.watched())


def test_a_driver_that_came_later_ends_the_waiting(wire: EmulatedBus, tmp_path: Path) -> None:
    with on_a_port(wire, tmp_path / "bus") as port:
        driver = Driver(wire, port, tmp_path, beats=6000)
    driver.process.kill()
    driver.process.wait(10)
    assert "the guard waits" in driver.cause() and driver.watched()
    record(driver.state, "off", "")
    wait_until(lambda: not driver.watched())
    assert driver.cause() == ""


def test_a_driver_that_ends_in_order_needs_no_guard(
    wire: EmulatedBus, port: str, tmp_path: Path
) -> None:
    driver = Driver(wire, port, tmp_path, beats=30)
    assert driver.process.wait(20) == 0
    assert not any(servo.powered for servo in wire.servos)
    assert [servo.get(reg.TORQUE_LIMIT) for servo in wire.servos] == [1000] * 3
    assert not driver.state.exists()
