"""The space bar of the terminal that started a run is an emergency stop."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from time import monotonic
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Bool

_SPACE = b" "
_REPEATED_S = 1.0
"""Said for so long once somebody listens: two that have just met may miss a single word."""


class StopKey:
    """Says ``estop`` when somebody hits the space bar; use it as a context. Without a terminal it
    does nothing."""

    def __init__(self, namespace: str) -> None:
        """Listen.

        Args:
            namespace: of the robot.
        """
        self._namespace = namespace.strip("/")
        self._terminal = _terminal()
        self._usual: list[Any] = []
        self._hit = False
        self._until: float | None = None

    def __enter__(self) -> StopKey:
        if self._terminal < 0:
            return self
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(
            "stop_key", context=self._context, namespace=self._namespace, use_global_arguments=False
        )
        self._out = self._node.create_publisher(Bool, "estop", 10)
        self._usual = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)  # Ctrl-C stays what it is
        print("stride: the space bar is an emergency stop", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal < 0:
            return
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._usual)
        self._node.destroy_node()
        self._context.try_shutdown()

    def poll(self) -> None:
        """See whether it was hit since the last call; call it often.

        A hit is not lost when the watchdog is still being started: it waits for somebody to hear.
        """
        if self._terminal < 0:
            return
        ready, _, _ = select.select([self._terminal], [], [], 0.0)
        if ready and _SPACE in os.read(self._terminal, 64):
            self._hit, self._until = True, None
        if self._hit and self._out.get_subscription_count():
            now = monotonic()
            self._until = now + _REPEATED_S if self._until is None else self._until
            self._out.publish(Bool(data=True))
            self._hit = now < self._until


def _terminal() -> int:
    """Of the standard input, if it is one and we are in its foreground; else -1."""
    try:
        number = sys.stdin.fileno()
        return number if os.tcgetpgrp(number) == os.getpgrp() else -1
    except (OSError, ValueError, AttributeError):
        return -1
