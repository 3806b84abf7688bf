"""twin: emulated servos on a pseudo-terminal, and the IMU's topic, as a robot would have them.

The bus is served by a thread of its own; ROS says what an IMU's driver would say, and what only a
simulation knows, under ``truth/``.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from stride_control.config import RobotChoice
from stride_control.executor import run
from stride_control.messages import doubles
from stride_control.node import TICK_QOS, TRUNK, StrideNode
from stride_core.config import ConfigError, from_mapping, param
from stride_core.estimation import GRAVITY
from stride_core.frames import quat_from_rpy, quat_multiply, quat_rotate, quat_rotate_inverse
from stride_core.yaml_file import parse_yaml
from stride_hardware.calibration import load
from stride_hardware.emulator.pty_port import PtyPort, serve
from stride_hardware.sts.protocol import Fault

from stride_sim.outputs import fill_imu, fill_odometry
from stride_sim.plant import NoiseConfig, Truth
from stride_sim.statistics import RunStatistics
from stride_sim.terrain import TerrainConfig
from stride_sim.twin import Twin

_QUIET_S = 0.3
_LINGER_S = 3.0
"""A robot does not vanish under a driver that takes the torque off: the bus is served until nobody
has spoken for ``_QUIET_S``, but no longer than this."""


@dataclass(frozen=True)
class TwinConfig(RobotChoice):
    """The twin."""

    calibration: str = param("", doc="how the servos sit: a file of ./stride calibrate servos")
    port: str = param("servo_bus", doc="name of the pseudo-terminal to make")
    terrain: str = param("flat", doc="name of a terrain, or path of a .png heightfield")
    difficulty: float = param(0.5, doc="of the terrain", min=0.0, max=1.0)
    terrain_seed: int = param(0, doc="of random terrains", min=0, max=2**31 - 1)
    seed: int = param(0, doc="of the noise of sensors and wire", min=0, max=2**31 - 1)
    imu_rate: float = param(100.0, doc="of imu", unit="Hz", min=1.0, max=500.0)
    upside_down: bool = param(False, doc="the IMU says that the robot lies on its back")
    summary: str = param("", doc="write the run's figures to this .json at the end")


@dataclass(frozen=True)
class FaultRequest:
    """What shall go wrong from now on; one line of YAML on ``twin/fault``. All fields together say
    what is wrong: an empty mapping mends everything."""

    silent: tuple[int, ...] = param((), doc="ids that vanish", min=0, max=253)
    jam: tuple[str, ...] = param((), doc="joints that are held")
    hot: float = param(0.0, doc="temperature of all servos, once; 0: as it is", min=0.0, max=150.0)
    battery: float = param(7.4, doc="without load", unit="V", min=0.0, max=20.0)
    corrupt: float = param(0.0, doc="chance of each byte", min=0.0, max=1.0)
    drop: float = param(0.0, doc="chance of each byte", min=0.0, max=1.0)
    delay: float = param(0.0, doc="of every answer", unit="s", min=0.0, max=1.0)
    pulled: bool = param(False, doc="the data line of the bus")
    unplugged: bool = param(False, doc="the chain of servos: data and power")
    status: int = param(0, doc="error bits that the first servo reports", min=0, max=63)
    imu_silent: bool = param(False, doc="the IMU's driver says nothing")
    imu_nan: bool = param(False, doc="the IMU says NaN")
    imu_roll: float = param(0.0, doc="added to the IMU's roll", unit="rad", min=-7.0, max=7.0)
    imu_frozen: bool = param(False, doc="the IMU repeats its last message")


class TwinNode(StrideNode[TwinConfig]):
    """Wires a ``Twin`` to a pseudo-terminal and to topics."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("twin", TwinConfig, **kwargs)
        config = self.config
        calibration = load(config.calibration, self.robot)
        terrain = TerrainConfig(config.terrain, config.difficulty, config.terrain_seed)
        self.twin = Twin(self.robot, calibration, terrain, config.seed)
        self.fault = FaultRequest(imu_roll=math.pi if config.upside_down else 0.0)
        self.statistics = RunStatistics(1.0 / config.imu_rate)
        self._began = monotonic()
        self._velocity = np.zeros(3), -np.inf
        self._random = np.random.default_rng(config.seed)
        self._standing = False  # figures are those of a robot that has got up
        self._upright = -0.9 * float(self.robot.stance[:, 2].mean() + self.robot.hips[:, 2].mean())
        self._imu = self.create_publisher(Imu, "imu", TICK_QOS)
        self._truth = self.create_publisher(Odometry, "truth/odom", TICK_QOS)
        self._servos = self.create_publisher(JointState, "truth/servos", TICK_QOS)
        self._servo_message = JointState(name=list(self.robot.joints))
        self._imu_message, self._truth_message = Imu(), Odometry()
        self._imu_message.header.frame_id = self.frame("imu_link")
        self._truth_message.header.frame_id = self.frame("odom")
        self._truth_message.child_frame_id = self.frame(TRUNK)
        self.create_subscription(String, "twin/fault", self._on_fault, 10)
        self._port = PtyPort(config.port)
        self._spoken = -math.inf
        self._stop = threading.Event()
        self._bus = threading.Thread(target=self._serve, name="servo bus", daemon=True)
        self._bus.start()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / config.imu_rate, self._on_timer, clock=steady)

    def apply(self, config: TwinConfig) -> None:
        """Nothing here changes while running."""

    def _serve(self) -> None:
        serve(self._port, self._answer, self.twin.advance, self._stop.is_set)

    def _answer(self, data: bytes, now: float) -> tuple[bytes, float]:
        self._spoken = monotonic()
        return self.twin.answer(data, now)

    def _on_timer(self) -> None:
        stamp = self.get_clock().now().to_msg()
        (sensors, truth, instant), fault = self.twin.seen, self.fault
        if self.twin.plant.diverged[0] and not self.counts.get("diverged"):
            self.counts["diverged"] = 1
            self.get_logger().error("the simulation diverged: the robot stands still at home")
        self._standing = self.twin.powered and (
            self._standing or float(truth.height[0]) > self._upright
        )
        if self._standing:
            self.statistics.add(truth.position[0], truth.quaternion[0], float(truth.height[0]))
        if not fault.imu_silent:
            if not fault.imu_frozen:
                fill_imu(self._imu_message, _disturbed(sensors.quaternion[0], fault), sensors)
                self._average(truth, instant)
            self._imu_message.header.stamp = stamp
            self._imu.publish(self._imu_message)
        if self._servos.get_subscription_count():
            servos = self._servo_message
            servos.header.stamp = stamp
            servos.position = doubles(self.twin.goal)
            servos.effort = doubles(self.twin.strength)
            self._servos.publish(servos)
        if self._truth.get_subscription_count():
            fill_odometry(self._truth_message, truth)
            self._truth_message.header.stamp = stamp
            self._truth.publish(self._truth_message)

    def _average(self, truth: Truth, now: float) -> None:
        """An accelerometer shows the mean between two readings, as its own filter makes it.

        It is the change of the velocity, which the momentary acceleration of the solver, with its
        implicit steps, does not add up to.
        """
        velocity = quat_rotate(truth.quaternion, truth.linear_velocity)[0]
        before, then = self._velocity
        self._velocity = velocity, now
        if 0.0 < now - then < 0.1:
            force = (velocity - before) / (now - then) + (0.0, 0.0, GRAVITY)
            seen = quat_rotate_inverse(truth.quaternion, force)[0]
            noise = self._random.normal(0.0, NoiseConfig().accel, 3)
            a = self._imu_message.linear_acceleration
            a.x, a.y, a.z = map(float, seen + noise)

    def _on_fault(self, message: String) -> None:
        try:
            fault = from_mapping(FaultRequest, parse_yaml(message.data, "twin/fault"), "twin/fault")
        except ConfigError as error:
            self.get_logger().error(str(error))
            return
        self.fault = fault
        twin, wire = self.twin, self.twin.bus.faults
        wire.corrupt, wire.drop, wire.delay = fault.corrupt, fault.drop, fault.delay
        wire.pulled = fault.pulled or fault.unplugged
        twin.unplugged = fault.unplugged
        twin.battery = fault.battery
        twin.jammed = np.array([joint in fault.jam for joint in self.robot.joints])
        for servo in twin.servos:
            servo.silent = servo.id in fault.silent
            if fault.hot:
                servo.temperature = fault.hot
        twin.servos[0].forced = Fault(fault.status)

    def finish(self) -> None:
        """Write the run's figures, once."""
        if self.config.summary and not self._stop.is_set():
            summary = self.statistics.summary(monotonic() - self._began).as_dict()
            try:
                Path(self.config.summary).write_text(json.dumps(summary), "utf-8")
            except OSError as error:
                self.get_logger().error(f"summary {self.config.summary}: {error.strerror}")

    def destroy_node(self) -> None:
        """End the bus too."""
        self.finish()
        until = monotonic() + _LINGER_S
        while monotonic() < min(self._spoken + _QUIET_S, until):
            sleep(0.01)
        self._stop.set()
        self._bus.join()
        self._port.close()
        super().destroy_node()


def _disturbed(quaternion: np.ndarray, fault: FaultRequest) -> np.ndarray:
    if fault.imu_nan:
        return np.full(4, np.nan)
    if fault.imu_roll:
        return quat_multiply(quaternion, quat_from_rpy((fault.imu_roll, 0.0, 0.0)))
    return quaternion


def main() -> int:
    """Entry point of the ``twin_node`` executable."""
    return run(lambda: [TwinNode()])


if __name__ == "__main__":
    sys.exit(main())
