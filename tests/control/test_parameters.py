"""ROS parameters from a dataclass: checked as a whole at the start, and before every change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("rclpy")

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from stride_control.parameters import declare, on_change
from stride_core.config import param
from tests.graph.harness import Graph


@dataclass(frozen=True)
class Inner:
    gain: float = param(0.5, doc="of the loop", unit="m/s", min=0.0, max=2.0, dynamic=True)
    count: int = param(3, min=1, max=9, dynamic=True)


@dataclass(frozen=True)
class Config:
    name: str = param(doc="required")
    inner: Inner = field(default_factory=Inner)
    vector: tuple[float, float] = param((1.0, 2.0), unit="m")
    on: bool = param(False, dynamic=True)
    maybe: float | None = param(None)

    def __post_init__(self) -> None:
        if self.on and self.inner.gain == 0.0:
            raise ValueError("inner.gain: 0: expected more while on")


Make = Callable[..., Node]


@pytest.fixture
def make(graph: Graph) -> Make:
    """Make a node with parameters given as `-p` or YAML would."""

    def made(**given: Any) -> Node:
        overrides = [Parameter(n.replace("__", "."), value=v) for n, v in given.items()]
        return graph.add(Node, "toy", parameter_overrides=overrides)

    return made


def change(node: Node, **values: Any) -> SetParametersResult:
    parameters = [Parameter(n.replace("__", "."), value=v) for n, v in values.items()]
    return node.set_parameters_atomically(parameters)


def test_defaults_and_given_values_make_the_configuration(make: Make) -> None:
    node = make(name="x", inner__gain=1.5, vector=[3.0, 4.0])
    config = declare(node, Config)
    assert config == Config("x", Inner(1.5, 3), (3.0, 4.0))
    assert node.get_parameter("inner.gain").value == 1.5
    assert list(node.get_parameter("vector").value) == [3.0, 4.0]
    assert node.get_parameter("inner.count").value == 3
    assert node.get_parameter("maybe").value is None


def test_a_whole_number_is_welcome_where_a_number_is_expected(make: Make) -> None:
    config = declare(make(name="x", inner__gain=1, vector=[3, 4]), Config)
    assert (config.inner.gain, config.vector) == (1.0, (3.0, 4.0))


def test_ros_own_parameters_are_no_unknown_keys(make: Make) -> None:
    assert declare(make(name="x", use_sim_time=False), Config).name == "x"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ("toy", "name", "missing")),
        ({"name": "x", "nome": "y"}, ("toy", "'nome'", "unknown key", "name?")),
        ({"name": "x", "inner__gian": 1.0}, ("inner", "'gian'", "gain?")),
        ({"name": 3}, ("name", "3", "text")),
        ({"name": "x", "inner__gain": "fast"}, ("gain", "'fast'", "[m/s] from 0 to 2")),
        ({"name": "x", "inner__gain": 2.5}, ("gain", "2.5", "from 0 to 2")),
        ({"name": "x", "inner__gain": math.nan}, ("gain", "nan", "finite")),
        ({"name": "x", "inner__count": 1.5}, ("count", "1.5", "whole")),
        ({"name": "x", "vector": [1.0]}, ("vector", "2 values")),
        ({"name": "x", "on": 1}, ("on", "true or false")),
        ({"name": "x", "on": True, "inner__gain": 0.0}, ("inner.gain: 0", "while on")),
        ({"name": "x", "inner": 1.0}, ("inner", "mapping")),
        ({"name": "x", "inner": 1.0, "inner__gain": 1.0}, ("inner", "section")),
    ],
    ids=str,
)
def test_what_is_wrong_at_the_start_is_refused_in_one_line(
    make: Make, given: dict[str, Any], words: tuple[str, ...]
) -> None:
    node = make(**given)
    with pytest.raises(ValueError) as caught:
        declare(node, Config)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_descriptors_say_unit_range_and_what_is_fixed(make: Make) -> None:
    node = make(name="x")
    declare(node, Config)
    gain = node.describe_parameter("inner.gain")
    assert gain.description == "of the loop [m/s]"
    (span,) = gain.floating_point_range
    assert (span.from_value, span.to_value, gain.read_only) == (0.0, 2.0, False)
    (whole,) = node.describe_parameter("inner.count").integer_range
    assert (whole.from_value, whole.to_value) == (1, 9)
    assert node.describe_parameter("vector").read_only


@pytest.fixture
def changing(make: Make) -> tuple[Node, list[Config]]:
    """A node that accepts changes, and the configurations it took over."""
    node = make(name="x")
    declare(node, Config)
    taken: list[Config] = []
    on_change(node, Config, taken.append)
    return node, taken


def test_a_dynamic_change_is_applied_whole(changing: tuple[Node, list[Config]]) -> None:
    node, taken = changing
    assert change(node, inner__gain=0.75).successful
    assert taken[-1] == Config("x", Inner(0.75, 3))
    assert change(node, inner__count=4, on=True).successful
    assert taken[-1] == Config("x", Inner(0.75, 4), on=True)
    assert node.get_parameter("inner.gain").value == 0.75


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"inner__gain": 9.0}, ("inner.gain", "9")),
        ({"inner__gain": "fast"}, ("gain", "fast")),
        ({"inner__gain": math.nan}, ("gain", "nan")),
        ({"inner__count": 1.5}, ("count", "1.5")),
        ({"on": True, "inner__gain": 0.0}, ("inner.gain: 0", "while on")),
    ],
    ids=str,
)
def test_a_wrong_change_is_refused_and_nothing_is_taken_over(
    changing: tuple[Node, list[Config]], values: dict[str, Any], words: tuple[str, ...]
) -> None:
    node, taken = changing
    result = change(node, **values)
    assert not result.successful
    assert all(word in result.reason for word in words), result.reason
    assert not taken
    assert node.get_parameter("inner.gain").value == 0.5
    assert node.get_parameter("on").value is False


@pytest.mark.parametrize("values", [{"vector": [5.0, 6.0]}, {"name": "y", "on": True}], ids=str)
def test_what_is_fixed_cannot_be_changed(
    changing: tuple[Node, list[Config]], values: dict[str, Any]
) -> None:
    node, taken = changing
    result = change(node, **values)
    assert not result.successful
    assert next(iter(values)) in result.reason
    assert not taken


def test_what_the_node_does_not_have_is_named_to_whoever_sets_it(graph: Graph, make: Make) -> None:
    node = make(name="x")
    declare(node, Config)
    asking = graph.add(Node, "asking")
    wanted = [Parameter(n, value=1.0).to_parameter_msg() for n in ("inner.gian", "nonsense")]
    answer = graph.call(asking, SetParameters, "toy/set_parameters", parameters=wanted)
    assert [result.reason for result in answer.results] == [
        "inner.gian: unknown parameter (did you mean inner.gain?)",
        "nonsense: unknown parameter",
    ]
    assert not any(result.successful for result in answer.results)


def test_what_the_node_refuses_is_refused_with_its_reason(make: Make) -> None:
    node = make(name="x")
    declare(node, Config)

    def apply(_: Config) -> None:
        raise ValueError("gait: no room for that")

    on_change(node, Config, apply)
    result = change(node, inner__gain=1.0)
    assert (result.successful, result.reason) == (False, "gait: no room for that")
    assert node.get_parameter("inner.gain").value == 0.5
