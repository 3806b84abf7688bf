"""A robot as the mathematics sees it, read from its robot.yaml."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stride_core.arrays import FloatArray, readonly
from stride_core.config import ConfigError, from_mapping, param
from stride_core.kinematics import LegKinematics, make_kinematics
from stride_core.yaml_file import parse_yaml


class RobotError(ConfigError):
    """A robot cannot be loaded; the message is one line."""


@dataclass(frozen=True)
class ServoSettings:
    """Gains of a servo's firmware, in its own units; None: whatever it has.

    The stiffness and the derivative of a `ServoSpec` are what a servo has that is set so. They are
    no part of a robot's digest: a policy knows the figures, not how a part is brought to have them.
    """

    position_gain: int | None = param(None, doc="of the error", min=1, max=65535)
    derivative_gain: int | None = param(None, doc="of the speed", min=0, max=65535)


@dataclass(frozen=True)
class ServoSpec:
    """A position servo, a DC motor behind a gear: τ = stall_torque · duty − damping · ω.

    duty = (stiffness · (target − position) − derivative · ω) / stall_torque, within ±1.
    """

    name: str
    gear: float
    stall_torque: float
    no_load_speed: float
    stiffness: float
    derivative: float
    armature: float
    friction: float
    backlash: float
    settings: ServoSettings = field(default_factory=ServoSettings)

    @property
    def damping(self) -> float:
        """Torque lost per speed to the motor's back-EMF [N·m·s/rad]."""
        return self.stall_torque / self.no_load_speed


@dataclass(frozen=True, eq=False)
class ImuSpec:
    """Where the IMU sits: its frame in the trunk's."""

    position: FloatArray = field(metadata={"unit": "m", "shape": (3,)})
    rpy: FloatArray = field(metadata={"unit": "rad", "shape": (3,)})


@dataclass(frozen=True, eq=False)
class RobotSpec:
    """A robot. Joint vectors are leg-major, in the order of `joints`; feet are in hip frames.

    Attributes:
        name: of the robot, also of its folder.
        legs: names, in the order of every array's legs axis.
        hips: (legs, 3) origins of the hip frames in the trunk frame [m].
        leg_joints: names of one leg's actuated joints.
        joints: names of all of them, `<leg>_<joint>`.
        joint_lower, joint_upper: (joints,) limits [rad].
        servo: the servo of every joint.
        servos: those that may be chosen, by name.
        kinematics: of all legs.
        stance, sit: (legs, 3) nominal feet standing and at rest [m].
        home: (joints,) angles of the stance [rad].
        imu: where it sits.
        masses: [kg] by link; those of a leg count once per leg and link.
        geometry, shapes: for generators of models, as in the YAML.
        mjcf, urdf: paths of the models.
        digest: SHA-256 of what the YAML says (comments, layout and the servos' settings aside),
            hexadecimal.
    """

    name: str
    legs: tuple[str, ...]
    hips: FloatArray
    leg_joints: tuple[str, ...]
    joints: tuple[str, ...]
    joint_lower: FloatArray
    joint_upper: FloatArray
    servo: ServoSpec
    servos: dict[str, ServoSpec]
    kinematics: LegKinematics
    stance: FloatArray
    sit: FloatArray
    home: FloatArray
    imu: ImuSpec
    masses: dict[str, float]
    geometry: dict[str, float]
    shapes: dict[str, Any]
    mjcf: Path
    urdf: Path
    digest: str

    def with_servo(self, name: str) -> RobotSpec:
        """Return the same robot with another of its servos.

        Raises:
            RobotError: no servo of that name.
        """
        if name not in self.servos:
            raise RobotError(f"servo {name!r}: expected one of {', '.join(self.servos)}")
        return dataclasses.replace(self, servo=self.servos[name])

    def legs_of(self, vector: FloatArray) -> FloatArray:
        """Return a joint vector (..., joints) by leg, (..., legs, joints of a leg)."""
        return vector.reshape(*vector.shape[:-1], len(self.legs), len(self.leg_joints))

    def joints_of(self, by_leg: FloatArray) -> FloatArray:
        """Return (..., legs, joints of a leg) as a joint vector (..., joints)."""
        return by_leg.reshape(*by_leg.shape[:-2], len(self.joints))


# --- the file -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Limits:
    lower: float = param(unit="rad", min=-6.3, max=6.3)
    upper: float = param(unit="rad", min=-6.3, max=6.3)

    def __post_init__(self) -> None:
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower:g} is not below upper {self.upper:g}")


@dataclass(frozen=True)
class _Servo:
    gear: float = param(doc="gear ratio", min=1.0, max=10000.0)
    stall_torque: float = param(unit="N·m", min=1e-3, max=1000.0)
    no_load_speed: float = param(unit="rad/s", min=0.01, max=1000.0)
    stiffness: float = param(doc="torque per error", unit="N·m/rad", min=1e-3, max=1e5)
    derivative: float = param(doc="firmware's torque per speed", unit="N·m·s/rad", min=0.0, max=1e4)
    armature: float = param(doc="rotor inertia at the output", unit="kg·m²", min=0.0, max=10.0)
    friction: float = param(doc="dry friction", unit="N·m", min=0.0, max=100.0)
    backlash: float = param(doc="whole free play", unit="rad", min=0.0, max=0.5)
    settings: ServoSettings = field(default_factory=ServoSettings)


@dataclass(frozen=True, kw_only=True)
class _RobotFile:
    name: str
    mjcf: str
    urdf: str
    legs: tuple[str, ...]
    hips: dict[str, FloatArray] = field(metadata={"unit": "m", "shape": (3,)})
    joints: dict[str, _Limits]
    kinematics: str
    geometry: dict[str, float]
    stance: dict[str, FloatArray] = field(metadata={"unit": "m", "shape": (3,)})
    sit: dict[str, FloatArray] = field(metadata={"unit": "m", "shape": (3,)})
    imu: ImuSpec
    masses: dict[str, float] = field(metadata={"unit": "kg", "min": 0.0, "max": 1000.0})
    shapes: dict[str, Any]
    servo: str
    servos: dict[str, _Servo]


def load_robot(name_or_path: str | Path, servo: str | None = None) -> RobotSpec:
    """Load a robot by its name, or by the path of its robot.yaml or of the folder around it.

    Args:
        name_or_path: "fivebar", or a path (anything with a separator, or ending in .yaml).
        servo: one of the robot's servos instead of its default.

    Raises:
        RobotError: a ValueError; one line naming key, value and what was expected.
    """
    try:
        path = _locate(name_or_path)
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise RobotError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise RobotError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        spec = _build(text, path)
        return spec.with_servo(servo) if servo is not None else spec
    except RobotError:
        raise
    except ConfigError as error:
        raise RobotError(str(error)) from None


def _locate(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        return path / "robot.yaml" if path.is_dir() else path
    try:
        # Late, so that stride_core stands without the descriptions when given a path.
        from stride_description.find import robot_file
    except ModuleNotFoundError:
        raise RobotError(f"robot {text!r}: stride_description is not installed") from None
    try:
        return robot_file(text)
    except ValueError as error:
        raise RobotError(str(error)) from None


def _build(text: str, path: Path) -> RobotSpec:
    where = str(path)
    content = parse_yaml(text, where)
    file = from_mapping(_RobotFile, content, where)
    if not file.legs or len(set(file.legs)) != len(file.legs):
        raise RobotError(f"{where}: legs: {list(file.legs)}: expected names, each once")
    hips, stance, sit = (
        _by_leg(table, file.legs, f"{where}: {key}")
        for key, table in (("hips", file.hips), ("stance", file.stance), ("sit", file.sit))
    )
    lower = np.tile([limit.lower for limit in file.joints.values()], (len(file.legs), 1))
    upper = np.tile([limit.upper for limit in file.joints.values()], (len(file.legs), 1))
    kinematics = make_kinematics(
        file.kinematics,
        file.geometry,
        hips=hips,
        lower=lower,
        upper=upper,
        stance=stance,
        where=where,
    )
    home = _reach(kinematics, stance, file.legs, f"{where}: stance")
    _reach(kinematics, sit, file.legs, f"{where}: sit")
    servos = {name: ServoSpec(name, **vars(values)) for name, values in file.servos.items()}
    if file.servo not in servos:
        raise RobotError(f"{where}: servo: {file.servo!r}: expected one of {', '.join(servos)}")
    return RobotSpec(
        name=file.name,
        legs=file.legs,
        hips=hips,
        leg_joints=tuple(file.joints),
        joints=tuple(f"{leg}_{joint}" for leg in file.legs for joint in file.joints),
        joint_lower=readonly(lower.ravel()),
        joint_upper=readonly(upper.ravel()),
        servo=servos[file.servo],
        servos=servos,
        kinematics=kinematics,
        stance=stance,
        sit=sit,
        home=readonly(home.ravel()),
        imu=file.imu,
        masses=file.masses,
        geometry=file.geometry,
        shapes=file.shapes,
        mjcf=path.parent / file.mjcf,
        urdf=path.parent / file.urdf,
        digest=_digest(content),
    )


def _digest(content: dict[str, Any]) -> str:
    """Of the content alone: an edited comment makes no policy a stranger."""
    servos = {
        name: {key: value for key, value in servo.items() if key != "settings"}
        for name, servo in content["servos"].items()
    }
    canonical = json.dumps({**content, "servos": servos}, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _by_leg(table: dict[str, FloatArray], legs: tuple[str, ...], where: str) -> FloatArray:
    if set(table) != set(legs):
        raise RobotError(f"{where}: {', '.join(table)}: expected the legs {', '.join(legs)}")
    return readonly([table[leg] for leg in legs])


def _reach(
    kinematics: LegKinematics, feet: FloatArray, legs: tuple[str, ...], where: str
) -> FloatArray:
    solution = kinematics.inverse(feet)
    for leg, foot, good, short in zip(
        legs, feet, solution.reachable, solution.distance, strict=True
    ):
        if not good:
            raise RobotError(
                f"{where}: {leg}: {foot.tolist()}: expected a foot that the leg reaches;"
                f" it stops {short:.4f} m short"
            )
    return solution.angles
