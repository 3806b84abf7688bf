"""A lifecycle as rclpy has it, but a wrong request is refused and does not end the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle.node import LifecycleNodeMixin

Answer = Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]


class Lifecycle(LifecycleNodeMixin):
    """A node's lifecycle; initialise it after the node."""

    def __init__(self) -> None:
        LifecycleNodeMixin.__init__(self, enable_communication_interface=True)
        service = self._service_change_state
        service.callback = partial(_change_state, service.callback)


def _change_state(
    answer: Answer, request: ChangeState.Request, response: ChangeState.Response
) -> ChangeState.Response:
    """Refuse a transition that the present state has not."""
    try:
        return answer(request, response)
    except _rclpy.RCLError:  # rcl has said in the log which
        response.success = False
        return response
