"""What a run on motors can be told, and which nodes it consists of."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from stride_core.robot import load_robot

from stride_bringup.graph import NodeSpec, control_nodes, guests
from stride_bringup.options import Options, config_file

Imu = Literal["none", "bno055"]

_PRIORITIES = {"actuator": 60, "safety": 50, "imu": 45, "control": 40}
"""SCHED_FIFO: what stands beside the motors goes first."""

_IMU_AGE_S = 0.03
"""An IMU has a clock of its own: its newest reading is up to a period and a hop older than the
tick. A policy must do with it."""


@dataclass(frozen=True)
class HardwareOptions(Options):
    """One run on motors, or on their twin; checked when made.

    Attributes:
        port: serial device of the servo bus.
        twin: emulated servos on a pseudo-terminal instead, with the simulated robot behind them.
        calibration: of the servos; empty: its usual place, or the twin's.
        imu: which driver to start; "none" where another node publishes ``imu``.
        imu_port: serial device of the IMU.
        realtime: real-time priority and locked memory, where permitted; never for a twin.
        strict: the robot's own timeouts for its twin too; else they are those of
            ``config/hardware/patient.yaml``.
    """

    port: str = ""
    twin: bool = False
    calibration: str = ""
    imu: str = "none"
    imu_port: str = ""
    realtime: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot run.

        Raises:
            ValueError: one line that names the option, its value and what was expected.
        """
        super().__post_init__()
        if self.twin and (self.port or self.imu_port):
            raise ValueError(f"port: {self.port or self.imu_port}: expected none with --twin")
        if not self.twin and not self.port:
            raise ValueError("port: expected --port PORT, the servo bus's, or --twin")
        if self.imu not in ("none", "bno055"):
            raise ValueError(f"imu: {self.imu!r}: expected none or bno055")
        if self.imu != "none" and not self.imu_port:
            raise ValueError(f"imu_port: expected --imu-port PORT with --imu {self.imu}")
        for name in ("film", "window", "camera_rate"):
            if getattr(self, name):
                raise ValueError(f"{name}: expected none: motors have no picture of themselves")
        if self.realtime_factor != 1.0:
            raise ValueError(f"realtime_factor: {self.realtime_factor:g}: expected 1: motors turn")

    def params_files(self) -> list[Path]:
        """Those of a simulation; below them, those that a twin needs.

        Raises:
            ValueError: the robot's is not there.
        """
        files = super().params_files()
        if not self.twin:
            return files
        names = ("twin.yaml",) if self.strict else ("twin.yaml", "patient.yaml")
        return [*(hardware_folder(self.robot) / name for name in names), *files]

    @property
    def pace(self) -> float:
        """Motors have the wall's clock, whatever is said of a simulation."""
        return 1.0

    @property
    def bus(self) -> str:
        """The port that the driver opens."""
        return f"{self.folder}/servo_bus" if self.twin else self.port

    @property
    def calibration_path(self) -> str:
        """The calibration that the driver reads; empty: its usual place."""
        if self.twin and not self.calibration:
            return str(twin_calibration(self.robot))
        return self.calibration


def twin_calibration(robot: str) -> Path:
    """How the servos of a robot's twin sit."""
    return hardware_folder(robot) / f"{load_robot(robot).name}.twin.yaml"


def hardware_folder(robot: str) -> Path:
    """``config/hardware`` beside the robot's configuration, links followed."""
    return config_file(load_robot(robot).name).resolve().parent / "hardware"


def hardware_nodes(options: HardwareOptions) -> list[NodeSpec]:
    """The robot, or its twin. The motors come last but for the guests, once all others listen.

    Safety and motors have processes of their own; the rest of the controller shares one.
    """
    control = control_nodes(options, watch_plant=True)
    (found,) = (node for node in control if node.name == "safety")
    others = [node for node in control if node is not found]
    thinking = [node for node in others if not node.expendable]
    alive = [*(node.name for node in thinking), "actuator"]
    safety = replace(
        found,
        hears=(*found.hears, "motor_states"),
        parameters={**found.parameters, "expect_motors": True, "expected_nodes": alive},
    )
    outside = [_twin(options)] if options.twin else _imu(options)
    apart = [_told(node, imu_age=_IMU_AGE_S) for node in others if node.expendable]
    control = [together("control", thinking), *apart]
    own = [*outside, safety, *control, _estimator(options), _actuator(options)]
    if options.realtime and not options.twin:  # a twin is often not alone on its machine
        own = [_first(node, _PRIORITIES.get(node.name, 0)) for node in own]
    # motors do not stop for a recorder
    return [*own, *(replace(node, guest=True) for node in guests(options))]


def _told(node: NodeSpec, **parameters: Any) -> NodeSpec:
    """A node with further parameters."""
    return replace(node, parameters={**node.parameters, **parameters})


def _first(node: NodeSpec, priority: int) -> NodeSpec:
    """A node whose process goes before others."""
    if node.members:
        return replace(node, members=tuple(_first(one, priority) for one in node.members))
    return _told(node, realtime_priority=priority)


def together(name: str, members: Sequence[NodeSpec]) -> NodeSpec:
    """Several nodes in one process."""
    return NodeSpec(
        *(name, "stride_control", "compose", ""),
        hears=tuple({topic for node in members for topic in node.hears}),
        tells=tuple({topic for node in members for topic in node.tells}),
        members=tuple(members),
    )


def _actuator(options: HardwareOptions) -> NodeSpec:
    files = {name: f"{options.folder}/{name}.json" for name in ("summary",) if options.folder}
    twin = {"state_file": f"{options.folder}/last_state.json"}
    return NodeSpec(
        *("actuator", "stride_hardware", "actuator_node"),
        "stride_hardware.actuator_node:ActuatorNode",
        hears=("joint_commands", "safety_status"),
        tells=("joint_states", "motor_states"),
        latches=("robot_description",),
        parameters={
            "robot": options.robot,
            "servo": options.servo,
            "port": options.bus,
            "calibration": options.calibration_path,
            "rate_hz": options.rate_hz,
            "stop_after": options.seconds,
        }
        | files
        | (twin if options.twin else {}),
        alone=True,
    )


def _estimator(options: HardwareOptions) -> NodeSpec:
    return NodeSpec(
        *("estimator", "stride_hardware", "estimator_node"),
        "stride_hardware.estimator_node:EstimatorNode",
        hears=("joint_states", "imu", "foot_targets"),
        tells=("odom", "/tf"),
        expendable=True,
        parameters={"robot": options.robot, "servo": options.servo},
        alone=True,
    )


def _twin(options: HardwareOptions) -> NodeSpec:
    return NodeSpec(
        *("twin", "stride_sim", "twin_node", "stride_sim.twin_node:TwinNode"),
        hears=("twin/fault",),
        tells=("imu", "truth/odom", "truth/servos"),
        parameters={
            "robot": options.robot,
            "servo": options.servo,
            "calibration": options.calibration_path,
            "port": options.bus,
            "terrain": options.terrain,
            "difficulty": options.difficulty,
            "terrain_seed": options.terrain_seed,
            "seed": options.seed,
            "summary": f"{options.folder}/truth.json",
        },
        alone=True,
    )


def _imu(options: HardwareOptions) -> list[NodeSpec]:
    if options.imu == "none":
        return []
    return [
        NodeSpec(
            *("imu", "stride_hardware", "imu_node", "stride_hardware.imu_node:ImuNode"),
            tells=("imu",),
            parameters={"robot": options.robot, "port": options.imu_port, "part": options.imu},
            alone=True,
        )
    ]


def temporary_folder() -> Any:
    """For what a run leaves for itself; ends with the context."""
    return tempfile.TemporaryDirectory(prefix="stride-hardware-")
