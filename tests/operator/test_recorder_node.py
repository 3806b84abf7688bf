"""The recorder in a graph: what is published is in the bag, whatever its type, QoS or arrival."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stride_operator import bag

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from stride_operator.bag_writer import BagError
from stride_operator.recorder_node import RecorderNode

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


def stamped(cls: Any, nanoseconds: int) -> Any:
    """A message of `cls` with that stamp."""
    message = cls()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    return message


def said(text: str) -> bytes:
    """A std_msgs/String by hand."""
    data = text.encode() + b"\0"
    return b"\0\1\0\0" + len(data).to_bytes(4, "little") + data


def deserialised(messages: list[tuple[int, bytes]], cls: Any) -> list[tuple[int, Any]]:
    return [(time, deserialize_message(data, cls)) for time, data in messages]


def recorded(folder: Path, topic: str) -> list[tuple[int, bytes]]:
    """(time, data) of a topic's messages in a bag."""
    return [(m.time, m.data) for m in bag.read(folder) if m.topic == topic]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_every_message_is_recorded_as_serialised_at_its_stamp(graph: Any, folder: Path) -> None:
    robot = graph.add(Node, "robot")
    publisher = robot.create_publisher(JointState, "joint_states", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: "/joint_states" in recorder.topics and publisher.get_subscription_count())
    messages = [stamped(JointState, 20_000_000 * tick) for tick in range(500)]
    for message in messages:
        message.name, message.position = ["a", "b"], [0.25, -1.0]
        publisher.publish(message)
        graph.spin()
    graph.destroy(recorder)
    found = deserialised(recorded(folder, "/joint_states"), JointState)
    assert found == [(20_000_000 * tick, message) for tick, message in enumerate(messages)]


def test_equal_messages_are_equal_bytes_whatever_was_sent_before(graph: Any, folder: Path) -> None:
    robot = graph.add(Node, "robot")
    publisher = robot.create_publisher(JointState, "joint_states", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: "/joint_states" in recorder.topics and publisher.get_subscription_count())
    for tick in range(20):  # each second one leaves its letters in the gaps of the next
        message = stamped(JointState, 7)
        message.header.frame_id = "a" if tick % 2 else "\u00ff" * (4 + tick)
        message.position = [1.0]
        publisher.publish(message)
        graph.until(lambda: recorder.messages > tick)  # noqa: B023  (called at once)
    graph.destroy(recorder)
    alike = {data for _, data in recorded(folder, "/joint_states")[1::2]}
    assert len(alike) == 1
    (data,) = alike
    assert data[12:20] == b"\2\0\0\0a\0\0\0"  # the frame's length and letter, then the gap


def test_a_tick_that_is_repeated_is_recorded_once_and_equal_words_each_time(
    graph: Any, folder: Path
) -> None:
    robot = graph.add(Node, "robot")
    states = robot.create_publisher(JointState, "joint_states", 10)
    words = robot.create_publisher(String, "words", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: {"/joint_states", "/words"} <= recorder.topics)
    graph.until(lambda: states.get_subscription_count() and words.get_subscription_count())
    for tick in (0, 0, 1, 1, 1, 2):
        states.publish(stamped(JointState, tick))
        graph.until(lambda: recorder.messages >= tick)  # noqa: B023  (called at once)
        words.publish(String(data="go"))
    graph.destroy(recorder)
    assert [time for time, _ in recorded(folder, "/joint_states")] == [0, 1, 2]
    assert len(recorded(folder, "/words")) == 6


def test_what_is_latched_before_the_first_tick_is_of_it_however_late_that_is(
    graph: Any, folder: Path
) -> None:
    robot = graph.add(Node, "robot")
    robot.create_publisher(String, "robot_description", LATCHED).publish(String(data="<robot/>"))
    states = robot.create_publisher(JointState, "joint_states", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: {"/joint_states", "/robot_description"} <= recorder.topics)
    graph.until(states.get_subscription_count)
    for tick in (5, 6):
        states.publish(stamped(JointState, tick))
    graph.until(lambda: recorder.messages >= 3)
    graph.destroy(recorder)
    assert recorded(folder, "/robot_description") == [(5, said("<robot/>"))]


def test_the_summary_counts_messages_and_losses(graph: Any, folder: Path, tmp_path: Path) -> None:
    summary = tmp_path / "counts.json"
    recorder = graph.add(RecorderNode, output=str(folder), patience=0.05, summary=str(summary))
    publisher = graph.add(Node, "robot").create_publisher(Imu, "imu", 10)
    graph.until(lambda: "/imu" in recorder.topics and publisher.get_subscription_count())
    publisher.publish(stamped(Imu, 1))
    graph.until(lambda: recorder.messages)
    recorder._bag.lost = 2
    graph.destroy(recorder)
    found = json.loads(summary.read_text("utf-8"))
    assert found == {"messages": len(list(bag.read(folder))), "lost": 2}


def test_latched_best_effort_and_late_topics_are_recorded(graph: Any, folder: Path) -> None:
    robot = graph.add(Node, "robot")
    robot.create_publisher(String, "robot_description", LATCHED).publish(String(data="<robot/>"))
    camera = robot.create_publisher(Imu, "imu", BEST_EFFORT)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: {"/imu", "/robot_description"} <= recorder.topics)
    late = robot.create_publisher(String, "late", 10)
    graph.until(lambda: "/late" in recorder.topics and late.get_subscription_count())
    graph.until(camera.get_subscription_count)
    late.publish(String(data="at last"))
    camera.publish(stamped(Imu, 3_000_000_000))
    graph.until(lambda: recorder.messages >= 3)
    graph.destroy(recorder)
    time = 3_000_000_000  # the first stamp; what came before it waited
    assert recorded(folder, "/robot_description") == [(time, said("<robot/>"))]
    assert recorded(folder, "/late") == [(time, said("at last"))]
    assert [t for t, _ in recorded(folder, "/imu")] == [time]


def test_a_publisher_that_offers_less_is_still_heard(graph: Any, folder: Path) -> None:
    robot = graph.add(Node, "robot")
    first = robot.create_publisher(Imu, "imu", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: "/imu" in recorder.topics and first.get_subscription_count())
    second = robot.create_publisher(Imu, "imu", BEST_EFFORT)
    graph.until(lambda: second.get_subscription_count() and first.get_subscription_count())
    first.publish(stamped(Imu, 1))
    second.publish(stamped(Imu, 2))
    graph.until(lambda: recorder.messages >= 2)
    graph.destroy(recorder)
    assert sorted(t for t, _ in recorded(folder, "/imu")) == [1, 2]


def test_only_the_named_topics_are_recorded(graph: Any, folder: Path) -> None:
    robot = graph.add(Node, "robot")
    robot.create_publisher(Imu, "imu", 10)
    robot.create_publisher(Imu, "other", 10)
    recorder = graph.add(RecorderNode, output=str(folder), topics=["/imu", "/absent"])
    graph.until(lambda: recorder.topics)
    recorder.discover()
    assert recorder.topics == {"/imu"}


def test_stored_topics_have_rosbag2s_types_and_qos(graph: Any, folder: Path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    typesys = pytest.importorskip("rosbags.typesys")
    robot = graph.add(Node, "robot")
    robot.create_publisher(String, "robot_description", LATCHED)
    robot.create_publisher(JointState, "joint_states", 10)
    recorder = graph.add(RecorderNode, output=str(folder))
    graph.until(lambda: {"/joint_states", "/robot_description"} <= recorder.topics)
    graph.destroy(recorder)
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    with rosbag2.Reader(folder) as reader:
        topics = {c.topic: c for c in reader.connections}
    for name, connection in topics.items():
        assert connection.digest == store.hash_rihs01(connection.msgtype), name
        parsed = typesys.get_types_from_msg(connection.msgdef.data, connection.msgtype)
        assert connection.msgtype in parsed
    (qos,) = topics["/robot_description"].ext.offered_qos_profiles
    assert qos.durability.name == "TRANSIENT_LOCAL"


def test_a_topic_of_an_unknown_type_is_skipped_with_one_line(
    graph: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = graph.add(Node, "robot")
    robot.create_publisher(Imu, "imu", 10)
    from stride_operator import recorder_node

    def unknown(type_name: str) -> Any:
        raise LookupError(f"message type {type_name} is not installed")

    monkeypatch.setattr(recorder_node, "message_class", unknown)
    lines: list[str] = []
    recorder = graph.add(RecorderNode, output=str(folder))
    assert not recorder.topics
    monkeypatch.setattr(recorder.get_logger(), "warning", lines.append, raising=False)
    robot.create_publisher(String, "said", 10)
    graph.until(lambda: [line for line in lines if "/said" in line])
    recorder.discover()
    assert lines == ["not recording /said: message type std_msgs/msg/String is not installed"]


def test_a_failing_disk_is_told_on_diagnostics_and_the_node_stays(
    graph: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = graph.add(Node, "robot")
    publisher = robot.create_publisher(Imu, "imu", 10)
    heard: list[DiagnosticStatus] = []
    robot.create_subscription(DiagnosticArray, "diagnostics", lambda m: heard.extend(m.status), 10)
    recorder = graph.add(RecorderNode, output=str(folder), patience=0.05)
    graph.until(lambda: "/imu" in recorder.topics and publisher.get_subscription_count())
    publisher.publish(stamped(Imu, 1))
    graph.until(lambda: recorder.messages)
    kept = recorder.messages
    real = os.pwritev

    def full(fd: int, parts: list[bytes], offset: int) -> int:
        if len(parts) > 1:  # a new chunk; the old tail finds its blocks still there
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(real(fd, parts, offset))

    monkeypatch.setattr(os, "pwritev", full)
    publisher.publish(stamped(Imu, 2))
    graph.until(lambda: [s for s in heard if s.level == DiagnosticStatus.ERROR])
    assert "recording stopped: No space left on device" in heard[-1].message
    graph.destroy(recorder)
    assert (1, stamped(Imu, 1)) in deserialised(recorded(folder, "/imu"), Imu)
    assert len(list(bag.read(folder))) >= kept


def test_an_existing_folder_is_refused(graph: Any, tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists already"):
        graph.add(RecorderNode, output=str(tmp_path))


@pytest.mark.usefixtures("domain")
def test_the_executable_says_one_line_and_exits_2_when_the_folder_exists(tmp_path: Path) -> None:
    source = "from stride_operator.recorder_node import main; main()"
    arguments = ["--ros-args", "-p", f"output:={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}: exists already" in done.stderr


def test_the_executable_finishes_its_bag_on_sigterm(graph: Any, folder: Path, start: Any) -> None:
    robot = graph.add(Node, "robot")
    publisher = robot.create_publisher(Imu, "imu", 10)
    source = "from stride_operator.recorder_node import main; main()"
    arguments = ["--ros-args", "-p", f"output:={folder}"]
    process = start(sys.executable, "-c", source, *arguments)
    graph.until(publisher.get_subscription_count)
    stamps = [time.time_ns() + number for number in range(100)]
    for stamp in stamps:
        publisher.publish(stamped(Imu, stamp))
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert [t for t, _ in recorded(folder, "/imu")] == stamps
