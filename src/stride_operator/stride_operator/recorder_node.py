"""The recorder: writes every topic of the graph into a rosbag2 folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from stride_control.cdr import padding_filter
from stride_control.executor import run
from stride_control.messages import message_class
from stride_control.parameters import declare

from stride_operator.bag_metadata import OfferedQos, Topic
from stride_operator.bag_writer import BagWriter
from stride_operator.config import RecorderConfig
from stride_operator.message_definitions import (
    definition,
    installed,
    stamp_reader,
)
from stride_operator.recorder import LogClock, request, wanted

QUEUE = 2000  # messages a topic may be behind: seconds of the fastest lockstep run
DIAGNOSTICS_PERIOD = 1.0  # s
DRAIN_QUIET, DRAIN_LIMIT = 0.05, 0.5  # s without a message that end the recording; s at most


class RecorderNode(Node):
    """Subscribes to the topics of the graph as they appear, and writes what comes.

    A disk that fails ends the recording with one line in the log and on `diagnostics`; the node
    stays.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Make the folder.

        Raises:
            ValueError: A parameter is wrong, or the folder exists or cannot be made; one line.
        """
        super().__init__("recorder", **node_arguments)
        config = declare(self, RecorderConfig)
        self._names, self._summary = config.topics, config.summary
        self._bag = BagWriter(
            Path(config.output), config.flush_period, on_failure=self.get_logger().error
        )
        self._log_clock = LogClock()
        self._waiting: list[tuple[int, int | None, bytes]] = []  # messages before the first tick
        self._taps: dict[str, Tap] = {}
        self._publisher_counts: dict[str, int] = {}  # of each topic, when it was last looked at
        self._missed = 0
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # not the simulated one
        self.create_timer(config.discovery_period, self.discover, clock=steady)
        self._patience = self.create_timer(config.patience, self._lose_patience, clock=steady)
        self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady)
        self.discover()

    @property
    def topics(self) -> frozenset[str]:
        """Names of the topics being recorded."""
        return frozenset(self._taps)

    @property
    def messages(self) -> int:
        """Messages that are in the bag."""
        return self._bag.messages

    def discover(self) -> None:
        """Subscribe to what is new in the graph, and anew where the publishers' QoS changed."""
        for name, types in self.get_topic_names_and_types():
            publishers = self.count_publishers(name)
            if publishers == self._publisher_counts.get(name, 0) or not wanted(name, self._names):
                continue
            infos = self.get_publishers_info_by_topic(name)
            if not infos:
                continue
            first = name not in self._publisher_counts
            self._publisher_counts[name] = publishers
            if first:
                self._add_topic(name, types, infos)
            if name in self._taps:
                self._subscribe(name, [_offered(info) for info in infos])

    def _add_topic(self, name: str, types: list[str], infos: list[Any]) -> None:
        try:
            if len(types) > 1:
                raise LookupError(f"it has several types: {', '.join(types)}")
            cls = message_class(types[0])
        except LookupError as error:
            self.get_logger().warning(f"not recording {name}: {error}")
            return
        try:
            text = definition(types[0], installed)
        except OSError as error:
            self.get_logger().warning(f"recording {name} without its definition: {error}")
            text = ""
        qos = tuple(_offered(info) for info in infos)
        topic = Topic(name, types[0], text, str(infos[0].topic_type_hash), qos)
        channel = self._bag.add_topic(topic)
        ticks = types[0] == "rosgraph_msgs/msg/Clock" or name.endswith("/joint_states")
        _, latched = request(qos)
        early = latched and not self._log_clock.begun
        self._taps[name] = Tap(cls, self._recording(channel, cls, ticks, early))

    def _subscribe(self, name: str, offers: list[OfferedQos]) -> None:
        tap = self._taps[name]
        if tap.request == request(offers):
            return
        if tap.subscription is not None:
            self.destroy_subscription(tap.subscription)
        tap.request = reliable, latched = request(offers)
        qos = QoSProfile(
            depth=QUEUE,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        events = SubscriptionEventCallbacks(message_lost=self._on_lost)
        tap.subscription = self.create_subscription(
            tap.type, name, tap.callback, qos, event_callbacks=events, raw=True
        )

    def _recording(
        self, channel: int, cls: Any, ticks: bool, early: bool
    ) -> Callable[[bytes], None]:
        """What to do with a topic's messages.

        One that equals the message before it, stamp and all, is a tick repeated by the wall's clock
        because nobody answered in time: it would tell equal runs apart.
        """
        write, clock = self._bag.write, self._log_clock
        stamp, clear = stamp_reader(cls), padding_filter(cls, message_class)
        last = b""

        def on_message(data: bytes) -> None:
            nonlocal last
            stamped = stamp(data) if stamp else None
            log_time = clock.time(stamped, ticks, early=early and not last)
            data = clear(data)
            if data == last and clock.stamped(stamped):
                return
            last = data
            if log_time is None:
                self._waiting.append((channel, stamped, data))
                return
            if self._waiting:
                self._write_waiting()
            write(channel, log_time, data)

        return on_message

    def _write_waiting(self) -> None:
        """Write what came before the clock was known, each at its stamp if it is of this clock."""
        for channel, stamped, data in self._waiting:
            log_time = self._log_clock.time(stamped)
            assert log_time is not None  # the clock is known now
            self._bag.write(channel, log_time, data)
        self._waiting.clear()

    def _stop_waiting(self) -> None:
        """No tick came: the earliest stamp tells the clock (simulated before the wall's)."""
        if self._waiting:
            stamps = (stamped for _, stamped, _ in self._waiting if stamped)
            self._log_clock.begin(min(stamps, default=time.time_ns()))
            self._write_waiting()

    def _lose_patience(self) -> None:
        self._patience.cancel()
        self._stop_waiting()

    def _on_lost(self, event: Any) -> None:
        self._missed += event.total_count_change

    def _publish_diagnostics(self) -> None:
        bag = self._bag
        status = DiagnosticStatus(name="recorder", hardware_id="", level=DiagnosticStatus.OK)
        status.message = f"recording {len(self._taps)} topics to {bag.folder}"
        if bag.failure:
            status.level, status.message = DiagnosticStatus.ERROR, bag.failure
        elif bag.lost or self._missed:
            status.level = DiagnosticStatus.WARN
            status.message = f"{bag.lost + self._missed} messages lost"
        values = {
            "topics": len(self._taps),
            "messages": bag.messages,
            "bytes": bag.size,
            "backlog bytes": bag.backlog,
            "lost to the disk": bag.lost,
            "lost on the way": self._missed,
        }
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _drain(self) -> None:
        """Take what the publishers sent before the recorder was told to stop."""
        deadline = time.monotonic() + DRAIN_LIMIT
        quiet_since = time.monotonic()
        while time.monotonic() < min(deadline, quiet_since + DRAIN_QUIET):
            taken = [self._take(tap) for tap in self._taps.values()]
            if any(taken):
                quiet_since = time.monotonic()
            else:
                time.sleep(0.005)

    def _take(self, tap: Tap) -> bool:
        assert tap.subscription is not None
        with tap.subscription.handle:
            taken = tap.subscription.handle.take_message(tap.type, True)
        if taken is None:
            return False
        tap.callback(taken[0])
        return True

    def destroy_node(self) -> None:
        """Finish the bag, then the node."""
        self._drain()
        self._stop_waiting()
        self._bag.close()
        if self._bag.lost or self._missed:
            self.get_logger().warning(
                f"{self._bag.lost} messages lost to the disk, {self._missed} on the way"
            )
        self._write_summary()
        super().destroy_node()

    def _write_summary(self) -> None:
        if self._summary:
            counts = {"messages": self._bag.messages, "lost": self._bag.lost + self._missed}
            try:
                Path(self._summary).write_text(json.dumps(counts), "utf-8")
            except OSError as error:
                self.get_logger().error(f"summary {self._summary}: {error.strerror}")


class Tap:
    """A recorded topic: message class, what to do with a message, and the subscription."""

    def __init__(self, cls: Any, callback: Callable[[bytes], None]) -> None:
        self.type = cls
        self.callback = callback
        self.request: tuple[bool, bool] | None = None
        self.subscription: Subscription | None = None


def _offered(info: Any) -> OfferedQos:
    qos = info.qos_profile

    def duration(value: Any) -> tuple[int, int]:
        seconds, nanoseconds = divmod(value.nanoseconds, 1_000_000_000)
        return seconds, nanoseconds

    return OfferedQos(
        history=qos.history.name.lower(),
        depth=qos.depth,
        reliability=qos.reliability.name.lower(),
        durability=qos.durability.name.lower(),
        deadline=duration(qos.deadline),
        lifespan=duration(qos.lifespan),
        liveliness=qos.liveliness.name.lower(),
        liveliness_lease_duration=duration(qos.liveliness_lease_duration),
    )


def main() -> None:
    """Run the recorder until it is told to stop."""
    sys.exit(run(lambda: [RecorderNode()]))
