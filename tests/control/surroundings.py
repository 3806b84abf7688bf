"""What is around a lone node: it says what the node hears and hears what the node says."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu, JointState
from stride_control.messages import stamp_ns, to_stamp
from stride_core.robot import load_robot
from tests.graph.harness import Graph

from stride_msgs.msg import FootTargets, Residual, SafetyStatus

SPEC = load_robot("fivebar")
PERIOD = 10_000_000  # ns
TYPES: dict[str, Any] = {
    "joint_states": JointState,
    "imu": Imu,
    "foot_targets": FootTargets,
    "residual": Residual,
    "joint_targets": JointState,
    "joint_commands": JointState,
    "safety_status": SafetyStatus,
}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Surroundings:
    """Topics of the test's own.

    Attributes:
        heard: messages by topic.
    """

    def __init__(self, graph: Graph, says: dict[str, Any], hears: tuple[str, ...]) -> None:
        self.graph = graph
        self.node = graph.add(Node, "surroundings")
        self._says = {t: self.node.create_publisher(kind, t, 50) for t, kind in says.items()}
        self.heard: dict[str, list[Any]] = {topic: [] for topic in hears}
        for topic, messages in self.heard.items():
            self.node.create_subscription(TYPES[topic], topic, messages.append, 50)

    def connected(self) -> None:
        """Wait until the node hears and is heard."""
        node = self.node
        self.graph.until(self.heard_by_all)
        self.graph.until(lambda: all(node.count_publishers(topic) for topic in self.heard))

    def heard_by_all(self) -> bool:
        """Whether the node listens to all that is said."""
        return all(map(self.heard_by, self._says))

    def heard_by(self, topic: str) -> int:
        """How many listen to a topic."""
        return int(self._says[topic].get_subscription_count())

    def say(self, topic: str, message: Any, tick: int | None = None) -> None:
        """Publish, with a tick's stamp if there is one."""
        if tick is not None:
            message.header.stamp = to_stamp(tick * PERIOD)
        self._says[topic].publish(message)

    def answer(self, topic: str, tick: int) -> Any:
        """The message that bears a tick's stamp."""

        def find() -> Any:
            return next((m for m in self.heard[topic] if tick_of(m) == tick), None)

        return self.graph.until(find)


def tick_of(message: Any) -> int:
    """Number of the tick whose stamp a message bears."""
    return stamp_ns(message.header.stamp) // PERIOD


def joints(position: Any = None) -> JointState:
    """Joint positions, those of the stance if not given."""
    values = SPEC.home if position is None else position
    return JointState(name=list(SPEC.joints), position=list(map(float, values)))
