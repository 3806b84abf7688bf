"""The policy's node: a tick in, a residual out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from stride_control.policy.library import PolicyError
from stride_control.policy_node import PolicyNode
from stride_core.contract import NominalGait, Normaliser
from tests.control.policy_robot import Robot
from tests.control.surroundings import SPEC, tick_of
from tests.graph.harness import Graph
from tests.policy.models import write_policy

from stride_msgs.msg import PolicyEvent


def test_it_answers_a_tick_with_its_stamp_and_says_who_it_is(robot: Robot) -> None:
    residual = robot.go(3)
    assert tick_of(residual) == 2
    assert residual.header.frame_id == "base_link"
    assert list(residual.legs) == list(SPEC.legs)
    assert (residual.policy[:2], residual.strength) == ("a@", 1.0)
    assert 0.0 < np.abs(residual.offset).max() <= 0.02
    assert not residual.rates
    event = robot.events[0]
    assert (event.kind, event.policy, tick_of(event)) == (PolicyEvent.SWITCHED, residual.policy, 0)


def test_without_a_policy_it_hears_nothing_and_says_so_before(graph: Graph, folder: Path) -> None:
    robot = Robot(graph, folder)
    heard = robot.around.heard["residual"]
    robot.go(5)
    assert not robot.around.heard_by_all() and not heard
    assert robot.swap("a").success
    graph.until(lambda: robot.go() and heard[-1].policy)  # it answers each tick now
    assert robot.swap("none").success
    graph.until(lambda: robot.go() is None and not robot.around.heard_by_all())  # and gone
    assert not heard[-1].legs and not heard[-1].offset and not heard[-1].policy
    assert robot.swap("b").success
    assert graph.until(lambda: robot.go() and heard[-1].policy).startswith("b@")


def test_without_a_policy_in_mid_walk_it_says_once_that_nobody_need_wait(
    graph: Graph, folder: Path
) -> None:
    robot = Robot(graph, folder)
    robot.tick = 100
    heard = robot.around.heard["residual"]
    graph.until(lambda: (robot.go(), heard)[1])
    graph.until(lambda: not robot.around.heard_by("foot_targets"))
    robot.go(3)
    (last,) = heard
    assert tick_of(last) >= 100 and not last.legs and not last.offset and not last.policy


def test_the_last_residual_is_said_whenever_the_timer_looks(robot: Robot) -> None:
    robot.go(3)
    assert robot.node.set_parameters([Parameter("policy", value="none")])[0].successful
    while robot.go() is not None:
        robot.node._listen_if_needed()
    last = robot.around.heard["residual"][-1]
    assert not last.legs and not last.offset


@pytest.mark.parametrize("last", ["imu", "joint_states", "foot_targets"])
def test_a_tick_is_answered_when_its_last_message_comes(robot: Robot, last: str) -> None:
    robot.go()
    for topic in {"imu", "joint_states", "foot_targets"} - {last}:
        robot.say(topic)
    robot.say(last, tick=0)  # an old one is none of this tick's
    robot.say(last)
    assert robot.around.answer("residual", 1)
    assert [tick_of(m) for m in robot.around.heard["residual"]] in ([0, 1], [0, 0, 1])


def test_a_repeated_tick_gets_the_same_answer(robot: Robot) -> None:
    first = robot.go(2)
    for topic in ("imu", "joint_states", "foot_targets"):
        robot.say(topic, tick=1)
    heard = robot.around.heard["residual"]
    robot.around.graph.until(lambda: len(heard) == 3)
    assert heard[-1] == first
    robot.go()
    assert tick_of(heard[-1]) == 2


def test_an_imu_of_its_own_pace_is_believed_within_its_age(graph: Graph, folder: Path) -> None:
    robot = Robot(graph, folder, policy="a", imu_age=0.015)
    robot.say("imu")
    for tick in (0, 1):
        robot.say("joint_states", tick)
        robot.say("foot_targets", tick)
        assert robot.around.answer("residual", tick)
    robot.say("joint_states", 2)
    robot.say("foot_targets", 2)
    robot.say("imu", 1)
    assert robot.around.answer("residual", 2)


def test_a_tick_that_is_never_complete_is_counted_and_passed_over(robot: Robot) -> None:
    robot.go()
    robot.say("foot_targets", 1)
    robot.tick = 2
    robot.go()
    assert robot.node.counts["incomplete"] == 1


@pytest.mark.parametrize(
    ("topic", "fields", "words"),
    [
        ("joint_states", {"name": ["x"] * 12}, ("joints", "'x'")),
        ("joint_states", {"velocity": [0.0]}, ("joint_states.velocity", "expected 12")),
        ("foot_targets", {"shape": [1.0]}, ("foot_targets.shape", "expected 6")),
        ("foot_targets", {"phase": []}, ("foot_targets.phase", "expected 4")),
    ],
)
def test_what_does_not_fit_the_robot_is_said_once_and_is_no_tick(
    robot: Robot, topic: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    lines: list[str] = []
    robot.node.get_logger().warning = lines.append
    robot.go()
    for tick in (1, 2):
        for each in ("imu", "joint_states", "foot_targets"):
            robot.say(each, tick, **(fields if each == topic else {}))
    robot.tick = 3
    robot.go()
    (line,) = lines
    assert all(word in line for word in words), line


def test_an_attitude_that_nobody_knows_is_the_nominal_gait(robot: Robot) -> None:
    robot.go()
    unknown = [-1.0, *[0.0] * 8]  # REP-145
    robot.say("imu", 1, orientation_covariance=unknown)
    robot.say("joint_states", 1)
    robot.say("foot_targets", 1)
    assert list(robot.around.answer("residual", 1).offset) == [0.0] * 12
    robot.tick = 2
    assert robot.go(60).strength == 1.0


def test_in_another_gait_than_its_own_it_is_silent_and_that_is_said_once(robot: Robot) -> None:
    lines: list[str] = []
    robot.node.get_logger().warning = lines.append
    robot.go(2)
    for tick in range(2, 22):
        for topic in ("imu", "joint_states"):
            robot.say(topic, tick)
        robot.say("foot_targets", tick, gait="pace")
        residual = robot.around.answer("residual", tick)
    assert residual.strength == 0.0
    (line,) = lines
    assert "it is for the gait trot, not pace: without residual" in line


def test_in_another_shape_than_its_own_it_is_silent(graph: Graph, folder: Path) -> None:
    held = NominalGait("trot", {"step_height": 0.025, "cycle_time": 0.4})
    write_policy(folder / "held.onnx", gait=held)
    robot = Robot(graph, folder, policy="held")
    lines: list[str] = []
    robot.node.get_logger().warning = lines.append
    assert robot.go(5).strength == 1.0
    higher = [0.085, 0.03, 0.4, 0.0, 0.0, 1.0]
    for tick in range(5, 25):
        for topic in ("imu", "joint_states"):
            robot.say(topic, tick)
        robot.say("foot_targets", tick, shape=higher)
        residual = robot.around.answer("residual", tick)
    assert residual.strength == 0.0
    assert len(lines) == 1 and "for step_height 0.025, not 0.03: without residual" in lines[0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"policy": "nosuch"}, "'nosuch': not there"),
        ({"policy": "b", "rate_hz": 50.0}, "rate_hz: 100.0: expected 50.0"),
        ({"policy": "b", "residual_limit": 0.01}, "action.residual: 0.02: expected at most ik's"),
        ({"watch": "/nosuch"}, "watch: /nosuch: expected a folder"),
        ({"gate.strange": 1.0}, "strange: 1: expected more than familiar"),
    ],
)
def test_what_cannot_start_is_one_line(
    graph: Graph, folder: Path, parameters: dict[str, Any], words: str
) -> None:
    given = {"folder": str(folder), **parameters}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    with pytest.raises(ValueError, match=words) as caught:
        PolicyNode(context=graph.context, parameter_overrides=overrides)
    assert "\n" not in str(caught.value)
    assert issubclass(PolicyError, ValueError)


def test_thresholds_change_while_it_runs(graph: Graph, folder: Path) -> None:
    narrow = Normaliser((0.0,) * 60, (1.0,) * 60)
    write_policy(folder / "narrow.onnx", normaliser=narrow)
    robot = Robot(graph, folder, policy="narrow")
    residual = robot.go(3)
    assert (residual.novelty, residual.strength) == (1.0, 1.0)  # gravity, a stride of 1
    changed = [Parameter("gate.familiar", value=0.5), Parameter("gate.strange", value=1.5)]
    assert robot.node.set_parameters_atomically(changed).successful
    assert robot.go(20).strength == pytest.approx(0.5)
