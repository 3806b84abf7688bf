"""The gait's node: a tick in, foot targets out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from stride_bringup.options import Options
from stride_control.gait_node import GaitNode
from stride_core.control import load_controller
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from tests.control.surroundings import PERIOD, SPEC, Surroundings, joints
from tests.graph.harness import Graph

from stride_msgs.msg import Residual


class Walk:
    """A gait node and what is around it."""

    def __init__(self, graph: Graph, yaml: list[str], **parameters: Any) -> None:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node: GaitNode = graph.add(GaitNode, cli_args=yaml, parameter_overrides=overrides)
        twist = TwistStamped if parameters.get("stamped_cmd_vel") else Twist
        says = {"joint_states": JointState, "cmd_vel": twist, "imu": Imu, "residual": Residual}
        self.around = Surroundings(graph, says, ("foot_targets",))
        self.around.connected()
        self.tick = 0
        self.lines: list[str] = []
        self.node.get_logger().warning = self.lines.append

    def go(self, ticks: int = 1) -> Any:
        """Ticks, one after the other; the last answer."""
        for _ in range(ticks):
            self.around.say("joint_states", joints(), self.tick)
            answer = self.around.answer("foot_targets", self.tick)
            self.tick += 1
        return answer

    def modulate(self, tick: int, rates: Any) -> None:
        """Publish the residual of a tick."""
        message = Residual(legs=list(SPEC.legs), offset=[0.0] * 12, rates=list(rates))
        self.around.say("residual", message, tick)

    def drive(self, vx: float = 0.0, vy: float = 0.0, wz: float = 0.0) -> None:
        """Publish a cmd_vel."""
        twist = Twist()
        twist.linear.x, twist.linear.y, twist.angular.z = vx, vy, wz
        self.around.say("cmd_vel", twist)


@pytest.fixture
def walk(graph: Graph, yaml: list[str]) -> Walk:
    return Walk(graph, yaml)


def until_told(walk: Walk, wanted: float, **twist: float) -> Any:
    """Drive and tick until the command is followed; the message."""
    for _ in range(200):
        walk.drive(**twist)
        message = walk.go()
        if abs(message.command[0] - wanted) < 1e-9:
            return message
    raise AssertionError(f"never {wanted}: {message.command}")


def test_without_a_command_it_stands_on_the_stance(walk: Walk) -> None:
    message = walk.go(3)
    assert tuple(message.legs) == SPEC.legs
    assert (message.gait, message.mode) == ("trot", "stand")
    feet = np.reshape(message.position, (4, 3))
    stance = np.array(SPEC.stance)
    stance[:, 2] = -0.085  # shape.height
    np.testing.assert_allclose(feet, stance, atol=1e-12)
    assert not any(message.swing)
    assert list(message.command) == [0.0, 0.0, 0.0]


def test_it_walks_the_same_numbers_as_the_core_with_the_initial_command(
    graph: Graph, yaml: list[str]
) -> None:
    walk = Walk(graph, yaml, initial_command=[0.1, 0.02, 0.3])
    controller = load_controller(SPEC, *Options().params_files()[:1])
    config = controller.gait_config
    inputs = GaitInputs(
        np.array([0.1, 0.02, 0.3]), shape_array(config.shape),
        np.array(PATTERNS.index(config.pattern)), np.array(True),
    )  # fmt: skip
    state = controller.gait.initial(inputs)
    for tick in range(60):
        state, expected = controller.gait.step(state, inputs, 0.01 if tick else 0.0)
        message = walk.go()
        np.testing.assert_allclose(message.position, expected.feet.ravel(), atol=1e-12)
        np.testing.assert_allclose(message.phase, expected.phase, atol=1e-12)
        assert list(message.swing) == expected.swing.tolist()
    assert message.mode == "walk"


def looking(yaw: float) -> Imu:
    message = Imu()
    message.orientation.z, message.orientation.w = math.sin(0.5 * yaw), math.cos(0.5 * yaw)
    return message


def test_it_turns_back_to_its_heading_with_the_imu_of_the_tick(
    graph: Graph, yaml: list[str]
) -> None:
    walk = Walk(graph, yaml, initial_command=[0.1, 0.0, 0.0])
    controller = load_controller(SPEC, *Options().params_files()[:1])
    config = controller.gait_config
    inputs = GaitInputs(
        np.array([0.1, 0.0, 0.0]), shape_array(config.shape), np.array(0), np.array(True)
    )
    state = controller.gait.initial(inputs)
    for tick in range(60):
        yaw = 0.004 * tick
        asked = inputs._replace(yaw=np.array(yaw))
        state, expected = controller.gait.step(state, asked, 0.01 if tick else 0.0)
        if tick % 2 == 0:  # whichever comes first
            walk.around.say("imu", looking(yaw), tick)
            if tick == 0:  # the first tick waits for nothing
                graph.until(lambda: walk.node._imu_comes)
            message = walk.go()
        else:
            walk.around.say("joint_states", joints(), tick)
            walk.around.say("imu", looking(yaw), tick)
            message = walk.around.answer("foot_targets", tick)
            walk.tick += 1
        np.testing.assert_allclose(message.command, expected.command, atol=1e-9)
    assert message.command[2] < -0.1
    assert list(message.asked) == [0.1, 0.0, 0.0]


def test_it_walks_on_when_the_imu_falls_silent(walk: Walk) -> None:
    for _ in range(3):
        walk.around.say("imu", looking(0.3), walk.tick)
        walk.go()
    walk.drive(vx=0.1)
    walk.around.say("joint_states", joints(), walk.tick)  # waits for its IMU, until the next
    walk.tick += 1
    for _ in range(5):
        message = walk.go()
    assert message.mode == "walk"


def test_a_gap_in_the_ticks_is_no_leap(walk: Walk) -> None:
    until_told(walk, 0.2, vx=0.2)
    before = np.array(walk.go().phase)
    walk.tick += 1000  # ten seconds
    walk.drive(vx=0.2)
    after = np.array(walk.go().phase)
    # at most 0.1 s of the 0.4 s cycle
    assert ((after - before) % 1.0).max() <= 0.25 + 1e-9


def test_a_command_ends_when_it_is_not_repeated(walk: Walk) -> None:
    until_told(walk, 0.2, vx=0.2)
    last = walk.tick
    while walk.go().command[0] > 0.199:
        assert walk.tick < last + 200
    assert 48 <= walk.tick - last <= 53  # command_timeout, 0.5 s, is 50 ticks
    assert walk.go(150).mode == "stand"


def test_a_command_is_no_younger_when_the_clock_is_set_back(walk: Walk) -> None:
    walk.tick = 500
    until_told(walk, 0.2, vx=0.2)
    walk.tick = 0
    assert walk.go(150).mode == "stand"


def test_the_initial_command_lasts_until_the_first_cmd_vel(graph: Graph, yaml: list[str]) -> None:
    walk = Walk(graph, yaml, initial_command=[0.1, 0.0, 0.0])
    assert walk.go(120).command[0] == pytest.approx(0.1)
    until_told(walk, 0.0)
    assert walk.go(100).mode == "stand"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_command_that_is_not_finite_is_ignored_and_said_once(walk: Walk, bad: float) -> None:
    until_told(walk, 0.1, vx=0.1)
    for _ in range(5):
        walk.drive(vx=bad)
        message = walk.go(2)
    assert message.command[0] == pytest.approx(0.1)
    (line,) = walk.lines
    assert "cmd_vel" in line and str(bad) in line and "ignored" in line
    assert walk.node.counts["cmd_vel_faults"] >= 4
    assert np.isfinite(message.position).all()


def test_a_command_beyond_the_limits_is_limited_and_said_once(walk: Walk) -> None:
    for _ in range(150):
        walk.drive(vx=9.0)
        message = walk.go()
    assert 0.2 < message.command[0] <= 0.5  # limits.speed
    (line,) = walk.lines
    assert "9.0" in line and "limited" in line


def test_it_takes_a_twist_with_a_stamp_if_told(graph: Graph, yaml: list[str]) -> None:
    walk = Walk(graph, yaml, stamped_cmd_vel=True)
    twist = TwistStamped()
    twist.twist.linear.x = 0.1
    for _ in range(50):
        walk.around.say("cmd_vel", twist)
        message = walk.go()
    assert message.command[0] == pytest.approx(0.1)


def test_it_sits_down_and_stands_up(graph: Graph, walk: Walk) -> None:
    walk.go()
    answer = graph.call(walk.around.node, Trigger, "gait/sit_down")
    assert (answer.success, answer.message) == (True, "sitting down")
    message = walk.go(100)
    assert message.mode == "sit"
    assert np.reshape(message.position, (4, 3))[:, 2] == pytest.approx(SPEC.sit[:, 2])
    assert graph.call(walk.around.node, Trigger, "gait/stand_up").success
    message = walk.go(100)
    assert message.mode == "stand"
    assert np.reshape(message.position, (4, 3))[:, 2] == pytest.approx(-0.085)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_a_parameter_by_name(graph: Graph, yaml: list[str], name: str) -> None:
    walk = Walk(graph, yaml, **{"gait.pattern": name, "initial_command": [0.05, 0.0, 0.0]})
    assert walk.go(60).gait == name


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"gait.pattern": "hop"}, "hop"),
        ({"gait.patterns.trot.offsets": [0.0, 0.5]}, "trot"),
        ({"gait.limits.speed": [0.5, 0.2]}, "speed"),
        ({"initial_command": [0.1, math.nan, 0.0]}, "initial_command"),
        ({"gait.shape.height": 0.0}, "height"),
    ],
    ids=str,
)
def test_a_gait_that_cannot_be_is_refused_with_one_line(
    graph: Graph, yaml: list[str], parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        Walk(graph, yaml, **parameters)
    assert "\n" not in str(caught.value)


def test_without_its_yaml_it_says_what_is_missing(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"gait: gait: .*missing"):
        graph.add(GaitNode)


# --- a policy's rates -----------------------------------------------------------------------------

LOWER = (-0.05, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Lower the body by 50 mm/s."""


def heights(walk: Walk, ticks: int, rates: Any = LOWER) -> list[float]:
    """Of the shape, where each tick's residual has these rates; before the first tick has any."""
    found = []
    for _ in range(ticks):
        found.append(walk.go().shape[0])
        walk.modulate(walk.tick - 1, rates)
    return found


@pytest.fixture
def lockstep(graph: Graph, yaml: list[str]) -> Walk:
    """A tick waits for the last tick's rates."""
    return Walk(graph, yaml, rates_deadline=60.0, expect_residual=True)


def test_rates_modulate_the_shape_one_tick_later(lockstep: Walk) -> None:
    expected = 0.085 - 0.05 * 0.01 * np.array([0, 1, 2, 3, 4])
    np.testing.assert_allclose(heights(lockstep, 5), expected, atol=1e-12)


def test_a_tick_waits_for_the_rates_of_the_one_before(lockstep: Walk) -> None:
    lockstep.go()
    lockstep.around.say("joint_states", joints(), 1)
    lockstep.around.graph.until(lambda: lockstep.node._waiting)
    assert len(lockstep.around.heard["foot_targets"]) == 1
    lockstep.modulate(0, LOWER)
    assert lockstep.around.answer("foot_targets", 1).shape[0] == pytest.approx(0.0845)


def test_a_repeated_tick_waits_for_nothing_and_changes_nothing(lockstep: Walk) -> None:
    first = lockstep.go()
    lockstep.around.say("joint_states", joints(), 0)
    heard = lockstep.around.heard["foot_targets"]
    lockstep.around.graph.until(lambda: len(heard) == 2)
    assert heard[1] == first


def test_rates_are_waited_for_once_in_vain(graph: Graph, yaml: list[str]) -> None:
    walk = Walk(graph, yaml, rates_deadline=0.05, expect_residual=True)
    walk.go(2)  # the second waits until its deadline
    walk.node._deadline.reset = lambda: pytest.fail("a tick waits for a policy that is gone")
    assert walk.go(3).shape[0] == pytest.approx(0.085)


def test_rates_are_waited_for_from_the_first_residual_to_the_last(
    graph: Graph, yaml: list[str]
) -> None:
    walk = Walk(graph, yaml, rates_deadline=60.0)
    walk.go(3)
    walk.modulate(2, LOWER)
    walk.around.graph.until(lambda: walk.node._rates_ns == 2 * PERIOD)
    walk.go()
    walk.around.say("joint_states", joints(), 4)
    walk.around.graph.until(lambda: walk.node._waiting)
    walk.around.say("residual", Residual(), 1)  # the last, wherever it comes from
    assert walk.around.answer("foot_targets", 4)
    walk.tick = 5
    walk.go(2)


def test_in_real_time_rates_count_if_they_are_there(walk: Walk) -> None:
    walk.go()
    walk.modulate(0, LOWER)
    walk.around.graph.until(lambda: walk.node._rates_ns == 0)
    assert walk.go().shape[0] == pytest.approx(0.0845)
    assert walk.go().shape[0] == pytest.approx(0.085)  # nobody said anything: back, at its rates


def test_without_rates_the_shape_comes_back_by_itself(lockstep: Walk) -> None:
    heights(lockstep, 20)
    back = heights(lockstep, 30, rates=())
    assert back[0] < 0.08 and back[-1] == pytest.approx(0.085)
    assert np.diff(back[1:]).min() >= 0.0


def test_rates_are_bounded_by_the_gaits_own_limits(lockstep: Walk) -> None:
    low = heights(lockstep, 80, rates=(-1e9, *LOWER[1:]))
    assert low[-1] == pytest.approx(0.057)  # shape_min
    assert np.abs(np.diff(low)).max() <= 0.1 * 0.01 + 1e-12  # shape_rates, a tick


def test_rates_of_another_size_are_said_once_and_nothing(lockstep: Walk) -> None:
    assert heights(lockstep, 4, rates=(1.0, 2.0))[-1] == pytest.approx(0.085)
    (line,) = lockstep.lines
    assert "residual.rates: 2 values: expected 6" in line


def test_rates_that_are_not_finite_are_none(lockstep: Walk) -> None:
    assert heights(lockstep, 4, rates=[math.nan] * 6)[-1] == pytest.approx(0.085)
