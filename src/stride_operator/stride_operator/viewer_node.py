"""The viewer: shows a running robot live, on a page for the browser."""

from __future__ import annotations

import sys
import time
from collections import deque
from struct import unpack_from
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from stride_control.executor import run
from stride_control.parameters import declare
from stride_core.frames import tilt_angle
from tf2_msgs.msg import TFMessage

from stride_msgs.msg import FootContacts, FootTargets, HeightField, Residual, SafetyStatus
from stride_operator.config import ViewerConfig
from stride_operator.ground import Ground
from stride_operator.page import Page
from stride_operator.panel import Status
from stride_operator.scene import Pose
from stride_operator.urdf import UrdfError, read_urdf

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
FRAMES = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
FACTOR_WINDOW = 2.0  # s of wall time over which the real-time factor is taken


class ViewerNode(Node):
    """Keeps the newest message of each topic, as serialised, and shows them at its own rate.

    A message costs a few microseconds, however fast the run; only what is shown is read, and
    only while somebody has the page open.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Start to serve.

        Raises:
            ValueError: A parameter is wrong, or the page cannot be served; one line.
        """
        super().__init__("viewer", **node_arguments)
        config = declare(self, ViewerConfig)
        prefix = self.get_namespace().strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._newest: dict[str, bytes] = {}
        self._frames: dict[bytes, bytes] = {}  # newest message of frames by its first child
        self._poses: dict[str, Pose] = {}
        self._root = ""
        self._robot = ""
        self._ground: Ground | None = None
        self._factor = RealTimeFactor()
        self._page = Page(config.host, config.port)
        self._estop = self.create_publisher(Bool, "estop", 10)
        self._reset = self.create_client(Trigger, "safety/reset")
        self._page.when_asked(
            stop=lambda: self._estop.publish(Bool(data=True)),
            resume=lambda: self._reset.call_async(Trigger.Request()),
        )
        self._listen(config.tf)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # not the simulated one
        self.create_timer(1.0 / config.rate, self._update, clock=steady)
        taken = "" if self._page.port == config.port or not config.port else " (the next free port)"
        print(f"stride: watch the robot at {self._page.url}{taken}", file=sys.stderr, flush=True)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._page.url

    @property
    def robot(self) -> str:
        """Name of the robot shown, empty while there is none."""
        return self._robot

    def _listen(self, tf: str) -> None:
        self.create_subscription(String, "robot_description", self._on_description, LATCHED)
        self.create_subscription(HeightField, "terrain", self._on_terrain, LATCHED)
        self.create_subscription(TFMessage, tf, self._on_frames, FRAMES, raw=True)
        for topic, cls in TOPICS.items():
            self._keep(topic, cls)

    def _keep(self, topic: str, cls: Any) -> None:
        def on_message(data: bytes) -> None:
            self._newest[topic] = data

        self.create_subscription(cls, topic, on_message, NEWEST, raw=True)

    def _on_frames(self, data: bytes) -> None:
        self._frames[first_child(data)] = data

    def _on_description(self, message: String) -> None:
        try:
            robot = read_urdf(message.data)
        except UrdfError as error:
            self.get_logger().warning(str(error))
            return
        if robot.left_out:
            self.get_logger().warning(f"robot_description: {robot.left_out} meshes are not drawn")
        feet = [link for link in robot.joints if link.endswith("_foot")]
        self._root, self._robot = robot.root, robot.name
        self._page.scene.set_robot(robot, feet)

    def _on_terrain(self, message: HeightField) -> None:
        heights = np.asarray(message.height, dtype=np.float64)
        try:
            shaped = heights.reshape(message.rows, message.cols)
            self._ground = Ground(shaped, message.size_x, message.size_y)
        except ValueError as error:
            self.get_logger().warning(f"terrain: {error}")
            return
        self._page.scene.set_ground(self._ground)

    def _read(self, topic: str) -> Any:
        data = self._newest.get(topic)
        return None if data is None else deserialize_message(data, TOPICS[topic])

    def _update(self) -> None:
        odom = self._newest.get("odom")
        if odom is not None:
            seconds, nanoseconds = unpack_from("<iI", odom, 4)
            self._factor.add(time.monotonic(), seconds + 1e-9 * nanoseconds)
        if not self._page.watched:
            return
        poses = self._take_poses()
        trunk = self._poses.get(self._root)
        place = None if trunk is None else trunk[0]
        ground = 0.0
        if place is not None and self._ground is not None:
            ground = self._ground.height_at(place[0], place[1])
        self._page.update(poses, place, self._status(ground))

    def _take_poses(self) -> dict[str, Pose]:
        poses: dict[str, Pose] = {}
        frames, self._frames = self._frames, {}
        for data in frames.values():
            for item in deserialize_message(data, TFMessage).transforms:
                p, q = item.transform.translation, item.transform.rotation
                child = item.child_frame_id.removeprefix(self._prefix)
                poses[child] = ((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
        self._poses |= poses
        return poses

    def _status(self, ground: float) -> Status:
        odom, imu, safety = self._read("odom"), self._read("imu"), self._read("safety_status")
        targets, contacts = self._read("foot_targets"), self._read("foot_contacts")
        residual = self._read("residual")
        velocity = height = tilt = None
        if odom is not None:
            linear, angular = odom.twist.twist.linear, odom.twist.twist.angular
            velocity = (linear.x, linear.y, angular.z)
            height = odom.pose.pose.position.z - ground
        if imu is not None:
            q = imu.orientation
            tilt = float(tilt_angle(np.array([q.x, q.y, q.z, q.w])))
        return Status(
            robot=f"{self._prefix}{self._robot}",
            command=None if targets is None else tuple(targets.command),
            velocity=velocity,
            tilt=tilt,
            height=height,
            state=None if safety is None else safety.state,
            reasons=() if safety is None else tuple(safety.reasons),
            time=self._factor.latest,
            factor=self._factor.value,
            feet=()
            if contacts is None
            else tuple(zip(contacts.legs, contacts.contact, contacts.force, strict=False)),
            policy=None
            if residual is None
            else (residual.policy, residual.strength, residual.novelty),
        )

    def destroy_node(self) -> None:
        """Stop serving, then the node."""
        self._page.close()
        super().destroy_node()


TOPICS: dict[str, Any] = {
    "odom": Odometry,
    "imu": Imu,
    "safety_status": SafetyStatus,
    "foot_targets": FootTargets,
    "foot_contacts": FootContacts,
    "residual": Residual,
}


class RealTimeFactor:
    """Seconds of the run to one of the wall, over the last moments."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, wall: float, stamp: float) -> None:
        """Note that at `wall` [s] the newest stamp was `stamp` [s]."""
        if self._samples and stamp < self._samples[-1][1]:
            self._samples.clear()  # it was reset
        self._samples.append((wall, stamp))
        while self._samples[0][0] < wall - FACTOR_WINDOW:
            self._samples.popleft()

    @property
    def latest(self) -> float | None:
        """The newest stamp [s]."""
        return self._samples[-1][1] if self._samples else None

    @property
    def value(self) -> float | None:
        """The factor; None for want of two instants."""
        if len(self._samples) < 2:
            return None
        (wall, stamp), (wall_now, stamp_now) = self._samples[0], self._samples[-1]
        return (stamp_now - stamp) / (wall_now - wall)


def first_child(data: bytes) -> bytes:
    """Return child_frame_id of the first transform of a serialised TFMessage, b"" without one.

    CDR: 4 bytes of encapsulation, number of transforms, stamp (8), then two strings, each a
    length and its bytes, aligned to 4.
    """
    if len(data) < 24 or data[1] != 1 or not unpack_from("<I", data, 4)[0]:
        return b""
    (length,) = unpack_from("<I", data, 16)
    offset = 20 + length + -length % 4
    (length,) = unpack_from("<I", data, offset)
    return data[offset + 4 : offset + 4 + length]


def main() -> None:
    """Run the viewer until it is told to stop."""
    sys.exit(run(lambda: [ViewerNode()]))
