"""A remapping that matches nothing is a typing error; ROS ignores it, we say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node


def unused_remappings(nodes: Iterable[Node], arguments: Sequence[str]) -> list[str]:
    """Rules whose result is among no node's endpoints, one line each.

    It is for the user to judge: a launch file may give one rule to all processes.

    Args:
        nodes: already made.
        arguments: of the process, ``… --ros-args -r from:=to …``.
    """
    unused = []
    nodes = list(nodes)
    own = {name for node in nodes for name in _endpoints(node)}
    for rule in _rules(arguments):
        source, _, target = rule.partition(":=")
        if source.rpartition(":")[2].startswith("__"):
            continue
        results = {
            expand_topic_name(target, node.get_name(), node.get_namespace()) for node in nodes
        }
        if not results & own:
            unused.append(
                f"remap: {rule!r}: nothing of that name; there is {', '.join(sorted(own))}"
            )
    return unused


def _rules(arguments: Sequence[str]) -> list[str]:
    flags = ("-r", "--remap")
    return [rule for flag, rule in pairwise(arguments) if flag in flags]


def _endpoints(node: Node) -> Iterable[str]:
    yield from (publisher.topic_name for publisher in node.publishers)
    yield from (subscription.topic_name for subscription in node.subscriptions)
    yield from (service.service_name for service in node.services)
