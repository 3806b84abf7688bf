"""Fixtures of the launch tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from tests.graph.harness import Processes, free_domain


@pytest.fixture
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes of the test's own, in a ROS domain of its own."""
    with free_domain() as number:
        made = Processes(tmp_path_factory.mktemp("run"), number)
        yield made
        made.close()
