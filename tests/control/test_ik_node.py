"""The inverse kinematics' node: foot targets plus residual in, joint targets out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from stride_control.ik_node import IkNode
from stride_core.arrays import FloatArray
from tests.control.surroundings import PERIOD, SPEC, Surroundings
from tests.graph.harness import Graph

from stride_msgs.msg import FootTargets, Residual

FOREVER = 60.0
"""A deadline [s] that no test reaches."""


class Legs:
    """An ik node and what is around it."""

    def __init__(self, graph: Graph, **parameters: Any) -> None:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node: IkNode = graph.add(IkNode, parameter_overrides=overrides)
        self.around = Surroundings(
            graph, {"foot_targets": FootTargets, "residual": Residual}, ("joint_targets",)
        )
        self.around.connected()
        self.lines: list[str] = []
        self.node.get_logger().warning = self.lines.append

    def aim(self, tick: int, feet: Any = SPEC.stance, legs: Any = SPEC.legs) -> None:
        """Publish foot targets (legs, 3)."""
        position = np.ravel(feet).tolist()
        self.around.say("foot_targets", FootTargets(legs=list(legs), position=position), tick)

    def offer(self, tick: int, offset: Any, legs: Any = SPEC.legs) -> None:
        """Publish a residual (legs, 3)."""
        message = Residual(legs=list(legs), offset=np.ravel(offset).tolist())
        self.around.say("residual", message, tick)

    def feet(self, tick: int) -> FloatArray:
        """Where the joint targets of a tick put the feet, by forward kinematics."""
        message = self.around.answer("joint_targets", tick)
        assert tuple(message.name) == SPEC.joints
        feet: FloatArray = SPEC.kinematics.forward(SPEC.legs_of(np.array(message.position)))
        return feet

    def has_residual_of(self, tick: int) -> bool:
        """Whether the node has heard the residual of a tick."""
        return self.node._residual_ns == tick * PERIOD

    def until(self, condition: Callable[[], Any]) -> None:
        self.around.graph.until(condition)


@pytest.fixture
def legs(graph: Graph) -> Legs:
    """No residual is expected."""
    return Legs(graph)


@pytest.fixture
def expecting(graph: Graph) -> Legs:
    """A tick waits for its residual."""
    return Legs(graph, expect_residual=True, residual_deadline=FOREVER)


def shifted(legs: Legs, tick: int, offset: FloatArray) -> FloatArray:
    """The feet of a tick with a residual."""
    legs.aim(tick)
    legs.offer(tick, offset)
    return legs.feet(tick)


SMALL = np.array([[0.01, 0.0, 0.005], [0.0, -0.01, 0.0], [-0.01, 0.005, 0.01], [0.0, 0.0, 0.0]])


def test_joint_targets_put_the_feet_on_their_targets(legs: Legs) -> None:
    legs.aim(1, SPEC.stance + SMALL)
    np.testing.assert_allclose(legs.feet(1), SPEC.stance + SMALL, atol=1e-9)


def test_legs_in_another_order_are_put_in_ours(legs: Legs) -> None:
    order = [2, 0, 3, 1]
    legs.aim(1, (SPEC.stance + SMALL)[order], [SPEC.legs[i] for i in order])
    np.testing.assert_allclose(legs.feet(1), SPEC.stance + SMALL, atol=1e-9)


@pytest.mark.parametrize(
    ("feet", "names", "words"),
    [
        (SPEC.stance[:3], SPEC.legs[:3], ("legs", "expected each of", "'RR'")),
        (SPEC.stance, ("FL", "FR", "RL", "tail"), ("'tail'", "'RR'")),
        (SPEC.stance[:, :2], SPEC.legs, ("foot_targets.position", "8 values", "expected 12")),
    ],
)
def test_feet_that_are_not_ours_are_refused_once_and_the_next_good_ones_count(
    legs: Legs, feet: Any, names: Any, words: tuple[str, ...]
) -> None:
    for tick in (1, 2, 3):
        legs.aim(tick, feet, names)
    legs.aim(4)
    np.testing.assert_allclose(legs.feet(4), SPEC.stance, atol=1e-9)
    assert len(legs.around.heard["joint_targets"]) == 1
    (line,) = legs.lines
    assert all(word in line for word in words), line
    assert legs.node.counts["foot_targets_faults"] == 3


def test_a_foot_out_of_reach_becomes_the_nearest_point_and_is_said_once(legs: Legs) -> None:
    far = np.array(SPEC.stance)
    far[:, 2] = -0.2
    for tick in (1, 2):
        legs.aim(tick, far)
        feet = legs.feet(tick)
    assert np.isfinite(feet).all()
    assert (np.linalg.norm(feet, axis=-1) < 0.15).all()
    (line,) = legs.lines
    # straight down the two arms reach 0.010 + sqrt(0.105² - 0.010²) = 0.1145 m, less a margin
    short = re.search(r"foot target ([\d.]+) mm out of reach", line)
    assert short is not None and 85.5 <= float(short[1]) < 87.0
    assert legs.node.counts["unreachable"] == 2


@pytest.mark.parametrize("first", ["feet", "residual"])
def test_a_residual_shifts_the_feet_by_itself(expecting: Legs, first: str) -> None:
    if first == "residual":
        expecting.offer(1, SMALL)
        expecting.until(lambda: expecting.has_residual_of(1))  # it has come before its tick
        expecting.aim(1)
    else:
        expecting.aim(1)
        expecting.offer(1, SMALL)
    np.testing.assert_allclose(expecting.feet(1), SPEC.stance + SMALL, atol=1e-9)
    assert not expecting.lines


def test_a_residual_is_clipped_along_each_axis(graph: Graph) -> None:
    legs = Legs(graph, expect_residual=True, residual_deadline=FOREVER, residual_limit=0.004)
    expected = SPEC.stance + np.array(
        [[0.004, 0.0, 0.004], [0.0, -0.004, 0.0], [-0.004, 0.004, 0.004], [0.0, 0.0, 0.0]]
    )
    np.testing.assert_allclose(shifted(legs, 1, SMALL), expected, atol=1e-9)


def test_a_residual_in_another_order_is_put_in_ours(expecting: Legs) -> None:
    order = [3, 1, 0, 2]
    expecting.aim(1)
    expecting.offer(1, SMALL[order], [SPEC.legs[i] for i in order])
    np.testing.assert_allclose(expecting.feet(1), SPEC.stance + SMALL, atol=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_leg_whose_residual_is_not_finite_walks_the_nominal_gait(
    expecting: Legs, bad: float
) -> None:
    offset = np.array(SMALL)
    offset[0, 1] = bad
    expected = SPEC.stance + SMALL
    expected[0] = SPEC.stance[0]
    np.testing.assert_allclose(shifted(expecting, 1, offset), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("offset", "names", "words"),
    [
        (SMALL[:3], SPEC.legs[:3], ("legs", "'RR'", "nominal gait")),
        (SMALL, ("a", "b", "c", "d"), ("'a'", "nominal gait")),
        (SMALL[:, :1], SPEC.legs, ("residual.offset", "4 values", "expected 12")),
    ],
)
def test_a_residual_of_other_legs_is_refused_once_and_the_nominal_gait_goes_on(
    expecting: Legs, offset: Any, names: Any, words: tuple[str, ...]
) -> None:
    for tick in (1, 2):
        expecting.aim(tick)
        expecting.offer(tick, offset, names)
        np.testing.assert_allclose(expecting.feet(tick), SPEC.stance, atol=1e-9)
    (line,) = expecting.lines
    assert all(word in line for word in words), line


def test_a_late_residual_costs_one_tick(graph: Graph) -> None:
    legs = Legs(graph, expect_residual=True, residual_deadline=0.004)
    legs.aim(1)
    np.testing.assert_allclose(legs.feet(1), SPEC.stance, atol=1e-9)  # nobody answered
    assert legs.node.counts["residual_late"] == 1
    legs.offer(1, SMALL)  # too late: neither this tick nor the next has it
    legs.aim(2)
    np.testing.assert_allclose(legs.feet(2), SPEC.stance, atol=1e-9)
    assert legs.node.counts["residual_late"] == 2
    legs.offer(3, SMALL)
    legs.until(lambda: legs.has_residual_of(3))
    legs.aim(3)
    np.testing.assert_allclose(legs.feet(3), SPEC.stance + SMALL, atol=1e-9)
    stamps = [message.header.stamp.nanosec for message in legs.around.heard["joint_targets"]]
    assert stamps == [10_000_000, 20_000_000, 30_000_000]


def test_the_deadline_goes_by_the_wall_while_the_simulated_clock_waits(graph: Graph) -> None:
    legs = Legs(graph, expect_residual=True, residual_deadline=0.004, use_sim_time=True)
    legs.aim(1)  # and no /clock ever
    np.testing.assert_allclose(legs.feet(1), SPEC.stance, atol=1e-9)


def test_the_next_tick_does_not_wait_for_the_last_ones_residual(expecting: Legs) -> None:
    expecting.aim(1)
    expecting.aim(2)
    np.testing.assert_allclose(expecting.feet(1), SPEC.stance, atol=1e-9)
    assert expecting.node.counts["residual_late"] == 1
    expecting.offer(2, SMALL)
    np.testing.assert_allclose(expecting.feet(2), SPEC.stance + SMALL, atol=1e-9)


def test_residuals_are_waited_for_from_the_first_to_the_last(graph: Graph) -> None:
    legs = Legs(graph, residual_deadline=FOREVER)
    legs.aim(1)
    np.testing.assert_allclose(legs.feet(1), SPEC.stance, atol=1e-9)
    assert legs.node.counts["residual_late"] == 0  # there is no policy
    legs.offer(1, SMALL)
    legs.until(lambda: legs.has_residual_of(1))
    legs.aim(2)
    legs.until(lambda: legs.node._waiting)
    legs.offer(2, SMALL)
    np.testing.assert_allclose(legs.feet(2), SPEC.stance + SMALL, atol=1e-9)
    legs.aim(3)
    legs.until(lambda: legs.node._waiting)
    legs.offer(3, [], [])
    np.testing.assert_allclose(legs.feet(3), SPEC.stance, atol=1e-9)
    legs.aim(4)
    np.testing.assert_allclose(legs.feet(4), SPEC.stance, atol=1e-9)
    assert legs.node.counts["residual_late"] == 0


def test_a_policy_that_is_gone_holds_up_one_tick_and_is_waited_for_when_it_is_back(
    graph: Graph,
) -> None:
    legs = Legs(graph, expect_residual=True, residual_deadline=0.05)
    legs.aim(1)
    legs.feet(1)  # by the deadline: from here on nobody waits
    legs.node._deadline.reset = lambda: pytest.fail("a tick waits for a policy that is gone")
    for tick in (2, 3):
        legs.aim(tick)
        np.testing.assert_allclose(legs.feet(tick), SPEC.stance, atol=1e-9)
    assert legs.node.counts["residual_late"] == 3
    legs.offer(3, SMALL)  # late, but of the present tick: it is back
    legs.until(lambda: legs.has_residual_of(3))
    del legs.node._deadline.reset
    legs.aim(4)
    legs.offer(4, SMALL)
    np.testing.assert_allclose(legs.feet(4), SPEC.stance + SMALL, atol=1e-9)


def test_a_residual_of_a_tick_that_is_over_does_not_call_for_patience(graph: Graph) -> None:
    legs = Legs(graph, expect_residual=True, residual_deadline=0.05)
    for tick in (1, 2):
        legs.aim(tick)
        legs.feet(tick)
    legs.offer(1, SMALL)
    legs.until(lambda: legs.has_residual_of(1))
    legs.node._deadline.reset = lambda: pytest.fail("a tick waits for a policy that is late")
    legs.aim(3)
    np.testing.assert_allclose(legs.feet(3), SPEC.stance, atol=1e-9)


def test_a_repeated_tick_goes_on_waiting(expecting: Legs) -> None:
    for _ in range(3):
        expecting.aim(1)
    expecting.offer(1, SMALL)
    np.testing.assert_allclose(expecting.feet(1), SPEC.stance + SMALL, atol=1e-9)
    assert expecting.node.counts["residual_late"] == 0


def test_the_residual_is_switched_on_and_off_while_running(legs: Legs) -> None:
    for tick, on in enumerate((True, False, True), 1):
        limit = 0.02 if on else 0.0
        (answer,) = legs.node.set_parameters([Parameter("residual_limit", value=limit)])
        assert answer.successful
        legs.offer(tick, SMALL)
        legs.until(lambda: legs.has_residual_of(tick))  # noqa: B023  (called at once)
        legs.aim(tick)
        expected = SPEC.stance + (SMALL if on else 0.0)
        np.testing.assert_allclose(legs.feet(tick), expected, atol=1e-9)
