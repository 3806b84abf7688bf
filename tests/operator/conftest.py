"""Fixtures of the operator's tests: a domain and a ROS context of one's own, and processes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_DOMAINS = itertools.count(40 + os.getpid() % 40)
PATIENCE = 60.0  # s; waits end long before, unless something is broken


def wait_until(condition: Callable[[], Any], step: Callable[[], None] | None = None) -> Any:
    """Return the first true value of `condition()`, running `step` in between; fail in the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        step() if step else time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain")


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], Any]], Any]:
    """Give tests `wait_until(condition)`."""
    return wait_until


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A ROS domain that no other test of this process uses, also for the child processes."""
    number = next(_DOMAINS) % 101
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return number


class Graph:
    """A ROS context of the test's own with an executor; nodes are destroyed at the end."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.experimental import EventsExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self._executor = EventsExecutor(context=self.context)
        self._nodes: list[Any] = []

    def add(self, make: Callable[..., Any], *args: Any, **parameters: Any) -> Any:
        """Make a node, `make(*args, context=..., parameter_overrides=...)`, and spin it."""
        from rclpy.parameter import Parameter

        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = make(*args, context=self.context, parameter_overrides=overrides)
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def spin(self) -> None:
        """Run what is due, for a moment."""
        self._executor.spin_once(timeout_sec=0.01)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Spin until `condition()` is true, and return its value."""
        return wait_until(condition, self.spin)

    def destroy(self, node: Any) -> None:
        """Take a node out."""
        self._nodes.remove(node)
        self._executor.remove_node(node)
        node.destroy_node()

    def close(self) -> None:
        """Destroy everything."""
        for node in list(self._nodes):
            self.destroy(node)
        self._executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture
def graph(domain: int) -> Iterator[Graph]:
    """A ROS graph of the test's own."""
    pytest.importorskip("rclpy")
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
