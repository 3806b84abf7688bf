"""Fixtures of the operator's tests: a domain and a ROS context of one's own, and processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from tests.graph import harness


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], Any]], Any]:
    """Give tests `wait_until(condition)`."""
    return harness.wait_until


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of the test's own, also for its child processes."""
    with harness.free_domain() as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number


class Graph(harness.Graph):
    """A ROS context of the test's own, whose nodes are made with parameters."""

    def add(self, make: Callable[..., Any], *args: Any, **parameters: Any) -> Any:
        """Make a node, `make(*args, context=..., parameter_overrides=...)`, and spin it."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return super().add(make, *args, parameter_overrides=overrides)


@pytest.fixture
def graph(domain: int) -> Iterator[Graph]:
    """A ROS graph of the test's own."""
    made = Graph(domain)
    yield made
    made.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start child processes, which are ended by id whatever happens."""
    running: list[subprocess.Popen[str]] = []

    def start_process(*command: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen(command, **options)
        running.append(process)
        return process

    yield start_process
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def start_python(start: Callable[..., Any]) -> Callable[..., Any]:
    """Start a child that runs Python source text, with arguments."""
    return lambda source, *args, **options: start(sys.executable, "-c", source, *args, **options)
