"""ik: foot_targets plus residual in, joint_targets out.

final_foot = nominal + residual
"""

from __future__ import annotations

import math
from time import monotonic

import numpy as np
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from stride_core.arrays import FloatArray
from stride_core.residual import add_residual

from stride_control.config import IkNodeConfig
from stride_control.executor import run
from stride_control.messages import Rows, peek_stamp
from stride_control.node import TICK_QOS, StrideNode
from stride_control.wire import Reader, Stencil
from stride_msgs.msg import FootTargets, Residual


class IkNode(StrideNode[IkNodeConfig]):
    """Wires ``add_residual`` and the robot's inverse kinematics to topics.

    From the first residual to the one that says it is the last, a tick waits for its residual, but
    no longer than the deadline: a late policy costs the residual of one tick and nothing else.
    After that no tick waits until a residual comes in its time again: a policy that is gone holds
    up one tick.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__("ik", IkNodeConfig, **kwargs)
        legs = self.robot.legs
        self._feet = Reader(FootTargets, Rows("leg", legs), "legs", {"position": 3})
        self._offsets = Reader(Residual, Rows("leg", legs), "legs", {"offset": 3}, ["offset"])
        self._waiting = b""
        self._tick, self._since = -1, 0.0
        self._expected = self._patient = self.config.expect_residual
        self._residual: FloatArray | None = None
        self._residual_ns = -1
        joints = self.robot.joints
        message = JointState(name=list(joints), position=[0.0] * len(joints))
        self._message = Stencil(message, "position")
        self._zero = np.zeros((len(legs), 3))
        self._targets = self.create_publisher(JointState, "joint_targets", TICK_QOS)
        self.hear(FootTargets, "foot_targets", self.timed(self._on_feet))
        self.hear(Residual, "residual", self.timed(self._on_residual))
        # In lockstep a simulated clock stands still while the tick waits.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period = self.config.residual_deadline
        self._deadline = self.create_timer(period, self._on_deadline, clock=steady)
        self._deadline.cancel()
        self.counts.update(unreachable=0, residual_late=0)

    def apply(self, config: IkNodeConfig) -> None:
        """Everything is read from ``self.config`` where it is used."""

    def _on_feet(self, feet: bytes) -> None:
        tick = peek_stamp(feet)
        if self._waiting and tick == self._tick:
            return  # the plant repeats a tick that goes on waiting
        if self._waiting:
            self._finish(None)
        self._tick, self._waiting, self._since = tick, feet, monotonic()
        if self._residual is not None and self._residual_ns == tick:
            self._finish(self._residual)
        elif self._patient:
            self._deadline.reset()
        else:
            self._finish(None)

    def _on_residual(self, data: bytes) -> None:
        stamp = peek_stamp(data)
        try:
            (offset,) = self._offsets.read(data, "residual")
        except ValueError as error:
            self.warn_once("residual", f"{error}: the nominal gait goes on")
            offset = self._zero
        last = not offset.size
        self._residual, self._residual_ns = None if last else offset, stamp
        self._expected = not last
        in_time = stamp > self._tick or (
            stamp == self._tick and monotonic() - self._since < self.config.residual_deadline
        )
        if last or in_time:
            self._patient = not last
        if self._waiting and (last or stamp == self._tick):
            self._finish(self._residual)

    def _on_deadline(self) -> None:
        if self._waiting:
            self._patient = False
            self._finish(None)

    def _finish(self, residual: FloatArray | None) -> None:
        feet, self._waiting = self._waiting, b""
        if not self._deadline.is_canceled():
            self._deadline.cancel()
        if residual is None:
            self.counts["residual_late"] += self._expected
            residual = self._zero
        self._solve(feet, residual.reshape(self._zero.shape))

    def _solve(self, feet: bytes, offset: FloatArray) -> None:
        try:
            (nominal,) = self._feet.read(feet, "foot_targets")
        except ValueError as error:
            self.warn_once("foot_targets", f"{error}: no joint targets")
            return
        final = add_residual(nominal.reshape(self._zero.shape), offset, self.config.residual_limit)
        solution = self.robot.kinematics.inverse(final)
        if not solution.reachable.all():
            self.counts["unreachable"] += 1
            self._say_out_of_reach(float(solution.distance.max()))
        self._targets.publish(self._message.fill(self._tick, self.robot.joints_of(solution.angles)))

    def _say_out_of_reach(self, distance: float) -> None:
        if math.isfinite(distance):
            text = f"foot target {1e3 * distance:.1f} mm out of reach: the nearest point is used"
        else:
            text = "foot target is not finite: the stance is used"
        self.warn_once("reach", text)


def main() -> int:
    """Entry point of the ``ik_node`` executable."""
    return run(lambda: [IkNode()])
