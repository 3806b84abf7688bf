"""The nodes of the IMU and of the estimator: what they say, and what they do when nothing comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from stride_control.messages import stamp_ns, to_stamp
from stride_core.estimation import GRAVITY
from stride_core.frames import yaw_of
from stride_hardware.emulator.bno055 import EmulatedBno055
from stride_hardware.emulator.pty_port import PtyPort, serve
from stride_hardware.estimator_node import EstimatorNode
from stride_hardware.imu_node import ImuNode
from tests.graph.harness import Graph
from tests.hardware.parts import SPEC, TIMEOUT

TICK = 10_000_000  # ns


@contextmanager
def plugged_in(part: EmulatedBno055, path: Path) -> Iterator[None]:
    stop = threading.Event()
    with PtyPort(path) as made:
        thread = threading.Thread(
            target=serve, args=(made, part.answer, lambda _: 0.02, stop.is_set)
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_an_imu_whose_cable_is_pulled_is_silent_and_comes_back(
    graph: Graph, tmp_path: Path
) -> None:
    part, heard = EmulatedBno055(), list[Imu]()
    part.accel, part.gyro = (0.0, 0.0, 9.81), (0.5, 0.0, 0.0)
    graph.add(Node, "other").create_subscription(Imu, "imu", heard.append, 50)
    values = {"port": str(tmp_path / "imu"), "timeout": TIMEOUT}
    with plugged_in(part, tmp_path / "imu"):
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = graph.add(ImuNode, parameter_overrides=overrides)
        graph.until(lambda: heard)
    assert heard[0].linear_acceleration.z == pytest.approx(9.81, abs=0.01)
    assert heard[0].angular_velocity.x == pytest.approx(0.5, abs=1e-3)
    graph.until(lambda: node.diagnose()["errors"] == "no port")
    before = len(heard)
    part.gyro = (1.0, 0.0, 0.0)
    with plugged_in(part, tmp_path / "imu"):
        graph.until(lambda: len(heard) > before)
        assert heard[-1].angular_velocity.x == pytest.approx(1.0, abs=1e-3)


def test_an_estimate_does_not_turn_on_as_a_silent_imu_did(graph: Graph) -> None:
    estimator: EstimatorNode = graph.add(EstimatorNode)
    other, seen = graph.add(Node, "other"), list[Odometry]()
    other.create_subscription(Odometry, "odom", seen.append, 50)
    imus = other.create_publisher(Imu, "imu", 50)
    states = other.create_publisher(JointState, "joint_states", 50)
    graph.until(lambda: imus.get_subscription_count() and states.get_subscription_count())

    def heard(tick: int) -> bool:
        return estimator._imu_ns == tick * TICK

    def answered(tick: int) -> bool:
        return bool(seen) and stamp_ns(seen[-1].header.stamp) == tick * TICK

    def yaws(first: int, last: int, imu: bool) -> list[float]:
        """The robot turns with 1 rad/s, and its IMU says so, or nothing."""
        seen.clear()
        for tick in range(first, last):
            message, state = Imu(), JointState(name=list(SPEC.joints))
            message.orientation_covariance[0] = -1.0  # it fuses none itself
            message.angular_velocity.z, message.linear_acceleration.z = 1.0, GRAVITY
            state.position, state.velocity = SPEC.home.tolist(), [0.0] * len(SPEC.joints)
            message.header.stamp = state.header.stamp = to_stamp(tick * TICK)
            if imu:
                imus.publish(message)
                graph.until(partial(heard, tick))
            states.publish(state)
            graph.until(partial(answered, tick))
        turns = [one.pose.pose.orientation for one in seen]
        return [float(yaw_of(np.array([q.x, q.y, q.z, q.w]))) for q in turns]

    turning = yaws(1, 21, imu=True)
    assert turning[-1] == pytest.approx(0.19, abs=0.02)
    silent = yaws(21, 61, imu=False)
    assert silent[9] == pytest.approx(turning[-1] + 0.1, abs=0.02)  # 100 ms are borne
    assert silent[-1] == pytest.approx(silent[10], abs=1e-3)
