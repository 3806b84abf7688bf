"""Spec, kinematics, URDF and MJCF put every foot in the same place."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import yaml
from stride_core.robot import load_robot
from stride_description.find import robot_file, robot_names
from stride_description.urdf import box, cylinder, main, make_urdf, sphere

SPEC = load_robot("fivebar")
RNG = np.random.default_rng(17)


def postures(count):
    """Joint angles (count, 4, 3) spread over the workspace of every leg."""
    feet = RNG.uniform([-0.08, -0.06, -0.11], [0.08, 0.09, -0.03], (count * 60, 4, 3))
    feet[..., 1] = SPEC.stance[:, 1] + feet[..., 1] * np.sign(SPEC.hips[:, 1])
    solution = SPEC.kinematics.inverse(feet)
    angles = solution.angles[solution.reachable.all(axis=-1)][:count]
    assert len(angles) == count
    return angles


ANGLES = postures(200)


def by_name(angles):
    """Every joint's angle, the passive ones too, of one posture (4, 3)."""
    values = dict(zip(SPEC.joints, angles.ravel(), strict=True))
    passive = SPEC.kinematics.passive(angles)
    for leg, elbows in zip(SPEC.legs, passive, strict=True):
        for joint, value in zip(SPEC.kinematics.passive_joints, elbows, strict=True):
            values[f"{leg}_{joint}"] = value
    return values


def part(element, tag) -> ET.Element:
    found = element.find(tag)
    assert found is not None, tag
    return found


class Urdf:
    """Forward kinematics of a URDF: 4 × 4 matrices from the root, nothing shared with the robot."""

    def __init__(self, text):
        self.root = ET.fromstring(text)
        self.joints = {part(joint, "child").get("link"): joint for joint in self.root.iter("joint")}

    @staticmethod
    def numbers(element, key, default="0 0 0"):
        return np.array([float(word) for word in element.get(key, default).split()])

    def pose(self, link, angles):
        """Pose of a link in the root's frame."""
        if link not in self.joints:
            return np.eye(4)
        joint = self.joints[link]
        origin = part(joint, "origin")
        pose = np.eye(4)
        roll, pitch, yaw = self.numbers(origin, "rpy")
        for axis, angle in (([0, 0, 1], yaw), ([0, 1, 0], pitch), ([1, 0, 0], roll)):
            pose[:3, :3] = pose[:3, :3] @ self.turn(np.array(axis, float), angle)
        pose[:3, 3] = self.numbers(origin, "xyz")
        if joint.get("type") != "fixed":
            swing = np.eye(4)
            swing[:3, :3] = self.turn(
                self.numbers(part(joint, "axis"), "xyz"), angles[joint.get("name")]
            )
            pose = pose @ swing
        return self.pose(part(joint, "parent").get("link"), angles) @ pose

    @staticmethod
    def turn(axis, angle):
        """Rodrigues' formula."""
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


URDF = Urdf(SPEC.urdf.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", robot_names())
def test_the_committed_urdf_is_what_robot_yaml_makes(name):
    spec = load_robot(name)
    made = make_urdf(yaml.safe_load(robot_file(name).read_text(encoding="utf-8")))
    assert spec.urdf.read_text(encoding="utf-8") == made, (
        f"run python -m stride_description.urdf {name}"
    )


def test_the_feet_of_kinematics_and_urdf_agree():
    want = SPEC.hips + SPEC.kinematics.forward(ANGLES)
    for angles, feet in zip(ANGLES, want, strict=True):
        values = by_name(angles)
        found = [URDF.pose(f"{leg}_foot", values)[:3, 3] for leg in SPEC.legs]
        np.testing.assert_allclose(found, feet, rtol=0, atol=1e-6)


def test_the_loops_of_the_urdf_close():
    tip = np.array([0.0, 0.0, -0.060, 1.0])
    for angles in ANGLES[:50]:
        values = by_name(angles)
        for leg in SPEC.legs:
            rear = (URDF.pose(f"{leg}_lower_R", values) @ tip)[:3]
            np.testing.assert_allclose(
                rear, URDF.pose(f"{leg}_foot", values)[:3, 3], rtol=0, atol=1e-6
            )


def test_the_feet_of_kinematics_and_mjcf_agree():
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_path(str(SPEC.mjcf))
    data = mujoco.MjData(model)
    want = SPEC.hips + SPEC.kinematics.forward(ANGLES)
    for angles, feet in zip(ANGLES, want, strict=True):
        for name, value in by_name(angles).items():
            data.qpos[model.joint(name).qposadr] = value
        mujoco.mj_kinematics(model, data)
        base = data.body("base_link")
        for leg, foot in zip(SPEC.legs, feet, strict=True):
            for site in ("foot", "tip"):  # the ends of both lower links
                position = data.site(f"{leg}_{site}").xpos - base.xpos
                np.testing.assert_allclose(
                    base.xmat.reshape(3, 3).T @ position, foot, rtol=0, atol=1e-6
                )


def test_the_urdf_has_the_specs_joints_with_their_limits():
    joints = {joint.get("name"): joint for joint in URDF.root.iter("joint")}
    for name, lower, upper in zip(SPEC.joints, SPEC.joint_lower, SPEC.joint_upper, strict=True):
        limit = part(joints[name], "limit")
        assert joints[name].get("type") == "revolute"
        found = {key: float(value) for key, value in limit.items()}
        rating = {"effort": SPEC.servo.stall_torque, "velocity": SPEC.servo.no_load_speed}
        assert found == {"lower": lower, "upper": upper, **rating}
    passive = {f"{leg}_{joint}" for leg in SPEC.legs for joint in SPEC.kinematics.passive_joints}
    assert {name for name, joint in joints.items() if joint.get("type") == "continuous"} == passive


def test_the_urdf_weighs_what_the_robot_does():
    weights = [float(mass.get("value", "nan")) for mass in URDF.root.iter("mass")]
    assert sum(weights) == pytest.approx(0.799, abs=1e-9)
    assert len(weights) == 1 + 4 * 6


def test_every_link_hangs_on_the_trunk_once():
    links = [link.get("name") for link in URDF.root.iter("link")]
    assert len(links) == len(set(links)) == len(URDF.joints) + 1
    assert set(links) - set(URDF.joints) == {"base_link"}
    assert {
        f"{leg}_{part}" for leg in SPEC.legs for part in ("hip", "upper_L", "lower_R", "foot")
    } <= set(links)


def test_moments_of_inertia_by_hand():
    # A 12 kg box of 1 × 2 × 3: (2² + 3²), (1² + 3²), (1² + 2²). A 12 kg rod, thin: 2²·12/12.
    np.testing.assert_allclose(box(12.0, [1.0, 2.0, 3.0])[1], [13.0, 10.0, 5.0])
    np.testing.assert_allclose(cylinder(12.0, 1e-9, 2.0)[1], [4.0, 4.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(cylinder(2.0, 3.0, 1e-9)[1], [4.5, 4.5, 9.0])
    np.testing.assert_allclose(sphere(5.0, 2.0)[1], [8.0, 8.0, 8.0])


def test_the_generators_mistakes_are_one_line(capsys):
    assert main([]) == 2
    assert main(["fivebra"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("usage:")
    assert "did you mean fivebar?" in lines[1]
