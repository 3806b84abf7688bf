"""The nodes' base: a fault is said once, and diagnostics tell how a node is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu
from stride_control.config import RobotChoice
from stride_control.node import StrideNode
from stride_core.config import param
from tests.graph.harness import Graph


@dataclass(frozen=True)
class ToyConfig(RobotChoice):
    limit: float = param(1.0, min=0.0, max=10.0, dynamic=True)


class Toy(StrideNode[ToyConfig]):
    def __init__(self, **kwargs: Any) -> None:
        self.applied: list[ToyConfig] = []
        super().__init__("toy", ToyConfig, **kwargs)

    def apply(self, config: ToyConfig) -> None:
        if config.limit == 3.0:
            raise ValueError("limit: 3: expected another number")
        self.applied.append(config)

    def diagnose(self) -> dict[str, str]:
        return {"own": "figure"}


@pytest.fixture
def toy(graph: Graph) -> Toy:
    made: Toy = graph.add(Toy)
    return made


@pytest.fixture
def lines(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(toy.get_logger(), "warning", said.append, raising=False)
    return said


def test_it_has_its_configuration_and_robot(graph: Graph) -> None:
    parameters = [Parameter("servo", value="sts3215_345"), Parameter("limit", value=2.0)]
    toy = graph.add(Toy, parameter_overrides=parameters)
    assert toy.config == ToyConfig(servo="sts3215_345", limit=2.0)
    assert toy.applied == [toy.config]
    assert (toy.robot.name, toy.robot.servo.name) == ("fivebar", "sts3215_345")


@pytest.mark.parametrize(
    ("name", "value"), [("robot", "nosuch"), ("servo", "nosuch"), ("limit", 11.0)]
)
def test_a_node_that_cannot_be_as_told_is_not_made(graph: Graph, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{value}"):
        graph.add(Toy, parameter_overrides=[Parameter(name, value=value)])


def test_ros_arguments_that_cannot_be_read_are_one_line(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"^Couldn't parse .*'-p limit'[^\n]*$") as caught:
        graph.add(Toy, cli_args=["--ros-args", "-p", "limit"])
    assert ".c:" not in str(caught.value)  # rcl's own source lines


def test_a_change_is_in_force_once_applied_and_never_if_refused(toy: Toy) -> None:
    assert toy.set_parameters([Parameter("limit", value=4.0)])[0].successful
    assert toy.config.limit == 4.0
    (refused,) = toy.set_parameters([Parameter("limit", value=3.0)])
    assert not refused.successful and "expected another number" in refused.reason
    assert (toy.config.limit, toy.applied[-1].limit) == (4.0, 4.0)


def test_a_fault_is_said_once_until_it_was_gone_for_a_while(
    toy: Toy, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("stride_control.node.monotonic", lambda: now[0])
    for _ in range(3):
        toy.warn_once("imu", "the IMU is gone")
        toy.warn_once("cmd_vel", "not finite")
    assert lines == ["the IMU is gone", "not finite"]
    assert toy.counts == {"imu_faults": 3, "cmd_vel_faults": 3}
    now[0] += 9.0
    toy.warn_once("cmd_vel", "not finite")
    now[0] += 9.0
    toy.warn_once("imu", "the IMU is gone again")
    toy.warn_once("cmd_vel", "not finite")
    assert lines[2:] == ["the IMU is gone again"]


def test_a_second_publisher_of_what_a_node_hears_is_said(
    graph: Graph, toy: Toy, lines: list[str]
) -> None:
    toy.hear(Imu, "imu", lambda data: None)
    others = [graph.add(Node, name) for name in ("one", "two")]
    others[0].create_publisher(Imu, "imu", 1)
    graph.until(lambda: toy.count_publishers("imu"))
    others[1].create_publisher(Imu, "imu", 1)
    graph.until(lambda: lines)
    assert lines == ["imu: 2 publishers: expected one"]
    assert toy.counts["imu_voices_faults"] >= 1


def test_diagnostics_tell_name_robot_counts_and_times(graph: Graph, toy: Toy) -> None:
    heard: list[DiagnosticArray] = []
    listener = graph.add(Node, "listener")
    listener.create_subscription(DiagnosticArray, "diagnostics", heard.append, 10)
    work = toy.timed(lambda _: None)
    work("message")

    def latest() -> DiagnosticStatus:
        seen = len(heard)
        graph.until(lambda: len(heard) > seen)
        return heard[-1].status[0]

    status = latest()
    assert (status.name, status.hardware_id) == ("/toy", "fivebar")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "ok")
    values = {item.key: item.value for item in status.values}
    assert values["own"] == "figure"
    assert float(values["tick_us_p99"]) >= float(values["tick_us_p50"]) >= 0.0
    toy.warn_once("imu", "gone")
    status = latest()
    assert (status.level, status.message) == (
        DiagnosticStatus.WARN,
        "faults in the last second: see values",
    )
    assert {item.key: item.value for item in status.values}["imu_faults"] == "1"
