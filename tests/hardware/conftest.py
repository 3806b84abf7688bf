"""Fixtures of the motors' tests: a ROS context in a domain of one's own, and processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from tests.graph.harness import Graph, Processes, free_domain


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of the test's own."""
    with free_domain() as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number


@pytest.fixture
def graph(domain: int) -> Iterator[Graph]:
    """A ROS context of the test's own."""
    made = Graph(domain)
    yield made
    made.close()


@pytest.fixture
def processes(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes of the test's own."""
    made = Processes(tmp_path_factory.mktemp("run"), domain)
    yield made
    made.close()
