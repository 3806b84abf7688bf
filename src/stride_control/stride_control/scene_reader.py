"""Joins the messages of a tick by their stamp into what a policy sees."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import JointState
from stride_core.arrays import BoolArray
from stride_core.attitude import ImuMount
from stride_core.control import Sensed
from stride_core.gait import GaitOutput
from stride_core.gait.config import SHAPE_PARTS
from stride_core.robot import RobotSpec

from stride_control.messages import NANOSECONDS, Rows, peek_imu, peek_stamp, read_message
from stride_control.policy.runner import Scene
from stride_msgs.msg import FootTargets

_NEVER = -1


class SceneReader:
    """Keeps the newest message of each topic, serialised; the last one of a tick completes it.

    They are read only where a policy looks at them.

    Attributes:
        feet: the newest foot targets, serialised; empty before the first.
        tick: their stamp [ns].
    """

    def __init__(self, robot: RobotSpec, imu_age: float = 0.0) -> None:
        """``imu_age`` [s]: how much older than the tick an IMU's reading may be."""
        self.feet = b""
        self.tick = _NEVER
        self._mount = ImuMount(robot.imu.rpy)
        self._imu_age_ns = round(imu_age * NANOSECONDS)
        self._legs = Rows("leg", robot.legs)
        self._positions, self._velocities = Rows("joint", robot.joints), Rows("joint", robot.joints)
        self._shape = (len(robot.legs), 3)
        self._state = self._imu = b""
        self._state_ns = self._imu_ns = _NEVER

    def hear_feet(self, data: bytes) -> None:
        """FootTargets of the gait."""
        self.feet, self.tick = data, peek_stamp(data)

    def hear_state(self, data: bytes) -> None:
        """JointState of the plant."""
        self._state, self._state_ns = data, peek_stamp(data)

    def hear_imu(self, data: bytes) -> None:
        """Imu of the plant, or of the IMU's own driver."""
        self._imu, self._imu_ns = data, peek_stamp(data)

    @property
    def complete(self) -> bool:
        """Whether all of the newest foot targets' tick is there."""
        measured = self._imu != b"" and self._imu_ns >= self.tick - self._imu_age_ns
        return measured and self._state_ns == self.tick != _NEVER

    def read(self) -> Scene:
        """What the tick shows; only where it is complete.

        Raises:
            ValueError: a message does not fit the robot; one line that names it.
        """
        feet = read_message(self.feet, FootTargets)
        state = read_message(self._state, JointState)
        imu = peek_imu(self._imu)
        sensed = Sensed(
            position=self._positions.read(state.name, "joint_states.position", state.position),
            velocity=self._velocities.read(state.name, "joint_states.velocity", state.velocity),
            up=self._mount.up(imu.orientation),
            gyro=self._mount.turn(imu.gyro or (np.nan,) * 3),
            time=np.array(self.tick / NANOSECONDS),
        )
        return Scene(self.tick, sensed, self._gait(feet), feet.gait)

    def _gait(self, feet: FootTargets) -> GaitOutput:
        legs, read = feet.legs, self._legs.read
        shape = np.asarray(feet.shape)
        if shape.shape != (len(SHAPE_PARTS),):
            raise ValueError(
                f"foot_targets.shape: {shape.size} values: expected {len(SHAPE_PARTS)}"
            )
        return GaitOutput(
            feet=read(legs, "foot_targets.position", feet.position, 3).reshape(self._shape),
            phase=read(legs, "foot_targets.phase", feet.phase),
            swing=self._flags(legs, feet.swing),
            command=np.asarray(feet.command),
            asked=np.asarray(feet.asked),
            shape=shape,
            limited=np.array(False),
        )

    def _flags(self, legs: list[str], swing: list[bool]) -> BoolArray:
        flags = self._legs.read(legs, "foot_targets.swing", swing)
        return np.asarray(flags, np.bool_)
