"""A policy node that is started again goes on with what was in charge, not with its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from stride_control.policy.memory import recall, remember
from tests.control.policy_robot import Robot
from tests.graph.harness import Graph

from stride_msgs.msg import PolicyEvent


def test_a_name_is_remembered(tmp_path: Path) -> None:
    file = str(tmp_path / "policy")
    assert recall(file) == ""
    for name in ("a", "none", "/some/where/b.onnx"):
        remember(file, name)
        assert recall(file) == name
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_without_a_file_nothing_is() -> None:
    remember("", "a")
    assert recall("") == ""


def test_a_file_that_is_no_text_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy").write_bytes(b"\xff\xfe\x00")
    assert recall(str(tmp_path / "policy")) == ""


def test_after_none_it_stays_without_and_after_a_swap_with_the_other(
    graph: Graph, folder: Path
) -> None:
    file = folder / "memory"
    robot = Robot(graph, folder, policy="a", memory=str(file))
    robot.go(3)
    for wanted, kind in (("b", PolicyEvent.CONFIRMED), ("none", PolicyEvent.SWITCHED)):
        assert robot.swap(wanted).success
        robot.event_after(1, kind)
        path = wanted if wanted == "none" else str(folder / wanted / "policy.onnx")
        graph.until(lambda: recall(str(file)) == path)  # noqa: B023
        robot = again(robot, graph, folder)
        assert robot.parameter() == wanted
        if wanted != "none":
            assert robot.go(3).policy.partition("@")[0] == wanted


def test_a_policy_in_its_probation_is_not_what_a_restart_begins_with(
    graph: Graph, folder: Path
) -> None:
    file = folder / "memory"
    long = {"switch.probation_time": 3600.0}
    robot = Robot(graph, folder, policy="a", memory=str(file), **long)
    robot.go(3)
    assert robot.swap("b").success
    robot.go(20)
    assert again(robot, graph, folder).parameter() == "a"


def test_what_was_in_charge_and_is_gone_is_said_and_the_gait_goes_on(
    graph: Graph, folder: Path
) -> None:
    remember(str(folder / "memory"), str(folder / "gone.onnx"))
    robot = Robot(graph, folder, policy="a", memory=str(folder / "memory"))
    assert robot.parameter() == "none"


def again(robot: Robot, graph: Graph, folder: Path) -> Robot:
    """Another node with the same arguments."""
    graph.destroy(robot.node)
    graph.destroy(robot.around.node)
    return Robot(graph, folder, policy="a", memory=str(folder / "memory"))


def test_a_place_that_cannot_be_written_is_said_once_and_costs_nothing(
    graph: Graph, folder: Path
) -> None:
    robot = Robot(graph, folder, policy="a", memory=str(folder / "not there" / "memory"))
    robot.go(3)
    assert robot.swap("b").success
    robot.event_after(1, PolicyEvent.CONFIRMED)
    graph.until(lambda: robot.node.counts.get("memory_faults"))
    assert robot.go().policy.startswith("b@")
