"""ROS parameters declared from a dataclass: one schema for YAML, nodes and training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
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
    return config


def on_change(
    node: Node, cls: type[T], current: Callable[[], T], apply: Callable[[T], None]
) -> None:
    """Check every later change against the same schema before ``apply`` sees it."""
    infos = {info.name: info for info in fields_of(cls)}

    def changed(parameters: Sequence[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in parameters if p.name in infos}
        fixed = [name for name in ours if not infos[name].metadata.get("dynamic")]
        if fixed:
            return SetParametersResult(
                successful=False, reason=f"{fixed[0]}: fixed while running; set it at the start"
            )
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
