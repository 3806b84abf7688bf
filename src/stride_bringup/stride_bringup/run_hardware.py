"""Runs the motors' list of nodes, a process each, and gathers the figures of the run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from stride_control.executor import StopFlag
from stride_core.robot import load_robot
from stride_hardware.actuator_config import calibration_path
from stride_hardware.rustypot_bus import check_port

from stride_bringup.cli.arguments import USAGE_ERROR
from stride_bringup.graph import check_remappings
from stride_bringup.hardware import HardwareOptions, hardware_nodes, temporary_folder
from stride_bringup.processes import Children
from stride_bringup.run import Result, how, supervise
from stride_bringup.stop_key import StopKey
from stride_hardware import calibration

_ENDS = "actuator"
"""The node whose end is the end of the run."""


def run(options: HardwareOptions) -> Result:
    """Run until the time is up, a signal comes or a node fails.

    Raises:
        ValueError, OSError: a node cannot be made; one line.
    """
    check_remappings(hardware_nodes(options), options)
    _look_first(options)
    with temporary_folder() as folder:
        options = dataclasses.replace(options, folder=options.folder or folder)
        ended = _processes(options)
        return dataclasses.replace(ended, figures=_figures(Path(options.folder)))


def _look_first(options: HardwareOptions) -> None:
    """What can be refused before a node is started; the driver looks again.

    Raises:
        ValueError, BusError: one line.
    """
    robot = load_robot(options.robot, options.servo or None)
    made = calibration.load(options.calibration_path or calibration_path(robot.name), robot)
    ports = [options.port] if made.backend != "mock" else []
    for port in (*ports, options.imu_port):
        if port and not options.twin:
            check_port(port)


def _processes(options: HardwareOptions) -> Result:
    stop = StopFlag()
    stop.install()
    with Children() as children, StopKey(options.namespace) as key:

        def stopped() -> bool:
            key.poll()
            return stop.signum is not None

        specs = {spec.name: spec for spec in hardware_nodes(options)}
        for spec in specs.values():
            children.start(spec, options)
            if spec.name == "twin" and (early := _before(Path(options.bus), children, stop)):
                return early
        # when a node ends, the motors are damped by the watchdog, the driver or its guard
        return supervise(children, specs, options, stopped, _ENDS)


def _before(port: Path, children: Children, stop: StopFlag) -> Result | None:
    """How a run ended before the twin's robot lay on the ground and it made its port, if it did."""
    gone = children.wait(lambda: port.exists() or stop.signum is not None)
    if stop.signum is not None:
        return Result(None)
    for name, status in gone.items():
        if status == USAGE_ERROR:
            return Result(None, refused=True)
        return Result(None, failure=f"{name} ended ({how(status)})")
    return None


def _figures(folder: Path) -> dict[str, Any] | None:
    """Of the driver, and of the twin's truth if there is one."""
    found: dict[str, Any] = {}
    for name in ("truth", "summary"):
        path = folder / f"{name}.json"
        if path.is_file():
            figures = json.loads(path.read_text("utf-8"))
            if name == "truth":  # the driver has the latency, and no tick of the plant is missed
                for key in ("tick_latency_us", "missed_ticks", "ticks"):
                    figures.pop(key)
            found |= figures
    return found or None
