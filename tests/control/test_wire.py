"""Numbers go in and out of serialised messages as ROS itself would put and read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from stride_control.cdr import canonical
from stride_control.gait_node import GaitNode
from stride_control.ik_node import IkNode
from stride_control.messages import (
    Rows,
    message_class,
    peek_imu,
    peek_orientation,
    peek_stamp,
    stamp_ns,
)
from stride_control.policy_node import PolicyNode
from stride_control.safety_node import SafetyNode
from stride_control.wire import Reader, Stencil
from tests.control.surroundings import SPEC
from tests.graph.harness import Graph
from tests.policy.models import write_policy

from stride_msgs.msg import FootTargets, Residual

LEGS = list(SPEC.legs)
NUMBERS = arrays(np.float64, 12, elements=st.floats())
STAMPS = st.integers(0, 2**31 * 10**9 - 1)


def targets(frame: str = "", order: Any = LEGS, values: Any = (0.0,) * 12) -> FootTargets:
    message = FootTargets(legs=order, gait="trot", mode="walk", position=list(values))
    message.header.frame_id = frame
    message.swing = [False] * 4
    return message


def reader(*optional: str) -> Callable[[bytes], Any]:
    """Reads the feet."""
    made = Reader(FootTargets, Rows("leg", LEGS), "legs", {"position": 3}, optional)
    return lambda data: made.read(data, "foot_targets")[0]


@given(
    STAMPS, NUMBERS, arrays(bool, 4), arrays(np.float64, 3, elements=st.floats()), st.text("ab/")
)
def test_a_stencil_makes_what_ros_makes(
    stamp: int, position: Any, swing: Any, command: Any, frame: str
) -> None:
    stencil = Stencil(targets(frame), "position", "swing", "command")
    data = stencil.fill(stamp, position.reshape(4, 3), swing, command)
    whole = targets(frame, values=position.tolist())
    whole.swing, whole.command = swing.tolist(), command
    whole.header.stamp.sec, whole.header.stamp.nanosec = divmod(stamp, 10**9)
    assert data == canonical(serialize_message(whole), FootTargets, message_class)
    assert (
        peek_stamp(data) == stamp == stamp_ns(deserialize_message(data, FootTargets).header.stamp)
    )


@given(st.lists(st.tuples(NUMBERS, st.permutations(LEGS), st.text("ab/", max_size=5)), min_size=3))
def test_a_reader_reads_what_ros_reads_whoever_sends(sent: list[Any]) -> None:
    ours, rows = reader(), Rows("leg", LEGS)
    for values, order, frame in [each for item in sent for each in (item, item)]:
        data = serialize_message(targets(frame, order, values))
        whole = deserialize_message(data, FootTargets)
        expected = rows.read(whole.legs, "", whole.position, 3)
        np.testing.assert_array_equal(ours(data), expected)


@given(
    st.lists(
        st.tuples(
            *(NUMBERS, arrays(bool, 4), arrays(np.float64, 3, elements=st.floats())),
            *(st.permutations(LEGS), st.sampled_from(["trot", "pace"]), st.booleans()),
        ),
        min_size=3,
    )
)
def test_flags_plain_numbers_and_texts_are_read_as_ros_reads_them(sent: list[Any]) -> None:
    rows = Rows("leg", LEGS)
    fields, plain = {"position": 3, "swing": 1}, {"asked": 3, "shape": 2}
    ours = Reader(FootTargets, rows, "legs", fields, plain=plain)
    for values, swing, asked, order, gait, canonically in [e for e in sent for _ in range(2)]:
        message = targets(order=order, values=values)
        message.gait, message.swing, message.asked = gait, swing.tolist(), asked
        message.shape = [float(values[0]), -1.0]
        data = serialize_message(message)
        data = canonical(data, FootTargets, message_class) if canonically else data
        at = [order.index(leg) for leg in LEGS]
        expected = (values.reshape(4, 3)[at].ravel(), swing[at], asked, [values[0], -1.0])
        read = ours.read(data, "foot_targets")
        assert read[1].dtype == np.bool_ and ours.message.gait == gait
        for found, right in zip(read, expected, strict=True):
            np.testing.assert_array_equal(found, right)


def test_plain_numbers_that_are_too_few_are_refused() -> None:
    ours = Reader(FootTargets, Rows("leg", LEGS), "legs", {"position": 3}, plain={"shape": 6})
    with pytest.raises(ValueError, match=r"foot_targets.shape: 0 values: expected 6"):
        ours.read(serialize_message(targets()), "foot_targets")


def test_equal_numbers_do_not_hide_another_order() -> None:
    ours = reader()
    for values in (np.zeros(12), np.arange(12.0)):
        data = serialize_message(targets(order=LEGS[::-1], values=values))
        read = ours(data)
    np.testing.assert_array_equal(read, np.arange(12.0).reshape(4, 3)[::-1].ravel())


def test_a_message_that_does_not_fit_is_refused_each_time_and_the_next_one_read() -> None:
    ours = reader()
    good = serialize_message(targets(values=np.arange(12.0)))
    for _ in range(2):
        for bad in (targets(order=["FL"] * 4), targets(values=[0.0] * 11), targets(values=[])):
            with pytest.raises(ValueError, match=r"foot_targets|legs"):
                ours(serialize_message(bad))
        np.testing.assert_array_equal(ours(good), np.arange(12.0))


def test_no_values_are_fine_where_they_may_be_missing() -> None:
    ours = reader("position")
    assert ours(serialize_message(targets(values=[]))).size == 0
    assert ours(serialize_message(targets())).size == 12
    assert ours(serialize_message(targets(values=[]))).size == 0


def test_a_message_of_the_other_byte_order_is_read_whole() -> None:
    ours = Reader(JointState, Rows("joint", ["a"]), "name", {"position": 1})
    one, nothing = (1).to_bytes(4), bytes(4)
    big = b"".join(
        [
            *(nothing, (7).to_bytes(4), (8).to_bytes(4), one, nothing),  # stamp, frame ""
            *(one, (2).to_bytes(4), b"a\0\0\0", one, np.array(0.25, ">f8").tobytes()),
            *(nothing, nothing),
        ]
    )
    assert peek_stamp(big) == 7_000_000_008
    for _ in range(2):
        np.testing.assert_array_equal(ours.read(big, "joint_states"), [[0.25]])


def test_a_message_of_numbers_is_a_hole_too() -> None:
    stencil = Stencil(Imu(), "orientation", "linear_acceleration")
    data = stencil.fill(5, np.arange(4.0), np.arange(3.0))
    imu = deserialize_message(data, Imu)
    assert (imu.orientation.y, imu.orientation.w, imu.linear_acceleration.z) == (1.0, 3.0, 2.0)
    assert imu.header.stamp.nanosec == 5 and not imu.angular_velocity_covariance.any()
    assert peek_orientation(data) == (0.0, 1.0, 2.0, 3.0)


@pytest.mark.parametrize("field", ["legs", "policy", "strength", "header"])
def test_a_stencil_has_no_other_holes(field: str) -> None:
    with pytest.raises((ValueError, TypeError, AssertionError, AttributeError)):
        Stencil(Residual(legs=LEGS), field)


def test_what_is_sent_has_the_very_length_that_ros_sends(graph: Graph) -> None:
    message = JointState(name=["a"], position=[0.0])  # ends with two empty lists
    surroundings = graph.add(Node, "surroundings")
    heard: list[bytes] = []
    surroundings.create_subscription(JointState, "said", heard.append, 10, raw=True)
    publisher = surroundings.create_publisher(JointState, "said", 10)
    graph.until(publisher.get_subscription_count)
    publisher.publish(message)
    publisher.publish(Stencil(message, "position").fill(0, np.zeros(1)))
    graph.until(lambda: len(heard) == 2)
    assert len(heard[0]) == len(heard[1])


@given(st.lists(st.tuples(*[st.sampled_from([0, 2])] * 3, st.floats()), min_size=4))
def test_several_fields_are_read_and_those_that_lack_are_told_apart(sent: list[Any]) -> None:
    rows, fields = Rows("joint", ["a", "b"]), ("position", "velocity", "effort")
    ours = Reader(JointState, rows, "name", dict.fromkeys(fields, 1), fields)
    for *counts, value in [each for item in sent for each in (item, item)]:
        values = [[value + i, -value][:count] for i, count in enumerate(counts)]
        message = JointState(name=["a", "b"], **dict(zip(fields, values, strict=True)))
        data = serialize_message(message)
        for sender in (data, canonical(data, JointState, message_class)):
            for read, expected in zip(ours.read(sender, "joint_states"), values, strict=True):
                np.testing.assert_array_equal(read, expected)


def test_the_whole_imu_is_read_at_once() -> None:
    imu = Imu()
    imu.header.frame_id, imu.header.stamp.sec = "imu_link", 3
    imu.orientation.x, imu.angular_velocity.z, imu.linear_acceleration.y = 0.5, 0.25, 9.0
    read = peek_imu(serialize_message(imu))
    assert read == ((0.5, 0.0, 0.0, 1.0), (0.0, 0.0, 0.25), (0.0, 9.0, 0.0))
    for field in ("orientation", "angular_velocity", "linear_acceleration"):
        getattr(imu, f"{field}_covariance")[0] = -1.0  # REP-145
    assert peek_imu(serialize_message(imu)) == ((0.0,) * 4, None, None)


@pytest.mark.parametrize("node_class", [GaitNode, IkNode, SafetyNode, PolicyNode])
def test_bytes_that_are_no_message_are_said_once_and_dropped(
    graph: Graph, yaml: list[str], tmp_path: Path, node_class: type[Any]
) -> None:
    write_policy(tmp_path / "a.onnx")
    policy = [Parameter("policy", value=str(tmp_path / "a.onnx"))]
    node = graph.add(
        node_class,
        cli_args=yaml,
        parameter_overrides=policy if node_class is PolicyNode else [],
    )
    lines: list[str] = []
    node.get_logger().warning = lines.append
    surroundings = graph.add(Node, "surroundings")
    topics = {t.topic_name.strip("/"): t.msg_type for t in node.subscriptions if t.raw}
    assert len(topics) > 1
    for topic, kind in topics.items():
        publisher = surroundings.create_publisher(kind, topic, 10)
        graph.until(publisher.get_subscription_count)
        for data in (b"\0\1\0\0", bytes(11)):
            publisher.publish(data)
        graph.until(lambda: node.counts.get(f"{topic}_faults") == 2)  # noqa: B023
    assert len(lines) == len(topics)
    assert all("bytes are no" in line for line in lines), lines


def test_a_stencil_takes_as_many_numbers_as_it_has_places_for() -> None:
    stencil = Stencil(targets(), "position")
    for wrong in ((np.zeros(11),), (), (np.zeros(12), np.zeros(1))):
        with pytest.raises(ValueError):
            stencil.fill(0, *wrong)
