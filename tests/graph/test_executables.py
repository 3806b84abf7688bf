"""Every node of the list starts as the executable that it names, alone in its process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ament_index_python.packages import get_package_prefix
from sensor_msgs.msg import Imu, JointState
from stride_bringup.graph import NodeSpec, ros_arguments, sim_nodes
from stride_bringup.options import Options
from stride_control.messages import to_stamp
from stride_core.robot import load_robot

from stride_msgs.msg import FootTargets, SafetyStatus
from stride_operator import bag
from tests.graph.harness import Graph, Processes, Started
from tests.graph.watching import OTHERS, Watcher

OPTIONS = Options(record="bag", realtime_factor=0.0)
NODES = {spec.name: spec for spec in sim_nodes(OPTIONS)}
SPEC = load_robot("fivebar")
STANCE = SPEC.stance.ravel().tolist()


class FakePlant:
    """Publishes what a node needs to hear, tick by tick, and hears what it answers."""

    def __init__(self, graph: Graph) -> None:
        self.watcher = Watcher(graph, "foot_targets", "joint_commands", "diagnostics")
        self.targets: list[JointState] = self.watcher.heard["joint_targets"]
        self.states: list[JointState] = self.watcher.heard["joint_states"]
        node = self.node = self.watcher.node
        self._tick = 0
        self._publishers = {
            topic: node.create_publisher(kind, topic, 10)
            for topic, kind in {
                "imu": Imu,
                "joint_states": JointState,
                "foot_targets": FootTargets,
                "joint_targets": JointState,
            }.items()
        }

    def tick(self) -> None:
        """Publish the next tick of every topic."""
        self._tick += 1
        stamp = to_stamp(self._tick * 10_000_000)
        joints = {"name": list(SPEC.joints), "position": SPEC.home.tolist()}
        messages = {
            "imu": Imu(),
            "foot_targets": FootTargets(legs=list(SPEC.legs), position=STANCE),
            "joint_states": JointState(**joints),
            "joint_targets": JointState(**joints),
        }
        messages["imu"].orientation.w = 1.0
        for topic, message in messages.items():
            message.header.stamp = stamp
            self._publishers[topic].publish(message)


def installed(spec: NodeSpec) -> str:
    """Where `ros2 run` finds an executable."""
    path = Path(get_package_prefix(spec.package), "lib", spec.package, spec.executable)
    assert path.is_file(), path
    return str(path)


def start(processes: Processes, name: str) -> Started:
    spec = NODES[name]
    return processes.start(installed(spec), *ros_arguments(spec, OPTIONS))


def test_the_list_has_every_node_of_a_run() -> None:
    assert set(NODES) == {"gait", "ik", "safety", "recorder", "viewer", "sim"}


ANSWERS: dict[str, tuple[str, Any]] = {
    "gait": ("foot_targets", FootTargets),
    "ik": ("joint_targets", JointState),
    "safety": ("safety_status", SafetyStatus),
}


@pytest.fixture
def plant(graph: Graph) -> Iterator[FakePlant]:
    """What a lone node hears."""
    yield FakePlant(graph)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_control_node_answers_a_tick_with_its_stamp(
    processes: Processes, graph: Graph, plant: FakePlant, name: str
) -> None:
    run = start(processes, name)
    topic, kind = ANSWERS[name]
    answers: list[Any] = []
    listener = plant.node.create_subscription(kind, topic, answers.append, 100)
    own = {topic: plant.node.count_publishers(topic) for topic in (topic,)}
    graph.until(lambda: plant.node.count_publishers(topic) > own[topic] - 1)

    def answered() -> bool:
        plant.tick()
        graph.spin()
        infos = plant.node.get_publishers_info_by_topic(topic)
        return name in {info.node_name for info in infos} and len(answers) > 20

    graph.until(answered)
    assert answers[-1].header.stamp.nanosec or answers[-1].header.stamp.sec
    plant.node.destroy_subscription(listener)
    assert finishes(run) == 0, run.err


def finishes(run: Started) -> int:
    """Exit status after SIGTERM."""
    run.process.terminate()
    return run.wait()


def test_the_plant_starts_when_the_others_listen(processes: Processes, graph: Graph) -> None:
    runs = [start(processes, name) for name in ("gait", "ik", "safety", "recorder", "sim")]
    watcher = Watcher(graph, "joint_states", "joint_commands")
    watcher.latest("joint_commands")
    statuses = [finishes(run) for run in reversed(runs)]
    assert statuses == [0] * 5, [run.err for run in runs]
    topics = {message.topic for message in bag.read(processes.folder / "bag")}
    assert {"/joint_states", "/foot_targets", "/joint_commands"} <= topics


def test_the_viewer_serves_a_page(processes: Processes) -> None:
    from urllib.request import urlopen

    from tests.graph.harness import wait_until

    run = start(processes, "viewer")
    wait_until(lambda: "stride: watch the robot at http" in run.err)
    url = next(word for word in run.err.split() if word.startswith("http"))
    with urlopen(url, timeout=30) as answer:
        assert answer.status == 200
    assert finishes(run) == 0, run.err
