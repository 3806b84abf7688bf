"""A URDF is published only if it is one, of this robot."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from stride_core.robot import RobotSpec
from stride_sim.errors import SimError
from stride_sim.urdf import read_urdf

IMU = '<parent link="base_link"/><child link="imu_link"/>'  # all but the place of its joint


def test_the_robots_own_is_whole_and_names_what_is_fixed(spec: RobotSpec) -> None:
    found = read_urdf(spec)
    assert found.text == spec.urdf.read_text("utf-8")
    (imu,) = [joint for joint in found.fixed if joint.child == "imu_link"]
    assert imu.parent == "base_link"
    assert imu.xyz == pytest.approx(spec.imu.position)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("</robot>", "", "not a URDF"),
        ("<?xml", "\x00<?xml", "not a URDF"),
        ("robot", "rowboat", "<rowboat>: expected <robot>"),
        ('name="FL_tilt"', 'name="FL_tlit"', "joint FL_tilt: missing"),
        (IMU, '<child link="imu_link"/>', "joint imu: parent: missing"),
        (IMU, '<parent link="base_link"/><child link=""/>', "joint imu: child: missing"),
        (IMU, IMU + '<origin rpy="0 0"/>', "joint imu: rpy: '0 0'"),
        (IMU, IMU + '<origin xyz="0 a 0"/>', "joint imu: xyz: '0 a 0'"),
        (IMU, IMU + '<origin xyz="0 0 nan"/>', "joint imu: xyz: '0 0 nan'"),
    ],
    ids=str,
)
def test_what_is_damaged_is_refused_in_one_line(
    spec: RobotSpec, tmp_path: Path, old: str, new: str, named: str
) -> None:
    text = spec.urdf.read_text("utf-8")
    text = re.sub(r'(?<=<joint name="imu" type="fixed">).*?(?=</joint>)', IMU, text, flags=re.S)
    assert old in text
    path = tmp_path / "robot.urdf"
    path.write_text(text.replace(old, new))
    with pytest.raises(SimError) as caught:
        read_urdf(replace(spec, urdf=path))
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(spec: RobotSpec, tmp_path: Path) -> None:
    with pytest.raises(SimError, match=r"no\.urdf: No such file"):
        read_urdf(replace(spec, urdf=tmp_path / "no.urdf"))
