"""Two robots in two namespaces of one domain, and the stamped kind of cmd_vel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from geometry_msgs.msg import TwistStamped
from stride_bringup.options import config_file
from tests.graph.harness import FAST, Graph, Processes, stage
from tests.graph.watching import Watcher, pause, paused

from stride_operator import bag


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watcher]]:
    """A watcher for each of two robots."""
    with stage(tmp_path_factory.mktemp("pair")) as (processes, graph):
        for name in ("left", "right"):
            processes.sim("--headless", "--json", "--namespace", name)
        watchers = {
            name: Watcher(graph, "odom", "clock", "/tf", "foot_targets", namespace=name)
            for name in ("left", "right")
        }
        for watcher in watchers.values():
            watcher.latest("odom")
            watcher.latest("clock")
        yield watchers


def test_both_walk_side_by_side_each_by_its_own_cmd_vel(pair: dict[str, Watcher]) -> None:
    left, right = pair.values()
    start = left.place()[0], right.place()[0]

    def apart() -> bool:
        left.drive(vx=0.2)
        right.drive(vx=-0.1)
        return left.place()[0] - start[0] > 0.1 and right.place()[0] - start[1] < -0.05

    left.graph.until(apart)


def test_one_walks_while_the_other_stands(pair: dict[str, Watcher]) -> None:
    left, right = pair.values()
    for watcher in pair.values():
        watcher.graph.until(lambda: watcher.latest("foot_targets").mode == "stand")  # noqa: B023
    start = right.place()
    begun = left.place()[0]

    def walked() -> bool:
        left.drive(vx=0.2)
        return left.place()[0] - begun > 0.1

    left.graph.until(walked)
    assert right.place() == pytest.approx(start, abs=0.01)
    assert right.latest("foot_targets").mode == "stand"


def test_frames_bear_the_robots_name(pair: dict[str, Watcher]) -> None:
    left = pair["left"]

    def prefixes() -> set[tuple[str, str]]:
        frames = [frame for m in left.heard["/tf"] for frame in m.transforms]
        return {
            (f.header.frame_id.partition("/")[0], f.child_frame_id.partition("/")[0])
            for f in frames
        }

    left.graph.until(lambda: len(prefixes()) > 1)
    assert prefixes() == {("left", "left"), ("right", "right")}
    for name, watcher in pair.items():
        odom = watcher.latest("odom")
        assert (odom.header.frame_id, odom.child_frame_id) == (f"{name}/odom", f"{name}/base_link")


def test_each_has_a_clock_of_its_own(pair: dict[str, Watcher]) -> None:
    left, right = pair.values()
    topics = dict(left.node.get_topic_names_and_types())
    assert "/clock" not in topics
    assert not [topic for topic in topics if topic in ("/odom", "/joint_states", "/cmd_vel")]
    pause(left.graph, left.node)
    stopped = left.latest("clock").clock
    before = right.latest("clock").clock
    left.graph.until(lambda: right.latest("clock").clock.sec > before.sec)
    assert left.latest("clock").clock == stopped
    pause(left.graph, left.node, False)
    left.graph.until(lambda: left.latest("clock").clock != stopped)


def test_a_robot_in_a_namespace_is_recorded(processes: Processes) -> None:
    """The plant waits for the recorder to hear all, the robot's own clock too."""
    run = processes.sim(*FAST, "--namespace", "left", "--seconds", "0.2", "--record", "bag")
    assert run.wait() == 0, run.err
    recorded = {message.topic for message in bag.read(processes.folder / "bag")}
    assert {"/left/clock", "/left/odom", "/left/joint_commands"} <= recorded


def test_a_twist_with_a_stamp_drives_too(processes: Processes, graph: Graph) -> None:
    text = config_file("fivebar").read_text("utf-8")
    gait = "/**/gait:\n  ros__parameters:\n"
    assert gait in text
    config = processes.folder / "stamped.yaml"
    config.write_text(text.replace(gait, f"{gait}    stamped_cmd_vel: true\n"))
    processes.sim(*FAST, "--config", str(config))
    with paused(graph, "odom", "foot_targets", "joint_commands") as watcher:
        publisher = watcher.node.create_publisher(TwistStamped, "cmd_vel", 10)
        twist = TwistStamped()
        twist.twist.linear.x = 0.2
        watcher.begin(publisher, twist)
        for _ in range(5):
            publisher.publish(twist)
            watcher.walk(20)
        assert watcher.place()[0] > 0.1
