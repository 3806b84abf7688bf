"""What the tests of the motors share: a robot, its calibration, emulated servos on a port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stride_core.robot import load_robot
from stride_hardware.calibration import Calibration, load
from stride_hardware.driver import Driver, DriverConfig
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.emulator.pty_port import PtyPort, serve
from stride_hardware.emulator.servo import EmulatedServo, Measured
from stride_hardware.mock_bus import MockBus
from stride_hardware.settings import wanted

ROOT = Path(__file__).resolve().parents[2]
SPEC = load_robot("fivebar")
FILE = ROOT / "config/hardware/fivebar.twin.yaml"
TIMEOUT = 0.05  # s; a test's machine may be busy


def calibration() -> Calibration:
    return load(FILE, SPEC)


WANTED = wanted("feetech", SPEC.servo)


def emulated(ids: Sequence[int], **options: int) -> EmulatedBus:
    """Servos as they come from the factory."""
    return EmulatedBus([EmulatedServo(i) for i in ids], **options)


def robot_on_a_bus() -> EmulatedBus:
    """The robot's servos, set up, standing at home."""
    made = calibration()
    bus = emulated(made.ids)
    for servo in bus.servos:
        servo.set_up(WANTED)
    place(bus, made, SPEC.home.tolist())
    return bus


@contextmanager
def on_a_port(bus: EmulatedBus, path: Path) -> Iterator[str]:
    """Serve a bus on a pseudo-terminal; yields its path."""
    stop = threading.Event()

    def answer(data: bytes, now: float) -> tuple[bytes, float]:
        answered = bus.request(data, now)
        return answered.data, answered.wait

    with PtyPort(path) as port:
        thread = threading.Thread(target=serve, args=(port, answer, lambda _: 0.02, stop.is_set))
        thread.start()
        try:
            yield port.path
        finally:
            stop.set()
            thread.join()


def place(bus: EmulatedBus, made: Calibration, angles: Sequence[float]) -> None:
    """Put every joint at an angle [rad]."""
    import numpy as np

    counts = made.counts(np.asarray(angles, np.float64)).tolist()
    for servo, at in zip(bus.servos, counts, strict=True):
        servo.measured = Measured(float(at))


def mocked(config: DriverConfig | None = None) -> tuple[Driver, MockBus]:
    """A driver of servos that obey at once, standing at home."""
    made = calibration()
    bus = MockBus(dict(zip(made.ids, made.counts(SPEC.home).tolist(), strict=True)))
    return Driver(bus, made, SPEC, config or DriverConfig()), bus
