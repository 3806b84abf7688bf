"""What a run can be told. ``./stride sim`` and the launch files fill the same record."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import yaml
from stride_core.gait import PATTERNS
from stride_core.robot import load_robot
from stride_sim.terrain import names as terrain_names


@dataclass(frozen=True)
class Options:
    """One simulated run; checked when made.

    Attributes:
        realtime_factor: simulated seconds in a wall second; 0 means lockstep, as fast as the graph
            answers.
        command: vx [m/s], vy [m/s], wz [rad/s], followed until the first cmd_vel.
        config: YAML of ROS parameters; empty for ``config/<robot>.yaml``.
        record, film, summary: paths to write, empty for none.
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
    policy: str = "none"
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
    camera_rate: float = 0.0
    stamped_cmd_vel: bool = False

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
        _choice("policy", self.policy, ("none",))
        if not self.terrain.endswith(".png"):
            _choice("terrain", self.terrain, (*terrain_names(), "FILE.png"))
        if self.difficulty > 1.0:
            raise ValueError(f"difficulty: {self.difficulty:g}: expected a number from 0 to 1")

    @property
    def lockstep(self) -> bool:
        """Whether the plant waits for the graph."""
        return self.realtime_factor == 0.0

    @property
    def servo_name(self) -> str:
        """The servo that the run has."""
        return load_robot(self.robot, self.servo or None).servo.name

    @property
    def gait_name(self) -> str:
        """The gait pattern that the run starts with."""
        if self.gait:
            return self.gait
        with self.params_file().open(encoding="utf-8") as stream:
            return str(yaml.safe_load(stream)["/**/gait"]["ros__parameters"]["gait"]["pattern"])

    def params_file(self) -> Path:
        """The YAML of parameters.

        Raises:
            ValueError: it is not there.
        """
        path = Path(self.config) if self.config else config_file(load_robot(self.robot).name)
        if not path.is_file():
            raise ValueError(f"config: {path}: no such file; expected a YAML of ROS parameters")
        return path


def config_file(robot: str) -> Path:
    """``config/<robot>.yaml`` as installed."""
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("stride_bringup")) / "config" / f"{robot}.yaml"


OPTION_NAMES = tuple(field.name for field in fields(Options))


def _check(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0.0:
        raise ValueError(f"{name}: {value:g}: expected a finite number, not negative")


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: {value!r}: expected one of {', '.join(known)}")
