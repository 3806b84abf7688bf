"""The service ``policy/swap``: its answer waits for a shadow run, so it has a thread of its own.

``EventsExecutor`` of Jazzy cannot defer an answer. A hidden node on another one of its own can wait
without holding up a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, TimeoutError
from contextlib import suppress
from threading import Thread

from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from stride_control.policy.loader import Outcome
from stride_msgs.srv import SwapPolicy

PATIENCE_S = 30.0
_LOOK_S = 1.0

Ask = Callable[[str, bool], Future[Outcome]]


class SwapService:
    """Serves until it is closed."""

    def __init__(self, node: Node, ask: Ask) -> None:
        """``ask`` takes the policy's name and whether to wait for its turn."""
        self._ask = ask
        self._waiting: Future[Outcome] | None = None
        self._closed = False
        self._node = Node(
            f"_{node.get_name()}_swap",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        name = f"{node.get_fully_qualified_name()}/swap"
        self._node.create_service(SwapPolicy, name, self._on_swap)
        self._executor = EventsExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._spin, name="policy_swap", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and the node."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            while not self._closed:
                self._executor.spin_once(timeout_sec=_LOOK_S)

    def _on_swap(
        self, request: SwapPolicy.Request, response: SwapPolicy.Response
    ) -> SwapPolicy.Response:
        self._waiting = waiting = self._ask(request.policy, request.wait)
        if self._closed:  # it came while the node ended
            waiting.cancel()
        try:
            outcome = waiting.result(PATIENCE_S)
        except TimeoutError:
            outcome = Outcome(
                False,
                f"{request.policy}: nothing is decided within {PATIENCE_S:g} s (is time paused?):"
                " policy_event says how it goes on",
            )
        except CancelledError:
            outcome = Outcome(False, "the policy node ends")
        response.success, response.message, response.policy = outcome
        return response
