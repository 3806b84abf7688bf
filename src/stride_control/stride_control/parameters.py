"""ROS parameters declared from a dataclass: one schema for YAML, nodes and training."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.node import Node
from rclpy.parameter import Parameter
from stride_core.config import FieldInfo, fields_of, flatten, from_mapping, unflatten

T = TypeVar("T")

_ROS_OWN = ("use_sim_time", "qos_overrides.", "start_type_description_service")


def declare(node: Node, cls: type[T]) -> T:
    """Declare every field of ``cls`` on the node and return the validated configuration.

    What was given is checked as a whole first: ROS itself ignores a parameter that nobody declares,
    and a mistyped key must not be lost that way.

    Raises:
        ConfigError: a parameter is unknown, missing, of a wrong type or out of range; one line.
    """
    overrides = node._parameter_overrides
    given = {n: p.value for n, p in overrides.items() if not n.startswith(_ROS_OWN)}
    config = from_mapping(cls, unflatten(given), node.get_name())
    flat = flatten(config)
    for info in fields_of(cls):
        node.declare_parameter(info.name, _ros_value(flat[info.name]), _descriptor(info))
    node.add_pre_set_parameters_callback(lambda parameters: _known(node, parameters))
    return config


class UnknownParameterError(ParameterNotDeclaredException):
    """Somebody sets what the node does not have; ROS's own words for it leave out its name."""

    def __init__(self, node: Node, name: str) -> None:
        super().__init__([name])
        near = difflib.get_close_matches(name, node.get_parameters_by_prefix(""), 1)
        self._line = f"{name}: unknown parameter" + (f" (did you mean {near[0]}?)" if near else "")

    def __str__(self) -> str:
        return self._line


def _known(node: Node, parameters: list[Parameter]) -> list[Parameter]:
    for parameter in parameters:
        if not node.has_parameter(parameter.name):
            raise UnknownParameterError(node, parameter.name)
    return parameters


def on_change(node: Node, cls: type[T], apply: Callable[[T], None]) -> None:
    """Check every later change against the same schema before ``apply`` sees it.

    What may not change is ROS's to refuse: it was declared read-only.
    """
    infos = {info.name: info for info in fields_of(cls)}

    def changed(parameters: Sequence[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in parameters if p.name in infos}
        if not ours:
            return SetParametersResult(successful=True)
        values = {name: node.get_parameter(name).value for name in infos} | ours
        try:
            apply(from_mapping(cls, unflatten(values), node.get_name()))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(changed)


def _ros_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _descriptor(info: FieldInfo) -> ParameterDescriptor:
    """Types are left dynamic: ``1`` for ``1.0`` is welcome, and our own check gives one line."""
    meta = info.metadata
    unit = f" [{meta['unit']}]" if "unit" in meta else ""
    descriptor = ParameterDescriptor(
        description=f"{meta.get('doc', '')}{unit}",
        dynamic_typing=True,
        read_only=not meta.get("dynamic", False),
    )
    if "min" in meta and "max" in meta and info.type in (int, float):
        limits = IntegerRange if info.type is int else FloatingPointRange
        span = limits(from_value=info.type(meta["min"]), to_value=info.type(meta["max"]))
        name = "integer_range" if info.type is int else "floating_point_range"
        setattr(descriptor, name, [span])
    return descriptor
