"""One way to spin and one way to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.node import Node
from stride_control.executor import StopFlag, run, spin
from tests.graph.harness import free_domain


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put the signals' handlers back."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, handlers: None) -> Iterator[None]:
    """The process's own ROS context, as an executable has it."""
    with free_domain() as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        yield
        rclpy.try_shutdown()


class Ticking(Node):
    """Ends, or does something else, at its third tick."""

    def __init__(self, at_third: Any = None) -> None:
        super().__init__("ticking")
        self.done, self.ticks, self._at_third = False, 0, at_third
        self.create_timer(0.001, self._tick)

    def _tick(self) -> None:
        self.ticks += 1
        if self.ticks == 3:
            if self._at_third is None:
                self.done = True
            else:
                self._at_third()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_flag_remembers_the_signal_and_nothing_is_raised(
    handlers: None, signum: signal.Signals
) -> None:
    stop = StopFlag()
    assert stop.signum is None
    stop.install()
    os.kill(os.getpid(), signum)
    assert stop.signum == signum


def test_spin_returns_when_a_node_is_done(context: None) -> None:
    rclpy.init()
    node = Ticking()
    spin([node])
    assert node.ticks == 3
    node.destroy_node()


def test_spin_returns_at_a_signal_after_the_callback(context: None) -> None:
    rclpy.init()
    stop = StopFlag()
    stop.install()
    node = Ticking(lambda: os.kill(os.getpid(), signal.SIGTERM))
    spin([node], stop)
    assert (stop.signum, node.ticks) == (signal.SIGTERM, 3)
    node.destroy_node()


def test_spin_returns_when_the_context_is_shut_down(context: None) -> None:
    rclpy.init()
    node = Ticking(rclpy.shutdown)
    spin([node])
    assert node.ticks == 3


def test_spin_with_a_signal_that_came_before_runs_nothing(context: None) -> None:
    rclpy.init()
    stop = StopFlag()
    stop.signum = signal.SIGINT
    node = Ticking()
    spin([node], stop)
    assert node.ticks == 0
    node.destroy_node()


def test_run_makes_spins_and_destroys(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["toy"])
    made: list[Ticking] = []
    destroyed: list[str] = []

    class Told(Ticking):
        def destroy_node(self) -> None:
            destroyed.append(self.get_name())
            super().destroy_node()

    def make() -> list[Ticking]:
        made.append(Told())
        return made

    assert run(make) == 0
    assert made[0].ticks == 3
    assert destroyed == ["ticking"]
    assert not rclpy.ok()


@pytest.mark.parametrize("error", [ValueError("gait: speed: 9: too fast"), OSError("disk full")])
def test_run_says_one_line_and_2_when_a_node_cannot_be_made(
    context: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    monkeypatch.setattr("sys.argv", ["toy"])

    def make() -> list[Node]:
        raise error

    assert run(make) == 2
    assert capfd.readouterr().err == f"stride: {error}\n"
    assert not rclpy.ok()


def test_run_refuses_ros_arguments_that_cannot_be_read(
    context: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["toy", "--ros-args", "-r", "a:=b c"])
    assert run(list) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("stride:")]
    assert len(lines) == 1 and "a:=b c" in lines[0]
    monkeypatch.setattr("sys.argv", ["toy", "--ros-args", "--nonsense"])
    assert run(list) == 2
    assert "--nonsense" in capfd.readouterr().err


def test_run_lets_a_programming_error_through(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["toy"])

    def make() -> list[Node]:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        run(make)
    assert not rclpy.ok()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_that_still_waits_for_what_it_needs(
    context: None, signum: signal.Signals
) -> None:
    def waiting() -> list[Node]:
        os.kill(os.getpid(), signum)
        threading.Event().wait(600.0)
        raise AssertionError("nobody ended the wait")

    assert run(waiting) == 0
    assert not rclpy.ok()
