"""Fixtures of the nodes' tests: a ROS context of one's own in a free domain, and their YAML."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from stride_bringup.options import config_file
from tests.graph.harness import Graph, free_domain


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    """A ROS context with an executor, in a domain of the test's own."""
    with free_domain() as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        made = Graph(number)
        yield made
        made.close()


@pytest.fixture(scope="session")
def yaml() -> list[str]:
    """ROS arguments with the robot's parameters."""
    return ["--ros-args", "--params-file", str(config_file("fivebar"))]
