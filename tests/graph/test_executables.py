"""Every node of the list starts as the executable that it names, alone in its process."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from ament_index_python.packages import get_package_prefix
from sensor_msgs.msg import Imu
from stride_bringup.graph import ros_arguments, sim_nodes
from stride_bringup.options import Options
from tests.control.surroundings import SPEC, TYPES, Surroundings, joints, tick_of
from tests.graph.harness import Graph, Processes, Started, wait_until
from tests.graph.watching import Watcher

from stride_msgs.msg import FootTargets, Residual, SafetyStatus
from stride_operator import bag

OPTIONS = Options(record="bag", realtime_factor=0.0, policy="untrained")
NODES = {spec.name: spec for spec in sim_nodes(OPTIONS)}


def made(topic: str) -> Any:
    """A message of a robot that stands upright."""
    if topic == "imu":
        message = Imu()
        message.orientation.w = 1.0
        return message
    if topic == "foot_targets":
        feet = FootTargets(legs=list(SPEC.legs), position=SPEC.stance.ravel().tolist())
        feet.gait, feet.shape = "trot", [0.085, 0.025, 0.4, 0.0, 0.0, 1.0]
        feet.phase, feet.swing = [0.0] * len(SPEC.legs), [False] * len(SPEC.legs)
        return feet
    if topic == "residual":
        return Residual(legs=list(SPEC.legs), offset=[0.0] * 12)
    if topic == "safety_status":
        return SafetyStatus(state=SafetyStatus.ACTIVE)
    state = joints()
    state.velocity = [0.0] * len(SPEC.joints)
    return state


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
    told = set(TYPES) & set(NODES[name].hears)
    rest = Surroundings(graph, {topic: TYPES[topic] for topic in told}, NODES[name].tells)
    for _ in range(NODES[name].parameters.get("listeners", 1) - 1):
        rest.node.create_subscription(Residual, "residual", lambda _: None, 10)
    ticks = itertools.count(1)

    def answered() -> bool:
        """Say everything once, with the next stamp; `joint_states` last."""
        tick = next(ticks)
        for topic in sorted(told, key="joint_states".__eq__):
            rest.say(topic, made(topic), tick)
        graph.spin()
        return all(len(messages) > 20 for messages in rest.heard.values())

    graph.until(answered)
    for messages in rest.heard.values():
        answers = [tick_of(message) for message in messages[-10:]]
        assert answers == list(range(answers[0], answers[0] + 10))
    assert finish(run) == 0, run.err


def test_the_plant_starts_when_the_others_listen(processes: Processes, graph: Graph) -> None:
    # the list has the plant last, it may be first
    names = ("sim", "gait", "policy", "ik", "safety", "recorder")
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
