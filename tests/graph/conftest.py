"""Fixtures: a domain, processes and a ROS context for a test, or for a whole module."""

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
        yield number


@pytest.fixture
def processes(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes of the test's own."""
    made = Processes(tmp_path_factory.mktemp("run"), domain)
    yield made
    made.close()


@pytest.fixture
def graph(domain: int) -> Iterator[Graph]:
    """A ROS context of the test's own."""
    made = Graph(domain)
    yield made
    made.close()
