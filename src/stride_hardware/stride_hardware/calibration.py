"""Which servo moves which joint, and where its zero is: the file that ``calibrate servos`` writes.

joint angle = sign · (counts − centre) · 2π / resolution
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from stride_core.arrays import FloatArray, IntArray
from stride_core.config import ConfigError, from_mapping, param
from stride_core.robot import RobotSpec
from stride_core.yaml_file import read_yaml

from stride_hardware.layouts import LAYOUTS

Backend = Literal["feetech", "dynamixel", "mock"]
LARGEST_ID = 252
"""Of a servo of either make."""

_SLACK = 0.02
"""A calibrated range may miss a joint's limit by this much [rad]."""


@dataclass(frozen=True)
class ServoMount:
    """How one servo sits in its joint.

    Attributes:
        lower, upper: the joint's range as it was found when the robot was calibrated.
    """

    id: int = param(doc="on the bus", min=0, max=LARGEST_ID)
    centre: int = param(doc="counts where the joint's angle is 0", min=-32768, max=32767)
    sign: int = param(doc="1 when counts grow with the angle, else -1", min=-1, max=1)
    lower: float = param(doc="of the range", unit="rad", min=-7.0, max=7.0)
    upper: float = param(doc="of the range", unit="rad", min=-7.0, max=7.0)

    def __post_init__(self) -> None:
        if self.sign == 0:
            raise ValueError("sign: 0: expected 1 or -1")
        if not self.lower < self.upper:
            raise ValueError(f"lower {self.lower:g} is not below upper {self.upper:g}")
        if self.upper - self.lower > 2.0 * math.pi:
            raise ValueError(
                f"lower {self.lower:g} to upper {self.upper:g}: expected a turn at most: the"
                " encoder shows no more"
            )


@dataclass(frozen=True)
class Calibration:
    """The servos of one robot.

    Attributes:
        servos: by the name of the joint, in the robot's order.
    """

    robot: str = param(doc="name of the robot")
    backend: Backend = param(doc="make of the servos")
    baudrate: int = param(doc="of the bus", min=9600, max=4_500_000)
    servos: dict[str, ServoMount] = field(kw_only=True)
    resolution: int = param(4096, doc="counts of a turn", min=256, max=1 << 20)
    made: str = param("", doc="when and how")

    @property
    def ids(self) -> list[int]:
        """On the bus, in the order of the joints."""
        return [mount.id for mount in self.servos.values()]

    @property
    def _sign(self) -> FloatArray:
        return np.array([mount.sign for mount in self.servos.values()], np.float64)

    @property
    def _centre(self) -> FloatArray:
        return np.array([mount.centre for mount in self.servos.values()], np.float64)

    @property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper, (joints,) each [rad]."""
        mounts = self.servos.values()
        return np.array([m.lower for m in mounts]), np.array([m.upper for m in mounts])

    def angles(self, counts: IntArray | FloatArray) -> FloatArray:
        """Joint angles (..., joints) [rad] of counts, in the turn around the range's middle."""
        lower, upper = self.limits
        turn, middle = 2.0 * math.pi, 0.5 * (lower + upper)
        angle = self._sign * (counts - self._centre) * (turn / self.resolution)
        angles: FloatArray = middle + np.mod(angle - middle + math.pi, turn) - math.pi
        return angles

    def speeds(self, speed: FloatArray) -> FloatArray:
        """Joint speeds, or torques, from the servos' sense of rotation, (..., joints)."""
        turned: FloatArray = self._sign * speed
        return turned

    def counts(self, angles: FloatArray) -> IntArray:
        """Counts (..., joints) of joint angles, rounded."""
        off = self._sign * angles * (self.resolution / (2.0 * math.pi))
        counts: IntArray = np.rint(self._centre + off).astype(np.int64)
        return counts


def load(path: str | Path, robot: RobotSpec) -> Calibration:
    """Read and check a calibration.

    Raises:
        ConfigError: it is not there, or not this robot's; one line.
    """
    if not Path(path).is_file():
        raise ConfigError(
            f"calibration {path}: no such file: the servos are not calibrated;"
            " run ./stride calibrate servos"
        )
    given = read_yaml(path)
    made = from_mapping(Calibration, given, str(path))
    if made.robot != robot.name:
        raise ConfigError(f"{path}: robot: {made.robot!r}: expected {robot.name!r}")
    if tuple(made.servos) != robot.joints:
        raise ConfigError(f"{path}: servos: {_difference(tuple(made.servos), robot.joints)}")
    return check(made, robot, str(path))


def check(made: Calibration, robot: RobotSpec, where: str) -> Calibration:
    """Refuse nonsense.

    Raises:
        ConfigError: two servos have one id, or a joint does not reach its limits; one line.
    """
    doubled = [str(servo) for servo, count in Counter(made.ids).items() if count > 1]
    if doubled:
        raise ConfigError(f"{where}: servos: id {', '.join(doubled)} twice: expected each once")
    layout = LAYOUTS.get(made.backend)
    if layout is not None and made.resolution != layout.resolution:
        raise ConfigError(
            f"{where}: resolution: {made.resolution}: expected {layout.resolution}, of a"
            f" {made.backend} servo"
        )
    turn = 2.0 * math.pi / made.resolution
    for at, (joint, mount) in enumerate(made.servos.items()):
        ends = sorted(
            mount.centre + mount.sign * angle / turn for angle in (mount.lower, mount.upper)
        )
        if made.backend == "feetech" and (ends[0] < 0 or ends[1] > made.resolution - 1):
            raise ConfigError(
                f"{where}: {joint}: counts {ends[0]:.0f} to {ends[1]:.0f}: expected within 0 to"
                f" {made.resolution - 1}; turn the horn so that the middle of the range is at"
                f" {made.resolution // 2}"
            )
        lower, upper = float(robot.joint_lower[at]), float(robot.joint_upper[at])
        if mount.lower > lower + _SLACK or mount.upper < upper - _SLACK:
            raise ConfigError(
                f"{where}: {joint}: range {mount.lower:.3f} to {mount.upper:.3f} rad: expected to"
                f" reach the robot's {lower:.3f} to {upper:.3f}; is the horn one tooth off?"
            )
    return made


def save(made: Calibration, path: str | Path) -> None:
    """Write it, whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(asdict(made), sort_keys=False, default_flow_style=None)
    fresh = target.with_suffix(f"{target.suffix}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(target)


def _difference(found: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    missing = [joint for joint in wanted if joint not in found]
    strange = [joint for joint in found if joint not in wanted]
    if missing:
        return f"{', '.join(missing)} missing; expected {', '.join(wanted)}"
    if strange:
        return f"{', '.join(strange)}: no such joint; expected {', '.join(wanted)}"
    return f"order {', '.join(found)}: expected {', '.join(wanted)}"
