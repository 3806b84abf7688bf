"""policy: foot_targets, joint_states and imu in, residual out.

A network answers each tick; ``stride_control.policy`` decides which, and how much of it counts.
Without a policy nobody waits for an answer, and nothing is heard: a tick costs nothing then.
"""

from __future__ import annotations

from concurrent.futures import Future
from math import acos, inf
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu, JointState

from stride_control.config import PolicyNodeConfig
from stride_control.executor import run
from stride_control.messages import doubles, peek_frame, printable, to_stamp
from stride_control.node import TICK_QOS, StrideNode
from stride_control.policy.background import Background
from stride_control.policy.events import Event, EventKind
from stride_control.policy.library import NONE
from stride_control.policy.loader import Loader, Outcome
from stride_control.policy.loading import Policy, Terms
from stride_control.policy.memory import recall, remember
from stride_control.policy.runner import Bounds, Scene
from stride_control.policy.switch import Applied, Switch
from stride_control.policy.watch import FolderWatch
from stride_control.policy_service import SwapService
from stride_control.scene_reader import SceneReader
from stride_msgs.msg import FootTargets, PolicyEvent, Residual

_EVENTS_KEPT = 50
_LOOK_S = 1.0
_LISTEN_S = 0.05

_FAILURES = (EventKind.REFUSED, EventKind.ROLLED_BACK, EventKind.UNLOADED)
_FOR_GOOD = (EventKind.CONFIRMED, EventKind.ROLLED_BACK, EventKind.UNLOADED)
"""Not a policy in its probation: it may be what ended the process."""


class PolicyNode(StrideNode[PolicyNodeConfig]):
    """Wires ``Switch`` to topics, and requests for a policy to ``Loader``."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__("policy", PolicyNodeConfig, **kwargs)
        config = self.config
        terms = Terms(
            *(self.robot, config.rate_hz, config.inference_limit, config.largest_action),
            residual_limit=config.residual_limit,
        )
        # known before the thread is: a count that appears would change the dictionary beside it
        self.counts.update(incomplete=0, background_faults=0)
        background = Background("policy", lambda error: self.warn_once("background", error))
        self._loader = Loader(Path(config.folder), terms, background)
        self._background = background
        try:
            first = self._first_policy(config)
            self._watched = FolderWatch(Path(config.watch)) if config.watch else None
        except ValueError:
            background.close()
            raise
        self._switch = Switch(
            len(self.robot.legs),
            config.switch,
            self._bounds(config),
            background,
            wait=config.lockstep,
        )
        if first is not None:
            self._switch.start(first)
        self._reader = SceneReader(self.robot, config.imu_age)
        self._hearing: list[Any] = []
        self._showing = False
        self._untold: list[Event] = []
        self._to_remember = ""
        self._answered = -1
        self._begins: int | None = None
        self._message = Residual()
        self._legs = list(self.robot.legs)

        latched = QoSProfile(depth=_EVENTS_KEPT, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._residuals = self.create_publisher(Residual, "residual", TICK_QOS)
        self._events = self.create_publisher(PolicyEvent, "policy_event", latched)
        self._told = first is not None
        self._first = [] if self._told else [self.hear(FootTargets, "foot_targets", self._on_first)]
        self._listen_if_needed()
        self._service = SwapService(self, lambda name, wait: self._ask(name, wait))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_LISTEN_S, self._now_and_then, clock=steady)
        self._show_in_parameter()
        if self._watched is not None:
            self.create_timer(_LOOK_S, lambda: background.do(self._look), clock=steady)

    def _first_policy(self, config: PolicyNodeConfig) -> Policy | None:
        """What was in charge before this process was started again, else what the arguments say."""
        if before := recall(config.memory):
            try:
                return self._loader.load(before)
            except ValueError as error:
                self.get_logger().warning(f"it was in charge before: {error}: the gait alone")
                return None
        return self._loader.load(config.policy)

    def apply(self, config: PolicyNodeConfig) -> None:
        """Take over thresholds at once, and another policy in its own time."""
        if not hasattr(self, "_switch"):
            return
        if config.policy != self.config.policy and not self._showing:
            self._loader.find(config.policy)
            self._ask(config.policy)
        self._switch.config, self._switch.bounds = config.switch, self._bounds(config)

    def _bounds(self, config: PolicyNodeConfig) -> Bounds:
        deadline = inf if config.lockstep else config.tick_deadline
        return Bounds(config.gate, config.largest_action, config.inference_limit, deadline)

    # --- the tick -------------------------------------------------------------------------------

    def _listen_if_needed(self) -> None:
        needed = self._loader.waiting or not self._switch.idle
        if needed and not self._hearing:
            self._reader = SceneReader(self.robot, self.config.imu_age)
            self._hearing = [
                self.hear(JointState, "joint_states", self._on_state),
                self.hear(Imu, "imu", self._on_imu),
                self.hear(FootTargets, "foot_targets", self.timed(self._on_feet)),
            ]
        elif not needed and self._hearing and not self._message.offset:  # the last one is said
            for subscription in self._hearing:
                self.destroy_subscription(subscription)
            self._hearing = []
        if self._told and self._first:
            self.destroy_subscription(self._first.pop())

    def _on_first(self, data: bytes) -> None:
        """Without a policy, in mid-walk: who waits for the one that was here before is told."""
        if self._told:
            return
        self._reader.hear_feet(data)
        begins = self._reader.tick <= 0
        if begins or self._residuals.get_subscription_count() >= self.config.listeners:
            self._told = True
            if not begins:
                self._publish(None)

    def _on_state(self, data: bytes) -> None:
        self._reader.hear_state(data)
        self._answer_if_complete()

    def _on_imu(self, data: bytes) -> None:
        self._reader.hear_imu(data)
        self._answer_if_complete()

    def _on_feet(self, data: bytes) -> None:
        before = self._reader.tick
        self.counts["incomplete"] += before not in (self._answered, -1)
        self._reader.hear_feet(data)
        if self._reader.tick == self._answered:
            self._residuals.publish(self._message)  # the plant repeats a tick: so does the answer
        else:
            self._answer_if_complete()

    def _answer_if_complete(self) -> None:
        reader = self._reader
        if reader.tick == self._answered or not reader.complete:
            return
        if self._begins is None:
            self._begins = reader.tick
        alone = self._residuals.get_subscription_count() < self.config.listeners
        if alone and reader.tick == self._begins:
            return  # the plant repeats its first tick until all are connected
        self._loader.deliver(self._switch)
        if self._switch.idle:
            self._publish(None)
        else:
            try:
                scene = reader.read()
            except ValueError as error:
                self.warn_once("scene", f"{error}: no residual")
                return
            self._publish(self._switch.tick(scene, _tilt(scene)))
            self._say_if_other_gait(scene)
        for event in self._switch.events():
            self._tell(event)

    def _say_if_other_gait(self, scene: Scene) -> None:
        active = self._switch.active
        if active is None:
            return
        if other := active.contract.gait.differs(scene.pattern, scene.gait.shape):
            self.warn_once("gait", f"{active.identity}: {other}: without residual")

    def _publish(self, residual: Applied | None) -> None:
        """None: this is the last one."""
        message = Residual()
        self._message, self._answered = message, self._reader.tick
        message.header.stamp = to_stamp(self._answered)
        message.header.frame_id = peek_frame(self._reader.feet)
        if residual is not None:
            message.legs, message.offset = self._legs, doubles(residual.offset)
            message.rates = [] if residual.rates is None else doubles(residual.rates)
            message.policy = residual.policy
            message.strength, message.novelty = residual.strength, residual.novelty
        self._residuals.publish(message)

    def _tell(self, event: Event) -> None:
        message = PolicyEvent(
            kind=int(event.kind),
            policy=printable(event.policy),
            previous=printable(event.previous),
            reason=printable(event.reason),
        )
        message.header.stamp = to_stamp(self._reader.tick)
        self._events.publish(message)
        self._untold.append(event)
        if event.kind in _FOR_GOOD or (event.kind is EventKind.SWITCHED and not event.policy):
            active = self._switch.active
            self._to_remember = str(active.path.absolute()) if active else NONE

    def _now_and_then(self) -> None:
        """On a timer of its own what takes 1 ms each: subscriptions, the log, the parameter, and
        the answers, since who hears one begins to work at once.
        """
        self._listen_if_needed()
        if any(event.kind is not EventKind.LOADED for event in self._write_down()):
            self._show_in_parameter()
        self._loader.settle()

    def _write_down(self) -> list[Event]:
        """Log every event since the last call, and remember who is in charge for good."""
        told, self._untold = self._untold, []
        log = self.get_logger()
        for event in told:
            policy, reason = printable(event.policy) or NONE, printable(event.reason)
            said = "" if reason.startswith(policy) else f"{policy}: "
            text = f"{event.kind.name} {said}{reason}"
            if event.kind in _FAILURES:
                log.warning(text)
            else:
                log.info(text)
        if self._to_remember:
            try:
                remember(self.config.memory, self._to_remember)
            except OSError as error:
                self.warn_once("memory", f"{self.config.memory}: {error.strerror}")
            self._to_remember = ""
        return told

    # --- requests -------------------------------------------------------------------------------

    def _ask(self, name: str, wait: bool = True) -> Future[Outcome]:
        return self._loader.ask(name, wait, lambda: self._switch.busy)

    def _look(self) -> None:
        """On the background thread: what is new in the watched folder takes over, in its turn."""
        if self._watched is None or self._loader.waiting or self._switch.busy:
            return
        file = self._watched.look()
        if file is not None:
            self._loader.take(file)

    def _show_in_parameter(self) -> None:
        """The parameter says which policy is in charge, whoever asked for it."""
        active = self._switch.active
        name = self._loader.name_of(active) if active else NONE
        if name != self.config.policy:
            self._showing = True
            self.set_parameters([Parameter("policy", value=name)])
            self._showing = False

    # --- figures and the end --------------------------------------------------------------------

    def diagnose(self) -> dict[str, str]:
        """Who is in charge; what was measured; faults by their kind."""
        switch, message = self._switch, self._message
        figures = {
            "policy": message.policy or NONE,
            "state": switch.state,
            "strength": f"{message.strength:.3f}",
            "novelty": f"{message.novelty:.2f}",
        }
        if switch.active is not None:
            figures["inference_us"] = f"{1e6 * switch.active.inference:.1f}"
        if switch.report is not None:
            report = switch.report
            figures["shadow"] = (
                f"{report.ticks} ticks, {1e3 * report.difference:.2f} mm apart, novelty"
                f" {report.novelty:.1f}, {1e6 * report.inference:.0f} us"
            )
        faults = switch.faults.copy().items()
        return figures | {f"fault: {kind}": f"{n}, newest: {text}" for kind, (n, text) in faults}

    def destroy_node(self) -> None:
        """End the threads, too."""
        self._loader.settle()
        self._write_down()
        self._service.close()
        self._background.close()
        super().destroy_node()


def _tilt(scene: Scene) -> float:
    """Angle between the trunk's vertical and the world's [rad]; NaN if unknown."""
    return acos(min(max(float(scene.sensed.up[2]), -1.0), 1.0))


def main() -> int:
    """Entry point of the ``policy_node`` executable."""
    return run(lambda: [PolicyNode()])
