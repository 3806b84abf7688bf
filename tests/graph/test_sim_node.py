"""The plant's node alone, with a test in the controller's place."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from stride_control.messages import stamp_ns
from stride_core.robot import load_robot
from stride_sim.sim_node import SimNode
from tests.graph.harness import Graph, free_domain

from stride_msgs.srv import StepSimulation

SPEC = load_robot("fivebar")
PERIOD = 10_000_000
Alter = Callable[[JointState], Any]


class Controller:
    """Answers each joint_states with the stance, a little lower each tick, and may be made faulty.

    Attributes:
        alter: changes a command before it goes out, or returns others to send first.
    """

    def __init__(self, graph: Graph, alter: Alter | None = None) -> None:
        node = graph.add(Node, "controller")
        self.alter = alter
        self.states: list[JointState] = []
        self.odometry: list[Odometry] = []
        self._commands = node.create_publisher(JointState, "joint_commands", 10)
        node.create_subscription(JointState, "joint_states", self._on_state, 100)
        node.create_subscription(Odometry, "odom", self.odometry.append, 100)

    def _on_state(self, state: JointState) -> None:
        self.states.append(state)
        command = JointState(header=state.header, name=list(SPEC.joints))
        command.position = (SPEC.home + 0.001 * len(self.states)).tolist()
        for message in (self.alter(command) if self.alter else None) or [command]:
            self._commands.publish(message)

    def positions(self) -> Any:
        """Joint positions of the first 20 ticks."""
        return np.array([state.position for state in self.states[:20]])


def make(graph: Graph, **parameters: Any) -> SimNode:
    """A plant without noise, in lockstep unless told otherwise."""
    values = {
        "realtime_factor": 0.0,
        "plant.noise.scale": 0.0,
        "wait_for": ["joint_states=1", "odom=1"],
    } | {name.replace("__", "."): value for name, value in parameters.items()}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return graph.add(SimNode, parameter_overrides=overrides)


def walked(graph: Graph, alter: Alter | None = None) -> tuple[SimNode, Controller]:
    """A plant that has gone 20 ticks."""
    controller = Controller(graph, alter)
    node = make(graph)
    graph.until(lambda: len(controller.states) >= 20)
    return node, controller


@pytest.fixture
def other(graph: Graph) -> Iterator[Graph]:
    """A second graph, in a domain of its own."""
    with free_domain() as domain:
        made = Graph(domain)
        yield made
        made.close()


def test_it_waits_for_the_command_that_bears_the_stamp(graph: Graph) -> None:
    def early(command: JointState) -> list[JointState]:
        old = JointState(name=command.name, position=command.position)  # stamp 0
        return [old, command]

    _, controller = walked(graph, early)
    stamps = [stamp_ns(state.header.stamp) for state in controller.states]
    assert stamps == list(range(0, len(stamps) * PERIOD, PERIOD))


def test_permuted_joint_names_are_put_in_order(graph: Graph, other: Graph) -> None:
    def permuted(command: JointState) -> None:
        order = np.random.default_rng(0).permutation(len(SPEC.joints))
        command.position = np.array(command.position)[order].tolist()
        command.name = [SPEC.joints[i] for i in order]

    (first, straight), (_, shuffled) = walked(graph), walked_elsewhere(graph, other, permuted)
    assert np.ptp(straight.positions(), axis=0).min() > 0.005
    np.testing.assert_array_equal(shuffled.positions(), straight.positions())
    assert not first.counts.get("joint_commands_faults")


def walked_elsewhere(graph: Graph, other: Graph, alter: Alter) -> tuple[SimNode, Controller]:
    """Another plant, after that of `graph` has gone."""
    for node in list(graph._nodes):
        graph.destroy(node)
    return walked(other, alter)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.name.pop(),
        lambda m: m.name.__setitem__(0, "FL_tail"),
        lambda m: m.position.pop(),
        lambda m: m.position.__setitem__(3, math.nan),
        lambda m: m.position.__setitem__(3, math.inf),
    ],
    ids=["name missing", "name unknown", "value missing", "NaN", "infinite"],
)
def test_a_senseless_command_is_ignored_and_a_good_one_of_that_tick_still_counts(
    graph: Graph, spoil: Callable[[JointState], Any]
) -> None:
    def bad_then_good(command: JointState) -> list[JointState]:
        bad = JointState(header=command.header, name=list(command.name))
        bad.position = list(command.position)
        spoil(bad)
        return [bad, command]

    node, controller = walked(graph, bad_then_good)
    faults = node.counts["joint_commands_faults"]
    assert faults >= 19
    assert np.ptp(controller.positions(), axis=0).min() > 0.005


def test_an_empty_command_switches_the_motors_off(graph: Graph) -> None:
    def off(command: JointState) -> None:
        command.position = []

    _, controller = walked(graph, off)
    graph.until(lambda: len(controller.odometry) > 200)
    assert controller.odometry[-1].pose.pose.position.z < 0.05  # it stood at 0.078
    assert np.abs(controller.states[-1].effort).max() < 0.2


REFUSED = JointState(name=["nobody"], position=[0.0])
"""Sent instead of an answer: heard, and no command."""


def test_in_real_time_silence_switches_the_motors_off(graph: Graph) -> None:
    controller = Controller(graph)
    controller.alter = lambda command: [command if len(controller.states) < 20 else REFUSED]
    node = make(graph, lockstep=False, realtime_factor=5.0, command_timeout=0.2)
    graph.until(lambda: controller.odometry and controller.odometry[-1].pose.pose.position.z < 0.05)
    assert node.counts["silence_faults"] >= 1
    assert node.statistics.missed > 10


def test_a_late_timer_misses_nothing_and_its_time_is_made_up_for(graph: Graph) -> None:
    """Ticks of 0.2 s; for 0.7 s nobody runs, after a tick has been answered."""
    Controller(graph)
    node = make(graph, lockstep=False, realtime_factor=0.05)
    graph.until(lambda: node.statistics.ticks > 2)
    began, ticks = monotonic(), node.statistics.ticks
    latency = node.statistics.latest_latency
    graph.until(lambda: node.statistics.latest_latency != latency)
    sleep(0.7)
    graph.until(lambda: monotonic() - began > 2.0)
    assert node.statistics.missed == 0
    assert node.statistics.ticks - ticks == pytest.approx(10, abs=2)


def test_a_late_answer_is_a_missed_tick(graph: Graph) -> None:
    """Ticks of 0.05 s; the third and the fifth are answered after two of them."""
    controller = Controller(graph)

    def late(command: JointState) -> list[JointState]:
        if len(controller.states) in (3, 5):
            sleep(0.1)
        return [command]

    controller.alter = late
    node = make(graph, lockstep=False, realtime_factor=0.2)
    graph.until(lambda: node.statistics.ticks > 8)
    assert node.statistics.missed >= 2


def test_a_silent_graph_hears_the_tick_again(graph: Graph) -> None:
    controller = Controller(graph)
    heard: list[int] = []

    def deaf_at_first(command: JointState) -> list[JointState]:
        heard.append(stamp_ns(command.header.stamp))
        return [command if len(heard) > 1 else REFUSED]

    controller.alter = deaf_at_first
    node = make(graph)
    graph.until(lambda: len(heard) > 5)
    assert heard[:3] == [0, 0, PERIOD]
    assert node.counts["ticks_repeated"] == 1


def test_it_ends_when_its_time_is_up_and_writes_its_figures(graph: Graph, tmp_path: Path) -> None:
    controller = Controller(graph)
    node = make(graph, stop_after=0.25, summary=str(tmp_path / "summary.json"))
    graph.until(lambda: node.done)
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert (figures["ticks"], figures["sim_seconds"]) == (25, 0.25)
    graph.until(lambda: len(controller.states) == 25)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"terrain": "moon"}, "moon"),
        ({"difficulty": 7.0}, "difficulty: 7.0"),
        ({"plant__rate_hz": 70.0}, "rate_hz: 70"),
        ({"plant__rate": 100.0}, "'rate': unknown key (did you mean rate_hz?)"),
        ({"plant__sensor_delay_ticks": 1.5}, "sensor_delay_ticks: 1.5"),
        ({"wait_for": ["joint_states"]}, "wait_for: 'joint_states'"),
        ({"robot": "nosuch"}, "nosuch"),
        ({"servo": "nosuch"}, "nosuch"),
        ({"terrain": "/nowhere.png"}, "/nowhere.png"),
    ],
    ids=str,
)
def test_a_senseless_parameter_is_refused_with_one_line(
    graph: Graph, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError) as caught:
        make(graph, **parameters)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()  # the half-made node's lock


def test_before_the_first_tick_a_step_says_what_it_waits_for(graph: Graph) -> None:
    make(graph)
    asking = graph.add(Node, "asking")
    assert "before the first tick" in graph.call(asking, SetBool, "sim/pause", data=True).message
    answer = graph.call(asking, StepSimulation, "sim/step", ticks=5)
    assert (answer.success, stamp_ns(answer.stamp)) == (False, 0)
    assert answer.message == "5 ticks before the first tick: the graph is not complete yet"


@pytest.mark.parametrize("going_on", [True, False])
def test_pause_and_going_on_cut_short_the_steps_asked_for(graph: Graph, going_on: bool) -> None:
    node, controller = walked(graph)
    asking = graph.add(Node, "asking")
    graph.call(asking, SetBool, "sim/pause", data=True)
    assert graph.call(asking, StepSimulation, "sim/step", ticks=100_000).success
    again = graph.call(asking, StepSimulation, "sim/step", ticks=1)
    assert not again.success and "asked for before are to come" in again.message
    assert graph.call(asking, SetBool, "sim/pause", data=not going_on).success
    seen = len(controller.states)
    assert node.diagnose()["state"] == ("running" if going_on else "paused")
    if going_on:
        graph.until(lambda: len(controller.states) > seen + 10)
    else:
        assert graph.call(asking, StepSimulation, "sim/step", ticks=2).success
        graph.until(lambda: len(controller.states) >= seen + 2)
        assert node.diagnose()["state"] == "paused"
