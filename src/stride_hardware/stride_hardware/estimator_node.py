"""estimator: where the robot is and how fast it goes, by its legs and its IMU; no ground truth."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, JointState
from stride_control.config import RobotChoice
from stride_control.executor import run
from stride_control.messages import NANOSECONDS, ImuReading, Rows, peek_imu, peek_stamp, to_stamp
from stride_control.node import TICK_QOS, TRUNK, StrideNode
from stride_control.wire import Reader
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount
from stride_core.estimation import EstimatorConfig, Readings
from stride_core.frames import quat_conjugate, quat_from_rpy, quat_multiply
from tf2_msgs.msg import TFMessage

from stride_core import estimation
from stride_msgs.msg import FootTargets

_LONGEST_S = 0.1
"""After a gap the estimate goes on from where it was."""
_UNKNOWN = ImuReading(orientation=(np.nan,) * 4, gyro=(np.nan,) * 3, accel=(np.nan,) * 3)


@dataclass(frozen=True)
class EstimatorNodeConfig(RobotChoice):
    """The estimator."""

    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


class EstimatorNode(StrideNode[EstimatorNodeConfig]):
    """Wires ``stride_core.estimation`` to topics."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("estimator", EstimatorNodeConfig, **kwargs)
        legs = len(self.robot.legs)
        self._state = estimation.initial((), legs)
        self._mount = ImuMount(self.robot.imu.rpy)
        self._unmount = quat_conjugate(quat_from_rpy(self.robot.imu.rpy))
        rows, fields = Rows("joint", self.robot.joints), {"position": 1, "velocity": 1}
        self._joints = Reader(JointState, rows, "name", fields, ["velocity"])
        self._stance = np.ones(legs, bool)
        self._imu: ImuReading | None = None
        self._imu_ns = 0
        self._last_ns = 0
        self._message = Odometry(child_frame_id=self.frame(TRUNK))
        self._message.header.frame_id = self.frame("odom")
        self._transform = TransformStamped(child_frame_id=self._message.child_frame_id)
        self._odom = self.create_publisher(Odometry, "odom", TICK_QOS)
        self._tf = self.create_publisher(TFMessage, "/tf", 10)
        self.hear(Imu, "imu", self._on_imu)
        self.create_subscription(FootTargets, "foot_targets", self._on_feet, TICK_QOS)
        self.hear(JointState, "joint_states", self.timed(self._on_state))

    def apply(self, config: EstimatorNodeConfig) -> None:
        """Everything is read from ``self.config`` where it is used."""

    def _on_imu(self, data: bytes) -> None:
        self._imu, self._imu_ns = peek_imu(data), peek_stamp(data)

    def _on_feet(self, message: FootTargets) -> None:
        if len(message.swing) == len(self._stance):
            self._stance = ~np.array(message.swing, bool)

    def _on_state(self, data: bytes) -> None:
        imu, now = self._imu, peek_stamp(data)
        try:
            position, velocity = self._joints.read(data, "joint_states")
        except ValueError as error:
            self.warn_once("joint_states", f"{error}: message ignored")
            return
        if imu is None or imu.gyro is None or imu.accel is None or not velocity.size:
            return
        if abs(now - self._imu_ns) > _LONGEST_S * NANOSECONDS:
            imu = _UNKNOWN  # it must not turn for ever as it did when it fell silent
            self.warn_once("imu", "imu is silent: the estimate goes on by the legs alone")
        assert imu.gyro is not None and imu.accel is not None
        dt = 0.0 if not self._last_ns else (now - self._last_ns) / NANOSECONDS
        self._last_ns = now
        readings = Readings(
            gyro=self._mount.turn(imu.gyro),
            accel=self._mount.turn(imu.accel),
            position=position,
            velocity=velocity,
            stance=self._stance,
            orientation=self._orientation(np.array(imu.orientation)),
        )
        self._state = estimation.step(
            self.robot, self.config.estimator, self._state, readings, min(max(dt, 0.0), _LONGEST_S)
        )
        self._publish(to_stamp(now))

    def _orientation(self, given: FloatArray) -> FloatArray | None:
        """Of the trunk, where the IMU has one; zeros are none."""
        if not np.isfinite(self._mount.up(given)).all():
            return None
        return quat_multiply(given, self._unmount)

    def _publish(self, stamp: object) -> None:
        message, state = self._message, self._state
        message.header.stamp = stamp
        place, turn = message.pose.pose.position, message.pose.pose.orientation
        place.x, place.y, place.z = map(float, state.position)
        turn.x, turn.y, turn.z, turn.w = map(float, state.quaternion)
        linear = message.twist.twist.linear
        linear.x, linear.y, linear.z = map(float, state.velocity)
        self._odom.publish(message)
        transform = self._transform
        transform.header = message.header
        shift = transform.transform.translation
        shift.x, shift.y, shift.z = place.x, place.y, place.z
        transform.transform.rotation = turn
        self._tf.publish(TFMessage(transforms=[transform]))


def main() -> int:
    """Entry point of the ``estimator_node`` executable."""
    return run(lambda: [EstimatorNode()])


if __name__ == "__main__":
    sys.exit(main())
