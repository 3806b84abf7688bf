"""gait: joint_states (the tick), imu and cmd_vel in, foot_targets out.

The IMU's yaw holds the heading. A policy's rates come with the residual of the tick before; they
modulate the shape within its limits.
"""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from stride_core.arrays import FloatArray, clip
from stride_core.attitude import ImuMount
from stride_core.gait import PATTERNS, GaitInputs, make_gait, shape_array
from stride_core.gait.config import SHAPE_PARTS

from stride_control.config import GaitNodeConfig
from stride_control.executor import run
from stride_control.messages import (
    NANOSECONDS,
    peek_orientation,
    peek_stamp,
    stamp_ns,
)
from stride_control.node import TICK_QOS, TRUNK, StrideNode
from stride_control.obedience import Obedience
from stride_control.wire import Stencil
from stride_msgs.msg import FootTargets, Residual, SafetyStatus

_FASTEST = 1e3
"""A command beyond this is that much, so that the arithmetic stays finite; the gait limits it."""

_LONGEST_TICK_S = 0.1
"""The gait does not leap over a gap in the ticks: it goes on from where it was."""

_OLD_NS = NANOSECONDS // 10
"""An IMU's reading older than this says nothing of the heading now."""

_NUMBERS = ("position", "phase", "swing", "command", "asked", "shape")
"""Of ``foot_targets``: what changes from tick to tick."""

_NO_TICK = -1
_NEVER_S = 60.0


class GaitNode(StrideNode[GaitNodeConfig]):
    """Wires ``stride_core.gait`` to topics."""

    def __init__(self, **kwargs: object) -> None:
        self._command_ns: int | None = None
        super().__init__("gait", GaitNodeConfig, **kwargs)
        self._state = self._gait.initial(self._inputs)
        self._upright = True
        self._last_ns: int | None = None
        self._limited = False
        self._waiting = b""
        self._rates: FloatArray | None = None
        self._rates_ns = _NO_TICK
        self._patient = self.config.expect_residual and self.config.rates_deadline > 0.0
        self._mount = ImuMount(self.robot.imu.rpy)
        self._orientation: tuple[float, ...] = ()
        self._imu_ns = _NO_TICK
        self._imu_comes = False
        self._said = b""
        self._messages: dict[tuple[str, str], Stencil[FootTargets]] = {}
        self._feet = self.create_publisher(FootTargets, "foot_targets", TICK_QOS)
        self.hear(JointState, "joint_states", self.timed(self._on_state))
        self.hear(Imu, "imu", self._on_imu)
        self.create_subscription(Residual, "residual", self._on_residual, TICK_QOS)
        # In lockstep a simulated clock stands still while the tick waits.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._deadline = self.create_timer(
            self.config.rates_deadline or _NEVER_S, self._on_deadline, clock=steady
        )
        self._deadline.cancel()
        if self.config.stamped_cmd_vel:
            self.create_subscription(TwistStamped, "cmd_vel", lambda m: self._on_twist(m.twist), 10)
        else:
            self.create_subscription(Twist, "cmd_vel", self._on_twist, 10)
        self._obedience = Obedience()
        self.hear(SafetyStatus, "safety_status", self._obedience.hear)
        self.create_service(Trigger, "~/stand_up", self._on_stand_up)
        self.create_service(Trigger, "~/sit_down", self._on_sit_down)

    def apply(self, config: GaitNodeConfig) -> None:
        """Take over a validated configuration; the gait gets there by its own rates."""
        if not hasattr(self, "_gait"):  # what may change while running is all in the inputs
            self._gait = make_gait(self.robot, config.gait)
        if self._command_ns is None:
            self._command = clip(np.array(config.initial_command), -_FASTEST, _FASTEST)
        self._inputs = GaitInputs(
            command=self._command,
            shape=shape_array(config.gait.shape),
            pattern=np.array(PATTERNS.index(config.gait.pattern)),
            upright=np.array(True),
        )

    def _on_twist(self, twist: Twist) -> None:
        command = (twist.linear.x, twist.linear.y, twist.angular.z)
        if not all(map(math.isfinite, command)):
            self.warn_once("cmd_vel", f"cmd_vel {command} is not finite: ignored")
            return
        self._command = clip(np.array(command), -_FASTEST, _FASTEST)
        self._command_ns = self._last_ns or 0

    def _on_state(self, state: bytes) -> None:
        """A tick goes by the rates of the tick before and an IMU's reading since it, whatever the
        order of messages; where they stop to come, without."""
        if self._waiting:  # the plant goes on, or repeats itself
            self._imu_comes = False
        self._waiting = state
        self._tick_if_complete()

    def _tick_if_complete(self) -> None:
        if not self._waiting:
            return
        now, last = peek_stamp(self._waiting), self._last_ns
        if now == last:
            self._waiting = b""
            self._feet.publish(self._said)  # the plant repeats a tick: so does the answer
        elif last is None:  # the first waits for nothing
            self._tick(now)
        elif self._patient and self._rates_ns < last:
            self._deadline.reset()
        elif self._imu_ns > last or not self._imu_comes:
            self._tick(now)

    def _on_imu(self, data: bytes) -> None:
        self._orientation, self._imu_ns = peek_orientation(data), peek_stamp(data)
        self._imu_comes = True
        self._tick_if_complete()

    def _on_residual(self, residual: Residual) -> None:
        self._rates_ns = stamp_ns(residual.header.stamp)
        self._rates = self._read_rates(residual)
        last = not residual.offset
        if last or (self._last_ns is not None and self._rates_ns >= self._last_ns):
            self._patient = self.config.rates_deadline > 0.0 and not last
            self._tick_if_complete()

    def _on_deadline(self) -> None:
        self._patient = False
        self._tick_if_complete()

    def _read_rates(self, residual: Residual) -> FloatArray | None:
        if not residual.rates:
            return None
        if len(residual.rates) != len(SHAPE_PARTS):
            self.warn_once(
                "residual",
                f"residual.rates: {len(residual.rates)} values: expected {len(SHAPE_PARTS)}:"
                " the shape is not modulated",
            )
            return None
        return np.asarray(residual.rates)

    def _tick(self, now: int) -> None:
        if not self._deadline.is_canceled():
            self._deadline.cancel()
        self._waiting = b""
        rates = self._rates if self._rates_ns == self._last_ns else None
        dt = 0.0 if self._last_ns is None else (now - self._last_ns) / NANOSECONDS
        self._last_ns = now
        self._expire_command(now)
        command = self._command if self._obedience.may_walk(now) else np.zeros(3)
        upright = self._upright and self._obedience.may_stand(now)
        inputs = self._inputs._replace(
            command=command, upright=np.array(upright), rates=rates, yaw=self._yaw(now)
        )
        self._state, out = self._gait.step(self._state, inputs, min(max(dt, 0.0), _LONGEST_TICK_S))
        mode = "walk" if self._state.walking else "stand" if upright else "sit"
        message = self._message(PATTERNS[self._state.pattern], mode)
        values = (out.feet, out.phase, out.swing, out.command, out.asked, out.shape)
        self._said = message.fill(now, *values)
        self._feet.publish(self._said)
        self._say_if_limited(bool(out.limited))

    def _message(self, gait: str, mode: str) -> Stencil[FootTargets]:
        known = self._messages.get((gait, mode))
        if known is None:
            legs = list(self.robot.legs)
            message = FootTargets(legs=legs, gait=gait, mode=mode)
            message.header.frame_id = self.frame(TRUNK)
            message.position, message.phase = [0.0] * (3 * len(legs)), [0.0] * len(legs)
            message.swing, message.shape = [False] * len(legs), [0.0] * len(SHAPE_PARTS)
            known = self._messages[gait, mode] = Stencil(message, *_NUMBERS)
        return known

    def _yaw(self, now: int) -> FloatArray | None:
        """Where the robot looks by a reading that is not old; None if there is none."""
        wanted = self.config.gait.heading.gain and self._orientation
        if not wanted or self._imu_ns < now - _OLD_NS:
            return None
        return self._mount.yaw(self._orientation)

    def _expire_command(self, now: int) -> None:
        """A cmd_vel that is not repeated stops the robot; the initial command stands until then."""
        if self._command_ns is None:
            return
        # a clock that was set back makes a command no younger
        if abs(now - self._command_ns) > self.config.gait.command_timeout * NANOSECONDS:
            self._command = np.zeros(3)

    def _say_if_limited(self, limited: bool) -> None:
        if limited and not self._limited:
            asked, most = self._command.round(3).tolist(), list(self.config.gait.limits.speed)
            self.get_logger().warning(
                f"command {asked} is beyond {most} or what leg and servo can do: limited"
            )
        self._limited = limited

    def _on_stand_up(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        return self._set_upright(True, response)

    def _on_sit_down(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        return self._set_upright(False, response)

    def _set_upright(self, upright: bool, response: Trigger.Response) -> Trigger.Response:
        self._upright = upright
        response.success = True
        response.message = "standing up" if upright else "sitting down"
        return response


def main() -> int:
    """Entry point of the ``gait_node`` executable."""
    return run(lambda: [GaitNode()])
