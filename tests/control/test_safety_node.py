"""The watchdog's node: what it hears when decides what reaches the motors."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from stride_control.safety_node import SafetyNode
from tests.control.surroundings import SPEC, Surroundings, joints, tick_of
from tests.graph.harness import Graph

from stride_msgs.msg import SafetyStatus

SAYS = {"imu": Imu, "joint_states": JointState, "joint_targets": JointState}


class Watchdog:
    """A safety node and what is around it."""

    def __init__(self, graph: Graph, yaml: list[str], **parameters: Any) -> None:
        values = {"watch_plant": False} | parameters
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node: SafetyNode = graph.add(SafetyNode, cli_args=yaml, parameter_overrides=overrides)
        self.around = Surroundings(graph, SAYS, ("joint_commands", "safety_status"))
        self.around.connected()
        self.lines: list[str] = []
        for level in ("warning", "error"):
            setattr(self.node.get_logger(), level, self.lines.append)

    def imu(self, tick: int, roll: float = 0.0) -> None:
        message = Imu()
        message.orientation.x, message.orientation.w = math.sin(roll / 2), math.cos(roll / 2)
        self.around.say("imu", message, tick)

    def go(self, tick: int, target: Any = None, roll: float = 0.0, state: Any = None) -> JointState:
        """A whole tick; the command that it ends with."""
        self.imu(tick, roll)
        self.around.say("joint_states", state or joints(), tick)
        self.around.say("joint_targets", target or joints(), tick)
        return self.around.answer("joint_commands", tick)

    def until_active(self) -> int:
        """Ticks until the motors are on; the number of the last."""
        for tick in range(20):
            if self.go(tick).position and self.status(tick).state == SafetyStatus.ACTIVE:
                return tick
        raise AssertionError("never active")

    def status(self, tick: int) -> SafetyStatus:
        return self.around.answer("safety_status", tick)

    def stands_at(self, tick: int) -> bool:
        """Whether it has heard that state."""
        return self.node._state_ns == tick * 10_000_000

    def call(self, name: str) -> Any:
        return self.around.graph.call(self.around.node, Trigger, f"safety/{name}")


@pytest.fixture
def dog(graph: Graph, yaml: list[str]) -> Watchdog:
    return Watchdog(graph, yaml)


def test_a_sound_target_passes_with_its_stamp(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    target = SPEC.home + 0.01  # well under 30 rad/s · 10 ms
    command = dog.go(tick, joints(target))
    assert tuple(command.name) == SPEC.joints
    np.testing.assert_allclose(command.position, target, atol=1e-12)
    status = dog.status(tick)
    assert (status.state, status.action) == (SafetyStatus.ACTIVE, SafetyStatus.PASS)
    assert (status.reasons, list(status.values)) == ([], [])


def test_nothing_is_said_before_the_first_target(dog: Watchdog) -> None:
    # its decision would be the tick's answer, and in lockstep the plant would go on without one
    for tick in range(5):
        dog.imu(tick)
        dog.around.say("joint_states", joints(), tick)
    first = dog.go(5)
    assert dog.around.heard["joint_commands"][0] is first


def test_one_command_answers_each_tick(dog: Watchdog) -> None:
    for tick in range(10):
        dog.go(tick)
    assert [tick_of(m) for m in dog.around.heard["joint_commands"]] == list(range(10))


def test_a_target_that_overtakes_its_state_waits_for_it(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    before = len(dog.around.heard["joint_commands"])
    dog.imu(tick)
    dog.around.say("joint_targets", joints(SPEC.home + 0.02), tick)
    dog.around.graph.until(lambda: dog.node._waiting_ns == tick * 10_000_000)
    assert len(dog.around.heard["joint_commands"]) == before
    dog.around.say("joint_states", joints(), tick)
    command = dog.around.answer("joint_commands", tick)
    np.testing.assert_allclose(command.position, SPEC.home + 0.02, atol=1e-12)


def test_the_answer_to_a_repeated_tick_is_not_taken_for_the_next_ones(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    dog.go(tick, joints(SPEC.home + 0.01))
    dog.imu(tick + 1)
    dog.around.say("joint_states", joints(), tick + 1)
    dog.around.graph.until(lambda: dog.node._state_ns == (tick + 1) * 10_000_000)
    dog.around.say("joint_targets", joints(SPEC.home + 0.01), tick)  # once more
    dog.around.say("joint_targets", joints(SPEC.home + 0.02), tick + 1)
    command = dog.around.answer("joint_commands", tick + 1)
    np.testing.assert_allclose(command.position, SPEC.home + 0.02, atol=1e-12)


def test_a_late_target_still_moves_the_joints(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    dog.imu(tick + 1)
    for late in (tick, tick + 1):
        dog.around.say("joint_states", joints(), late)
    dog.around.graph.until(lambda: dog.node._state_ns == (tick + 1) * 10_000_000)
    dog.around.say("joint_targets", joints(SPEC.home + 0.01), tick)
    command = dog.around.answer("joint_commands", tick + 1)
    np.testing.assert_allclose(command.position, SPEC.home + 0.01, atol=1e-12)


def test_a_joint_moves_no_faster_than_its_limit(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    dog.go(tick)
    command = dog.go(tick + 1, joints(SPEC.home + 0.4))
    # max_joint_speed 30 rad/s for 10 ms
    np.testing.assert_allclose(np.array(command.position) - SPEC.home, 0.3, atol=1e-9)
    status = dog.status(tick + 1)
    assert (status.action, status.reasons) == (SafetyStatus.LIMIT, ["SPEED_LIMIT"])
    assert list(status.values) == pytest.approx([0.1])  # left to go


def test_a_target_beyond_a_joints_limit_is_clipped(dog: Watchdog) -> None:
    tick = dog.until_active()
    far = np.array(SPEC.home)
    far[0] = SPEC.joint_upper[0] + 0.5
    for step in range(1, 20):
        command = dog.go(tick + step, joints(far))
    assert command.position[0] == pytest.approx(SPEC.joint_upper[0])
    status = dog.status(tick + 19)
    assert status.reasons == ["POSITION_LIMIT"]
    assert list(status.values) == pytest.approx([0.5])


def test_joints_in_another_order_are_put_in_ours(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    wanted = SPEC.home + np.linspace(0.0, 0.05, len(SPEC.joints))
    order = np.random.default_rng(1).permutation(len(SPEC.joints))
    shuffled = JointState(
        name=[SPEC.joints[i] for i in order], position=[float(wanted[i]) for i in order]
    )
    command = dog.go(tick, shuffled)
    assert tuple(command.name) == SPEC.joints
    np.testing.assert_allclose(command.position, wanted, atol=1e-12)


@pytest.mark.parametrize("topic", ["joint_targets", "joint_states"])
def test_a_message_without_our_joints_is_ignored_and_said_once(dog: Watchdog, topic: str) -> None:
    tick = dog.until_active()
    strange = JointState(name=["tail"], position=[0.0])
    for step in (1, 2):
        dog.around.say(topic, strange, tick + step)
    command = dog.go(tick + 3, joints(SPEC.home + 0.01))
    np.testing.assert_allclose(command.position, SPEC.home + 0.01, atol=1e-12)
    (line,) = [line for line in dog.lines if "ignored" in line]
    assert "joints ['tail']" in line and "FL_tilt" in line
    assert dog.node.counts[f"{topic}_faults"] == 2


def test_a_target_that_is_not_finite_holds_the_last_command_then_damps(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    held = SPEC.home + 0.05
    dog.go(tick, joints(held))
    broken = np.array(held)
    broken[3] = math.nan
    command = dog.go(tick + 1, joints(broken))
    np.testing.assert_allclose(command.position, held, atol=1e-12)
    assert dog.status(tick + 1).action == SafetyStatus.HOLD
    assert dog.status(tick + 1).reasons == ["TARGET_NOT_FINITE"]
    for step in range(2, 30):  # target_timeout is 0.2 s
        command = dog.go(tick + step, joints(broken))
    assert not command.position
    assert dog.status(tick + 29).state == SafetyStatus.DAMPING
    assert "TARGET_STALE" in dog.status(tick + 29).reasons


def test_silence_of_the_targets_damps(dog: Watchdog) -> None:
    tick = dog.until_active()
    for step in range(1, 31):
        dog.imu(tick + step)
        dog.around.say("joint_states", joints(), tick + step)
    command = dog.around.answer("joint_commands", tick + 30)
    assert not command.position
    late = [m for m in dog.around.heard["joint_commands"] if tick_of(m) > tick]
    assert tick_of(late[0]) == tick + 21  # the first state more than 0.2 s after the target
    (line,) = [line for line in dog.lines if "motors off" in line]
    assert "TARGET_STALE (0.21, limit 0.2)" in line


def test_tilt_beyond_the_limit_switches_the_motors_off_and_latches(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    assert dog.go(tick, roll=1.0).position  # 57°: under 60°
    assert not dog.go(tick + 1, roll=1.1).position
    status = dog.status(tick + 1)
    assert (status.state, status.action) == (SafetyStatus.DAMPING, SafetyStatus.DAMP)
    assert status.reasons == ["TILT"]
    assert (status.values[0], status.limits[0]) == (pytest.approx(1.1), pytest.approx(1.0472))
    assert not dog.go(tick + 2).position  # upright again, and still off
    answer = dog.call("reset")
    assert answer.success
    assert dog.go(tick + 3).position


def test_an_imu_that_falls_silent_switches_the_motors_off(dog: Watchdog) -> None:
    tick = dog.until_active()
    powered = []
    for step in range(1, 13):  # state_timeout is 0.1 s
        dog.around.say("joint_states", joints(), tick + step)
        dog.around.say("joint_targets", joints(), tick + step)
        powered.append(bool(dog.around.answer("joint_commands", tick + step).position))
    assert powered == [True] * 10 + [False] * 2
    assert dog.status(tick + 12).reasons == ["IMU_STALE"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_state_that_is_not_finite_switches_the_motors_off(dog: Watchdog, bad: float) -> None:
    tick = dog.until_active() + 1
    state = np.array(SPEC.home)
    state[5] = bad
    assert not dog.go(tick, state=joints(state)).position
    assert dog.status(tick).reasons == ["STATE_NOT_FINITE"]


def test_an_emergency_stop_answers_at_once_and_a_reset_leads_back(dog: Watchdog) -> None:
    tick = dog.until_active()
    answer = dog.call("estop")
    assert answer.success and answer.message.startswith("motors off until")
    last = dog.around.heard["joint_commands"]
    dog.around.graph.until(lambda: not last[-1].position)  # without waiting for a tick
    assert not dog.go(tick + 1).position
    assert dog.status(tick + 1).reasons == ["EMERGENCY_STOP"]
    answer = dog.call("reset")
    assert (answer.success, answer.message) == (True, "STANDBY")
    assert dog.go(tick + 2).position


def test_a_reset_while_the_robot_lies_is_refused(dog: Watchdog) -> None:
    tick = dog.until_active() + 1
    dog.go(tick, roll=2.0)
    answer = dog.call("reset")
    assert not answer.success and answer.message.startswith("DAMPING: TILT (2, limit 1.05)")
    assert not dog.go(tick + 1, roll=2.0).position


def test_a_plant_that_falls_silent_is_damped_by_the_walls_clock(
    graph: Graph, yaml: list[str]
) -> None:
    dog = Watchdog(
        graph,
        yaml,
        watch_plant=True,
        **{"safety.checks.state_stale.limit": 0.5, "safety.checks.clock_jump.limit": 5.0},
    )
    dog.until_active()
    heard = dog.around.heard["joint_commands"]
    graph.until(lambda: not heard[-1].position)  # nobody said anything any more
    statuses = dog.around.heard["safety_status"]
    graph.until(lambda: statuses[-1].state == SafetyStatus.DAMPING)
    assert "STATE_STALE" in statuses[-1].reasons


def test_without_targets_a_robot_is_watched_all_the_same(graph: Graph, yaml: list[str]) -> None:
    slow = {f"safety.checks.{name}.limit": 5.0 for name in ("state_stale", "imu_stale")}
    dog = Watchdog(graph, yaml, watch_plant=True, **slow, **{"safety.checks.clock_jump.limit": 9.0})
    tick = dog.until_active()
    for step in range(1, 8):  # the gait is gone, and the robot falls over
        dog.imu(tick + step, roll=2.0)
        dog.around.say("joint_states", joints(), tick + step)
    heard = dog.around.heard
    graph.until(lambda: tick_of(heard["joint_commands"][-1]) == tick + 7)
    assert not heard["joint_commands"][-1].position
    late = [tick_of(m) for m in heard["joint_commands"] if tick_of(m) > tick]
    # one tick may wait for its target, those after it do not
    assert late == list(range(tick + 2, tick + 8))
    graph.until(lambda: heard["safety_status"][-1].reasons[:1] == ["TILT"])


def test_targets_that_come_late_are_obeyed_and_each_state_is_judged(
    graph: Graph, yaml: list[str]
) -> None:
    slow = {f"safety.checks.{name}.limit": 5.0 for name in ("state_stale", "imu_stale")}
    dog = Watchdog(graph, yaml, watch_plant=True, **slow, **{"safety.checks.clock_jump.limit": 9.0})
    tick, heard = dog.until_active(), dog.around.heard["joint_commands"]
    for late in range(tick + 1, tick + 8):  # the target of the tick before, after the state
        dog.imu(late)
        dog.around.say("joint_states", joints(), late)
        graph.until(partial(dog.stands_at, late))
        dog.around.say("joint_targets", joints(SPEC.home + 0.01 * (late - tick)), late - 1)
        if late > tick + 1:
            dog.around.answer("joint_commands", late)
    judged = {tick_of(m): m for m in heard if tick_of(m) > tick}
    assert list(judged) == list(range(tick + 2, tick + 8))
    moved = np.array([m.position for m in judged.values()])[:, 0] - SPEC.home[0]
    assert (np.diff(moved) > 0.0).all() and moved[-1] >= 0.05
    dog.go(tick + 8)
    dog.go(tick + 9, joints(SPEC.home))  # in time again: the state waits for its own target
    assert [tick_of(m) for m in heard].count(tick + 9) == 1


def test_the_number_of_a_reason_that_goes_on_is_said_anew_and_that_of_a_former_one_stays(
    dog: Watchdog,
) -> None:
    tick = dog.until_active() + 1
    said = []
    for step in range(250):
        fallen = step < 140
        dog.go(tick + step, roll=1.1 + 0.002 * step if fallen else 0.0)
        status = dog.status(tick + step)
        said.append(status.values[0])
        assert status.reasons[0] == "TILT"
    assert said[29] == pytest.approx(1.1, abs=0.005)
    # FALL came too, at 0.3 s; from then on once a second, as long as it goes on
    assert said[40:125] == [said[40]] * 85 and said[40] == pytest.approx(1.16, abs=0.005)
    assert said[139] == pytest.approx(said[40] + 0.2, abs=0.005)
    assert said[140:] == [said[139]] * 110


def test_the_walls_clock_is_looked_at_as_often_as_the_limit_in_force_asks(
    graph: Graph, yaml: list[str]
) -> None:
    stale = "safety.checks.state_stale.limit"
    dog = Watchdog(graph, yaml, watch_plant=True, **{stale: 4.0})
    assert dog.node._alarm.timer_period_ns == 2_000_000_000
    (result,) = dog.node.set_parameters([Parameter(stale, value=0.5)])
    assert result.successful, result.reason
    assert dog.node._alarm.timer_period_ns == 250_000_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("safety.checks.tilt.limit", 1e9),
        ("safety.max_joint_speed", math.nan),
        ("safety.checks.tlit.limit", 1.0),
    ],
)
def test_thresholds_that_make_no_sense_are_refused_by_name(
    graph: Graph, yaml: list[str], name: str, value: float
) -> None:
    with pytest.raises(
        ValueError, match=name.split(".")[-1 if "tlit" not in name else -2]
    ) as caught:
        Watchdog(graph, yaml, **{name: value})
    assert "\n" not in str(caught.value)
