"""The space bar of a terminal is an emergency stop."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from rclpy.node import Node
from std_msgs.msg import Bool
from tests.graph.harness import Graph, free_domain

CODE = """
import time
from stride_bringup.stop_key import StopKey
with StopKey("/dog") as key:
    while True:
        key.poll()
        time.sleep(0.01)
"""


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    with free_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        made = Graph(domain)
        yield made
        made.close()


def at_a_terminal() -> None:
    """For the child: its input is the terminal that it belongs to, whose Ctrl-C ends it."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a suite in the background ignores it
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_the_space_bar_says_estop_and_other_keys_say_nothing(graph: Graph) -> None:
    hands, terminal = os.openpty()
    usual = termios.tcgetattr(terminal)
    node = graph.add(Node, "ears")
    heard: list[bool] = []
    node.create_subscription(Bool, "/dog/estop", lambda message: heard.append(message.data), 10)
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=terminal, preexec_fn=at_a_terminal
    ) as run:
        try:
            graph.until(lambda: node.count_publishers("/dog/estop"))
            graph.until(lambda: termios.tcgetattr(terminal) != usual)
            os.write(hands, b"xq\n")
            for _ in range(20):
                graph.spin()
            assert not heard
            os.write(hands, b" ")
            graph.until(lambda: heard and all(heard))
        finally:
            os.write(hands, b"\x03")  # Ctrl-C
            run.wait(20)
    assert termios.tcgetattr(terminal) == usual
    os.close(hands)
    os.close(terminal)


def test_a_hit_before_anybody_listens_is_not_lost(graph: Graph) -> None:
    hands, terminal = os.openpty()
    usual = termios.tcgetattr(terminal)
    node = graph.add(Node, "ears")
    heard: list[bool] = []
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=terminal, preexec_fn=at_a_terminal
    ) as run:
        try:
            graph.until(lambda: termios.tcgetattr(terminal) != usual)
            os.write(hands, b" ")
            graph.until(lambda: not select.select([terminal], [], [], 0.0)[0])
            for _ in range(20):
                graph.spin()
            node.create_subscription(Bool, "/dog/estop", lambda m: heard.append(m.data), 10)
            graph.until(lambda: heard)
        finally:
            os.write(hands, b"\x03")
            run.wait(20)
    os.close(hands)
    os.close(terminal)


def test_without_a_terminal_there_is_no_key() -> None:
    code = CODE.replace("while True", "for _ in range(3)")
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, check=True)
    assert done.returncode == 0
