"""A policy's node, and a robot around it that stands."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from stride_control.policy_node import PolicyNode
from tests.control.surroundings import LATCHED, SPEC, Surroundings, tick_of
from tests.graph.harness import PATIENCE, Graph

from stride_msgs.msg import FootTargets, PolicyEvent
from stride_msgs.srv import SwapPolicy

SHAPE = [0.085, 0.025, 0.4, 0.0, 0.0, 1.0]
QUICK = {
    "switch.shadow_time": 0.03,
    "switch.fade_time": 0.03,
    "switch.probation_time": 0.05,
    "switch.fault_limit": 3,
}


class Robot:
    """A policy node, and a robot around it that stands; its time goes on by ticks."""

    def __init__(self, graph: Graph, folder: Path, policy: str = "none", **parameters: Any) -> None:
        named = {"folder": str(folder), "policy": policy}
        given = {**named, "lockstep": True, **QUICK, **parameters}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node: PolicyNode = graph.add(PolicyNode, parameter_overrides=overrides)
        says = {"joint_states": JointState, "imu": Imu, "foot_targets": FootTargets}
        self.around = Surroundings(graph, says, ("residual",))
        self.events: list[Any] = []
        self.around.node.create_subscription(
            PolicyEvent, "policy_event", self.events.append, LATCHED
        )
        if self.parameter() != "none":
            self.around.connected()
        else:  # it waits for the first tick, to see whether this is the start of time
            graph.until(lambda: self.around.heard_by("foot_targets"))
        self.tick = 0

    def say(self, topic: str, tick: int | None = None, **fields: Any) -> None:
        """One message of a tick; the present one if not given."""
        made: Any
        if topic == "imu":
            made = Imu()
            made.orientation.w = 1.0
        elif topic == "joint_states":
            made = JointState(name=list(SPEC.joints), position=SPEC.home.tolist())
            made.velocity = [0.0] * len(SPEC.joints)
        else:
            made = FootTargets(legs=list(SPEC.legs), gait="trot", mode="stand", shape=SHAPE)
            made.position = SPEC.stance.ravel().tolist()
            made.phase, made.swing = [0.0] * len(SPEC.legs), [False] * len(SPEC.legs)
            made.header.frame_id = "base_link"
        for name, value in fields.items():
            setattr(made, name, value)
        self.around.say(topic, made, self.tick if tick is None else tick)

    def go(self, ticks: int = 1) -> Any:
        """Whole ticks; the last residual, None if it was not heard."""
        for _ in range(ticks):
            listening = self.around.heard_by_all()
            for topic in ("imu", "joint_states", "foot_targets"):
                self.say(topic)
            self.around.graph.spin()
            self.around.graph.until(
                lambda: self._answers() or not (listening and self.around.heard_by_all())  # noqa: B023
            )
            self.tick += 1
        return next(iter(self._answers(self.tick - 1)), None)

    def _answers(self, tick: int | None = None) -> list[Any]:
        wanted = self.tick if tick is None else tick
        return [m for m in self.around.heard["residual"] if tick_of(m) == wanted]

    def swap(self, name: str, wait: bool = True) -> Any:
        """The service's answer; time goes on until it comes."""
        graph, node = self.around.graph, self.around.node
        client = node.create_client(SwapPolicy, "policy/swap")
        graph.until(client.service_is_ready)
        future = client.call_async(SwapPolicy.Request(policy=name, wait=wait))
        while not future.done():
            self.go()
        node.destroy_client(client)
        return future.result()

    def until_event(self, kind: int) -> Any:
        """The first event of a kind from now on; time goes on until it comes."""
        return self.event_after(len(self.events), kind)

    def event_after(self, seen: int, kind: int) -> Any:
        """The first event of a kind behind those seen; time goes on until it comes."""

        def found() -> Any:
            return next((e for e in self.events[seen:] if e.kind == kind), None)

        end = monotonic() + PATIENCE
        while not found():
            assert monotonic() < end, f"no event {kind} among {self.events[seen:]}"
            self.go()
        return found()

    def shows(self, name: str) -> None:
        """Wait until the parameter names a policy."""
        self.around.graph.until(lambda: self.parameter() == name)

    def parameter(self) -> str:
        return str(self.node.get_parameter("policy").value)
