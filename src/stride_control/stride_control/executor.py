"""One way to spin, one way to stop.

``EventsExecutor`` is about ten times faster a hop than the default executor. Its ``spin()`` does
not return on SIGTERM in Jazzy's rclpy 7.1, so the loop over ``spin_once`` stands here, once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

_WAKE_S = 0.2
"""How often the loop looks whether it should stop when no event comes."""


class StopFlag:
    """Remembers the first SIGINT or SIGTERM; the loop ends after the callback in progress."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def install(self) -> None:
        """Take over both signals from Python and rclpy."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self.signum = signum


def spin(nodes: Sequence[Node], stop: StopFlag | None = None) -> None:
    """Run callbacks until a node is ``done``, a signal or a shutdown of the context."""
    executor = EventsExecutor()
    for node in nodes:
        executor.add_node(node)
    try:
        while rclpy.ok() and not (stop and stop.signum):
            if any(getattr(node, "done", False) for node in nodes):
                break
            executor.spin_once(timeout_sec=_WAKE_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown()


def run(make_nodes: Callable[[], Sequence[Node]], args: Sequence[str] | None = None) -> int:
    """``main`` of every executable: initialise, make the nodes, spin, destroy.

    A ``ValueError`` or ``OSError`` while the nodes are made is the user's to mend: it is printed as
    one line and the exit status is 2.
    """
    stop = StopFlag()
    stop.install()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    nodes: Sequence[Node] = ()
    try:
        nodes = make_nodes()
        spin(nodes, stop=stop)
        return 0
    except (ValueError, OSError) as error:
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {error}", file=sys.stderr)
        return 2
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
