"""The twin: the plant behind emulated servos, in real time.

What a driver writes to the servos' registers moves the plant's joints, and what it reads there is
what the plant's encoders say. Nothing on the driver's side knows that it is no robot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from stride_core.arrays import FloatArray, clip
from stride_core.robot import RobotSpec
from stride_hardware.calibration import Calibration
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.emulator.servo import EmulatedServo, Measured, Spent
from stride_hardware.settings import wanted
from stride_hardware.sts import registers as reg

from stride_sim.plant import Plant, PlantConfig
from stride_sim.records import NoiseConfig, Sensors, Truth
from stride_sim.terrain import Heightfield, TerrainConfig

_RATE_HZ = 500.0
_CATCH_UP = 50
"""Physics that is more behind than this many steps gives up the time: the machine is too slow."""
_THERMAL_EVERY = 50
_SETTLE_S = 1.5
_JAMMED = 30.0
"""Dry friction [N·m] of a joint that is held. The constraint solver knows it; a damper that strong
would tear the closed legs open, which it does not."""
_RIGID = 0.9999
"""Impedance of that friction: with MuJoCo's 0.9 a held joint creeps at 0.1 rad/s."""
_COUNT = 2.0 * math.pi / reg.COUNTS


class ServoPlant(Plant):
    """A plant of one robot, each of whose servos has a torque of its own."""

    def _build(self, made: Sequence[Heightfield], choice: np.ndarray) -> None:
        super()._build(made, choice)
        self._force = self._batch.expand("actuator_forcerange")
        self._gain = self._batch.expand("actuator_gainprm")
        self._bias = self._batch.expand("actuator_biasprm")
        self._stiffness = np.full(len(self.spec.joints), self.spec.servo.stiffness)
        self._friction = self._batch.expand("dof_frictionloss")
        self._impedance = self._batch.expand("dof_solimp")
        self._usual = self._friction.copy(), self._impedance.copy()

    def set_strength(self, share: FloatArray) -> None:
        """Share (joints,) of the stall torque that each servo may use, 0 to 1."""
        most = share * self.spec.servo.stall_torque
        self._force[0, self.index.actuator, 0] = -most
        self._force[0, self.index.actuator, 1] = most

    def set_gain(self, ratio: FloatArray) -> None:
        """Position gain (joints,) of each servo, as a ratio to that which the description means."""
        stiffness = ratio * self.spec.servo.stiffness
        if not np.array_equal(stiffness, self._stiffness):
            self._stiffness = stiffness
            self._gain[0, self.index.actuator, 0] = stiffness
            self._bias[0, self.index.actuator, 1] = -stiffness

    def duty(self, goal: FloatArray, strength: FloatArray) -> FloatArray:
        """Share (joints,) of the full voltage that each servo applies now, -1 to 1.

        Args:
            goal: (joints,) where it wants to be [rad].
            strength: (joints,) share of the torque that it may use.
        """
        joints, servo = len(self.spec.joints), self.spec.servo
        position, velocity = self._exact[0, :joints], self._exact[0, joints : 2 * joints]
        torque = (goal - position) * self._stiffness - velocity * servo.derivative
        return clip(torque / servo.stall_torque, -strength, strength)

    def jam(self, joints: np.ndarray) -> None:
        """Hold those joints (joints,) bool fast, and let the others go."""
        dof = self.index.joint_dof
        friction, impedance = self._usual
        self._friction[0, dof] = np.where(joints, _JAMMED, friction[0, dof])
        self._impedance[0, dof, :2] = np.where(joints[:, None], _RIGID, impedance[0, dof, :2])


class Twin:
    """A robot on its ground with a servo bus for an interface.

    Attributes:
        bus: to put at the end of a port.
        servos: on it, in the order of the joints.
        battery: voltage without load [V].
        unplugged: the servos have no power; they start anew when it returns.
        jammed: (joints,) joints that something holds.
        goal: (joints,) where the servos want to be [rad].
        strength: (joints,) share of the torque that they may use; 0: none.
        seen: of the newest step: sensors, truth, and its time [s]; replaced, never changed.
    """

    def __init__(
        self,
        robot: RobotSpec,
        calibration: Calibration,
        terrain: TerrainConfig | None = None,
        seed: int = 0,
        noise: NoiseConfig | None = None,
    ) -> None:
        """Put the robot on the ground with its motors off, and let it sink.

        Args:
            robot: as it was built; its joint limits are mechanical ends here.
            calibration: how the servos sit, which the driver must know too.
            terrain: under it.
            seed: of the sensors' and the wire's noise.
            noise: of the sensors.
        """
        self.robot, self.calibration = robot, calibration
        config = PlantConfig(rate_hz=_RATE_HZ, noise=noise or NoiseConfig())
        self.plant = ServoPlant(robot, config, terrain)
        self.plant.reset(seed)
        self.servos = [EmulatedServo(mount.id) for mount in calibration.servos.values()]
        for servo in self.servos:
            servo.set_up(wanted("feetech", robot.servo))
        self._gain = robot.servo.settings.position_gain or reg.P_GAIN.default
        self.bus = EmulatedBus(self.servos, calibration.baudrate, seed)
        self.battery = 7.4
        self.unplugged = False
        self.jammed = np.zeros(len(robot.joints), bool)
        self._was_jammed = self.jammed.copy()
        self._began: float | None = None
        self._origin = 0
        self._stale = True
        self.goal = robot.home.copy()
        self.strength = np.zeros(len(robot.joints))
        self._square = np.zeros(len(robot.joints))
        self._least = np.full(len(robot.joints), np.inf)
        self._take_over()
        for _ in range(round(_SETTLE_S * _RATE_HZ)):
            self._step()
        self._look()

    @property
    def powered(self) -> bool:
        """Whether any motor has torque."""
        return bool(self.strength.any())

    def answer(self, data: bytes, now: float) -> tuple[bytes, float]:
        """What the bus says to ``data`` that came at ``now`` [s], and how long it takes [s]."""
        self.advance(now)
        self._measure()
        answer = self.bus.request(data, now)
        self._take_over()
        return answer.data, answer.wait

    def advance(self, now: float) -> float:
        """Let the physics come to ``now`` [s]; seconds until its next step."""
        if self._began is None:
            self._began, self._origin = now, self.plant.tick
        due = int((now - self._began) * _RATE_HZ) - (self.plant.tick - self._origin)
        if due > _CATCH_UP:
            self._origin -= due - _CATCH_UP
            due = _CATCH_UP
        for _ in range(due):
            self._step()
        if due > 0:
            if self.unplugged:
                self._take_over()
            self._look()
        next_step = self._began + (self.plant.tick - self._origin + 1) / _RATE_HZ
        return max(next_step - now, 0.0)

    def _step(self) -> None:
        if (self.jammed != self._was_jammed).any():
            self._was_jammed = self.jammed.copy()
            self.plant.jam(self._was_jammed)
        self.plant.command(self.goal)
        self.plant.step()
        duty = self.plant.duty(self.goal, self.strength)
        self._square += duty * duty
        np.minimum(self._least, np.abs(duty), out=self._least)
        if self.plant.tick % _THERMAL_EVERY == 0:
            self._warm()

    def _look(self) -> None:
        plant = self.plant
        self.seen: tuple[Sensors, Truth, float] = plant.sensors(), plant.truth(), plant.time

    def _take_over(self) -> None:
        """From the registers to the plant."""
        if self.unplugged:
            for servo in self.servos:
                servo.restart()
        counts = np.array([servo.goal for servo in self.servos])
        self.goal = self.calibration.angles(counts)
        self.strength = np.array([servo.strength for servo in self.servos])
        self.plant.set_strength(self.strength)
        gains = np.array([servo.get(reg.P_GAIN) for servo in self.servos], np.float64)
        self.plant.set_gain(gains / self._gain)

    def _measure(self) -> None:
        """From the plant to the registers."""
        now, _, _ = self.seen
        position, velocity = now.position[0], now.velocity[0]
        duty = self.plant.duty(self.goal, self.strength)
        sign = self.calibration.speeds(np.ones(len(self.servos)))
        counts = self._exact_counts(position)
        for one, at, speed, share in zip(
            self.servos,
            counts.tolist(),
            (sign * velocity / _COUNT).tolist(),
            (sign * duty).tolist(),
            strict=True,
        ):
            one.measured = Measured(at, speed, share)

    def _exact_counts(self, position: FloatArray) -> FloatArray:
        mounts = self.calibration.servos.values()
        centre = np.array([mount.centre for mount in mounts])
        sign = np.array([mount.sign for mount in mounts])
        counts: FloatArray = centre + sign * position / _COUNT
        return counts

    def _warm(self) -> None:
        self._look()
        self._measure()
        dt = _THERMAL_EVERY / _RATE_HZ
        thermal = self.servos[0].thermal
        current = thermal.stall_current * sum(abs(servo.measured.duty) for servo in self.servos)
        supply = self.battery - thermal.resistance * current
        squares, least = (self._square / _THERMAL_EVERY).tolist(), self._least.tolist()
        for servo, *spent in zip(self.servos, squares, least, strict=True):
            servo.advance(dt, supply, Spent(*spent))
        self._square[:], self._least[:] = 0.0, np.inf
        self._take_over()
