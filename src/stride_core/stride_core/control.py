"""The control law, whole: gait, residual, inverse kinematics, watchdog.

The nodes run these same functions one by one, each behind its topic; training and the tools run
``Controller``'s for any number of robots at once. Both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stride_core import safety
from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import ConfigError, from_mapping, param
from stride_core.gait import Gait, GaitConfig, GaitInputs, GaitOutput, GaitState, make_gait
from stride_core.residual import add_residual
from stride_core.robot import RobotSpec
from stride_core.yaml_file import read_yaml


class ControlState(NamedTuple):
    """What the controller remembers."""

    gait: GaitState
    safety: safety.SafetyState


class Sensed(NamedTuple):
    """What the controller knows of the robot: one plant's reading at one stamp.

    Attributes:
        position, velocity: ``(..., joints)`` [rad], [rad/s].
        up: ``(..., 3)`` the world's vertical in the trunk's frame.
        gyro: ``(..., 3)`` angular velocity in the trunk's frame [rad/s].
        time: ``(...)`` [s].
    """

    position: FloatArray
    velocity: FloatArray
    up: FloatArray
    gyro: FloatArray
    time: FloatArray


class Control(NamedTuple):
    """Everything that was decided in a tick.

    Attributes:
        gait: the nominal feet.
        feet: ``(..., legs, 3)`` nominal + residual, in hip frames [m].
        target: ``(..., joints)`` [rad].
        decision: what the motors get.
    """

    gait: GaitOutput
    feet: FloatArray
    target: FloatArray
    decision: safety.Decision


@dataclass(frozen=True)
class ResidualConfig:
    """Of the learned residual; the ik node's parameters begin with these."""

    residual_limit: float = param(
        0.02, doc="largest residual along each axis", unit="m", min=0.0, max=0.2, dynamic=True
    )


@dataclass(frozen=True)
class Controller:
    """A robot's control law with its configuration; ``load_controller`` makes it from YAML."""

    robot: RobotSpec
    gait: Gait
    gait_config: GaitConfig
    safety_config: safety.SafetyConfig
    residual_limit: float

    def initial(self, inputs: GaitInputs) -> ControlState:
        """At rest, motors off."""
        lead = inputs.pattern.shape
        return ControlState(self.gait.initial(inputs), safety.initial(lead, len(self.robot.joints)))

    def plan(
        self, state: ControlState, inputs: GaitInputs, dt: float
    ) -> tuple[ControlState, GaitOutput]:
        """First half of a tick: where the nominal feet belong. A policy answers to this.

        Args:
            state: of the tick before.
            inputs: what is asked of the gait.
            dt: since the tick before [s]; 0 in the first.
        """
        gait, nominal = self.gait.step(state.gait, inputs, dt)
        return ControlState(gait, state.safety), nominal

    def act(
        self,
        state: ControlState,
        sensed: Sensed,
        nominal: GaitOutput,
        residual: FloatArray,
        estop: BoolArray | bool = False,
        reset: BoolArray | bool = False,
    ) -> tuple[ControlState, Control]:
        """Second half: final_foot = nominal + residual, to joints, past the watchdog.

        Args:
            state, nominal: of the first half.
            sensed: the robot now.
            residual: ``(..., legs, 3)`` [m].
            estop, reset: ``(...)`` asked of the watchdog.
        """
        feet = add_residual(nominal.feet, residual, self.residual_limit)
        target = self.robot.joints_of(self.robot.kinematics.inverse(feet).angles)
        guard, decision = safety.step(
            self.safety_config,
            self._limits,
            state.safety,
            safety.SafetyInputs(
                target,
                sensed.time,
                sensed.position,
                sensed.up,
                sensed.time,
                np.asarray(estop),
                np.asarray(reset),
                velocity=sensed.velocity,
                gyro=sensed.gyro,
            ),
            sensed.time,
        )
        return ControlState(state.gait, guard), Control(nominal, feet, target, decision)

    def tick(
        self,
        state: ControlState,
        sensed: Sensed,
        inputs: GaitInputs,
        residual: FloatArray,
        dt: float,
        estop: BoolArray | bool = False,
        reset: BoolArray | bool = False,
    ) -> tuple[ControlState, Control]:
        """One whole tick, for a residual that is known beforehand; see its halves."""
        state, nominal = self.plan(state, inputs, dt)
        return self.act(state, sensed, nominal, residual, estop, reset)

    @property
    def _limits(self) -> safety.JointLimits:
        return safety.JointLimits(self.robot.joint_lower, self.robot.joint_upper)


def load_controller(robot: RobotSpec, *params_files: str | Path) -> Controller:
    """Read what the nodes read: the ROS parameters of gait, ik and safety.

    Args:
        robot: whose law it is.
        params_files: YAML files in ROS format; a later one adds to those before it.

    Raises:
        ConfigError: one line.
    """
    where = ", ".join(map(str, params_files))
    gait, ik, guard = (parameters_of(params_files, node) for node in ("gait", "ik", "safety"))
    config = from_mapping(GaitConfig, gait.get("gait"), f"{where}: gait")
    limits = {key: ik[key] for key in ("residual_limit",) if key in ik}
    try:
        made = make_gait(robot, config)
    except ValueError as error:
        raise ConfigError(f"{where}: gait: {error}") from None
    return Controller(
        robot=robot,
        gait=made,
        gait_config=config,
        safety_config=from_mapping(
            safety.SafetyConfig, guard.get("safety"), f"{where}: safety"
        ).for_servo(robot.servo),
        residual_limit=from_mapping(ResidualConfig, limits, f"{where}: ik").residual_limit,
    )


def parameter_files(folder: Path, robot: RobotSpec, config: str | Path = "") -> list[Path]:
    """The YAMLs that the nodes read: the robot's, and its servo's calibration if there is one.

    Args:
        folder: ``config``, which holds both.
        robot: with its chosen servo.
        config: of one's own, instead of ``<robot>.yaml``.

    Raises:
        ConfigError: the robot's is not there; one line.
    """
    path = Path(config) if config else folder / f"{robot.name}.yaml"
    if not path.is_file():
        raise ConfigError(f"config: {path}: no such file; expected a YAML of ROS parameters")
    measured = calibration_path(folder, robot)
    return [path, measured] if measured.is_file() else [path]


def calibration_path(folder: Path, robot: RobotSpec) -> Path:
    """Measured speeds of a robot with its servo; beside its configuration, links followed."""
    beside = (folder / f"{robot.name}.yaml").resolve().parent
    return beside / "calibration" / f"{robot.name}.{robot.servo.name}.yaml"


def parameters_of(params_files: Sequence[str | Path], node: str) -> dict[str, Any]:
    """A node's parameters of several files, merged.

    Raises:
        ConfigError: no file has any; one line.
    """
    merged: dict[str, Any] = {}
    for path in params_files:
        section = read_yaml(path).get(f"/**/{node}")
        if isinstance(section, dict) and isinstance(section.get("ros__parameters"), dict):
            merged = _merge(merged, section["ros__parameters"])
    if not merged:
        raise ConfigError(f"{', '.join(map(str, params_files))}: /**/{node}: missing")
    return merged


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merge(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return {**below, **both}
