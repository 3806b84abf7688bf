"""The policy's node: another policy on request, while ticks go on."""

from __future__ import annotations

from pathlib import Path
from threading import current_thread
from typing import Any

import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from stride_control.policy import loader
from stride_control.policy.loading import load_policy
from stride_control.policy.shadow import Shadow
from tests.control.policy_robot import Robot
from tests.control.surroundings import tick_of
from tests.graph.harness import Graph
from tests.policy.broken import BROKEN, nan_where_it_stands
from tests.policy.models import write_policy

from stride_msgs.msg import PolicyEvent
from stride_msgs.srv import SwapPolicy


def test_a_swap_by_the_service(robot: Robot) -> None:
    robot.go(3)
    answer = robot.swap("b")
    assert (answer.success, answer.policy[:2]) == (True, "b@")
    assert "takes over" in answer.message
    robot.event_after(1, PolicyEvent.CONFIRMED)
    assert robot.go().policy == answer.policy
    assert [e.kind for e in robot.events] == [
        PolicyEvent.SWITCHED, PolicyEvent.LOADED, PolicyEvent.SWITCHED, PolicyEvent.CONFIRMED,
    ]  # fmt: skip
    robot.shows("b")


def test_an_answer_that_does_not_wait_comes_while_time_stands_still(robot: Robot) -> None:
    robot.go(3)
    graph, node = robot.around.graph, robot.around.node
    answer = graph.call(node, SwapPolicy, "policy/swap", policy="b", wait=False)
    assert answer.success and "is loaded" in answer.message
    assert robot.go().policy.startswith("a@")
    robot.until_event(PolicyEvent.SWITCHED)


def test_a_swap_by_the_parameter_and_to_none(robot: Robot) -> None:
    robot.go(3)
    for name in ("b", "none"):
        (answer,) = robot.node.set_parameters([Parameter("policy", value=name)])
        assert answer.successful
        robot.until_event(PolicyEvent.SWITCHED)
        robot.go(5)
        assert robot.go().policy.partition("@")[0] == {"b": "b", "none": ""}[name]
        robot.shows(name)


def test_a_parameter_that_names_nothing_is_refused_and_one_that_fails_is_taken_back(
    robot: Robot, folder: Path
) -> None:
    robot.go(3)
    for name in ("nosuch", "x" * 300):
        (answer,) = robot.node.set_parameters([Parameter("policy", value=name)])
        assert not answer.successful and "expected a path or one of a, b, none" in answer.reason
    (folder / "bad.onnx").write_bytes(b"no")
    assert robot.node.set_parameters([Parameter("policy", value="bad")])[0].successful
    assert "not an ONNX file" in robot.until_event(PolicyEvent.REFUSED).reason
    robot.shows("a")
    assert robot.go().policy.startswith("a@")


def test_a_new_file_in_the_watched_folder_takes_over(
    graph: Graph, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stride_control.policy_node._LOOK_S", 0.05)
    watched = folder / "incoming"
    watched.mkdir()
    robot = Robot(graph, folder, policy="a", watch=str(watched))
    robot.go(3)
    file = write_policy(watched / "c.onnx", seed=7)
    assert "c@" in robot.until_event(PolicyEvent.SWITCHED).policy
    robot.shows("incoming/c")
    assert file.exists()


def test_a_file_in_the_watched_folder_waits_for_its_turn_and_is_not_lost(
    graph: Graph, folder: Path
) -> None:
    """It comes while another one has been loaded, and waits for a tick."""
    watched = folder / "incoming"
    watched.mkdir()
    robot = Robot(graph, folder, policy="a", watch=str(watched))
    robot.go(3)
    write_policy(watched / "c.onnx", seed=7)
    robot.node._ask("b", False).result(60.0)
    for _ in range(3):
        robot.node._look()
    assert robot.until_event(PolicyEvent.CONFIRMED).policy.startswith("b@")
    for _ in range(2):
        robot.node._look()
    assert robot.until_event(PolicyEvent.SWITCHED).policy.startswith("incoming/c@")
    assert PolicyEvent.REFUSED not in [event.kind for event in robot.events]


def test_whatever_is_refused_leaves_the_running_policy_alone(
    graph: Graph, robot: Robot, folder: Path
) -> None:
    """Every broken file by the service of a walking robot: the reason, the event, the residual."""
    before = robot.go(3)
    cases = {what: (make(), words) for what, (make, words) in BROKEN.items()}
    cases["in the shadow run"] = (nan_where_it_stands(), ("shadow run: action nan",))
    for what, (data, words) in cases.items():
        file = folder / "bad.onnx"
        file.write_bytes(data)
        seen = len(robot.events)
        answer = robot.swap("bad")
        assert not answer.success, what
        assert all(word in answer.message for word in words), answer.message
        assert "\n" not in answer.message
        event = robot.event_after(seen, PolicyEvent.REFUSED)
        assert all(word in event.reason for word in words), event.reason
    missing = robot.swap("nosuch")
    assert not missing.success and "not there" in missing.message
    after = robot.go()
    assert (after.policy, after.strength) == (before.policy, 1.0)
    assert robot.node.counts["incomplete"] == 0
    stamps = [tick_of(m) for m in robot.around.heard["residual"]]
    assert stamps == list(range(robot.tick))


def test_a_policy_is_loaded_and_shadowed_off_the_control_thread(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: dict[str, list[str]] = {"load": [], "step": []}

    def noted(name: str, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            where[name].append(current_thread().name)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(loader, "load_policy", noted("load", load_policy))
    monkeypatch.setattr(Shadow, "_step", noted("step", Shadow._step))
    robot.go(3)
    robot.swap("b")
    assert where == {"load": ["policy"], "step": ["policy"] * 3}
    assert current_thread().name != "policy"


def test_measured_times_are_in_the_answer_and_never_in_the_event(
    robot: Robot, folder: Path
) -> None:
    robot.go(3)
    (folder / "slow.onnx").write_bytes(BROKEN["slow"][0]())
    answer = robot.swap("slow")
    assert "(measured: " in answer.message
    assert "(measured: " not in robot.event_after(1, PolicyEvent.REFUSED).reason


def test_how_a_policy_takes_over_may_be_changed_while_running(robot: Robot) -> None:
    robot.go()
    changed = [Parameter("switch.fade_time", value=0.1), Parameter("switch.shadow_time", value=0.0)]
    assert all(answer.successful for answer in robot.node.set_parameters(changed))
    assert robot.swap("b").success
    confirmed = robot.event_after(1, PolicyEvent.CONFIRMED)  # the first is of the start
    began = robot.event_after(1, PolicyEvent.SWITCHED)
    # the fade and the probation, in ticks of 10 ms
    assert tick_of(confirmed) - tick_of(began) == 10 + 5
