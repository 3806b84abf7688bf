"""Every node of the list starts as the executable that it names, alone in its process."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState
from stride_bringup.graph import NodeSpec, ros_arguments, sim_nodes
from stride_bringup.options import Options
from stride_control.messages import stamp_ns, to_stamp
from stride_core.robot import load_robot
from tests.graph.harness import Graph, Processes, Started, wait_until
from tests.graph.watching import Watcher

from stride_msgs.msg import FootTargets, Residual, SafetyStatus
from stride_operator import bag

OPTIONS = Options(record="bag", realtime_factor=0.0)
NODES = {spec.name: spec for spec in sim_nodes(OPTIONS)}
SPEC = load_robot("fivebar")
PERIOD = 10_000_000  # ns
TYPES: dict[str, Any] = {
    "imu": Imu,
    "joint_states": JointState,
    "foot_targets": FootTargets,
    "residual": Residual,
    "joint_targets": JointState,
    "joint_commands": JointState,
    "safety_status": SafetyStatus,
}


class FakeRest:
    """Stands in for the rest of the graph: says what one node hears, and hears what it says."""

    def __init__(self, graph: Graph, spec: NodeSpec) -> None:
        node = graph.add(Node, "rest")
        self._ticks = 0
        self._says = {t: node.create_publisher(TYPES[t], t, 10) for t in spec.hears if t in TYPES}
        self.heard: dict[str, list[Any]] = {topic: [] for topic in spec.tells}
        for topic, messages in self.heard.items():
            node.create_subscription(TYPES[topic], topic, messages.append, 100)
            for _ in range(spec.parameters.get("listeners", 1) - 1):
                node.create_subscription(TYPES[topic], topic, lambda _: None, 100)

    def tick(self) -> None:
        """Say everything once, with the next stamp; `joint_states` last."""
        self._ticks += 1
        for topic in sorted(self._says, key="joint_states".__eq__):
            message = made(topic)
            message.header.stamp = to_stamp(self._ticks * PERIOD)
            self._says[topic].publish(message)


def made(topic: str) -> Any:
    """A message of a robot that stands upright."""
    if topic == "imu":
        message = Imu()
        message.orientation.w = 1.0
        return message
    if topic == "foot_targets":
        return FootTargets(legs=list(SPEC.legs), position=SPEC.stance.ravel().tolist())
    return JointState(name=list(SPEC.joints), position=SPEC.home.tolist())


def start(processes: Processes, name: str) -> Started:
    """Start what `ros2 run` would."""
    spec = NODES[name]
    path = Path(get_package_prefix(spec.package), "lib", spec.package, spec.executable)
    return processes.start(str(path), *ros_arguments(spec, OPTIONS))


def finish(run: Started) -> int:
    """Exit status after SIGTERM."""
    run.process.terminate()
    return run.wait()


def test_the_list_names_every_node_of_a_run() -> None:
    assert set(NODES) == {"gait", "policy", "ik", "safety", "recorder", "viewer", "sim"}


@pytest.mark.parametrize("name", ["gait", "policy", "ik", "safety"])
def test_a_control_node_answers_each_tick_with_its_stamp(
    processes: Processes, graph: Graph, name: str
) -> None:
    run = start(processes, name)
    rest = FakeRest(graph, NODES[name])

    def answered() -> bool:
        rest.tick()
        graph.spin()
        return all(len(messages) > 20 for messages in rest.heard.values())

    graph.until(answered)
    for messages in rest.heard.values():
        stamps = [stamp_ns(message.header.stamp) for message in messages[-10:]]
        assert stamps == list(range(stamps[0], stamps[0] + 10 * PERIOD, PERIOD))
    assert finish(run) == 0, run.err


def test_the_plant_starts_when_the_others_listen(processes: Processes, graph: Graph) -> None:
    names = (
        "sim",
        "gait",
        "policy",
        "ik",
        "safety",
        "recorder",
    )  # the list has it last, it may be first
    runs = [start(processes, name) for name in names]
    watcher = Watcher(graph, "joint_states", "joint_commands")
    watcher.latest("joint_commands")
    assert [finish(run) for run in runs] == [0] * 6, [run.err for run in runs]
    topics = {message.topic for message in bag.read(processes.folder / "bag")}
    assert {"/joint_states", "/foot_targets", "/joint_commands"} <= topics


def test_the_viewer_serves_a_page(processes: Processes) -> None:
    run = start(processes, "viewer")
    wait_until(lambda: "stride: watch the robot at http" in run.err)
    url = next(word for word in run.err.split() if word.startswith("http"))
    with urlopen(url, timeout=30) as answer:
        assert answer.status == 200
    assert finish(run) == 0, run.err
