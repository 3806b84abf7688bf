"""safety: joint_targets, joint_states and imu in, joint_commands and safety_status out.

The last node before the motors. It decides in ``stride_core.safety``; here are its clocks: it steps
when a target completes a tick, and by its own timer when nothing comes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.timer import Timer
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from stride_core.arrays import scalar

from stride_control.config import SafetyNodeConfig
from stride_control.executor import run
from stride_control.messages import NANOSECONDS, doubles, peek_stamp, to_stamp
from stride_control.node import TICK_QOS, StrideNode
from stride_control.vigilance import Vigilance
from stride_control.wire import Stencil
from stride_core import safety
from stride_msgs.msg import MotorStates, SafetyStatus

_EXPLAIN_EVERY_S = 1.0
"""The numbers of reasons that go on are said anew so often."""
_SAID_ONCE = ("SPEED_LIMIT",)
"""What limits every brisk step is no news."""


class SafetyNode(StrideNode[SafetyNodeConfig]):
    """Wires ``stride_core.safety`` to topics.

    Attributes:
        done: it gives up.
        refusal: why; one line.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__("safety", SafetyNodeConfig, **kwargs)
        self.done, self.refusal = False, ""
        joints, config = len(self.robot.joints), self.config
        stall = self.robot.servo.stall_torque
        self._limits = safety.JointLimits(self.robot.joint_lower, self.robot.joint_upper, stall)
        self._state = safety.initial((), joints)
        here = self.get_namespace().rstrip("/")
        nodes = [f"{here}/{name}" for name in config.expected_nodes]
        self._heard = Vigilance(self.robot, config.expect_motors, nodes)
        self._first_s: float | None = None
        self._waiting_ns: int | None = None
        self._decided_s = self._explained_s = -np.inf
        self._missed = False  # a tick went by without a target
        self._state_ns = 0
        self._said = (-1, -1, -1)
        self._reported = (-1, -1)
        self._explained: list[safety.Explanation] = []

        self._command = JointState(name=list(self.robot.joints))
        command = JointState(name=list(self.robot.joints), position=[0.0] * joints)
        self._full_command = Stencil(command, "position")
        self._answer: JointState | bytes = self._command
        self._status = Stencil(SafetyStatus())
        latched = QoSProfile(depth=TICK_QOS.depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._commands = self.create_publisher(JointState, "joint_commands", TICK_QOS)
        self._statuses = self.create_publisher(SafetyStatus, "safety_status", latched)
        self._listen()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._heard_ns = self._steady.now().nanoseconds
        self._alarm: Any = self._make_alarm(config) if config.watch_plant else None

    def _make_alarm(self, config: SafetyNodeConfig) -> Timer:
        period = 0.5 * config.safety.checks.state_stale.limit
        return self.create_timer(period, self._on_timer, clock=self._steady)

    def _listen(self) -> None:
        config, heard = self.config, self._heard
        self.hear(JointState, "joint_states", self._on_state)
        self.hear(Imu, "imu", heard.imu)
        self.hear(JointState, "joint_targets", self.timed(self._on_target))
        if config.stamped_cmd_vel:
            self.create_subscription(TwistStamped, "cmd_vel", lambda m: self._on_twist(m.twist), 10)
        else:
            self.create_subscription(Twist, "cmd_vel", self._on_twist, 10)
        if config.expect_motors:
            self.create_subscription(MotorStates, "motor_states", self._on_motors, TICK_QOS)
        if config.expected_nodes:
            self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, 50)
        self.create_subscription(Bool, "estop", self._on_estop_topic, 10)
        self.create_service(Trigger, "~/estop", self._on_estop)
        self._reset_name = self.create_service(Trigger, "~/reset", self._on_reset).service_name

    def apply(self, config: SafetyNodeConfig) -> None:
        """Take the servo's own speed for a limit where it is lower."""
        self._thresholds = config.safety.for_servo(self.robot.servo)
        if alarm := getattr(self, "_alarm", None):  # its period is that of a limit
            self.destroy_timer(alarm)
            self._alarm = self._make_alarm(config)

    # --- what comes in --------------------------------------------------------------------------

    def _on_state(self, data: bytes) -> None:
        before_s = self._heard.state_s
        try:
            self._state_ns = self._heard.state(data)
        except ValueError as error:
            self.warn_once("joint_states", f"{error}: message ignored")
            return
        self._heard_ns = self._steady.now().nanoseconds
        state_s = self._heard.state_s
        if self._first_s is None:
            self._first_s = state_s
        # The first target is due a timeout after the first state: a decision before it would be
        # this tick's answer, and the plant would go on without the target.
        fed_s = max(self._heard.target_s, self._first_s)
        # by either sign: a target stamped in the future must not silence the watchdog
        overdue = abs(state_s - fed_s) > self._thresholds.checks.target_stale.limit
        if self._waiting_ns == self._state_ns or overdue or self._unwatched(state_s, before_s):
            self._decide(state_s)

    def _unwatched(self, now: float, before: float) -> bool:
        """On a robot, a state that must not wait for its target: the one before had none in time,
        at the start none for too long. There is more to watch than the targets."""
        if not self.config.watch_plant:
            return False
        if self._decided_s == -np.inf:
            first = now if self._first_s is None else self._first_s
            return now - first > self._thresholds.checks.tick_overrun.limit
        self._missed |= self._decided_s < before
        return self._missed

    def _on_target(self, data: bytes) -> None:
        try:
            answers = self._heard.target(data, self._state_ns)
        except ValueError as error:
            self.warn_once("joint_targets", f"{error}: message ignored")
            return
        if not answers:
            return  # the plant repeated a tick that is over: this is no answer to the present one
        stamp = self._waiting_ns = peek_stamp(data)
        self._missed &= stamp < self._state_ns
        # In processes of their own a target may overtake the state that it answers: wait for it.
        if stamp <= self._state_ns:
            self._decide(self._state_ns / NANOSECONDS)

    def _on_motors(self, message: MotorStates) -> None:
        try:
            self._heard.motors(message)
        except ValueError as error:
            self.warn_once("motor_states", f"{error}: message ignored")

    def _on_twist(self, twist: Twist) -> None:
        moves = bool(twist.linear.x or twist.linear.y or twist.angular.z)
        self._heard.command(moves, self._now())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._heard.life(status.name)

    def _on_estop_topic(self, message: Bool) -> None:
        if message.data:
            self._stop()

    def _on_timer(self) -> None:
        """The plant itself is silent: by the wall's clock, since its own stands still."""
        now = self._now()
        if now - self._state_ns / NANOSECONDS > self._thresholds.checks.state_stale.limit:
            self._decide(now)

    def _now(self) -> float:
        """By the plant's clock, and the wall's since its last word; a simulation may pause."""
        silence = self._steady.now().nanoseconds - self._heard_ns if self.config.watch_plant else 0
        return (self._state_ns + silence) / NANOSECONDS

    # --- the decision ---------------------------------------------------------------------------

    def _decide(self, now: float) -> None:
        self._waiting_ns = None
        if now == self._decided_s and not (self._heard.estop or self._heard.reset):
            self._commands.publish(self._answer)  # the plant repeats a tick: so does the answer
            return
        self._decided_s = now
        self._state, decision = safety.step(
            self._thresholds, self._limits, self._state, self._heard.inputs(), scalar(now)
        )
        self._publish(decision)
        self._report(decision)
        self._wait_to_start(now)

    def _wait_to_start(self, now: float) -> None:
        """Give up on a robot that was not fit to start for too long."""
        if not self.config.watch_plant or self._state.mode != safety.Mode.BOOT:
            return
        first = now if self._first_s is None else self._first_s
        if 0.0 < self.config.boot_patience < now - first:
            why = ", ".join(map(_words, self._explained))
            self.refusal = (
                f"the robot is not fit to start: {why}: expected it upright and at rest, its IMU"
                " and its motors answering"
            )
            self.done = True

    def _publish(self, decision: safety.Decision) -> None:
        if decision.powered and decision.torque >= 1.0:
            self._answer = self._full_command.fill(self._state_ns, decision.command)
        else:
            self._answer = self._weak_command(decision)
        self._commands.publish(self._answer)
        said = (int(self._state.mode), int(decision.action), int(decision.reasons))
        again = said[2] and self._decided_s - self._explained_s >= _EXPLAIN_EVERY_S
        if said != self._said or again:
            self._said = said
            self._describe(decision)
        self._statuses.publish(self._status.fill(self._state_ns))

    def _weak_command(self, decision: safety.Decision) -> JointState:
        """Motors off, or with less than their torque."""
        command = self._command
        command.header.stamp = to_stamp(self._state_ns)
        command.position, command.effort = [], []
        if decision.powered:
            command.position = doubles(decision.command)
            torque = decision.torque * self._limits.torque
            command.effort = doubles(np.full(len(command.name), torque))
        return command

    def _describe(self, decision: safety.Decision) -> None:
        explained = safety.explain(self._thresholds, decision, self._explained)
        self._explained, self._explained_s = explained, self._decided_s
        state, action, _ = self._said
        status = SafetyStatus(state=state, action=action)
        status.reasons = [item.reason for item in explained]
        status.values = [item.value for item in explained]
        status.limits = [item.limit for item in explained]
        self._status = Stencil(status)

    def _report(self, decision: safety.Decision) -> None:
        """To the log: each change of mode, and each reason once, with value and limit."""
        reported = self._said[0], self._said[2]
        if reported == self._reported:
            return
        before, self._reported = self._reported, reported
        mode = safety.Mode(reported[0])
        if before[0] != reported[0]:
            if mode >= safety.Mode.DAMPING:
                why = ", ".join(map(_words, self._explained))
                self.get_logger().error(f"{mode.name}: motors off: {why}")
            else:
                self.get_logger().info(mode.name)
        elif decision.powered:
            done = safety.Action(int(decision.action)).name
            for item in self._explained:
                if item.reason not in _SAID_ONCE:
                    self.warn_once(item.reason, f"{_words(item)}: {done}")

    def diagnose(self) -> dict[str, str]:
        """State, and the reasons of now with value and limit."""
        mode = safety.Mode(int(self._state.mode)).name
        figures = {"state": mode, "lost_nodes": " ".join(self._heard.lost)}
        return figures | {item.reason: _words(item) for item in self._explained}

    # --- what is asked for ----------------------------------------------------------------------

    def _stop(self) -> None:
        self._heard.estop = True
        self._decide(self._now())

    def _on_estop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop()
        response.success, response.message = True, f"motors off until {self._reset_name}"
        return response

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._heard.reset = True
        self._decide(self._now())
        response.success = bool(self._state.mode <= safety.Mode.ACTIVE)
        response.message = safety.Mode(int(self._state.mode)).name
        if not response.success:
            response.message += f": {', '.join(map(_words, self._explained))}"
        return response


def _words(item: safety.Explanation) -> str:
    if item.reason == safety.Reason.EMERGENCY_STOP.name:
        return item.reason
    return f"{item.reason} ({item.value:.3g}, limit {item.limit:.3g})"


def main() -> int:
    """Entry point of the ``safety_node`` executable."""
    return run(lambda: [SafetyNode()])
