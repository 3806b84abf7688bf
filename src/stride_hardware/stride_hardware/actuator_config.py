"""Parameters of the actuator node."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stride_control.config import RobotChoice
from stride_core.config import param

from stride_hardware.calibration import Calibration
from stride_hardware.driver import DriverConfig
from stride_hardware.guard import Watch


@dataclass(frozen=True)
class ActuatorConfig(RobotChoice):
    """The motors' node."""

    driver: DriverConfig = field(default_factory=DriverConfig)
    port: str = param("/dev/ttyACM0", doc="serial device of the servo bus")
    port_patience: float = param(
        0.0, doc="wait this long for the port to be there", unit="s", min=0.0, max=600.0
    )
    calibration: str = param("", doc="file of ./stride calibrate servos; empty: its usual place")
    rate_hz: float = param(100.0, doc="control ticks", unit="Hz", min=1.0, max=1000.0)
    bus_timeout: float = param(
        0.005, doc="for the first byte of an answer", unit="s", min=0.0005, max=1.0
    )
    autostart: bool = param(True, doc="configure and activate by itself")
    guard: bool = param(True, doc="a second process takes the torque off should this one die")
    guard_timeout: float = param(
        0.4, doc="this long without a tick is a hang", unit="s", min=0.05, max=10.0
    )
    guard_patience: float = param(
        600.0, doc="for a port that is gone when the driver ends", unit="s", min=0.0, max=86400.0
    )
    stop_after: float = param(
        0.0, doc="end the run this long after the motors came on; 0: never", unit="s", min=0.0
    )
    state_file: str = param("", doc="the driver's last state; empty: its usual place")
    summary: str = param("", doc="write figures of the bus and the loop to this .json at the end")

    def __post_init__(self) -> None:
        """Refuse a budget in which one servo's silence costs the others their turn.

        Raises:
            ValueError: one line.
        """
        if self.driver.read_budget < self.bus_timeout:
            raise ValueError(
                f"driver.read_budget: {self.driver.read_budget:g}: expected at least bus_timeout,"
                f" {self.bus_timeout:g}"
            )

    def state_path(self, robot: str) -> Path:
        """Where the driver's last state is kept."""
        usual = home("XDG_STATE_HOME", ".local/state") / f"{robot}.last_state.json"
        return Path(self.state_file) if self.state_file else usual


def watch(config: ActuatorConfig, calibration: Calibration) -> Watch:
    """What this process tells its guard."""
    return Watch(
        driver=os.getpid(),
        backend=calibration.backend,
        port=config.port,
        baudrate=calibration.baudrate,
        bus_timeout=config.bus_timeout,
        ids=calibration.ids,
        silence=max(config.guard_timeout, 3.0 / config.rate_hz),
        damping_time=config.driver.damping_time,
        patience=config.guard_patience,
        state_file=str(config.state_path(calibration.robot)),
    )


def home(variable: str, otherwise: str) -> Path:
    """A folder of the user's by the XDG base directory specification."""
    return Path(os.environ.get(variable) or Path.home() / otherwise) / "stride"


def calibration_path(robot: str) -> Path:
    """Where a robot's calibration is kept."""
    return home("XDG_CONFIG_HOME", ".config") / f"{robot}.calibration.yaml"
