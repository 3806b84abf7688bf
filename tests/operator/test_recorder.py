"""The recorder's decisions: definitions, stamps, log times, topics, QoS."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_control.messages import message_class
from stride_operator.bag_metadata import OfferedQos
from stride_operator.message_definitions import (
    definition,
    installed,
    references,
    stamp_reader,
)
from stride_operator.recorder import LogClock, request, wanted

TEXTS = {
    ("a", "Top"): "# a Ghost/In comment\nb/Inner[3] i\nLeaf[<=5] leaf  # b/Ghost x\nstring<=9 s\n",
    ("b", "Inner"): "a/Leaf leaf\nuint8 MAX=3\nint32[] numbers\n",
    ("a", "Leaf"): 'string TEXT="x # y"\nfloat64 x 1.5\n',
}


def find(package: str, name: str) -> str:
    return TEXTS[package, name]


def test_a_definition_holds_each_type_it_refers_to_once() -> None:
    parts = definition("a/msg/Top", find).split("=" * 80 + "\n")
    assert parts[0] == TEXTS["a", "Top"]
    assert [p.splitlines()[0] for p in parts[1:]] == ["MSG: b/Inner", "MSG: a/Leaf"]


def test_references_skip_comments_constants_and_primitives() -> None:
    assert references(TEXTS["a", "Top"], "a") == [("b", "Inner"), ("a", "Leaf")]
    assert references(TEXTS["a", "Leaf"], "a") == []


@pytest.mark.parametrize(
    "name", ["sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry", "rcl_interfaces/msg/ParameterEvent"]
)
def test_installed_definitions_have_the_hash_that_ros_gives_them(name: str) -> None:
    pytest.importorskip("rclpy")
    rosbags = pytest.importorskip("rosbags.typesys")
    store = rosbags.get_typestore(rosbags.Stores.EMPTY)
    store.register(rosbags.get_types_from_msg(definition(name, installed), name))
    known = rosbags.get_typestore(rosbags.Stores.ROS2_JAZZY)
    assert store.hash_rihs01(name) == known.hash_rihs01(name)


def test_a_type_that_is_not_installed_is_named() -> None:
    with pytest.raises(LookupError, match="none_msgs/msg/None is not installed"):
        message_class("none_msgs/msg/None")
    with pytest.raises(OSError, match="none_msgs is not installed"):
        definition("none_msgs/msg/None", installed)


def test_stamps_are_read_from_headers_clocks_and_first_transforms() -> None:
    pytest.importorskip("rclpy")
    from geometry_msgs.msg import TransformStamped, Twist
    from rclpy.serialization import serialize_message
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Imu, JointState
    from std_msgs.msg import String
    from tf2_msgs.msg import TFMessage

    nanoseconds = 12 * 10**9 + 345
    for cls in (Imu, JointState, TransformStamped):
        message = cls()
        message.header.frame_id = "somewhere"
        message.header.stamp.sec, message.header.stamp.nanosec = 12, 345
        assert stamp_reader(cls)(serialize_message(message)) == nanoseconds  # type: ignore[misc]
    clock = Clock()
    clock.clock.sec, clock.clock.nanosec = 12, 345
    assert stamp_reader(Clock)(serialize_message(clock)) == nanoseconds  # type: ignore[misc]
    transforms = TFMessage()
    read = stamp_reader(TFMessage)
    assert read is not None and read(serialize_message(transforms)) is None
    transform = TransformStamped()
    transform.header.stamp.sec, transform.header.stamp.nanosec = 12, 345
    transforms.transforms.append(transform)
    assert read(serialize_message(transforms)) == nanoseconds
    assert stamp_reader(Twist) is None
    assert stamp_reader(String) is None


def test_a_stamp_is_read_in_either_byte_order() -> None:
    pytest.importorskip("rclpy")
    from sensor_msgs.msg import Imu

    read = stamp_reader(Imu)
    assert read is not None
    for flag, order in ((b"\1", "little"), (b"\0", "big")):
        three, seven = (number.to_bytes(4, order) for number in (3, 7))  # type: ignore[arg-type]
        assert read(b"\0" + flag + b"\0\0" + three + seven) == 3_000_000_007


def test_a_message_has_its_stamp_or_that_of_the_tick_as_log_time() -> None:
    clock = LogClock()
    assert clock.time(None) is None
    assert clock.time(0, ticks=True) == 0
    assert clock.time(None) == 0
    assert clock.time(20, ticks=True) == 20
    assert clock.time(None) == 20
    assert clock.time(19) == 19
    assert clock.time(None) == 20
    assert clock.time(0) == 0  # the first tick's stamp, late
    assert clock.time(10**9, ticks=True) == 10**9
    assert clock.time(0) == 10**9  # unstamped


def test_what_was_there_before_the_first_tick_is_of_it_whenever_it_comes() -> None:
    clock = LogClock()
    assert clock.time(None, early=True) is None
    for tick in (50, 60):
        clock.time(tick, ticks=True)
        assert clock.time(None, early=True) == 50
        assert clock.time(tick, early=True) == tick


def test_only_a_run_that_begins_at_zero_has_stamps_of_zero() -> None:
    clock = LogClock()
    assert not clock.stamped(0)
    clock.time(0, ticks=True)
    assert clock.stamped(0) and clock.stamped(3) and not clock.stamped(None)
    clock.time(2 * 10**9, ticks=True)
    assert not clock.stamped(0) and clock.stamped(3)
    late = LogClock()
    late.time(5, ticks=True)
    assert not late.stamped(0)


def test_a_stamp_of_the_wall_clock_does_not_get_into_a_simulated_bag() -> None:
    clock = LogClock()
    clock.time(5 * 10**9, ticks=True)
    assert clock.time(1_800_000_000 * 10**9) == 5 * 10**9


def test_before_the_first_tick_everything_waits() -> None:
    clock = LogClock()
    wall = 1_800_000_000 * 10**9
    assert clock.time(wall) is None
    assert clock.time(None) is None
    assert clock.time(0, ticks=True) == 0
    assert clock.time(wall) == 0


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_unstamped_messages_never_run_ahead_of_the_ticks(ticks: list[int]) -> None:
    clock = LogClock()
    for before, tick in pairwise([None, *sorted(ticks)]):
        assert clock.time(None) == before
        clock.time(tick, ticks=True)


def test_all_topics_but_hidden_ones_are_wanted_or_just_those_named() -> None:
    assert wanted("/joint_states", [])
    assert not wanted("/fetch/_action/feedback", [])
    assert wanted("/a", ["/a"])
    assert not wanted("/a/b", ["/a"])


def test_the_request_is_what_every_publisher_offers() -> None:
    plain, effort = OfferedQos(), OfferedQos(reliability="best_effort")
    latched = OfferedQos(durability="transient_local")
    assert request([plain]) == (True, False)
    assert request([latched]) == (True, True)
    assert request([plain, effort]) == (False, False)
    assert request([latched, plain]) == (True, False)
