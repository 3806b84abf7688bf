"""What the watchdog costs: its pure step, and what its node adds to a tick.

    python -m stride_bringup.bench.safety watchdog N    round trips through the watchdog's node
    python -m stride_bringup.bench.safety stub N        the same through a node that does nothing

The latter print times [µs] as a JSON list.
"""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Imu, JointState
from stride_control.executor import StopFlag, spin
from stride_control.messages import doubles, to_stamp
from stride_control.node import TICK_QOS
from stride_control.safety_node import SafetyNode
from stride_core.arrays import scalar
from stride_core.control import load_controller
from stride_core.robot import RobotSpec, load_robot

from stride_bringup.bench.graph import percentiles
from stride_bringup.options import Options, config_file
from stride_core import safety

_ROUNDS = 5
_STEPS = 4000
_TRIPS = 1000
_WARM_UP = 200
_TICK_NS = 10_000_000
_RESEND_S = 0.2


def measure(robot: str = "fivebar") -> dict[str, Any]:
    """All figures in µs; pure and by the topics in turns, the median of rounds."""
    spec = load_robot(robot)
    rounds = [
        {
            "step": percentiles(_steps(spec, motors=False)),
            "step_with_motors": percentiles(_steps(spec, motors=True)),
            "watchdog": percentiles(_trips("watchdog", robot)),
            "stub": percentiles(_trips("stub", robot)),
        }
        for _ in range(_ROUNDS)
    ]
    keys = ("p50", "p99", "p99.9")
    result: dict[str, Any] = {
        case: {key: median(each[case][key] for each in rounds) for key in keys}
        for case in rounds[0]
    }
    result["added"] = {key: result["watchdog"][key] - result["stub"][key] for key in keys}
    return {"robot": robot, **result}


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"the watchdog of {result['robot']} [µs]"]
    lines.append(f"{'':<22}{'p50':>9}{'p99':>9}{'p99.9':>9}")
    for case in ("step", "step_with_motors", "watchdog", "stub", "added"):
        row = result[case]
        lines.append(f"{case:<22}" + "".join(f"{value:>9.1f}" for value in row.values()))
    return "\n".join(lines)


def _steps(spec: RobotSpec, motors: bool) -> list[float]:
    """Times of the pure step of one robot that walks."""
    config = load_controller(spec, config_file(spec.name)).safety_config.for_servo(spec.servo)
    limits = safety.JointLimits(spec.joint_lower, spec.joint_upper, spec.servo.stall_torque)
    random = np.random.default_rng(0)
    state, joints = safety.initial((), len(spec.joints)), len(spec.joints)
    spent = []
    for tick in range(_WARM_UP + _STEPS):
        now = scalar(1e-9 * tick * _TICK_NS)
        inputs = safety.SafetyInputs(
            target=spec.home + 0.01 * random.standard_normal(joints),
            target_time=now,
            position=spec.home + 0.01 * random.standard_normal(joints),
            up=np.array([0.0, 0.0, 1.0]),
            state_time=now,
            estop=np.False_,  # type: ignore[arg-type]
            reset=np.False_,  # type: ignore[arg-type]
            imu_time=now,
            velocity=random.standard_normal(joints),
            effort=0.1 * random.standard_normal(joints),
            gyro=random.standard_normal(3),
            accel=np.array([0.0, 0.0, 9.81]),
            command_time=now,
            motors=_healthy(now) if motors else None,
            lost=scalar(0.0) if motors else None,
        )
        start = perf_counter_ns()
        state, _ = safety.step(config, limits, state, inputs, now)
        spent.append((perf_counter_ns() - start) * 1e-3)
    assert state.mode == safety.Mode.ACTIVE
    return spent[_WARM_UP:]


def _healthy(now: Any) -> safety.Motors:
    temperature, volts, none = scalar(30.0), scalar(7.4), scalar(0.0)
    return safety.Motors(now, none, none, none, temperature, volts, volts)


def _trips(role: str, robot: str) -> list[float]:
    command = [sys.executable, "-m", "stride_bringup.bench.safety", role, str(_TRIPS), robot]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=120
    )
    return list(json.loads(run.stdout))


class Plant(Node):
    """Says a tick's state, attitude and target, and waits for the command."""

    def __init__(self, spec: RobotSpec, trips: int) -> None:
        super().__init__("plant")
        self.times: list[float] = []
        self.done = False
        self._trips, self._stamp = trips + _WARM_UP, 0
        joints = doubles(spec.home)
        zeros = doubles(np.zeros(len(spec.joints)))
        names = list(spec.joints)
        self._state = JointState(name=names, position=joints, velocity=zeros, effort=zeros)
        self._target = JointState(name=names, position=joints)
        self._imu = Imu()
        self._imu.linear_acceleration.z = 9.81
        self._out = [
            (self.create_publisher(type(message), topic, TICK_QOS), message)
            for topic, message in (
                ("joint_states", self._state), ("imu", self._imu), ("joint_targets", self._target),
            )
        ]  # fmt: skip
        self.create_subscription(JointState, "joint_commands", self._on_command, TICK_QOS)
        self._answered = True
        self.create_timer(_RESEND_S, self._again)

    def _again(self) -> None:
        """Until both know each other."""
        if not self.times:
            self._send()

    def _send(self) -> None:
        self._stamp += _TICK_NS
        stamp = to_stamp(self._stamp)
        for _, message in self._out:
            message.header.stamp = stamp
        self._sent = perf_counter_ns()
        for publisher, message in self._out:
            publisher.publish(message)

    def _on_command(self, command: JointState) -> None:
        if not self._stamp or command.header.stamp != self._state.header.stamp:
            return
        self.times.append((perf_counter_ns() - self._sent) * 1e-3)
        self.done = len(self.times) >= self._trips
        if not self.done:
            self._send()


class Stub(Node):
    """Hears what the watchdog hears, and answers a target with itself."""

    def __init__(self) -> None:
        super().__init__("stub")
        publisher = self.create_publisher(JointState, "joint_commands", TICK_QOS)
        self.create_subscription(JointState, "joint_states", lambda _: None, TICK_QOS)
        self.create_subscription(Imu, "imu", lambda _: None, TICK_QOS)
        self.create_subscription(JointState, "joint_targets", publisher.publish, TICK_QOS)


def main() -> int:
    """See the module."""
    role, trips, robot = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    stop = StopFlag()
    stop.install()
    files = [
        text for path in Options(robot).params_files() for text in ("--params-file", str(path))
    ]
    rclpy.init(args=["--ros-args", *files], signal_handler_options=SignalHandlerOptions.NO)
    plant = Plant(load_robot(robot), trips)
    spin([SafetyNode() if role == "watchdog" else Stub(), plant], stop)
    print(json.dumps(plant.times[_WARM_UP:]))
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
