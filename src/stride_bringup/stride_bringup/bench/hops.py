"""The floor of a tick: the same hops, the same messages, and nothing done in between.

    python -m stride_bringup.bench.hops chain N     all hops in this process
    python -m stride_bringup.bench.hops source N    the first and last hop; relays run elsewhere
    python -m stride_bringup.bench.hops relay I     hop I

Prints round-trip times [µs] as a JSON list.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from stride_control.executor import StopFlag, spin
from stride_control.node import TICK_QOS

from stride_msgs.msg import FootTargets

JOINTS = 12
HOPS: Sequence[type] = (JointState, FootTargets, JointState, JointState)
"""A tick without a policy: joint_states, foot_targets, joint_targets, joint_commands."""

_WARM_UP = 200
_RESEND_S = 0.2


def filled(kind: type) -> Any:
    """A message as full as that of a tick."""
    message = kind()
    if kind is JointState:
        message.name = [f"joint_{i:02d}" for i in range(JOINTS)]
        message.position = array("d", [0.1] * JOINTS)
        message.velocity = array("d", [0.1] * JOINTS)
        message.effort = array("d", [0.1] * JOINTS)
    else:
        message.legs = ["FL", "FR", "RL", "RR"]
        message.position = array("d", [0.1] * JOINTS)
        message.phase = array("d", [0.1] * 4)
        message.swing = [True] * 4
    return message


class Relay(Node):
    """Hears hop ``index - 1`` and sends a ready message on hop ``index``."""

    def __init__(self, index: int) -> None:
        super().__init__(f"relay{index}")
        message = filled(HOPS[index])
        publisher = self.create_publisher(HOPS[index], f"hop{index}", TICK_QOS)
        self.create_subscription(
            HOPS[index - 1], f"hop{index - 1}", lambda _: publisher.publish(message), TICK_QOS
        )


class Source(Node):
    """Sends hop 0 and hears the last; the next trip starts when one is back."""

    def __init__(self, trips: int) -> None:
        super().__init__("source")
        self._trips = trips + _WARM_UP
        self._message = filled(HOPS[0])
        self._times: list[float] = []
        self.done = False
        self._publisher = self.create_publisher(HOPS[0], "hop0", TICK_QOS)
        self.create_subscription(HOPS[-1], f"hop{len(HOPS) - 1}", self._on_back, TICK_QOS)
        self._connected = self._measuring = False
        self._timer = self.create_timer(_RESEND_S, self._find_each_other)

    @property
    def times(self) -> list[float]:
        """Round trips [µs], without those of warming up."""
        return self._times[_WARM_UP:]

    def _find_each_other(self) -> None:
        """Send until one is back: the relays find each other in their own time."""
        if not self._connected:
            self._publisher.publish(self._message)
            return
        # a period of silence lets those that are still under way arrive and be forgotten
        self._timer.cancel()
        self._measuring = True
        self._send()

    def _send(self) -> None:
        self._sent = perf_counter_ns()
        self._publisher.publish(self._message)

    def _on_back(self, _message: Any) -> None:
        if not self._measuring:
            self._connected = True
            self._timer.reset()
            return
        self._times.append((perf_counter_ns() - self._sent) * 1e-3)
        self.done = len(self._times) >= self._trips
        if not self.done:
            self._send()


def main() -> int:
    """See the module."""
    role, number = sys.argv[1], int(sys.argv[2])
    stop = StopFlag()
    stop.install()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    relays = range(1, len(HOPS)) if role == "chain" else [number] if role == "relay" else []
    nodes: list[Node] = [Relay(i) for i in relays]
    if role != "relay":
        nodes.append(Source(number))
    spin(nodes, stop)
    if role != "relay":
        print(json.dumps(nodes[-1].times))
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
