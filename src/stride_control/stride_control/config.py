"""Parameters of the nodes. Each is a frozen dataclass: ``config/<robot>.yaml`` mirrors it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stride_core.config import param
from stride_core.control import ResidualConfig
from stride_core.gait import GaitConfig
from stride_core.safety import SafetyConfig


@dataclass(frozen=True)
class RobotChoice:
    """Which robot, and which of its servos; every node of a graph is told the same."""

    robot: str = param("fivebar", doc="name under stride_description, or a path to a robot.yaml")
    servo: str = param("", doc="a servo named in the robot's YAML; empty for its default")


@dataclass(frozen=True)
class GaitNodeConfig(RobotChoice):
    """The gait node."""

    gait: GaitConfig = field(kw_only=True)
    initial_command: tuple[float, float, float] = param(
        (0.0, 0.0, 0.0), doc="followed until the first cmd_vel", unit="m/s, m/s, rad/s"
    )
    stamped_cmd_vel: bool = param(False, doc="cmd_vel is a TwistStamped, as Nav2 sends")


@dataclass(frozen=True)
class IkNodeConfig(RobotChoice, ResidualConfig):
    """The inverse kinematics node."""

    expect_residual: bool = param(
        False, doc="a tick waits for the residual that bears its stamp", dynamic=True
    )
    residual_deadline: float = param(
        0.004, doc="no longer than this, by the wall's clock", unit="s", min=0.0005, max=60.0
    )


@dataclass(frozen=True)
class SafetyNodeConfig(RobotChoice):
    """The watchdog's node."""

    safety: SafetyConfig = field(kw_only=True)
    watch_plant: bool = param(
        True,
        doc="damp when the plant falls silent, by the wall's clock; off in simulation, where a"
        " pause is no fault",
    )
