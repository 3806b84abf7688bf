"""One way to spin, one way to stop.

``EventsExecutor`` is about ten times faster a hop than the default executor. Its ``spin()`` does
not return on SIGTERM in Jazzy's rclpy 7.1, so the loop over ``spin_once`` stands here, once.
"""

from __future__ import annotations

import gc
import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from stride_core.arguments import USAGE_ERROR

from stride_control import mistakes
from stride_control.realtime import claim
from stride_control.remapping import unused_remappings

_WAKE_S = 0.2
"""How often the loop looks whether it should stop when no event comes."""

_SWITCH_S = 1e-4
"""A thread that loads a policy, or serves a bus, gives the interpreter up after so long. Python's
own 5 ms are half a tick."""


class StopFlag:
    """Remembers the first SIGINT or SIGTERM; the loop ends after the callback in progress.

    Attributes:
        signum: of the signal.
        at_once: whether it interrupts what is under way instead, as ``KeyboardInterrupt``.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.at_once = False

    def install(self) -> None:
        """Take over both signals from Python and rclpy."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self.signum = signum
        if self.at_once:
            raise KeyboardInterrupt


def spin(nodes: Sequence[Node], stop: StopFlag | None = None) -> None:
    """Run callbacks until a node says it is ``done``, a signal comes or the context shuts down."""
    executor = EventsExecutor()
    for node in nodes:
        executor.add_node(node)
    # What was made so far lives as long as the process. Out of the garbage collector's sight, or
    # its full passes would cost a tick 10 ms now and then.
    gc.collect()
    gc.freeze()
    # The first line of the log looks through all modules for its place: some 20 ms, once.
    inspect.getmodule(inspect.currentframe())
    _hurry(nodes)
    finishing = [node for node in nodes if hasattr(node, "done")]
    flag = stop or StopFlag()
    try:
        while not flag.signum and not any(node.done for node in finishing):
            executor.spin_once(timeout_sec=_WAKE_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown()


def _hurry(nodes: Sequence[Node]) -> None:
    """Real-time priority, if a node asks for it; not before all are made, which takes a while."""
    asked = [getattr(getattr(node, "config", None), "realtime_priority", 0) for node in nodes]
    refused = claim(max(asked, default=0))
    if refused:
        nodes[0].get_logger().warning(refused)


def run(make_nodes: Callable[[], Sequence[Node]]) -> int:
    """``main`` of every executable: initialise, make the nodes, spin, destroy.

    A ``ValueError`` or ``OSError`` while the nodes are made is the user's to mend: it is printed as
    one line and the exit status is 2. So is the ``refusal`` of a node that is ``done``. Another
    error while they run is a failure like any other. A signal while they are made ends that.
    """
    sys.setswitchinterval(_SWITCH_S)
    stop = StopFlag()
    stop.install()
    nodes: Sequence[Node] = ()
    made = False
    try:
        with mistakes.ros_arguments():
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stop.at_once = True  # it may wait for a port that never comes
        nodes = make_nodes()
        stop.at_once = False
        for text in unused_remappings(nodes, sys.argv):
            nodes[0].get_logger().warning(text)
        made = True
        spin(nodes, stop=stop)
        refusals = [text for text in (getattr(node, "refusal", "") for node in nodes) if text]
        for text in refusals:
            print(f"stride: {text}", file=sys.stderr)
        return USAGE_ERROR if refusals else 0
    except KeyboardInterrupt:
        return 0
    except (ValueError, OSError) as error:
        if made:
            raise
        print(f"stride: {error}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        stop.at_once = False
        destroy(nodes)
        rclpy.try_shutdown()


def destroy(nodes: Sequence[Node]) -> None:
    """Destroy all, the last made first; one that fails says so and does not spare the others."""
    for node in reversed(nodes):
        try:
            node.destroy_node()
        except Exception as error:
            print(f"stride: {node.get_name()}: {error}", file=sys.stderr)
