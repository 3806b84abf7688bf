"""safety: joint_targets, joint_states and imu in, joint_commands and safety_status out.

The last node before the motors. It decides in ``stride_core.safety``; here are its clocks: it steps
when a target completes a tick, and by its own timer when nothing comes.
"""

from __future__ import annotations

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount

from stride_control.config import SafetyNodeConfig
from stride_control.executor import run
from stride_control.messages import NANOSECONDS, Rows, doubles, stamp_ns, to_stamp
from stride_control.node import TICK_QOS, StrideNode
from stride_core import safety
from stride_msgs.msg import SafetyStatus

_WORTH_A_LINE = (safety.Reason.POSITION_LIMIT, safety.Reason.TARGET_NOT_FINITE)


class SafetyNode(StrideNode[SafetyNodeConfig]):
    """Wires ``stride_core.safety`` to topics."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__("safety", SafetyNodeConfig, **kwargs)
        joints = len(self.robot.joints)
        self._limits = safety.JointLimits(self.robot.joint_lower, self.robot.joint_upper)
        self._state = safety.initial((), joints)
        self._rows = {
            topic: Rows("joint", self.robot.joints) for topic in ("joint_states", "joint_targets")
        }
        self._mount = ImuMount(self.robot.imu.rpy)
        never, unknown = -np.inf, np.full(joints, np.nan)
        self._target, self._target_s = unknown, never
        self._position, self._position_s = unknown, never
        self._first_s: float | None = None
        self._up, self._imu_s = np.full(3, np.nan), never
        self._waiting_ns: int | None = None
        self._decided_s = -np.inf
        self._state_ns = 0
        self._estop = self._reset = False
        self._reported = (-1, -1)

        self._command = JointState(name=list(self.robot.joints))
        self._status = SafetyStatus()
        latched = QoSProfile(depth=TICK_QOS.depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._commands = self.create_publisher(JointState, "joint_commands", TICK_QOS)
        self._statuses = self.create_publisher(SafetyStatus, "safety_status", latched)
        self.create_subscription(JointState, "joint_states", self._on_state, TICK_QOS)
        self.create_subscription(Imu, "imu", self._on_imu, TICK_QOS)
        self.create_subscription(JointState, "joint_targets", self.timed(self._on_target), TICK_QOS)
        self.create_service(Trigger, "~/estop", self._on_estop)
        reset = self.create_service(Trigger, "~/reset", self._on_reset)
        self._reset_name = reset.service_name
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._heard_ns = self._steady.now().nanoseconds
        if self.config.watch_plant:
            period = 0.5 * self.config.safety.state_timeout
            self.create_timer(period, self._on_timer, clock=self._steady)

    def apply(self, config: SafetyNodeConfig) -> None:
        """Everything is read from ``self.config`` where it is used."""

    def _on_state(self, message: JointState) -> None:
        position = self._read("joint_states", message)
        if position is None:
            return
        self._state_ns = stamp_ns(message.header.stamp)
        self._position, self._position_s = position, self._state_ns / NANOSECONDS
        self._heard_ns = self._steady.now().nanoseconds
        if self._first_s is None:
            self._first_s = self._position_s
        # The first target is due a timeout after the first state: a decision before it would be
        # this tick's answer, and the plant would go on without the target.
        fed_s = max(self._target_s, self._first_s)
        # by either sign: a target stamped in the future must not silence the watchdog
        overdue = abs(self._position_s - fed_s) > self.config.safety.target_timeout
        if self._waiting_ns == self._state_ns or overdue:
            self._decide(self._position_s)

    def _on_imu(self, message: Imu) -> None:
        q = message.orientation
        # REP-145: a covariance of -1 says that this IMU gives no orientation
        known = message.orientation_covariance[0] >= 0.0
        self._up = self._mount.up((q.x, q.y, q.z, q.w) if known else (0.0, 0.0, 0.0, 0.0))
        self._imu_s = stamp_ns(message.header.stamp) / NANOSECONDS

    def _on_target(self, message: JointState) -> None:
        target = self._read("joint_targets", message)
        if target is None:
            return
        stamp = stamp_ns(message.header.stamp)
        if stamp < self._state_ns and stamp / NANOSECONDS <= self._target_s:
            return  # the plant repeated a tick that is over: this is no answer to the present one
        self._target, self._target_s = target, stamp / NANOSECONDS
        self._waiting_ns = stamp
        # In processes of their own a target may overtake the state that it answers: wait for it.
        if stamp <= self._state_ns:
            self._decide(self._state_ns / NANOSECONDS)

    def _on_timer(self) -> None:
        """The plant itself is silent: by the wall's clock, since its own stands still."""
        now = self._now()
        if now - self._state_ns / NANOSECONDS > self.config.safety.state_timeout:
            self._decide(now)

    def _now(self) -> float:
        """By the plant's clock, and the wall's since its last word; a simulation may pause."""
        silence = self._steady.now().nanoseconds - self._heard_ns if self.config.watch_plant else 0
        return (self._state_ns + silence) / NANOSECONDS

    def _decide(self, now: float) -> None:
        self._waiting_ns = None
        if now == self._decided_s and not (self._estop or self._reset):
            self._commands.publish(self._command)  # the plant repeats a tick: so does the answer
            return
        self._decided_s = now
        inputs = safety.SafetyInputs(
            target=self._target,
            target_time=np.array(self._target_s),
            position=self._position,
            up=self._up,
            state_time=np.array(min(self._position_s, self._imu_s)),
            estop=np.array(self._estop),
            reset=np.array(self._reset),
        )
        self._state, decision = safety.step(
            self.config.safety, self._limits, self._state, inputs, np.array(now)
        )
        self._estop = self._reset = False
        self._publish(decision)
        self._report(decision)

    def _publish(self, decision: safety.Decision) -> None:
        self._command.header.stamp = self._status.header.stamp = to_stamp(self._state_ns)
        self._command.position = doubles(decision.command) if decision.powered else []
        self._commands.publish(self._command)
        self._status.state = int(self._state.mode)
        self._status.action = int(decision.action)
        reported = (self._status.state, int(decision.reasons))
        if reported != self._reported:
            self._describe(decision)
        self._statuses.publish(self._status)

    def _describe(self, decision: safety.Decision) -> None:
        explained = safety.explain(self.config.safety, decision)
        self._status.reasons = [item.reason for item in explained]
        self._status.values = [item.value for item in explained]
        self._status.limits = [item.limit for item in explained]

    def _report(self, decision: safety.Decision) -> None:
        """To the log: each change of mode, and once what was done to a target."""
        for reason in _WORTH_A_LINE:
            if decision.reasons & reason:
                done = safety.Action(int(decision.action)).name
                self.warn_once(str(reason.name), f"joint_targets: {reason.name}: {done}")
        reported = (int(self._state.mode), int(decision.reasons))
        if reported == self._reported:
            return
        before, self._reported = self._reported, reported
        mode = safety.Mode(reported[0])
        if mode >= safety.Mode.DAMPING and before[0] != reported[0]:
            why = ", ".join(self._status.reasons)
            self.get_logger().error(f"{mode.name}: motors off: {why}")
        elif before[0] != reported[0]:
            self.get_logger().info(mode.name)

    def _read(self, topic: str, message: JointState) -> FloatArray | None:
        try:
            return self._rows[topic].read(message.name, f"{topic}.position", message.position)
        except ValueError as error:
            self.warn_once(topic, f"{error}: message ignored")
            return None

    def _on_estop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._estop = True
        self._decide(self._now())
        response.success, response.message = True, f"motors off until {self._reset_name}"
        return response

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._reset = True
        self._decide(self._now())
        response.success = bool(self._state.mode <= safety.Mode.ACTIVE)
        response.message = safety.Mode(int(self._state.mode)).name
        return response


def main() -> int:
    """Entry point of the ``safety_node`` executable."""
    return run(lambda: [SafetyNode()])
