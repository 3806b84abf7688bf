"""Joins the messages of a tick by their stamp into what a policy sees."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import JointState
from stride_core.attitude import ImuMount
from stride_core.control import Sensed
from stride_core.gait import GaitOutput
from stride_core.gait.config import SHAPE_PARTS
from stride_core.robot import RobotSpec

from stride_control.messages import NANOSECONDS, Rows, peek_imu, peek_stamp
from stride_control.policy.runner import Scene
from stride_control.wire import Reader
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
        joints = dict.fromkeys(("position", "velocity"), 1)
        legs = {"position": 3, "phase": 1, "swing": 1}
        plain = {"asked": 3, "command": 3, "shape": len(SHAPE_PARTS)}
        self._states = Reader(JointState, Rows("joint", robot.joints), "name", joints)
        self._targets = Reader(FootTargets, Rows("leg", robot.legs), "legs", legs, plain=plain)
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
        position, velocity = self._states.read(self._state, "joint_states")
        feet, phase, swing, asked, command, shape = self._targets.read(self.feet, "foot_targets")
        imu = peek_imu(self._imu)
        sensed = Sensed(
            position=position,
            velocity=velocity,
            up=self._mount.up(imu.orientation),
            gyro=self._mount.turn(imu.gyro or (np.nan,) * 3),
            time=np.array(self.tick / NANOSECONDS),
        )
        gait = GaitOutput(
            feet=feet.reshape(self._shape),
            phase=phase,
            swing=swing,
            command=command,
            asked=asked,
            shape=shape,
            limited=np.array(False),
        )
        return Scene(self.tick, sensed, gait, self._targets.message.gait)
