"""Parameters of the nodes. Each is a frozen dataclass: ``config/<robot>.yaml`` mirrors it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stride_core.config import param
from stride_core.control import ResidualConfig
from stride_core.gait import GaitConfig
from stride_core.safety import SafetyConfig

from stride_control.policy.gate import GateConfig
from stride_control.policy.switch import SwitchConfig


@dataclass(frozen=True)
class RobotChoice:
    """Which robot, and which of its servos; every node of a graph is told the same."""

    robot: str = param("fivebar", doc="name under stride_description, or a path to a robot.yaml")
    servo: str = param("", doc="a servo named in the robot's YAML; empty for its default")
    realtime_priority: int = param(
        0, doc="SCHED_FIFO for the node's process, and locked memory; 0: as usual", min=0, max=99
    )


@dataclass(frozen=True)
class GaitNodeConfig(RobotChoice):
    """The gait node."""

    gait: GaitConfig = field(kw_only=True)
    initial_command: tuple[float, float, float] = param(
        (0.0, 0.0, 0.0), doc="followed until the first cmd_vel", unit="m/s, m/s, rad/s"
    )
    stamped_cmd_vel: bool = param(False, doc="cmd_vel is a TwistStamped, as Nav2 sends")
    expect_residual: bool = param(
        False, doc="a tick waits for the residual of the one before even if none came yet"
    )
    rates_deadline: float = param(
        0.0,
        doc="a tick waits for the last tick's residual and its rates, by the wall's clock; 0: takes"
        " them if they are there",
        unit="s",
        min=0.0,
        max=60.0,
    )


@dataclass(frozen=True)
class IkNodeConfig(RobotChoice, ResidualConfig):
    """The inverse kinematics node."""

    expect_residual: bool = param(False, doc="a tick waits for its residual even if none came yet")
    residual_deadline: float = param(
        0.004, doc="no longer than this, by the wall's clock", unit="s", min=0.0005, max=60.0
    )


@dataclass(frozen=True)
class PolicyNodeConfig(RobotChoice):
    """The policy node."""

    policy: str = param(
        "none", doc="name in the folder, path, or none; a change takes over in flight", dynamic=True
    )
    folder: str = param("", doc="of policies by name; empty for the installed ones")
    watch: str = param("", doc="a folder: what is new or changed in it takes over; empty for none")
    memory: str = param(
        "", doc="file that says who is in charge, for a process started again; empty for none"
    )
    rate_hz: float = param(100.0, doc="of the control loop", unit="Hz", min=1.0, max=10_000.0)
    lockstep: bool = param(False, doc="the plant waits: no deadline, and shadow runs are awaited")
    listeners: int = param(0, doc="the first tick is answered once so many hear it", min=0, max=99)
    imu_age: float = param(
        0.0,
        doc="an IMU's reading may be so much older than the tick; 0: it bears the tick's stamp",
        unit="s",
        min=0.0,
        max=1.0,
    )
    inference_limit: float = param(
        0.002, doc="the processor's time for an answer", unit="s", min=1e-6, max=10.0
    )
    tick_deadline: float = param(
        0.004, doc="a later answer is none, by the wall's clock", unit="s", min=1e-4, max=60.0
    )
    largest_action: float = param(
        100.0, doc="an answer beyond it is a fault; a full action is 1", min=1.0, max=1e6
    )
    residual_limit: float = param(
        ResidualConfig.residual_limit,
        doc="ik's, which would clip more: a policy whose full action is larger is refused",
        unit="m",
        min=0.0,
        max=0.2,
    )
    switch: SwitchConfig = field(default_factory=SwitchConfig)
    gate: GateConfig = field(default_factory=GateConfig)


@dataclass(frozen=True)
class SafetyNodeConfig(RobotChoice):
    """The watchdog's node."""

    safety: SafetyConfig = field(kw_only=True)
    watch_plant: bool = param(
        True,
        doc="damp when the plant falls silent, by the wall's clock; off in simulation, where a"
        " pause is no fault",
    )
    expect_motors: bool = param(
        False, doc="the motors have temperature, voltage and error bits: motor_states must come"
    )
    expected_nodes: tuple[str, ...] = param(
        (), doc="nodes of this namespace whose diagnostics must come"
    )
    boot_patience: float = param(
        10.0,
        doc="a robot that is not fit to start for so long after its first state ends the run, where"
        " the plant is watched; 0: wait for ever",
        unit="s",
        min=0.0,
        max=600.0,
    )
    stamped_cmd_vel: bool = param(False, doc="cmd_vel is a TwistStamped, as Nav2 sends")
