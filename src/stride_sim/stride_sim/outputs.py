"""The plant's arrays as messages. Messages are made once and filled in each tick."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mujoco
import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from stride_control.messages import doubles, to_stamp
from stride_control.node import TICK_QOS, TRUNK
from stride_control.wire import Stencil
from stride_core.frames import (
    quat_conjugate,
    quat_from_mujoco,
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
)
from stride_core.robot import RobotSpec
from tf2_msgs.msg import TFMessage

from stride_msgs.msg import FootContacts, HeightField
from stride_sim.plant import Sensors, Truth
from stride_sim.terrain import Heightfield
from stride_sim.urdf import FixedJoint, read_urdf

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WORLD = "odom"
CLOCK = "/clock"


class Outputs:
    """Publishers of everything the plant says.

    Attributes:
        clock: the full name of its clock's topic.
    """

    def __init__(self, node: Node, robot: RobotSpec, model: mujoco.MjModel) -> None:
        prefix = node.get_namespace().strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        # one clock for each namespace: two robots side by side are two simulations
        clock = node.resolve_topic_name("clock") if prefix else CLOCK
        self._clock = node.create_publisher(Clock, clock, TICK_QOS)
        self.clock: str = self._clock.topic_name
        self._imu = node.create_publisher(Imu, "imu", TICK_QOS)
        self._odom = node.create_publisher(Odometry, "odom", TICK_QOS)
        self._contacts = node.create_publisher(FootContacts, "foot_contacts", TICK_QOS)
        self._joints = node.create_publisher(JointState, "joint_states", TICK_QOS)
        self._tf = node.create_publisher(TFMessage, "/tf", TICK_QOS)
        self._tf_static = node.create_publisher(TFMessage, "/tf_static", LATCHED)
        self._description = node.create_publisher(String, "robot_description", LATCHED)
        self._terrain = node.create_publisher(HeightField, "terrain", LATCHED)

        self._clock_message = Stencil(Clock())
        imu = Imu()
        imu.header.frame_id = f"{self._prefix}imu_link"
        self._imu_message = Stencil(imu, "orientation", "angular_velocity", "linear_acceleration")
        zeros = [0.0] * len(robot.joints)
        joints = JointState(name=list(robot.joints), position=zeros, velocity=zeros, effort=zeros)
        self._joint_message = Stencil(joints, "position", "velocity", "effort")
        self._contact_message = FootContacts(legs=list(robot.legs))
        self._contact_message.header.frame_id = self._prefix + TRUNK
        self._odom_message = Odometry(child_frame_id=self._prefix + TRUNK)
        self._odom_message.header.frame_id = self._prefix + WORLD
        self._tree = BodyTree(model, self._prefix)
        urdf = read_urdf(robot)
        self._description.publish(String(data=urdf.text))
        self._tf_static.publish(TFMessage(transforms=fixed_joints(urdf.fixed, self._prefix)))

    def change_model(self, model: mujoco.MjModel) -> None:
        """The plant was rebuilt, on another terrain."""
        self._tree = BodyTree(model, self._prefix)

    def publish_terrain(self, ground: Heightfield, nanoseconds: int) -> None:
        """The ground, for whoever draws it."""
        rows, cols = ground.heights.shape
        message = HeightField(rows=rows, cols=cols, size_x=ground.size_x, size_y=ground.size_y)
        message.header.frame_id = self._prefix + WORLD
        message.header.stamp = to_stamp(nanoseconds)
        message.height.frombytes(ground.heights.astype(np.float32).tobytes())
        self._terrain.publish(message)

    def publish_surroundings(self, sensors: Sensors, truth: Truth, nanoseconds: int) -> None:
        """Everything of a tick but what starts it."""
        stamp = to_stamp(nanoseconds)
        self._clock.publish(self._clock_message.fill(nanoseconds))
        if self._odom.get_subscription_count():
            self._publish_odom(truth, stamp)
        if self._contacts.get_subscription_count():
            message = self._contact_message
            message.header.stamp = stamp
            message.contact = truth.foot_contact[0].tolist()
            message.force = doubles(truth.foot_force[0])
            self._contacts.publish(message)
        values = (sensors.quaternion[0], sensors.gyro[0], sensors.accel[0])
        self._imu.publish(self._imu_message.fill(nanoseconds, *values))

    def publish_joints(self, sensors: Sensors, nanoseconds: int) -> None:
        """``joint_states``, which starts the tick."""
        values = (sensors.position[0], sensors.velocity[0], sensors.effort[0])
        self._joints.publish(self._joint_message.fill(nanoseconds, *values))

    def transforms_wanted(self) -> bool:
        """Whether anybody listens to ``/tf``."""
        return bool(self._tf.get_subscription_count())

    def publish_transforms(self, data: mujoco.MjData, nanoseconds: int) -> None:
        """Frames of all links, from MuJoCo's own kinematics."""
        self._tf.publish(self._tree.message(data, to_stamp(nanoseconds)))

    def _publish_odom(self, truth: Truth, stamp: object) -> None:
        self._odom_message.header.stamp = stamp
        fill_odometry(self._odom_message, truth)
        self._odom.publish(self._odom_message)


def fill_imu(message: Imu, quaternion: Iterable[float], sensors: Sensors) -> None:
    """What one robot's IMU says, with an orientation x, y, z, w of its own."""
    _set_quaternion(message.orientation, quaternion)
    _set_vector(message.angular_velocity, sensors.gyro[0])
    _set_vector(message.linear_acceleration, sensors.accel[0])


def fill_odometry(message: Odometry, truth: Truth) -> None:
    """Where one robot's trunk is, and how it moves."""
    _set_vector(message.pose.pose.position, truth.position[0])
    _set_quaternion(message.pose.pose.orientation, truth.quaternion[0])
    _set_vector(message.twist.twist.linear, truth.linear_velocity[0])
    _set_vector(message.twist.twist.angular, truth.angular_velocity[0])


class BodyTree:
    """Every body of the model relative to its parent, as one ``TFMessage``."""

    def __init__(self, model: mujoco.MjModel, prefix: str) -> None:
        names = [model.body(i).name for i in range(model.nbody)]
        robot = [i for i in range(1, model.nbody) if model.body_rootid[i] == model.body(TRUNK).id]
        self._body = np.array(robot)
        self._parent = model.body_parentid[self._body]
        self._message = TFMessage(transforms=[TransformStamped() for _ in robot])
        for item, body, parent in zip(
            self._message.transforms, self._body, self._parent, strict=True
        ):
            item.child_frame_id = prefix + names[body]
            item.header.frame_id = prefix + (WORLD if parent == 0 else names[parent])
        self._model = model

    def message(self, data: mujoco.MjData, stamp: object) -> TFMessage:
        """Runs the kinematics of ``data`` and fills the message."""
        mujoco.mj_kinematics(self._model, data)
        quaternion = quat_from_mujoco(data.xquat)
        inverse = quat_conjugate(quaternion[self._parent])
        place = quat_rotate(inverse, data.xpos[self._body] - data.xpos[self._parent])
        turn = quat_multiply(inverse, quaternion[self._body])
        for item, xyz, xyzw in zip(
            self._message.transforms, place.tolist(), turn.tolist(), strict=True
        ):
            item.header.stamp = stamp
            _set_vector(item.transform.translation, xyz)
            _set_quaternion(item.transform.rotation, xyzw)
        return self._message


def fixed_joints(joints: Iterable[FixedJoint], prefix: str) -> list[TransformStamped]:
    """Frames that no joint state moves."""
    found = []
    for joint in joints:
        item = TransformStamped()
        item.header.frame_id, item.child_frame_id = prefix + joint.parent, prefix + joint.child
        _set_vector(item.transform.translation, joint.xyz)
        _set_quaternion(item.transform.rotation, quat_from_rpy(joint.rpy))
        found.append(item)
    return found


def _set_vector(target: Any, values: Iterable[float]) -> None:
    target.x, target.y, target.z = map(float, values)


def _set_quaternion(target: Any, xyzw: Iterable[float]) -> None:
    target.x, target.y, target.z, target.w = map(float, xyzw)
