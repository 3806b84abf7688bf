"""What a run can be told, checked before anything starts."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stride_core.robot import load_robot

pytest.importorskip("ament_index_python")

from stride_bringup.options import Options, calibration_file, config_file, policy_folder
from stride_control.policy.library import find_policy, read_policy
from stride_core.policy_file import write_contract


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"robot": "nosuch"}, ("nosuch", "fivebar")),
        ({"robot": "/nowhere/robot.yaml"}, ("/nowhere/robot.yaml", "No such file")),
        ({"servo": "nosuch"}, ("nosuch", "sts3215_147")),
        ({"terrain": "moon"}, ("terrain", "'moon'", "rough")),
        ({"gait": "hop"}, ("gait", "'hop'", "trot")),
        ({"policy": "best"}, ("policy", "'best'", "none")),
        ({"difficulty": 7.0}, ("difficulty", "7", "0 to 1")),
        ({"difficulty": -0.1}, ("difficulty", "-0.1")),
        ({"difficulty": math.nan}, ("difficulty", "nan")),
        ({"seconds": math.inf}, ("seconds", "inf")),
        ({"rate": -1.0}, ("rate", "-1")),
        ({"realtime_factor": -2.0}, ("realtime_factor", "-2")),
        ({"command": (0.0, math.nan, 0.0)}, ("command", "nan")),
        ({"namespace": "a b"}, ("namespace", "'a b'")),
        ({"namespace": "1st"}, ("namespace", "'1st'")),
        ({"namespace": "left//dog"}, ("namespace", "left//dog")),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_in_one_line(
    given: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError) as caught:
        Options(**given)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize("namespace", ["", "dog", "/dog", "left/dog", "/left/dog_2/"])
def test_ros_names_are_namespaces(namespace: str) -> None:
    assert Options(namespace=namespace).namespace == namespace


def test_a_picture_is_a_terrain_by_its_name() -> None:
    assert Options(terrain="hill.png").terrain == "hill.png"


def test_the_servo_and_gait_of_a_run_are_the_robots_own_unless_chosen(tmp_path: Path) -> None:
    options = Options()
    assert (options.servo_name, options.gait_name) == ("sts3215_147", "trot")
    chosen = Options(servo="sts3215_345", gait="walk")
    assert (chosen.servo_name, chosen.gait_name) == ("sts3215_345", "walk")
    config = tmp_path / "mine.yaml"
    text = config_file("fivebar").read_text("utf-8")
    config.write_text(text.replace("pattern: trot", "pattern: pace"))
    assert Options(config=str(config)).gait_name == "pace"


def test_parameters_are_the_robots_and_the_calibration_of_its_servo() -> None:
    robot = load_robot("fivebar")
    for name in robot.servos:
        own, measured = Options(servo=name).params_files()
        assert own == config_file("fivebar")
        assert measured == calibration_file(robot.with_servo(name))
        assert measured.is_file()
        assert name in measured.name


def test_a_configuration_of_ones_own_keeps_the_calibration(tmp_path: Path) -> None:
    config = Path(shutil.copy(config_file("fivebar"), tmp_path / "mine.yaml"))
    assert Options(config=str(config)).params_files() == [config, Options().params_files()[1]]


def test_rate_and_pace_are_the_options_or_the_configurations(tmp_path: Path) -> None:
    """The policy's node must know what the plant goes by."""
    assert (Options().rate_hz, Options().pace) == (100.0, 1.0)
    assert Options(rate=50.0, realtime_factor=0.0).rate_hz == 50.0
    config = tmp_path / "mine.yaml"
    text = config_file("fivebar").read_text("utf-8")
    plant = "/**/sim:\n  ros__parameters: {realtime_factor: 2, plant: {rate_hz: 250}}\n"
    config.write_text(text + plant)
    mine = Options(config=str(config))
    assert (mine.rate_hz, mine.pace) == (250.0, 2.0)
    assert (replace(mine, rate=50.0).rate_hz, replace(mine, realtime_factor=0.0).pace) == (50.0, 0)
    config.write_text(text + plant.replace("realtime_factor: 2", "lockstep: true"))
    assert Options(config=str(config)).pace == 0.0


@pytest.mark.parametrize(
    ("policy", "name"), [("none", "none"), ("default", "rough"), ("untrained", "untrained")]
)
def test_a_policy_is_named_or_the_configurations(policy: str, name: str) -> None:
    assert Options(policy=policy).policy_name == name


def test_a_policys_path_is_from_here_wherever_its_node_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert Options(policy="./mine.onnx").policy_name == str(tmp_path / "mine.onnx")
    assert Options(policy="mine.onnx").policy_name == str(tmp_path / "mine.onnx")


def test_a_default_that_nobody_named_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    text = config_file("fivebar").read_text("utf-8")
    config.write_text(text.replace("policy: rough", "watch: ''"))
    with pytest.raises(ValueError, match=r"policy: default: .*mine\.yaml names none"):
        Options(config=str(config), policy="default")


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config: .*nosuch\.yaml: no such file"):
        Options(config=str(tmp_path / "nosuch.yaml")).params_files()


def test_a_robot_by_path_is_configured_by_its_name() -> None:
    by_path = Options(robot=str(load_robot("fivebar").mjcf.parent / "robot.yaml"))
    assert by_path.params_files() == Options().params_files()
    assert replace(by_path, robot="fivebar") == Options()


def test_a_run_has_the_rate_of_its_policy_unless_told(tmp_path: Path) -> None:
    file = find_policy("untrained", policy_folder())
    data, contract = read_policy(file)
    other = tmp_path / "slow.onnx"
    other.write_bytes(write_contract(data, replace(contract, rate_hz=25.0)))
    assert Options(policy=str(other)).rate_hz == 25.0
    assert Options(policy=str(other), rate=50.0).rate_hz == 50.0
    assert Options(policy="none").rate_hz == 100.0


def test_the_rate_stays_though_the_policys_file_goes(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes((policy_folder() / "rough/policy.onnx").read_bytes())
    options = Options(policy=str(file))
    assert options.rate_hz == 50.0
    file.unlink()
    assert options.rate_hz == 50.0
