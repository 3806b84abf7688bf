"""Services and parameters of a running robot, whose time goes on by steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from stride_core.robot import load_robot
from tests.graph.harness import FAST, Started, stage, warnings
from tests.graph.watching import Watcher, pause, paused

from stride_msgs.msg import SafetyStatus
from stride_msgs.srv import ResetSimulation, StepSimulation

SPEC = load_robot("fivebar")
TOPICS = ("joint_states", "joint_commands", "foot_targets", "safety_status", "odom", "terrain")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watcher, Started]]:
    """A robot whose time stands still but for steps, and the process that runs it."""
    with stage(tmp_path_factory.mktemp("services")) as (processes, graph):
        run = processes.sim(*FAST)
        with paused(graph, *TOPICS) as watcher:
            watcher.walk(50)
            yield watcher, run


@pytest.fixture
def watcher(robot: tuple[Watcher, Started]) -> Watcher:
    return robot[0]


def trigger(watcher: Watcher, service: str) -> Any:
    return watcher.graph.call(watcher.node, Trigger, service)


def reset(watcher: Watcher, **fields: Any) -> Any:
    return watcher.graph.call(watcher.node, ResetSimulation, "sim/reset", **fields)


def set_parameter(watcher: Watcher, node: str, name: str, value: Any) -> Any:
    """The node's answer to one new value."""
    message: ParameterMessage = Parameter(name, value=value).to_parameter_msg()
    answer = watcher.graph.call(
        watcher.node, SetParameters, f"{node}/set_parameters", parameters=[message]
    )
    return answer.results[0]


def parameter(watcher: Watcher, node: str, name: str) -> Any:
    answer = watcher.graph.call(watcher.node, GetParameters, f"{node}/get_parameters", names=[name])
    return Parameter.from_parameter_msg(ParameterMessage(name=name, value=answer.values[0])).value


def foot_heights(watcher: Watcher) -> Any:
    """z of the nominal feet in the hip frames."""
    return np.array(watcher.latest("foot_targets").position).reshape(-1, 3)[:, 2]


# --- sit down, stand up ---------------------------------------------------------------------------


def test_it_sits_down_and_stands_up_again(watcher: Watcher) -> None:
    standing = watcher.place()[2]
    answer = trigger(watcher, "gait/sit_down")
    assert (answer.success, answer.message) == (True, "sitting down")
    watcher.walk(150)
    assert watcher.latest("foot_targets").mode == "sit"
    assert foot_heights(watcher) == pytest.approx(SPEC.sit[:, 2])
    assert watcher.place()[2] < standing - 0.04
    assert trigger(watcher, "gait/stand_up").success
    watcher.walk(150)
    assert watcher.latest("foot_targets").mode == "stand"
    assert watcher.place()[2] == pytest.approx(standing, abs=0.003)


def test_it_does_not_walk_while_it_sits(watcher: Watcher) -> None:
    trigger(watcher, "gait/sit_down")
    watcher.walk(150)
    x, y, _ = watcher.place()
    for _ in range(3):
        watcher.drive(vx=0.2)
        watcher.walk(20)
    assert watcher.latest("foot_targets").mode == "sit"
    assert watcher.place()[:2] == pytest.approx((x, y), abs=0.005)
    trigger(watcher, "gait/stand_up")
    watcher.walk(250)  # up, the cmd_vel forgotten
    assert watcher.latest("foot_targets").mode == "stand"


# --- emergency stop -------------------------------------------------------------------------------


def test_an_emergency_stop_switches_the_motors_off_until_a_reset(
    robot: tuple[Watcher, Started],
) -> None:
    watcher, run = robot
    answer = trigger(watcher, "safety/estop")
    assert answer.success and answer.message.startswith("motors off until")
    watcher.walk(100)
    status = watcher.latest("safety_status")
    assert (status.state, status.action) == (SafetyStatus.ESTOP, SafetyStatus.STOP)
    assert status.reasons[0] == "EMERGENCY_STOP"  # a cmd_vel that is not repeated is worth a word
    assert set(status.reasons[1:]) <= {"COMMAND_STALE"}
    assert not watcher.latest("joint_commands").position
    assert watcher.place()[2] < 0.05  # it has sunk to the ground
    (said,) = [line for line in warnings(run.err, "safety") if "ESTOP" in line]
    assert said.startswith("ESTOP: motors off: EMERGENCY_STOP")

    answer = trigger(watcher, "safety/reset")
    assert (answer.success, answer.message) == (True, "STANDBY")
    watcher.walk(200)
    assert watcher.latest("safety_status").state == SafetyStatus.ACTIVE
    assert len(watcher.latest("joint_commands").position) == len(SPEC.joints)
    assert watcher.place()[2] > 0.07  # up again


# --- the simulation itself ------------------------------------------------------------------------


def test_a_reset_puts_it_where_it_is_told(watcher: Watcher) -> None:
    assert reset(watcher, x=1.0, y=-2.0, yaw=math.pi / 2).success
    watcher.walk(30)
    assert watcher.place()[:2] == pytest.approx((1.0, -2.0), abs=0.01)
    q = watcher.latest("odom").pose.pose.orientation
    assert 2 * math.atan2(q.z, q.w) == pytest.approx(math.pi / 2, abs=0.05)


def test_a_reset_changes_the_terrain_and_the_robot_stands_on_it(watcher: Watcher) -> None:
    assert reset(watcher, terrain="slope", difficulty=0.5).success
    watcher.graph.until(lambda: any(watcher.latest("terrain").height))
    watcher.walk(30)
    assert watcher.latest("safety_status").state == SafetyStatus.ACTIVE
    assert reset(watcher, terrain="flat").success
    watcher.graph.until(lambda: not any(watcher.latest("terrain").height))
    watcher.walk(30)
    assert 0.07 < watcher.place()[2] < 0.085


def test_equal_resets_are_followed_by_equal_readings(watcher: Watcher) -> None:
    readings = []
    for _ in range(2):
        assert reset(watcher, seed=5, terrain="flat").success
        end = watcher.walk(20)
        stamps = watcher.stamps("joint_states")
        last = watcher.heard["joint_states"][stamps.index(end)]
        readings.append(list(last.velocity))
    assert readings[0] == readings[1]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"terrain": "moon"}, "moon"),
        ({"terrain": "rough", "difficulty": 7.0}, "7"),
        ({"terrain": "rough", "difficulty": math.nan}, "nan"),
        ({"terrain": "rough", "terrain_seed": -1}, "-1"),
        ({"terrain": "/nowhere/ground.png"}, "/nowhere/ground.png"),
        ({"x": math.nan}, "nan"),
        ({"yaw": math.inf}, "inf"),
        ({"seed": -3}, "-3"),
    ],
    ids=str,
)
def test_a_reset_that_makes_no_sense_is_refused_with_one_line_and_changes_nothing(
    watcher: Watcher, fields: dict[str, Any], named: str
) -> None:
    before = watcher.place()
    answer = reset(watcher, **fields)
    assert not answer.success
    assert named in answer.message and "\n" not in answer.message
    watcher.walk(5)
    assert watcher.place() == pytest.approx(before, abs=0.01)


def test_steps_are_exact_and_refused_where_they_make_no_sense(watcher: Watcher) -> None:
    begin = watcher.walk(1)
    assert watcher.walk(25) == begin + 250_000_000
    service = (watcher.node, StepSimulation, "sim/step")
    none = watcher.graph.call(*service, ticks=0)
    assert not none.success and "at least 1" in none.message
    pause(watcher.graph, watcher.node, False)
    running = watcher.graph.call(*service, ticks=1)
    assert not running.success and "paused" in running.message
    pause(watcher.graph, watcher.node)
    watcher.walk(1)


# --- parameters -----------------------------------------------------------------------------------


def test_the_body_height_changes_while_running_without_a_jump(watcher: Watcher) -> None:
    reset(watcher)
    watcher.walk(20)
    assert foot_heights(watcher) == pytest.approx(-0.085)
    result = set_parameter(watcher, "gait", "gait.shape.height", 0.07)
    assert result.successful, result.reason
    watcher.walk(100)
    assert foot_heights(watcher) == pytest.approx(-0.07)
    heights = [m.position[2] for m in watcher.heard["foot_targets"][-100:]]
    assert np.abs(np.diff(heights)).max() <= 0.1 * 0.01 + 1e-9  # shape_rates.height times a tick
    assert parameter(watcher, "gait", "gait.shape.height") == 0.07
    assert watcher.place()[2] == pytest.approx(0.078 - 0.015, abs=0.004)
    assert set_parameter(watcher, "gait", "gait.shape.height", 0.085).successful
    watcher.walk(50)


def test_the_pattern_changes_while_running(watcher: Watcher) -> None:
    assert set_parameter(watcher, "gait", "gait.pattern", "walk").successful
    watcher.walk(2)
    assert watcher.latest("foot_targets").gait == "walk"
    assert set_parameter(watcher, "gait", "gait.pattern", "trot").successful
    watcher.walk(2)
    assert watcher.latest("foot_targets").gait == "trot"


@pytest.mark.parametrize(
    ("node", "name", "value", "reason"),
    [
        ("gait", "gait.limits.servo_share", 0.5, "servo_share"),
        ("gait", "robot", "other", "robot"),
        ("safety", "watch_plant", True, "watch_plant"),
        ("sim", "terrain", "rough", "terrain"),
        ("gait", "gait.shape.height", 9.0, "height"),
        ("gait", "gait.shape.height", "tall", "height"),
        ("gait", "gait.shape.height", math.nan, "height"),
        ("gait", "gait.pattern", "hop", "hop"),
        ("safety", "safety.checks.tilt.limit", -1e9, "limit"),
        ("ik", "residual_limit", "wide", "residual_limit"),
        ("gait", "gait.shape.heigth", 0.08, "heigth: unknown parameter (did you mean"),
    ],
)
def test_what_is_fixed_or_senseless_is_refused_with_its_reason(
    watcher: Watcher, node: str, name: str, value: Any, reason: str
) -> None:
    result = set_parameter(watcher, node, name, value)
    assert not result.successful
    assert reason in result.reason and "\n" not in result.reason
    watcher.walk(2)
    assert watcher.latest("safety_status").state == SafetyStatus.ACTIVE


@pytest.mark.parametrize("height", [0.021, 0.2])
def test_a_height_that_no_leg_reaches_does_not_bring_it_down(
    watcher: Watcher, height: float
) -> None:
    set_parameter(watcher, "gait", "gait.shape.height", height)
    for _ in range(5):
        watcher.drive(vx=0.1)
        watcher.walk(20)
    assert np.isfinite(watcher.latest("foot_targets").position).all()
    assert watcher.latest("safety_status").state == SafetyStatus.ACTIVE
    assert len(watcher.latest("joint_commands").position) == len(SPEC.joints)
    assert set_parameter(watcher, "gait", "gait.shape.height", 0.085).successful
    watcher.walk(200)
    assert watcher.latest("foot_targets").mode == "stand"


# --- commands that make no sense ------------------------------------------------------------------


def test_a_command_that_is_not_finite_is_ignored_and_said_once(
    robot: tuple[Watcher, Started],
) -> None:
    watcher, run = robot
    said = len(warnings(run.err, "gait"))
    for _ in range(3):
        watcher.drive(vx=0.1)
        watcher.walk(10)
    for _ in range(3):
        watcher.drive(vx=math.nan)
        watcher.walk(10)
    assert watcher.latest("foot_targets").command[0] == pytest.approx(0.1)  # the last good one
    (line,) = warnings(run.err, "gait")[said:]
    assert "cmd_vel" in line and "nan" in line and "ignored" in line


def test_a_command_beyond_the_limits_is_limited_and_said_once(
    robot: tuple[Watcher, Started],
) -> None:
    watcher, run = robot
    watcher.walk(200)
    said = len(warnings(run.err, "gait"))
    for _ in range(8):
        watcher.drive(vx=50.0)
        watcher.walk(20)
    followed = watcher.latest("foot_targets").command[0]
    assert 0.2 < followed <= 0.5
    (line,) = warnings(run.err, "gait")[said:]
    assert "50.0" in line and "limited" in line
    watcher.walk(200)
    assert watcher.latest("safety_status").state == SafetyStatus.ACTIVE
