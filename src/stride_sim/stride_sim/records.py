"""What goes into the plant and what comes out of it; every array leads with the robots, (N, …)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import param

from stride_sim.errors import SimError
from stride_sim.model import Indices
from stride_sim.randomisation import RandomisationConfig
from stride_sim.terrain import GroundPool


@dataclass(frozen=True)
class NoiseConfig:
    """Errors of the sensors, normally distributed: white noise each tick, a bias each episode.

    The defaults are those of the parts the fivebar would carry: a 12-bit encoder (1.5 mrad a
    count), speeds differentiated from it, a consumer MEMS IMU and its fused orientation.
    """

    scale: float = param(1.0, doc="multiplies all below; 0 is off", min=0.0, max=100.0)
    joint_position: float = param(0.0015, doc="noise", unit="rad", min=0.0, max=1.0)
    joint_position_bias: float = param(0.0, doc="bias", unit="rad", min=0.0, max=1.0)
    joint_velocity: float = param(0.05, doc="noise", unit="rad/s", min=0.0, max=100.0)
    orientation: float = param(0.003, doc="noise", unit="rad", min=0.0, max=1.0)
    orientation_bias: float = param(0.005, doc="bias", unit="rad", min=0.0, max=1.0)
    gyro: float = param(0.01, doc="noise", unit="rad/s", min=0.0, max=10.0)
    gyro_bias: float = param(0.005, doc="bias", unit="rad/s", min=0.0, max=10.0)
    accel: float = param(0.05, doc="noise", unit="m/s²", min=0.0, max=100.0)
    accel_bias: float = param(0.05, doc="bias", unit="m/s²", min=0.0, max=100.0)


@dataclass(frozen=True)
class PlantConfig:
    """How the plant is simulated."""

    rate_hz: float = param(100.0, doc="control ticks", unit="Hz", min=1.0, max=2000.0)
    timestep: float = param(0.002, doc="of the physics", unit="s", min=1e-4, max=0.005)
    foot_friction: float | None = param(None, doc="the MJCF's if none", min=0.0, max=5.0)
    sensor_delay_ticks: int = param(0, doc="age of what the sensors show", min=0, max=100)
    action_delay_ticks: int = param(0, doc="ticks until a command acts", min=0, max=100)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    randomisation: RandomisationConfig = field(default_factory=RandomisationConfig)

    def __post_init__(self) -> None:
        """Check what spans fields."""
        steps = 1.0 / (self.rate_hz * self.timestep)
        if steps < 0.999 or abs(steps - round(steps)) > 1e-6 * steps:
            rates = 1.0 / self.timestep
            raise SimError(
                f"rate_hz: {self.rate_hz:g}: expected a divisor of the physics' {rates:g} Hz"
                f" (timestep {self.timestep:g} s), such as"
                f" {', '.join(f'{rates / n:g}' for n in (1, 2, 5, 10))}"
            )

    @property
    def substeps(self) -> int:
        """Steps of the physics in a tick."""
        return round(1.0 / (self.rate_hz * self.timestep))


@dataclass(frozen=True, eq=False)
class Sensors:
    """What the robot's own sensors say at a tick's stamp, noise, bias and delay included.

    The accelerometer shows the specific force at the stamp, under the command of the tick before.

    Attributes:
        position, velocity, effort: (N, joints) [rad], [rad/s], [N·m] at the servo's output, before
            its friction.
        quaternion: (N, 4) x, y, z, w, of the IMU in the world.
        gyro, accel: (N, 3) [rad/s], [m/s²] in the IMU's frame.
    """

    position: FloatArray
    velocity: FloatArray
    effort: FloatArray
    quaternion: FloatArray
    gyro: FloatArray
    accel: FloatArray


@dataclass(frozen=True, eq=False)
class Truth:
    """What only a simulation knows, at a tick's stamp; a snapshot that later ticks leave alone.

    Attributes:
        position: (N, 3) of the trunk's origin in the world [m].
        quaternion: (N, 4) x, y, z, w, of the trunk.
        linear_velocity, angular_velocity: (N, 3) in the trunk's frame [m/s], [rad/s].
        foot_force: (N, legs) normal force of the ground [N].
        feet_world, tips_world: (N, legs, 3) [m] the two ends that a leg's closed loop ties.
        passive: (N, passive joints) [rad], leg-major.
        joint_position, joint_velocity, effort: (N, joints) [rad], [rad/s], [N·m], as `Sensors` has
            them but without its errors.
        foot_radius: [m].
        grounds: what there is to walk on.
        choice: (N,) which of them each robot walks on.
    """

    position: FloatArray
    quaternion: FloatArray
    linear_velocity: FloatArray
    angular_velocity: FloatArray
    foot_force: FloatArray
    feet_world: FloatArray
    tips_world: FloatArray
    passive: FloatArray
    joint_position: FloatArray
    joint_velocity: FloatArray
    effort: FloatArray
    foot_radius: float
    grounds: GroundPool = field(repr=False)
    choice: Indices = field(repr=False)

    @property
    def foot_contact(self) -> BoolArray:
        """(N, legs) whether the foot presses on the ground."""
        return self.foot_force > 0.0

    @cached_property
    def loop_gap(self) -> FloatArray:
        """(N, legs) how far the leg's closed loop gapes [m]."""
        gap = self.feet_world - self.tips_world
        distance: FloatArray = np.sqrt((gap * gap).sum(-1))
        return distance

    @cached_property
    def foot_clearance(self) -> FloatArray:
        """(N, legs) height of the foot's sphere over the ground under its centre [m].

        A foot that rests on a slope shows up to radius · (1/cos(slope) − 1) more than 0.
        """
        feet = self.feet_world
        return feet[..., 2] - self.foot_radius - self._ground(feet[..., 0], feet[..., 1])

    @cached_property
    def height(self) -> FloatArray:
        """(N,) of the trunk's origin above the ground under it [m]."""
        return self.position[:, 2] - self._ground(self.position[:, 0], self.position[:, 1])

    def _ground(self, x: FloatArray, y: FloatArray) -> FloatArray:
        which = self.choice if x.ndim == 1 else np.repeat(self.choice[:, None], x.shape[1], 1)
        return self.grounds.height_at(which, x, y)
