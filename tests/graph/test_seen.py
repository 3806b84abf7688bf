"""What another process sees of a running robot, and how it moves it: DESIGN.md's table."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

import pytest
from stride_control.messages import stamp_ns
from stride_core.robot import load_robot
from tests.graph.harness import FAST, stage
from tests.graph.watching import EACH_TICK, OTHERS, Watcher, paused

TYPES = {
    "/joint_states": "sensor_msgs/msg/JointState",
    "/imu": "sensor_msgs/msg/Imu",
    "/foot_targets": "stride_msgs/msg/FootTargets",
    "/joint_targets": "sensor_msgs/msg/JointState",
    "/joint_commands": "sensor_msgs/msg/JointState",
    "/safety_status": "stride_msgs/msg/SafetyStatus",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    "/odom": "nav_msgs/msg/Odometry",
    "/foot_contacts": "stride_msgs/msg/FootContacts",
    "/clock": "rosgraph_msgs/msg/Clock",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/robot_description": "std_msgs/msg/String",
    "/terrain": "stride_msgs/msg/HeightField",
    "/cmd_vel": "geometry_msgs/msg/Twist",
    "/residual": "stride_msgs/msg/Residual",
    "/policy_event": "stride_msgs/msg/PolicyEvent",
}
WRITERS = {
    "/joint_states": "sim", "/imu": "sim", "/odom": "sim", "/foot_contacts": "sim",
    "/clock": "sim", "/tf": "sim", "/tf_static": "sim", "/robot_description": "sim",
    "/terrain": "sim", "/foot_targets": "gait", "/joint_targets": "ik",
    "/joint_commands": "safety", "/safety_status": "safety", "/residual": "policy",
    "/policy_event": "policy",
}  # fmt: skip
NODES = {"gait", "policy", "ik", "safety", "sim"}
PERIOD = 10_000_000  # ns, at 100 Hz


@pytest.fixture(scope="module", params=[(), ("--processes",)], ids=["composed", "processes"])
def watcher(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watcher]:
    """A node that hears everything of a robot that stands, whose time goes on by steps alone."""
    with stage(tmp_path_factory.mktemp("seen")) as (processes, graph):
        processes.sim(*FAST, "--policy", "untrained", *request.param)
        with paused(graph, *EACH_TICK, *OTHERS, "/clock") as watcher:
            watcher.walk(50)  # it stands at rest
            yield watcher


def test_every_node_and_topic_is_there_with_its_type_and_writer(watcher: Watcher) -> None:
    node = watcher.node
    watcher.graph.until(lambda: set(node.get_node_names()) >= NODES)
    watcher.graph.until(lambda: dict(node.get_topic_names_and_types()).keys() >= TYPES.keys())
    found = dict(node.get_topic_names_and_types())
    assert {topic: found[topic] for topic in TYPES} == {t: [kind] for t, kind in TYPES.items()}

    def writers() -> dict[str, list[str]]:
        """By topic; who writes is known a little later than that somebody does."""
        return {
            topic: [info.node_name for info in node.get_publishers_info_by_topic(topic)]
            for topic in WRITERS
        }

    watcher.graph.until(lambda: writers() == {t: [name] for t, name in WRITERS.items()})


def test_every_topic_of_a_tick_comes_once_each_tick_with_its_stamp(watcher: Watcher) -> None:
    end = watcher.walk(100)
    wanted = list(range(end - 99 * PERIOD, end + PERIOD, PERIOD))
    for topic in EACH_TICK:
        found = [stamp for stamp in watcher.stamps(topic) if stamp >= wanted[0]]
        assert found == wanted, topic
    clock = [stamp_ns(message.clock) for message in watcher.heard["/clock"]]
    assert [stamp for stamp in clock if stamp >= wanted[0]] == wanted

    # frames come at half that rate, 50 Hz of simulated time
    def frames() -> list[int]:
        stamps = [stamp_ns(m.transforms[0].header.stamp) for m in watcher.heard["/tf"]]
        return [stamp for stamp in stamps if stamp >= wanted[0]]

    even = [stamp for stamp in wanted if stamp % (2 * PERIOD) == 0]
    assert watcher.graph.until(lambda: frames()[-1:] == even[-1:] and frames()) == even


def test_every_node_says_how_it_is(watcher: Watcher) -> None:
    wanted = {f"/{node}": {"tick_us_p99"} for node in NODES}
    wanted["/sim"] = {"missed_ticks", "realtime_factor", "latency_us_p50"}

    def latest() -> dict[str, set[str]]:
        by_name = {s.name: s for m in watcher.heard["diagnostics"] for s in m.status}
        assert {s.hardware_id for s in by_name.values()} <= {"fivebar"}
        return {name: {value.key for value in s.values} for name, s in by_name.items()}

    watcher.graph.until(
        lambda: all(keys <= latest().get(name, set()) for name, keys in wanted.items())
    )


def test_messages_hold_the_robot_in_its_own_order_and_frames(watcher: Watcher) -> None:
    spec = load_robot("fivebar")
    for topic in ("joint_states", "joint_targets", "joint_commands"):
        message = watcher.latest(topic)
        assert tuple(message.name) == spec.joints
        assert len(message.position) == len(spec.joints)
    assert len(watcher.latest("joint_states").effort) == len(spec.joints)
    assert tuple(watcher.latest("foot_targets").legs) == spec.legs == tuple(
        watcher.latest("foot_contacts").legs
    )  # fmt: skip
    # standing: all feet carry, together the robot's weight (its links count once per leg)
    contacts = watcher.latest("foot_contacts")
    assert all(contacts.contact)
    assert 5.0 < sum(contacts.force) < 11.0
    gravity = watcher.latest("imu").linear_acceleration
    assert gravity.z == pytest.approx(9.81, abs=0.5)
    odom = watcher.latest("odom")
    assert (odom.header.frame_id, odom.child_frame_id) == ("odom", "base_link")
    assert watcher.latest("foot_targets").header.frame_id == "base_link"
    children = {t.child_frame_id for t in watcher.latest("/tf").transforms}
    fixed = {t.child_frame_id for t in watcher.latest("/tf_static").transforms}
    assert "base_link" in children and "imu_link" in fixed and not children & fixed
    assert watcher.latest("robot_description").data.startswith("<?xml")
    ground = watcher.latest("terrain")
    assert len(ground.height) == ground.rows * ground.cols and not any(ground.height)


def test_frames_agree_with_the_urdf(watcher: Watcher) -> None:
    from xml.etree import ElementTree

    urdf = ElementTree.fromstring(watcher.latest("robot_description").data)
    parents = {
        joint.find("child").get("link"): joint.find("parent").get("link")  # type: ignore[union-attr]
        for joint in urdf.iterfind("joint")
    }
    frames = [*watcher.latest("/tf").transforms, *watcher.latest("/tf_static").transforms]
    told = {frame.child_frame_id: frame.header.frame_id for frame in frames}
    assert told.pop("base_link") == "odom"
    assert told == parents


def test_cmd_vel_moves_the_robot_and_silence_stops_it(watcher: Watcher) -> None:
    x, y, _ = watcher.place()
    for _ in range(5):
        watcher.drive(vx=0.2)
        last = watcher.walk(20)
    told = watcher.latest("foot_targets")
    assert (told.mode, told.gait) == ("walk", "trot")
    assert told.command[0] == pytest.approx(0.2)
    assert watcher.place()[0] - x > 0.1  # it faces +x; 1 s, less what it takes to get going
    assert abs(watcher.place()[1] - y) < 0.03
    watcher.walk(300)
    # the last cmd_vel arrived within the last 20 ticks; 0.5 s later it counts no more
    followed = [
        stamp_ns(m.header.stamp) for m in watcher.heard["foot_targets"] if m.command[0] > 0.199
    ]
    assert 0.28e9 <= followed[-1] - last <= 0.52e9
    assert watcher.latest("foot_targets").mode == "stand"
    rest = watcher.place()
    watcher.walk(100)
    assert watcher.place() == pytest.approx(rest, abs=0.005)


def test_it_turns_and_sidesteps_as_told(watcher: Watcher) -> None:
    for _ in range(10):
        watcher.drive(wz=0.5)
        watcher.walk(20)
    assert mean([m.twist.twist.angular.z for m in watcher.heard["odom"][-100:]]) > 0.4
    for _ in range(10):
        watcher.drive(vy=-0.05)
        watcher.walk(20)
    assert mean([m.twist.twist.linear.y for m in watcher.heard["odom"][-100:]]) < -0.035
