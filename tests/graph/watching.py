"""A node that looks on: it keeps what it hears, and can drive and ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool
from stride_control.messages import stamp_ns
from stride_control.node import TICK_QOS
from tests.graph.harness import Graph
from tf2_msgs.msg import TFMessage

from stride_msgs.msg import FootContacts, FootTargets, HeightField, SafetyStatus
from stride_msgs.srv import StepSimulation

DEEP = QoSProfile(depth=2000)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
EACH_TICK: dict[str, Any] = {
    "joint_states": JointState,
    "imu": Imu,
    "foot_targets": FootTargets,
    "joint_targets": JointState,
    "joint_commands": JointState,
    "safety_status": SafetyStatus,
    "odom": Odometry,
    "foot_contacts": FootContacts,
}
OTHERS: dict[str, Any] = {
    "/tf": TFMessage,
    "/tf_static": TFMessage,
    "robot_description": String,
    "terrain": HeightField,
    "diagnostics": DiagnosticArray,
}
IS_LATCHED = {"/tf_static", "robot_description", "terrain"}


class Watcher:
    """Hears topics of one namespace.

    Attributes:
        heard: messages by topic as named in `EACH_TICK` and `OTHERS`.
        stepped: the robot's time stands still but for our steps.
    """

    def __init__(self, graph: Graph, *topics: str, namespace: str = "") -> None:
        self.graph = graph
        self.node = graph.add(Node, "watcher", namespace=namespace)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        for topic in topics:
            kind = {**EACH_TICK, **OTHERS, "clock": Clock, "/clock": Clock}[topic]
            qos = LATCHED if topic in IS_LATCHED else DEEP
            self.node.create_subscription(kind, topic, self.heard[topic].append, qos)
        self._cmd_vel: Any = None
        self.stepped = False

    def latest(self, topic: str) -> Any:
        """The newest message of a topic; waits for the first."""
        return self.graph.until(lambda: self.heard[topic] and self.heard[topic][-1])

    def stamps(self, topic: str) -> list[int]:
        """Stamps heard of a topic [ns]."""
        return [stamp_ns(message.header.stamp) for message in self.heard[topic]]

    def fresh(self, topic: str) -> Any:
        """The next message of a topic."""
        seen = len(self.heard[topic])
        self.graph.until(lambda: len(self.heard[topic]) > seen)
        return self.heard[topic][-1]

    def drive(self, vx: float = 0.0, vy: float = 0.0, wz: float = 0.0) -> None:
        """Publish one cmd_vel; the first until it is heard."""
        twist = Twist()
        twist.linear.x, twist.linear.y, twist.angular.z = vx, vy, wz
        if self._cmd_vel is None:  # not before: a topic has one type, and some tests want another
            self._cmd_vel = self.node.create_publisher(Twist, "cmd_vel", 10)
            self.begin(self._cmd_vel, twist)
        self._cmd_vel.publish(twist)

    def begin(self, publisher: Any, message: Any) -> None:
        """Have a publisher's first command heard, tick by tick if time stands still between steps.

        A publisher knows its listener before that one knows it, and what it says meanwhile is lost.
        """
        self.graph.until(publisher.get_subscription_count)

        def obeyed() -> bool:
            publisher.publish(message)
            self.walk(1)
            told = self.latest("foot_targets")
            return told.mode == "sit" or any(told.asked)

        if self.stepped and "foot_targets" in self.heard:
            self.graph.until(obeyed)

    def place(self) -> tuple[float, float, float]:
        """Where the trunk is, by the newest odom."""
        position = self.latest("odom").pose.pose.position
        return position.x, position.y, position.z

    def ask_for(self, ticks: int) -> Any:
        """Answer of the simulation when asked for some ticks."""
        return self.graph.call(self.node, StepSimulation, "sim/step", ticks=ticks)

    def step(self, ticks: int) -> int:
        """Run a paused simulation for some ticks; return the stamp [ns] it comes to."""
        answers: list[Any] = []

        def accepted() -> bool:
            """Not before the first tick, nor while the ticks asked for before are under way."""
            answers.append(self.ask_for(ticks))
            return bool(answers[-1].success)

        self.graph.until(accepted)
        return stamp_ns(answers[-1].stamp)

    def walk(self, ticks: int) -> int:
        """Step, and hear every message: not further at once than a publisher remembers."""
        topics = [topic for topic in EACH_TICK if topic in self.heard]
        end = 0
        while ticks > 0:
            end = self.step(min(ticks, TICK_QOS.depth))
            ticks -= TICK_QOS.depth
            self.graph.until(lambda: all(self._has(topic, end) for topic in topics))  # noqa: B023
        return end

    def _has(self, topic: str, stamp: int) -> bool:
        return any(stamp_ns(m.header.stamp) == stamp for m in reversed(self.heard[topic]))


@contextmanager
def paused(graph: Graph, *topics: str, namespace: str = "") -> Iterator[Watcher]:
    """Stop the time of a robot that has begun; a watcher then hears every message of each step.

    In lockstep nothing is lost or late, however slow this machine is.
    """
    asking = graph.add(Node, "asking", namespace=namespace)
    graph.until(lambda: pause(graph, asking))
    graph.destroy(asking)
    watcher = Watcher(graph, *topics, namespace=namespace)
    watcher.stepped = True
    while not all(watcher.heard[topic] for topic in watcher.heard if topic in EACH_TICK):
        watcher.step(1)
        graph.spin()
    yield watcher
    graph.destroy(watcher.node)


def pause(graph: Graph, node: Node, paused: bool = True) -> bool:
    """Stop a robot's time, or let it go on."""
    return bool(graph.call(node, SetBool, "sim/pause", data=paused).success)
