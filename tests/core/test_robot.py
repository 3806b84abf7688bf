"""The robot's file: what it says, and one line for every way to get it wrong."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from stride_core.robot import RobotError, load_robot
from stride_description.find import robot_file, robot_names

SPEC = load_robot("fivebar")
LEGS = ("FL", "FR", "RL", "RR")


def test_fivebar_is_there():
    assert "fivebar" in robot_names()
    assert robot_file("fivebar").is_file()


def test_the_facts_of_the_robot():
    assert SPEC.name == "fivebar"
    assert SPEC.legs == LEGS
    assert SPEC.joints[:4] == ("FL_tilt", "FL_shoulder_L", "FL_shoulder_R", "FR_tilt")
    assert len(SPEC.joints) == 12
    np.testing.assert_array_equal(
        SPEC.hips,
        [
            [0.075, 0.038, 0.0125],
            [0.075, -0.038, 0.0125],
            [-0.075, 0.038, 0.0125],
            [-0.075, -0.038, 0.0125],
        ],
    )
    masses = SPEC.masses
    leg = masses["hub"] + 2 * masses["upper"] + 2 * masses["lower"] + masses["foot"]
    assert masses["trunk"] + 4 * leg == pytest.approx(0.799, abs=1e-9)
    assert SPEC.mjcf.name == "fivebar.xml"
    assert SPEC.mjcf.parent == SPEC.urdf.parent == robot_file("fivebar").parent


def test_home_stands_in_the_stance_and_sit_is_reachable():
    np.testing.assert_allclose(
        SPEC.kinematics.forward(SPEC.legs_of(SPEC.home)), SPEC.stance, atol=1e-15
    )
    assert SPEC.kinematics.inverse(SPEC.sit).reachable.all()


def test_joint_vectors_go_by_leg_and_back():
    vector = np.arange(24.0).reshape(2, 12)
    by_leg = SPEC.legs_of(vector)
    assert by_leg.shape == (2, 4, 3)
    assert by_leg[1, 2].tolist() == [18.0, 19.0, 20.0]
    np.testing.assert_array_equal(SPEC.joints_of(by_leg), vector)


def test_arrays_of_a_spec_cannot_be_changed():
    for array in (SPEC.hips, SPEC.stance, SPEC.sit, SPEC.home, SPEC.joint_lower, SPEC.imu.position):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_the_digest_is_that_of_the_content(tmp_path):
    text = robot_file("fivebar").read_text()
    content = yaml.safe_load(text)
    for servo in content["servos"].values():  # a policy knows the figures, not the part's registers
        del servo["settings"]
    canonical = json.dumps(content, sort_keys=True)
    assert SPEC.digest == hashlib.sha256(canonical.encode()).hexdigest()
    for name, changed in (
        ("said", f"# a comment\n{text}"),
        ("set", text.replace("position_gain: 64", "position_gain: 60")),
        ("done", text.replace("323", "324")),
    ):
        copy = tmp_path / f"{name}.yaml"
        copy.write_text(changed)
        assert (load_robot(copy).digest == SPEC.digest) == (name != "done")


# --- servos --------------------------------------------------------------------------------------


def test_the_servos_follow_from_the_published_figures_and_the_ratio_of_gears():
    """1/345 from the maker's and the identified figures; 1/147 by the laws of gears."""
    slow, fast = SPEC.servos["sts3215_345"], SPEC.servos["sts3215_147"]
    ratio = 147 / 345
    assert (slow.stall_torque, slow.no_load_speed) == (1.91, 5.4)
    assert slow.stiffness == pytest.approx(0.166 * 64 * 1.91, rel=0.01)
    assert slow.armature == pytest.approx(0.0284034, rel=0.005)
    assert slow.friction == pytest.approx(0.0523930, rel=0.005)
    assert (fast.stall_torque, fast.no_load_speed) == (0.81, 12.8)
    assert fast.stall_torque == pytest.approx(1.91 * ratio, rel=0.01)
    assert fast.no_load_speed == pytest.approx(5.4 / ratio, rel=0.015)
    assert fast.stiffness == pytest.approx(0.166 * 64 * 0.81, rel=0.01)
    assert fast.armature == pytest.approx(slow.armature * ratio**2, rel=0.01)
    assert fast.friction == pytest.approx(slow.friction * ratio, rel=0.01)
    assert fast.damping == pytest.approx(0.81 / 12.8)


@pytest.mark.parametrize("name", ["sts3215_147", "sts3215_345"])
def test_the_servos_derivative_gives_the_damping_ratio_that_robot_yaml_states(name):
    servo = SPEC.servos[name]
    critical = 2.0 * np.sqrt(servo.stiffness * servo.armature)
    assert (servo.derivative + servo.damping) / critical == pytest.approx(0.85, abs=0.02)


def test_the_fast_servo_is_the_default_and_the_other_can_be_chosen():
    assert SPEC.servo.name == "sts3215_147"
    assert load_robot("fivebar", servo="sts3215_345").servo.name == "sts3215_345"
    assert SPEC.with_servo("sts3215_345").servo.stall_torque == 1.91
    assert SPEC.servo.name == "sts3215_147"


def test_an_unknown_servo_is_named_with_the_choices():
    with pytest.raises(RobotError, match=r"^servo 'x': expected one of sts3215_147, sts3215_345$"):
        load_robot("fivebar", servo="x")


# --- finding it ----------------------------------------------------------------------------------


def test_a_robot_loads_by_path_of_its_file_or_folder():
    path = robot_file("fivebar")
    for given in (path, str(path), path.parent, f"{path.parent}/"):
        assert load_robot(given).digest == SPEC.digest


def test_an_unknown_robot_is_named_with_the_near_miss():
    with pytest.raises(RobotError, match=r"robot 'fivebra': unknown \(did you mean fivebar\?\)"):
        load_robot("fivebra")


@pytest.mark.parametrize("name", ["", "..", "fivebar\n", "x" * 300])
def test_strange_names_are_unknown_robots(name):
    with pytest.raises(RobotError) as caught:
        load_robot(name)
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(RobotError, match="cannot be read: No such file"):
        load_robot(tmp_path / "robot.yaml")
    with pytest.raises(RobotError, match="cannot be read: No such file"):
        load_robot(tmp_path)


def test_loading_needs_neither_ros_nor_a_simulator():
    code = (
        "import sys, stride_core.robot as r; assert 'stride_description' not in sys.modules;"
        "r.load_robot('fivebar');"
        "assert not {'rclpy', 'mujoco', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- mistakes ------------------------------------------------------------------------------------


def edited(tmp_path: Path, *keys, value=None, remove=False) -> Path:
    """Write fivebar's file with one value changed or one key removed."""
    content = yaml.safe_load(robot_file("fivebar").read_text(encoding="utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    if remove:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("keys", "value", "parts"),
    [
        (["lgs"], [], ["'lgs'", "unknown key", "did you mean legs?"]),
        (["legs"], ["FL", "FL"], ["legs: ['FL', 'FL']", "each once"]),
        (["legs"], ["FL", "FR", "RL"], ["hips", "expected the legs FL, FR, RL"]),
        (
            ["hips", "FL"],
            [0.075, 0.038],
            ["hips.FL: [0.075, 0.038]", "a list 3 of finite numbers [m]"],
        ),
        (["hips", "FL"], [0.075, 0.038, float("nan")], ["hips.FL", "finite numbers [m]"]),
        (["hips", "XX"], [0, 0, 0], ["hips", "XX", "expected the legs FL"]),
        (
            ["joints", "tilt"],
            {"lower": 1.0, "upper": -1.0},
            ["joints.tilt", "1 is not below upper -1"],
        ),
        (["joints", "tilt", "lower"], -90, ["joints.tilt: lower: -90", "[rad] from -6.3 to 6.3"]),
        (["joints", "tilt", "lower"], -2.0, ["joints: tilt: -2 to 1", "within ±1.5708"]),
        (["joints", "extra"], {"lower": 0, "upper": 1}, ["joints: expected three a leg"]),
        (
            ["joints", "shoulder_L"],
            {"lower": 3.0, "upper": 3.1},
            ["joints: ", "leave nothing to reach"],
        ),
        (["joints", "shoulder_L", "lower"], -6.0, ["joints: ", "let the foot rise to the pivots"]),
        (["kinematics"], "sixbar", ["kinematics: 'sixbar'", "expected one of fivebar"]),
        (["geometry", "uper"], 0.045, ["geometry: 'uper'", "did you mean upper?"]),
        (["geometry", "upper"], 45, ["geometry: upper: 45", "[m] from 0.001 to 1"]),
        (["geometry", "lower"], 0.050, ["geometry", "lower: 0.05: expected more than", "0.055"]),
        (["geometry", "singularity_margin"], 0.05, ["singularity_margin: 0.05", "nothing is left"]),
        (["stance", "RL"], [0.0, 0.024, -0.2], ["stance: RL: [0.0, 0.024, -0.2]", "0.08", "short"]),
        (["sit", "FR"], [0.0, -0.024, 0.0], ["sit: FR", "expected a foot that the leg reaches"]),
        (["imu", "rpy"], "up", ["imu: rpy: 'up'", "finite numbers [rad]"]),
        (["masses", "trunk"], -0.3, ["masses.trunk: -0.3", "[kg] from 0"]),
        (["servo"], "mg996r", ["servo: 'mg996r'", "expected one of sts3215_147"]),
        (
            ["servos", "sts3215_147", "stall_torque"],
            0,
            ["servos.sts3215_147: stall_torque: 0", "[N·m]"],
        ),
        (["servos", "sts3215_147", "stall_torque"], True, ["stall_torque: True", "a number [N·m]"]),
        (["servos", "sts3215_147", "kp"], 1, ["servos.sts3215_147: 'kp'", "unknown key"]),
        (["servos"], {}, ["servo: 'sts3215_147'"]),
    ],
)
def test_a_wrong_entry_is_answered_with_file_key_value_and_expectation(
    tmp_path, keys, value, parts
):
    path = edited(tmp_path, *keys, value=value)
    with pytest.raises(RobotError) as caught:
        load_robot(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "keys",
    [
        ["name"],
        ["hips"],
        ["hips", "FL"],
        ["joints"],
        ["geometry", "upper"],
        ["servos"],
        ["imu", "rpy"],
    ],
)
def test_a_missing_entry_is_named(tmp_path, keys):
    path = edited(tmp_path, *keys, remove=True)
    with pytest.raises(
        RobotError, match=keys[-1] if keys != ["hips", "FL"] else "expected the legs"
    ):
        load_robot(path)


def test_a_duplicate_key_is_an_error(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(
        robot_file("fivebar").read_text(encoding="utf-8") + "\nname: other\n", encoding="utf-8"
    )
    with pytest.raises(RobotError, match="key 'name' is there twice"):
        load_robot(path)
