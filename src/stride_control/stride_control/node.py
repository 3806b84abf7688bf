"""What every stride node has: validated parameters, its robot, diagnostics, patience in the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import Any, Generic, TypeVar

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from stride_core.robot import load_robot

from stride_control import mistakes, parameters
from stride_control.config import RobotChoice
from stride_control.messages import MessageError

Config = TypeVar("Config", bound=RobotChoice)
Message = TypeVar("Message")

TICK_QOS = QoSProfile(depth=1000)
"""Reliable: in lockstep the plant waits for what a lost message would have caused. The depth is for
whoever looks on from another process, since lockstep does not wait for it: a listener that slept
0.1 s in each 0.4 s lost 2 % of the messages to a depth of 10, 0.1 % to 100, and none to 1000."""

TRUNK = "base_link"
"""The trunk's frame (REP-105)."""

_TIMED_TICKS = 1000

_WELL_AGAIN_S = 10.0
"""A fault that did not recur for this long is news again."""


class StrideNode(Node, Generic[Config]):
    """Base of the nodes. A subclass wires topics to one core function and implements ``apply``.

    Attributes:
        config: the validated parameters.
        robot: the robot they name.
        counts: named counters, shown in ``diagnostics``.
    """

    def __init__(self, name: str, config_class: type[Config], **kwargs: Any) -> None:
        with mistakes.ros_arguments():
            super().__init__(name, **kwargs)
        self.config: Config = parameters.declare(self, config_class)
        self.robot = load_robot(self.config.robot, self.config.servo or None)
        self.counts: dict[str, int] = {}
        self._tick_topics: set[str] = set()
        self._last_fault: dict[str, float] = {}
        self._reported_counts: dict[str, int] = {}
        self._spent_us: deque[float] = deque(maxlen=_TIMED_TICKS)
        self.apply(self.config)
        parameters.on_change(self, config_class, self._change)
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)
        self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def apply(self, config: Config) -> None:
        """Build from ``config`` what is looked up once.

        Raises:
            ValueError: the configuration is refused; the one in force stays.
        """
        raise NotImplementedError

    def _change(self, config: Config) -> None:
        self.apply(config)
        self.config = config

    def frame(self, name: str) -> str:
        """A frame's name for tf: behind the robot's namespace."""
        return f"{self.get_namespace()}/{name}".lstrip("/")

    def hear(self, kind: type, topic: str, callback: Callable[[bytes], None]) -> Any:
        """Subscribe to a topic of the tick, serialised: a callback reads no more than it needs.

        A message that is none is counted, said once, and dropped. So is a second publisher said:
        two that speak in turns are two half gaits.
        """
        self._tick_topics.add(topic)

        def heard(data: bytes) -> None:
            try:
                callback(data)
            except MessageError as error:
                self.warn_once(topic, f"{topic}: {error}: ignored")

        return self.create_subscription(kind, topic, heard, TICK_QOS, raw=True)

    def timed(self, callback: Callable[[Message], None]) -> Callable[[Message], None]:
        """Measure a tick's callback for ``diagnostics``."""

        def measured(message: Message) -> None:
            start = perf_counter_ns()
            callback(message)
            self._spent_us.append((perf_counter_ns() - start) * 1e-3)

        return measured

    def warn_once(self, topic: str, text: str) -> None:
        """Warn about ``topic``, and again only after it was well for a while.

        A fault at 100 Hz is one line; each is counted for ``diagnostics``.
        """
        self.counts[f"{topic}_faults"] = self.counts.get(f"{topic}_faults", 0) + 1
        now = monotonic()
        if now - self._last_fault.get(topic, -_WELL_AGAIN_S) >= _WELL_AGAIN_S:
            self.get_logger().warning(text)
        self._last_fault[topic] = now

    def diagnose(self) -> dict[str, str]:
        """Figures of a subclass for ``diagnostics``."""
        return {}

    def _say_if_two_speak(self) -> None:
        for topic in self._tick_topics:
            voices = self.count_publishers(self.resolve_topic_name(topic))
            if voices > 1:
                self.warn_once(f"{topic}_voices", f"{topic}: {voices} publishers: expected one")

    def _diagnose(self) -> None:
        self._say_if_two_speak()
        figures = {name: str(count) for name, count in self.counts.items()} | self.diagnose()
        if self._spent_us:
            median, p99 = np.percentile(self._spent_us, (50, 99))
            figures |= {"tick_us_p50": f"{median:.1f}", "tick_us_p99": f"{p99:.1f}"}
        faulty = self.counts != self._reported_counts and any(self.counts.values())
        self._reported_counts = self.counts.copy()
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if faulty else DiagnosticStatus.OK,
            name=self.get_fully_qualified_name(),
            hardware_id=self.robot.name,
            message="faults in the last second: see values" if faulty else "ok",
            values=[KeyValue(key=key, value=value) for key, value in figures.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
