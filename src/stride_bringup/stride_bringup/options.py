"""What a run can be told. ``./stride sim`` and the launch files fill the same record."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from stride_control.policy.library import NONE, find_policy, read_policy
from stride_core.config import ConfigError
from stride_core.control import calibration_path, load_controller, parameter_files, parameters_of
from stride_core.gait import PATTERNS
from stride_core.robot import RobotSpec, load_robot
from stride_sim.terrain import names as terrain_names

DEFAULT = "default"
"""The policy that the robot's configuration names."""


@dataclass(frozen=True)
class Options:
    """One simulated run; checked when made.

    Attributes:
        realtime_factor: simulated seconds in a wall second; 0 means lockstep, as fast as the graph
            answers.
        command: vx [m/s], vy [m/s], wz [rad/s], followed until the first cmd_vel.
        policy: name under policies/, path of an ONNX file, default (the configuration's), or none.
        config: YAML of ROS parameters; empty for ``config/<robot>.yaml``.
        record, film, summary: paths to write, empty for none.
        folder: for what the run leaves for itself.
        given: names of options that were given although they have their default value.
    """

    robot: str = "fivebar"
    servo: str = ""
    terrain: str = "flat"
    difficulty: float = 0.5
    terrain_seed: int = 0
    terrain_size: tuple[float, ...] = ()
    seed: int = 0
    command: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gait: str = ""
    policy: str = NONE
    seconds: float = 0.0
    rate: float = 100.0
    realtime_factor: float = 1.0
    namespace: str = ""
    config: str = ""
    headless: bool = False
    window: bool = False
    live: bool = False
    film: str = ""
    record: str = ""
    summary: str = ""
    folder: str = field(default="", compare=False)
    camera_rate: float = 0.0
    stamped_cmd_vel: bool = False
    remap: tuple[str, ...] = ()
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot run, before anything starts.

        Raises:
            ValueError: one line that names the option, its value and what was expected.
        """
        load_robot(self.robot, self.servo or None)
        for name in ("difficulty", "seconds", "rate", "realtime_factor"):
            _check(name, getattr(self, name))
        for value in self.command:
            _check("command", abs(value))
        _choice("gait", self.gait or PATTERNS[0], PATTERNS)
        if not self.terrain.endswith(".png"):
            _choice("terrain", self.terrain, (*terrain_names(), "FILE.png"))
        if not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(f"namespace: {self.namespace!r}: expected a ROS name, as in left/dog")
        if self.difficulty > 1.0:
            raise ValueError(f"difficulty: {self.difficulty:g}: expected a number from 0 to 1")
        # rcl takes a doubled or misplaced key in silence; our own reader does not
        load_controller(load_robot(self.robot), *self.params_files())
        if self.has_policy:
            find_policy(self.policy_name, policy_folder())

    def told(self, name: str) -> bool:
        """Whether an option overrides the YAML: one that was given, or is not its default."""
        return name in self.given or getattr(self, name) != _DEFAULTS[name]

    @cached_property
    def rate_hz(self) -> float:
        """Of the control loop: the option's, else the configuration's, else the policy's.

        Known from the start: the policy's file may change while it runs.

        Raises:
            ValueError: the policy's file cannot be read.
        """
        said = self._said("rate", "plant", "rate_hz")
        if said is None and self.has_policy:
            said = read_policy(find_policy(self.policy_name, policy_folder()))[1].rate_hz
        return self.rate if said is None else said

    @property
    def pace(self) -> float:
        """Simulated seconds in a wall second; 0 where the plant waits for the graph."""
        factor = self._said("realtime_factor", "realtime_factor")
        waits = self._said("", "lockstep")
        return 0.0 if waits else self.realtime_factor if factor is None else factor

    def _said(self, option: str, *keys: str) -> float | None:
        """What the option or, failing that, the plant's configuration says."""
        if option and self.told(option):
            return float(getattr(self, option))
        try:
            section: Any = parameters_of(self.params_files(), "sim")
        except ConfigError:  # it says nothing of the plant
            section = {}
        dotted = section.get(".".join(keys))  # which ROS takes as well
        for key in keys:
            section = section.get(key) if isinstance(section, dict) else None
        said = section if dotted is None else dotted
        return float(said) if isinstance(said, int | float) else None

    @property
    def stamped(self) -> bool:
        """Whether cmd_vel is a TwistStamped: for all who hear it, wherever it is said."""
        if self.told("stamped_cmd_vel"):
            return self.stamped_cmd_vel
        return bool(parameters_of(self.params_files(), "gait").get("stamped_cmd_vel", False))

    @property
    def servo_name(self) -> str:
        """The servo that the run has."""
        return load_robot(self.robot, self.servo or None).servo.name

    @property
    def gait_name(self) -> str:
        """The gait pattern that the run starts with."""
        if self.gait:
            return self.gait
        robot = load_robot(self.robot)
        return load_controller(robot, *self.params_files()).gait_config.pattern

    @property
    def has_policy(self) -> bool:
        """Whether the run starts with one."""
        return self.policy_name != NONE

    @property
    def policy_name(self) -> str:
        """The policy that the run starts with: none, a name or a path.

        Raises:
            ValueError: the robot's configuration names no default.
        """
        if self.policy != DEFAULT:
            # a path is from where the user stands, not from where a node runs
            there = Path(self.policy).is_file() or os.sep in self.policy
            known = there and Path(self.policy).exists()
            return str(Path(self.policy).resolve()) if known else self.policy
        named = parameters_of(self.params_files(), "policy").get("policy")
        if not isinstance(named, str):
            raise ValueError(f"policy: {DEFAULT}: {self._robots_file()} names none")
        return named

    @property
    def residual_limit(self) -> dict[str, float]:
        """ik's ``residual_limit`` [m] under its name, if the configuration says it."""
        try:
            said = parameters_of(self.params_files(), "ik").get("residual_limit")
        except ConfigError:  # nothing for ik at all
            said = None
        return {"residual_limit": said} if isinstance(said, float) else {}  # else ik refuses it

    def params_files(self) -> list[Path]:
        """YAMLs of ROS parameters: the robot's, and the calibration of its servo if there is one.

        Raises:
            ValueError: the former is not there.
        """
        robot = load_robot(self.robot, self.servo or None)
        return parameter_files(_share() / "config", robot, self.config)

    def _robots_file(self) -> Path:
        return Path(self.config) if self.config else config_file(load_robot(self.robot).name)


def config_file(robot: str) -> Path:
    """``config/<robot>.yaml`` as installed."""
    return _share() / "config" / f"{robot}.yaml"


def calibration_file(robot: RobotSpec) -> Path:
    """Measured speeds of a robot with its servo; beside its configuration, links followed."""
    return calibration_path(_share() / "config", robot)


def policy_folder() -> Path:
    """Where policies are by name: ``policies/`` as installed, links followed."""
    return (_share() / "policies" / "README.md").resolve().parent


def _share() -> Path:
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("stride_bringup"))


_DEFAULTS = {each.name: each.default for each in fields(Options)}
_NAMESPACE = re.compile(r"/?([A-Za-z_]\w*(/[A-Za-z_]\w*)*/?)?", re.ASCII)


def _check(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0.0:
        raise ValueError(f"{name}: {value:g}: expected a finite number, not negative")


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: {value!r}: expected one of {', '.join(known)}")
