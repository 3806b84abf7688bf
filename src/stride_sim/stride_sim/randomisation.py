"""Domain randomisation: what differs from robot to robot and from episode to episode.

Every draw of a robot comes from its own generator, in a fixed order and whatever is switched off,
so that robot i of many is the robot alone, and one range can change without moving the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco.batch
import numpy as np
from stride_core.arrays import FloatArray
from stride_core.config import param
from stride_core.robot import RobotSpec

from stride_sim.model import ModelIndex


def _range(doc: str, unit: str = "", low: float = 0.0, high: float = 10.0) -> Any:
    return param((), doc=f"{doc}: least, most; off if empty", unit=unit, min=low, max=high)


@dataclass(frozen=True)
class RandomisationConfig:
    """Ranges, each drawn from uniformly at a robot's reset; the empty ones are off."""

    friction: tuple[float, ...] = _range("sliding friction of the feet", high=5.0)
    mass: tuple[float, ...] = _range("times each link's mass and inertia", low=0.1)
    payload: tuple[float, ...] = _range(
        "share of the robot's mass that the trunk carries", high=2.0
    )
    centre_of_mass: tuple[float, ...] = _range(
        "shift of the trunk's along each axis", "m", -0.1, 0.1
    )
    strength: tuple[float, ...] = _range("times each servo's stall torque", low=0.05)
    stiffness: tuple[float, ...] = _range("times each servo's stiffness", low=0.05)
    derivative: tuple[float, ...] = _range("times each servo's derivative gain")
    damping: tuple[float, ...] = _range("times each servo's back-EMF", low=0.05)
    joint_friction: tuple[float, ...] = _range("times each servo's dry friction")
    backlash: tuple[float, ...] = _range("times each servo's free play, which is left out when off")
    noise: tuple[float, ...] = _range("times the sensors' noise and bias", high=100.0)
    action_delay: tuple[float, ...] = _range(
        "whole ticks until a command acts, instead of the plant's", "ticks"
    )
    sensor_delay: tuple[float, ...] = _range(
        "whole ticks of the sensors' age, instead of the plant's", "ticks"
    )
    push_force: tuple[float, ...] = _range("horizontal force on the trunk", "N", high=1000.0)
    push_interval: tuple[float, float] = param(
        (3.0, 6.0), doc="from one push to the next: least, most", unit="s", min=0.05, max=1000.0
    )
    push_duration: float = param(0.1, doc="of a push", unit="s", min=0.0, max=10.0)
    motor_off_interval: tuple[float, ...] = param(
        (),
        doc="from one motor's loss of power to the next; off if empty",
        unit="s",
        min=0.05,
        max=1e3,
    )
    motor_off_duration: float = param(0.5, doc="of such a loss", unit="s", min=0.0, max=100.0)

    def __post_init__(self) -> None:
        """Check what spans fields."""
        for name, value in vars(self).items():
            if isinstance(value, tuple) and (
                len(value) not in (0, 2) or list(value) != sorted(value)
            ):
                raise ValueError(f"{name}: {list(value)}: expected least and most, or nothing")
        for name in ("action_delay", "sensor_delay"):
            if any(value != int(value) for value in getattr(self, name)):
                raise ValueError(f"{name}: {list(getattr(self, name))}: expected whole ticks")

    @property
    def changes_model(self) -> bool:
        """Whether robots differ in their bodies or servos."""
        return any(getattr(self, name) for name in (*_OF_BODY, *_OF_JOINT, "motor_off_interval"))


_OF_BODY = ("friction", "mass", "payload", "centre_of_mass")
_OF_JOINT = ("strength", "stiffness", "derivative", "damping", "joint_friction", "backlash")
_OF_ROBOT = ("noise", "action_delay", "sensor_delay")


@dataclass(frozen=True, eq=False)
class Servos:
    """Figures of the servos, ``(N, joints)`` or scalars: see ``ServoSpec``."""

    stiffness: FloatArray | float
    derivative: FloatArray | float
    stall_torque: FloatArray | float
    damping: FloatArray | float


class Randomisation:
    """Draws for N robots and writes into the rows of a batch what they change.

    Attributes:
        servos: the servos as they are.
        backlash: ``(N, joints)`` whole free play [rad].
        noise: ``(N, 1)`` times the noise.
        action_delay, sensor_delay: ``(N,)`` [ticks].
        summary: ``(N, columns)`` the draws within ±1, those of many links or joints as their mean.
    """

    def __init__(
        self,
        config: RandomisationConfig,
        spec: RobotSpec,
        index: ModelIndex,
        batch: mujoco.batch.Batch,
        delays: tuple[int, int],
    ) -> None:
        """Take the plant's own action and sensor delay [ticks] too."""
        self.config, self._index, self._batch = config, index, batch
        model, n, joints = batch.model, batch.nsim, len(spec.joints)
        self._sizes = {name: 1 for name in (*_OF_BODY, *_OF_ROBOT)}
        self._sizes |= {"mass": model.nbody, "centre_of_mass": 3}
        self._sizes |= dict.fromkeys(_OF_JOINT, joints)
        self._drawn = np.full((n, sum(self._sizes.values())), 0.5)
        self.summary = np.zeros((n, sum(size if size <= 3 else 1 for size in self._sizes.values())))
        self._total_mass = float(model.body_mass.sum())
        self._play = spec.servo.backlash
        self.backlash = np.zeros((n, joints))
        self.noise = np.ones((n, 1))
        self.action_delay = np.full(n, delays[0], np.intp)
        self.sensor_delay = np.full(n, delays[1], np.intp)
        servo = spec.servo
        self.servos = Servos(servo.stiffness, servo.derivative, servo.stall_torque, servo.damping)
        if config.changes_model:
            self._rows = {name: batch.expand(name) for name in _FIELDS}
            shape = (n, joints)
            self.servos = Servos(*(np.full(shape, value) for value in vars(self.servos).values()))
            self._servo = servo

    @property
    def most_action_delay(self) -> int:
        """Of any robot in any episode [ticks]."""
        return int(max(self.config.action_delay, default=self.action_delay.max()))

    @property
    def most_sensor_delay(self) -> int:
        """Of any robot in any episode [ticks]."""
        return int(max(self.config.sensor_delay, default=self.sensor_delay.max()))

    def draw(self, robot: int, random: np.random.Generator) -> None:
        """Make a robot anew."""
        self._drawn[robot] = random.random(self._drawn.shape[1])
        self._apply(robot)

    def power(self, robot: int, joint: int, on: bool) -> None:
        """Switch one servo; without power nothing but its back-EMF and friction is left."""
        self._write_servos(robot, self._values(self._drawn[robot]))
        if not on:
            at = self._index.actuator[joint]
            self._rows["actuator_gainprm"][robot, at] = 0.0
            self._rows["actuator_biasprm"][robot, at] = 0.0
            for array in (self.servos.stiffness, self.servos.derivative):
                array[robot, joint] = 0.0  # type: ignore[index]

    def state(self) -> FloatArray:
        """What was drawn, for `restore`."""
        return self._drawn.copy()

    def restore(self, state: FloatArray) -> None:
        """Go back to a `state`."""
        self._drawn[:] = state
        for robot in range(len(state)):
            self._apply(robot)

    def _summarise(self, robot: int) -> None:
        start, column = 0, 0
        for name, size in self._sizes.items():
            on = bool(getattr(self.config, name))
            drawn = on * (2.0 * self._drawn[robot, start : start + size] - 1.0)
            few = drawn if size <= 3 else [drawn.mean()]
            self.summary[robot, column : column + len(few)] = few
            start, column = start + size, column + len(few)

    def _apply(self, robot: int) -> None:
        self._summarise(robot)
        values = self._values(self._drawn[robot])
        if "noise" in values:
            self.noise[robot] = values["noise"]
        for name in ("action_delay", "sensor_delay"):
            if name in values:
                low, high = getattr(self.config, name)
                drawn = self._drawn[robot, self._place(name)][0]
                getattr(self, name)[robot] = int(low + np.floor(drawn * (high - low + 1)))
        if self.config.changes_model:
            self._write_body(robot, values)
            self._write_servos(robot, values)
            self._batch.set_const([robot])

    def _place(self, name: str) -> slice:
        start = 0
        for known, size in self._sizes.items():
            if known == name:
                return slice(start, start + size)
            start += size
        raise KeyError(name)

    def _values(self, drawn: FloatArray) -> dict[str, FloatArray]:
        """Of what is switched on."""
        found, start = {}, 0
        for name, size in self._sizes.items():
            limits = getattr(self.config, name)
            if limits:
                found[name] = limits[0] + drawn[start : start + size] * (limits[1] - limits[0])
            start += size
        return found

    def _write_body(self, robot: int, values: dict[str, FloatArray]) -> None:
        """Masses, the trunk's payload (at its centre: it scales the inertia), friction."""
        model, rows, base = self._batch.model, self._rows, self._index.base
        times = np.array(values.get("mass", np.ones(model.nbody)))
        if "payload" in values:
            extra = values["payload"][0] * self._total_mass
            times[base] += extra / model.body_mass[base]
        rows["body_mass"][robot] = model.body_mass * times
        rows["body_inertia"][robot] = model.body_inertia * times[:, None]
        if "centre_of_mass" in values:
            rows["body_ipos"][robot, base] = model.body_ipos[base] + values["centre_of_mass"]
        if "friction" in values:
            rows["geom_friction"][robot, self._index.foot_geom, 0] = values["friction"][0]

    def _write_servos(self, robot: int, values: dict[str, FloatArray]) -> None:
        servo, rows, at = self._servo, self._rows, self._index
        one = np.ones(len(at.actuator))
        stiffness = servo.stiffness * values.get("stiffness", one)
        derivative = servo.derivative * values.get("derivative", one)
        stall = servo.stall_torque * values.get("strength", one)
        damping = servo.damping * values.get("damping", one)
        rows["actuator_gainprm"][robot, at.actuator, 0] = stiffness
        rows["actuator_biasprm"][robot, at.actuator, 1] = -stiffness
        rows["actuator_biasprm"][robot, at.actuator, 2] = -derivative
        rows["actuator_forcerange"][robot, at.actuator] = stall[:, None] * (-1.0, 1.0)
        rows["dof_damping"][robot, at.joint_dof] = damping
        rows["dof_frictionloss"][robot, at.joint_dof] = servo.friction * values.get(
            "joint_friction", one
        )
        for array, value in zip(
            vars(self.servos).values(), (stiffness, derivative, stall, damping), strict=True
        ):
            array[robot] = value
        if "backlash" in values:
            self.backlash[robot] = self._play * values["backlash"]


_FIELDS = (
    "actuator_biasprm",
    "actuator_forcerange",
    "actuator_gainprm",
    "body_inertia",
    "body_ipos",
    "body_mass",
    "dof_damping",
    "dof_frictionloss",
    "geom_friction",
)
