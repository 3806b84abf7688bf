"""Fixtures of the nodes' tests: a ROS context of one's own in a free domain, and their YAML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from stride_bringup.options import config_file
from tests.control.policy_robot import Robot
from tests.graph.harness import Graph, free_domain
from tests.policy.models import write_policy


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Policies a and b."""
    for seed, name in enumerate("ab"):
        write_policy(tmp_path / name / "policy.onnx", seed=seed)
    return tmp_path


@pytest.fixture
def robot(graph: Graph, folder: Path) -> Robot:
    """Policy a is in charge."""
    return Robot(graph, folder, policy="a")
