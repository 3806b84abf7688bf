"""What the watchdog's node has heard, and when: the inputs of ``stride_core.safety``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from stride_core.arrays import FloatArray, scalar
from stride_core.attitude import ImuMount
from stride_core.robot import RobotSpec
from stride_core.safety import Motors, SafetyInputs

from stride_control.messages import NANOSECONDS, Rows, peek_imu, peek_stamp, stamp_ns
from stride_control.wire import Reader
from stride_msgs.msg import MotorStates

_NEVER = -np.inf
_YES: Any = np.True_
_NO: Any = np.False_
_LOCKED = ("locked", "ramping")
_NO_SIGN_S = 3.5
"""A node's diagnostics come once a second; three in a row are no accident."""


class Vigilance:
    """The newest of everything that the watchdog judges by.

    Attributes:
        target_s, state_s: stamps of the newest target and joint state [s].
        estop, reset: asked for since the last ``inputs``.
    """

    def __init__(self, robot: RobotSpec, motors: bool, nodes: Sequence[str]) -> None:
        """Hear nothing yet.

        Args:
            robot: whose.
            motors: whether its motors report their health.
            nodes: fully qualified names of those that must give signs of life.
        """
        joints = len(robot.joints)
        unknown = np.full(joints, np.nan)
        self._mount = ImuMount(robot.imu.rpy)
        rows, optional = Rows("joint", robot.joints), ("velocity", "effort")
        fields = dict.fromkeys(("position", *optional), 1)
        self._states = Reader(JointState, rows, "name", fields, optional)
        self._motor_rows = Rows("motor", robot.joints)
        self._targets = Reader(JointState, Rows("joint", robot.joints), "name", {"position": 1})
        self.target_s = self.state_s = self._imu_s = _NEVER
        self._target = self._position = self._unknown = unknown
        self._velocity: FloatArray | None = None
        self._effort: FloatArray | None = None
        self._up = np.full(3, np.nan)
        self._gyro: FloatArray | None = None
        self._accel: FloatArray | None = None
        self._command_s: float | None = None
        self._motors = Motors(*map(scalar, [np.nan] * len(Motors._fields))) if motors else None
        self._nodes = dict.fromkeys(nodes, monotonic())
        self.estop = self.reset = False

    def state(self, data: bytes) -> int:
        """Take a serialised joint state; its stamp [ns].

        Raises:
            ValueError: it is not of this robot; one line.
        """
        self._position, velocity, effort = self._states.read(data, "joint_states")
        self._velocity = self._optional(velocity, self._velocity)
        self._effort = self._optional(effort, self._effort)
        stamp = peek_stamp(data)
        self.state_s = stamp / NANOSECONDS
        return stamp

    def _optional(self, now: FloatArray, before: FloatArray | None) -> FloatArray | None:
        """A field that a plant may lack; one that was there and is not any more is unknown."""
        if now.size:
            return now
        return None if before is None else self._unknown

    def target(self, data: bytes, newest_ns: int) -> bool:
        """Take a serialised target; False for one that repeats a tick that is over.

        Raises:
            ValueError: it is not of this robot; one line.
        """
        (target,) = self._targets.read(data, "joint_targets")
        stamp = peek_stamp(data)
        if stamp < newest_ns and stamp / NANOSECONDS <= self.target_s:
            return False
        self._target, self.target_s = target, stamp / NANOSECONDS
        return True

    def imu(self, data: bytes) -> None:
        """Take an IMU's serialised reading."""
        gyro, accel = (reading := peek_imu(data)).gyro, reading.accel
        self._up = self._mount.up(reading.orientation)
        self._gyro = self._turned(gyro, self._gyro)
        # an accelerometer that shows nothing at all is a field that nobody filled
        self._accel = self._turned(accel if accel and any(accel) else None, self._accel)
        self._imu_s = peek_stamp(data) / NANOSECONDS

    def _turned(self, now: Sequence[float] | None, before: FloatArray | None) -> FloatArray | None:
        """In the trunk's frame; what an IMU once had and has not any more is unknown."""
        if now is not None:
            return self._mount.turn(now)
        return None if before is None else np.full(3, np.nan)

    def command(self, moves: bool, now_s: float) -> None:
        """Somebody drives; one who asked to stand still need not repeat it."""
        self._command_s = now_s if moves else None

    def motors(self, message: MotorStates) -> None:
        """Take the motors' figures.

        Raises:
            ValueError: they are not those of this robot's motors; one line.
        """
        names = list(message.name)
        online, status, temperature, voltage = (
            self._motor_rows.read(names, f"motor_states.{field}", list(getattr(message, field)))
            for field in ("online", "status", "temperature", "voltage")
        )
        on = online.astype(bool)
        self._motors = Motors(
            time=scalar(stamp_ns(message.header.stamp) / NANOSECONDS),
            missing=scalar((~on).sum()),
            fault=scalar(np.bitwise_or.reduce(status.astype(np.int64))),
            locked=scalar(message.power in _LOCKED),
            temperature=_worst(np.max, temperature[on]),
            voltage_low=_worst(np.min, voltage[on]),
            voltage_high=_worst(np.max, voltage[on]),
        )

    def life(self, node: str) -> None:
        """A node gave a sign of life."""
        if node in self._nodes:
            self._nodes[node] = monotonic()

    @property
    def lost(self) -> list[str]:
        """Nodes without a sign of life."""
        now = monotonic()
        return [name for name, heard in self._nodes.items() if now - heard > _NO_SIGN_S]

    def inputs(self) -> SafetyInputs:
        """Everything, for one decision; what was asked for is asked for once."""
        estop, reset = self.estop, self.reset
        self.estop = self.reset = False
        return SafetyInputs(
            target=self._target,
            target_time=scalar(self.target_s),
            position=self._position,
            up=self._up,
            state_time=scalar(self.state_s),
            estop=_YES if estop else _NO,
            reset=_YES if reset else _NO,
            imu_time=scalar(self._imu_s),
            velocity=self._velocity,
            effort=self._effort,
            gyro=self._gyro,
            accel=self._accel,
            command_time=None if self._command_s is None else scalar(self._command_s),
            motors=self._motors,
            lost=scalar(len(self.lost)) if self._nodes else None,
        )


def _worst(reduce: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    """Of those that answer; NaN, which fails, where one never said, or none answers."""
    return reduce(values) if len(values) else scalar(np.nan)
