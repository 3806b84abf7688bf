"""actuator: the robot's motors. Its joint_states start each tick; joint_commands end it.

Wiring; ``driver.Driver`` decides. A lifecycle node: configure opens the bus and checks the servos,
activate begins to read and to obey, deactivate takes the torque off.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from stride_control.executor import run
from stride_control.messages import NANOSECONDS, Rows, doubles, stamp_ns, to_stamp
from stride_control.node import TICK_QOS, StrideNode

from stride_hardware import calibration, state_file
from stride_hardware.actuator_config import ActuatorConfig, calibration_path, watch
from stride_hardware.cause import Cause
from stride_hardware.driver import Driver, Power, Reading, untimely
from stride_hardware.figures import LoopFigures, fill_motors
from stride_hardware.guard import Guard
from stride_hardware.layouts import LAYOUTS
from stride_hardware.lifecycle import Lifecycle
from stride_hardware.mock_bus import MockBus
from stride_hardware.motors import BusError, MotorBus
from stride_hardware.rustypot_bus import RustypotBus
from stride_hardware.settings import wanted
from stride_msgs.msg import MotorStates, SafetyStatus

_REOPEN_S = 0.5
_LOOK_S = 0.05
_LOOK_EVERY = 10
"""Ticks between two looks at who else publishes commands."""
_SECOND = "joint_commands has a second publisher"


class ActuatorNode(Lifecycle, StrideNode[ActuatorConfig]):
    """Wires a ``Driver`` to topics."""

    def __init__(self, **kwargs: Any) -> None:
        """Make it; with ``autostart``, active already.

        Raises:
            ValueError, BusError: the motors cannot be started; one line.
        """
        StrideNode.__init__(self, "actuator", ActuatorConfig, **kwargs)
        Lifecycle.__init__(self)
        self.done = self._ending = False
        self._failure = ""
        self._driver: Driver | None = None
        self._guard: Guard | None = None
        self._timer: Any = None
        self._powered_at: float | None = None
        self._tick = 0
        self._reopen_at = 0.0
        self._sent_ns = self._obeyed_ns = 0
        self._sent_at = 0.0
        self._recorded = ("", "")
        self._why = Cause()
        self._rows = Rows("joint", self.robot.joints)
        self._joints = JointState(name=list(self.robot.joints))
        self._motors = MotorStates(name=list(self.robot.joints))
        self._states = self.create_publisher(JointState, "joint_states", TICK_QOS)
        self._healths = self.create_publisher(MotorStates, "motor_states", TICK_QOS)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        description = self.create_publisher(String, "robot_description", latched)
        description.publish(String(data=self.robot.urdf.read_text("utf-8")))
        self.create_subscription(
            JointState, "joint_commands", self.timed(self._on_command), TICK_QOS
        )
        self.create_subscription(SafetyStatus, "safety_status", self._why.hear, TICK_QOS)
        if self.config.autostart:
            self.trigger_configure()
            if not self._failure:
                self.trigger_activate()
            if self._failure:
                raise ValueError(self._failure)

    def apply(self, config: ActuatorConfig) -> None:
        """Nothing here changes while running."""

    # --- lifecycle ------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the bus; refuse what is not this robot."""
        try:
            self._open()
        except (ValueError, BusError, OSError) as error:
            self._failure = str(error)
            self._close_bus()
            if not self.config.autostart:
                self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to read, and to obey."""
        if self.config.guard and self._calibration.backend != "mock":
            self._guard = Guard(watch(self.config, self._calibration))
        period = 1.0 / self.config.rate_hz
        self._figures = LoopFigures(period)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(period, self._on_timer, clock=steady)
        self._record()
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Torque off."""
        self._rest("deactivated")
        self._dismiss_guard()  # a driver that rests gives no sign of life
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the port."""
        self._close_bus()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Torque off, port released."""
        self._rest("shut down")
        self._close_bus()
        return TransitionCallbackReturn.SUCCESS

    def _open(self) -> None:
        config = self.config
        path = config.calibration or calibration_path(self.robot.name)
        made = self._calibration = calibration.load(path, self.robot)
        until = monotonic() + config.port_patience
        while monotonic() < until and not Path(config.port).exists():
            time.sleep(_LOOK_S)
        wants = wanted(made.backend, self.robot.servo)
        self._driver = Driver(self._make_bus(), made, self.robot, config.driver, wants)
        self._driver.check(LAYOUTS[made.backend].models if made.backend in LAYOUTS else ())

    def _make_bus(self) -> MotorBus:
        made, config = self._calibration, self.config
        if made.backend == "mock":
            return MockBus(dict(zip(made.ids, made.counts(self.robot.home).tolist(), strict=True)))
        return RustypotBus(made.backend, config.port, made.baudrate, config.bus_timeout)

    # --- the tick -------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        driver, now = self._driver, monotonic()
        if driver is None:
            return
        self._tick += 1
        if self._guard is not None:
            self._guard.beat()
        try:
            reading = driver.read(now)
            read_at = monotonic()
            self._publish(reading)
            driver.step(monotonic())
            complete = driver.read_health(now)
        except BusError as error:
            self._lose_port(now, error)
            return
        self._figures.tick(
            now, monotonic() - now, float(np.max(reading.age)) + read_at - now, driver.bus.traffic
        )
        if complete:
            self._publish_health()
        if self._tick % _LOOK_EVERY == 0:
            self._look_around(now)
        self._record()
        self._watch_the_time(now)

    def _publish(self, reading: Reading) -> None:
        if not reading.fresh.any():  # nobody answered: what is not new is not said
            self.warn_once("bus", "no servo answers: cable or power?")
            return
        self._sent_ns = self.get_clock().now().nanoseconds
        message = self._joints
        message.header.stamp = to_stamp(self._sent_ns)
        message.position = doubles(reading.position)
        message.velocity = doubles(reading.velocity)
        message.effort = doubles(reading.effort)
        self._sent_at = monotonic()
        self._states.publish(message)

    def _publish_health(self) -> None:
        assert self._driver is not None
        self._motors.header.stamp = self.get_clock().now().to_msg()
        fill_motors(self._motors, self._driver)
        self._healths.publish(self._motors)

    def _look_around(self, now: float) -> None:
        """See who else speaks, and that the guard lives."""
        self._count_voices(now)
        if self._guard is not None and not self._guard.alive:
            self.get_logger().error("the guard died: started again")
            self._guard = Guard(watch(self.config, self._calibration))

    def _count_voices(self, now: float) -> None:
        """A second voice on joint_commands: nobody knows whom to obey, so nobody is."""
        driver = self._driver
        assert driver is not None
        second = self.count_publishers(self.resolve_topic_name("joint_commands")) > 1
        if second:
            self.warn_once("joint_commands", f"{_SECOND}: motors off")
        driver.forbid(now, _SECOND if second else "")

    def _lose_port(self, now: float, error: BusError) -> None:
        driver = self._driver
        assert driver is not None
        if driver.power != Power.LOCKED:
            driver.power, driver.cause = Power.LOCKED, str(error)
        if now < self._reopen_at:
            return
        self._reopen_at = now + _REOPEN_S
        self.warn_once("port", f"{error}: trying again")
        self._record()
        driver.bus.close()
        try:
            driver.bus = self._make_bus()
            driver.off()  # they had torque when the port went, and hold it until they are told
        except BusError:
            return

    def _watch_the_time(self, now: float) -> None:
        driver, limit = self._driver, self.config.stop_after
        assert driver is not None
        if self._powered_at is None and driver.powered:
            self._powered_at = now
        if limit and self._powered_at is not None and now - self._powered_at > limit:
            self._ending = True
            driver.stop(now, "the time is up")
            self.done = not driver.powered

    # --- commands -------------------------------------------------------------------------------

    def _on_command(self, command: JointState) -> None:
        heard = monotonic()
        driver = self._driver
        if driver is None or self._timer is None or self._ending:
            return
        try:
            self._obey(driver, command, heard)
        except BusError as error:
            self._lose_port(heard, error)

    def _obey(self, driver: Driver, command: JointState, heard: float) -> None:
        stamp = stamp_ns(command.header.stamp)
        if not command.position:
            driver.command(heard, None)
            self._obeyed_ns = stamp  # what follows is held against it: the clock may have gone back
            return
        if stamp == self._obeyed_ns:
            self.counts["repeated"] = self.counts.get("repeated", 0) + 1
            return  # the same word twice is no sign of life
        age = (self.get_clock().now().nanoseconds - stamp) / NANOSECONDS
        why = untimely(age, stamp < self._obeyed_ns, self.config.driver.command_timeout)
        if why:
            self.warn_once("stamp", f"joint_commands {why}: ignored")
            return
        try:
            target = self._rows.read(command.name, "joint_commands.position", command.position)
            share = self._share(command)
        except ValueError as error:
            self.warn_once("joint_commands", f"{error}: ignored")
            return
        if stamp == self._sent_ns:
            self._figures.latency(heard - self._sent_at)
        refused = driver.refused
        if not driver.powered:  # before there is torque, not up to ten ticks after
            self._count_voices(heard)
        driver.command(heard, target, share)
        if driver.refused > refused:
            self.counts["refused"] = driver.refused
        self._obeyed_ns = stamp

    def _share(self, command: JointState) -> np.ndarray | None:
        """``effort`` of a command is the most torque that each joint may use [N·m]."""
        if not command.effort:
            return None
        most = self._rows.read(command.name, "joint_commands.effort", command.effort)
        share: np.ndarray = np.nan_to_num(most / self.robot.servo.stall_torque, nan=0.0)
        return share

    # --- what is left behind --------------------------------------------------------------------

    def _record(self) -> None:
        driver = self._driver
        assert driver is not None
        now = (driver.power.name.lower(), self._cause())
        if now == self._recorded:
            return
        if driver.cause and now[0] in ("ramping", "locked") and self._recorded[1] != now[1]:
            self.get_logger().info(f"{now[0]}: {driver.cause}")
        self._recorded = now
        if not self._ending:  # that the time is up is no alarm of the watchdog
            self._publish_health()
        path = self.config.state_path(self.robot.name)
        missing = [j for j, lost in zip(self.robot.joints, driver.missing, strict=True) if lost]
        try:
            state_file.record(path, *now, robot=self.robot.name, missing=missing)
        except OSError as error:
            self.warn_once("state_file", f"{path}: {error.strerror}")

    def _cause(self) -> str:
        driver = self._driver
        assert driver is not None
        return self._why.of(driver.cause, driver.powered)

    def diagnose(self) -> dict[str, str]:
        """State of the driver and of the bus."""
        if self._driver is None:
            return {"power": "not configured"}
        traffic = self._driver.bus.traffic
        return {
            "power": self._driver.power.name.lower(),
            "cause": self._driver.cause,
            "missing": str(int(self._driver.missing.sum())),
            "bus_errors": str(traffic.errors),
            "bus_transactions": str(traffic.transactions),
        }

    def _rest(self, cause: str) -> None:
        """Stop reading; let the torque fall, then take it off."""
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        driver = self._driver
        if driver is None:
            return
        try:
            driver.stop(monotonic(), cause)
            while driver.powered:
                driver.step(monotonic())
                if self._guard is not None:
                    self._guard.beat()
                time.sleep(1.0 / self.config.rate_hz)
            driver.off()
        except BusError as error:
            self.get_logger().error(f"{error}: the servos may still have torque")
            driver.power, driver.cause = Power.LOCKED, f"{error}: the servos may still have torque"
        if not self._cause():
            driver.cause = cause
        self._record()

    def _close_bus(self) -> None:
        if self._driver is not None:
            self._driver.bus.close()
            self._driver = None
        self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def _summarise(self) -> None:
        if not self.config.summary or self._driver is None or not hasattr(self, "_figures"):
            return
        figures = self._figures.summary(self._calibration.baudrate, self._driver.bus.traffic)
        figures["cause"] = ", ".join(filter(None, (self._cause(), self._why.sits)))
        Path(self.config.summary).write_text(json.dumps(figures), "utf-8")

    def destroy_node(self) -> None:
        """Torque off, whatever ends the process."""
        self._rest("ended")
        self._summarise()
        self._close_bus()
        super().destroy_node()


def main() -> int:
    """Entry point of the ``actuator_node`` executable."""
    return run(lambda: [ActuatorNode()])


if __name__ == "__main__":
    sys.exit(main())
