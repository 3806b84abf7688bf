"""The hardware run with its twin, a relay on every wire between its nodes, and ears everywhere."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Twist
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from stride_control.messages import stamp_ns
from stride_control.node import TICK_QOS
from stride_core.robot import load_robot

from stride_bringup.graph import NodeSpec
from stride_bringup.hardware import HardwareOptions, hardware_nodes
from stride_bringup.processes import Children
from stride_msgs.msg import MotorStates, SafetyStatus

Mutate = Callable[[Any], Sequence[Any]]
"""What comes out of a relay for one message that goes in."""

WIRES: dict[str, tuple[Any, str]] = {
    "joint_states": (JointState, "safety"),
    "imu": (Imu, "safety"),
    "joint_targets": (JointState, "safety"),
    "joint_commands": (JointState, "actuator"),
}
"""Topics with a relay: type, and the node that hears the relayed one."""

_LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_PATIENCE_S = 40.0


class Stage:
    """A run; use it as a context.

    Attributes:
        node: the runner's own.
        wires: what the relays do now; absent: they pass on.
        status, motors, servos: the newest of each, and when it came [s].
        spoilt_at: when a wire spoilt its first message [s]; set it to None to know the next.
        answered_at: likewise, when the watchdog sent its first command without positions.
        deaf: how many servos hear nothing now, and so keep their torque.
        worst: how far a servo's goal was beyond its joint's limits, at most [rad].
    """

    def __init__(self, strict: bool = True, command: float = 0.1) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stride-faults-")
        self.options = HardwareOptions(
            twin=True, strict=strict, headless=True, command=(command, 0.0, 0.0),
            folder=self._folder.name,
        )  # fmt: skip
        self.robot = load_robot(self.options.robot)
        self.wires: dict[str, Mutate] = {}
        self.status: tuple[float, SafetyStatus] | None = None
        self.motors: MotorStates | None = None
        self.servos: JointState | None = None
        self.worst = -np.inf
        self.deaf = 0
        self.spoilt_at: float | None = None
        self.answered_at: float | None = None
        self.later: list[tuple[float, Callable[[], None]]] = []
        self._children = Children()

    # --- start and end --------------------------------------------------------------------------

    def __enter__(self) -> Stage:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._executor = EventsExecutor(context=self._context)
        self.node = Node("faults", context=self._context)
        self._executor.add_node(self.node)
        self._listen()
        self._children.__enter__()
        for spec in hardware_nodes(self.options):
            self._start(spec)
            if spec.name == "twin":
                self.until(lambda: Path(self.options.bus).exists(), "the twin's port")
        # a busy machine may have held something up meanwhile
        if not self.until(self.walks, patience=10.0) and not self.mend():
            raise TimeoutError("the robot does not walk: is this machine too busy?")

    def __exit__(self, *_: object) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._children.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        self._folder.cleanup()

    def _start(self, spec: NodeSpec) -> None:
        mine = [topic for topic, (_, hearer) in WIRES.items() if hearer == spec.name]
        rules = tuple(f"{topic}:=relayed/{topic}" for topic in mine)
        self._children.start(replace(spec, remap=rules), self.options)

    def _listen(self) -> None:
        node = self.node
        for topic, (kind, _) in WIRES.items():
            out = node.create_publisher(kind, f"relayed/{topic}", TICK_QOS)
            node.create_subscription(kind, topic, self._relay(topic, out), TICK_QOS)
        node.create_subscription(SafetyStatus, "safety_status", self._on_status, _LATCHED)
        node.create_subscription(MotorStates, "motor_states", self._on_motors, TICK_QOS)
        node.create_subscription(JointState, "truth/servos", self._on_servos, TICK_QOS)
        self._fault = node.create_publisher(String, "twin/fault", 10)
        self._estop = node.create_publisher(Bool, "estop", 10)
        self._drive = node.create_publisher(Twist, "cmd_vel", 10)
        self._reset = node.create_client(Trigger, "safety/reset")

    def _relay(self, topic: str, out: Any) -> Callable[[Any], None]:
        def pass_on(message: Any) -> None:
            mutate = self.wires.get(topic)
            if mutate is not None and self.spoilt_at is None:
                self.spoilt_at = monotonic()
            if topic == "joint_commands" and not message.position and self.answered_at is None:
                self.answered_at = monotonic()
            for one in (message,) if mutate is None else mutate(message):
                out.publish(one)

        self.__dict__.setdefault("outs", {})[topic] = out
        return pass_on

    def _on_status(self, message: SafetyStatus) -> None:
        self.status = monotonic(), message

    def _on_motors(self, message: MotorStates) -> None:
        self.motors = message

    def _on_servos(self, message: JointState) -> None:
        self.servos = message
        goal, on = np.array(message.position), np.array(message.effort) > 0.0
        beyond = np.maximum(self.robot.joint_lower - goal, goal - self.robot.joint_upper)
        if on.any():
            self.worst = max(self.worst, float(beyond[on].max()))

    # --- what it does ---------------------------------------------------------------------------

    def spin(self, seconds: float = 0.005) -> None:
        """Let messages come and go."""
        self._executor.spin_once(timeout_sec=seconds)
        now = monotonic()
        for due in [one for one in self.later if one[0] <= now]:
            self.later.remove(due)
            due[1]()

    def until(
        self, condition: Callable[[], bool], what: str = "", patience: float = _PATIENCE_S
    ) -> bool:
        """Spin until it holds; False, or TimeoutError with ``what``, when it does not."""
        end = monotonic() + patience
        while not condition():
            if monotonic() > end:
                if what:
                    raise TimeoutError(f"waited {patience:.0f} s in vain for {what}")
                return False
            self.spin()
        return True

    def send(self, topic: str, message: Any, delay: float) -> None:
        """Pass a message on later."""
        out = self.__dict__["outs"][topic]
        self.later.append((monotonic() + delay, lambda: out.publish(message)))

    def fault(self, **what: Any) -> None:
        """Tell the twin what is wrong; nothing mends everything."""
        fields = ", ".join(
            f"{k}: {str(v).lower() if isinstance(v, bool) else v}" for k, v in what.items()
        )
        self._fault.publish(String(data="{" + fields + "}"))

    def drive(self, vx: float) -> None:
        """Say a cmd_vel."""
        twist = Twist()
        twist.linear.x = vx
        self._drive.publish(twist)

    def ask_stop(self) -> None:
        """Say ``estop``."""
        self._estop.publish(Bool(data=True))

    def call(self, name: str) -> bool:
        """Call a service of the watchdog."""
        client = (
            self._reset if name == "reset" else self.node.create_client(Trigger, f"safety/{name}")
        )
        if not self.until(client.service_is_ready, patience=5.0):
            return False
        future = client.call_async(Trigger.Request())
        self.until(future.done, patience=5.0)
        return bool(future.done() and future.result().success)

    # --- processes ------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """Of a node."""
        return self._children.pid(name)

    def guard(self) -> int:
        """Process id of the driver's guard: its child that runs ``stride_hardware.guard``."""
        for entry in Path(f"/proc/{self.pid('actuator')}/task").glob("*/children"):
            for child in entry.read_text().split():
                with suppress(OSError):
                    if b"stride_hardware.guard" in Path(f"/proc/{child}/cmdline").read_bytes():
                        return int(child)
        return 0

    def pids(self) -> list[int]:
        """Of all nodes that were started and run."""
        return self._children.pids()

    def kill(self, *names: str, signum: int = signal.SIGKILL) -> None:
        """Signal nodes."""
        for name in names:
            os.kill(self.pid(name), signum)

    # --- what it sees ---------------------------------------------------------------------------

    @property
    def state(self) -> int:
        """Of the watchdog."""
        return -1 if self.status is None else int(self.status[1].state)

    def has(self, reason: str) -> bool:
        """Whether the watchdog's newest word names a reason."""
        return self.status is not None and reason in self.status[1].reasons

    def cause(self) -> str:
        """What the driver left on disk; empty where nothing is wrong."""
        path = Path(self.options.folder, "last_state.json")
        return str(json.loads(path.read_text("utf-8"))["cause"]) if path.is_file() else ""

    def torque(self) -> bool:
        """Whether any servo has torque that could hear of it."""
        if self.servos is None:
            return False
        return sum(effort > 0.0 for effort in self.servos.effort) > self.deaf

    def walks(self) -> bool:
        """ACTIVE, nothing wrong, all torque there."""
        fine = self.state == SafetyStatus.ACTIVE and self.servos is not None
        return fine and min(self.servos.effort, default=0.0) >= 0.99  # type: ignore[union-attr]

    def fresh(self, since: float) -> bool:
        """Whether the watchdog spoke after an instant."""
        return self.status is not None and self.status[0] > since

    def mend(self) -> bool:
        """Make all well, reset and stand up again; False when a process is gone."""
        self.wires.clear()
        self.later.clear()
        self.fault(hot=30.0)
        self.fault()
        self.deaf = 0
        began = monotonic()
        while monotonic() - began < _PATIENCE_S:
            self.drive(0.1)
            for _ in range(20):
                self.spin()
            if self.walks() and self.fresh(began):
                return True
            if self.state >= SafetyStatus.DAMPING:
                self.call("reset")
        return False


def newest(message: JointState) -> int:
    """A stamp in nanoseconds."""
    return stamp_ns(message.header.stamp)
