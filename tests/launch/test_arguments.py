"""Launch arguments: the same as the run's options, checked, and the same list of nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from stride_bringup.composed_main import parser
from stride_bringup.graph import sim_nodes
from stride_bringup.hardware import hardware_nodes
from stride_bringup.launch_support import Argument, arguments, read, run_arguments, split
from stride_bringup.options import Options
from stride_core.gait import PATTERNS
from stride_sim.terrain import names as terrain_names

from stride_bringup import hardware_launch

ROOT = Path(__file__).resolve().parents[2]
HOW = {"composed", "rviz", "use_sim_time"}  # to launch; the others say what to run
OF_A_TERMINAL = {"live", "given"}  # a line that overwrites itself; what was typed


def test_every_option_of_a_run_can_be_launched_and_nothing_else() -> None:
    names = {field.name for field in fields(Options)}
    options = names - OF_A_TERMINAL - {"command", "folder"} | {"vx", "vy", "wz"}
    assert [each.name for each in arguments()] == list({each.name: 0 for each in arguments()})
    assert {each.name for each in arguments()} == options | HOW


def test_nothing_said_means_the_defaults() -> None:
    launch = read({})
    assert launch.options == Options()
    assert (launch.composed, launch.rviz, launch.use_sim_time) == (True, False, True)
    assert launch.words == ()


@pytest.mark.parametrize("argument", arguments(), ids=lambda each: each.name)
def test_a_default_that_is_typed_out_is_the_default(argument: Argument) -> None:
    assert argument.read(argument.typed) == argument.default
    assert argument.description


def test_values_arrive_in_the_options() -> None:
    given = {
        "terrain": "rough", "difficulty": "0.25", "vx": "-0.1", "wz": "0.3", "seconds": "2",
        "realtime_factor": "max", "headless": "true", "gait": "walk", "seed": "7",
        "terrain_size": "4,3,0.2", "remap": "cmd_vel:=/go,odom:=truth", "namespace": "left",
        "somebody_elses": "argument",
    }  # fmt: skip
    launch = read(given)
    assert launch.options == Options(
        terrain="rough", difficulty=0.25, command=(-0.1, 0.0, 0.3), seconds=2.0,
        realtime_factor=0.0, headless=True, gait="walk", seed=7, terrain_size=(4.0, 3.0, 0.2),
        remap=("cmd_vel:=/go", "odom:=truth"), namespace="left",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("robot", "spot"), ("servo", "none"), ("terrain", "rugh"), ("difficulty", "1.5"),
        ("seed", "1.5"), ("terrain_seed", "-1"), ("vx", "nan"), ("gait", "moonwalk"),
        ("policy", "walk.onnx.txt"), ("seconds", "-1"), ("rate", "fast"), ("terrain_size", "1,2"),
        ("realtime_factor", "maximum"), ("headless", "maybe"), ("composed", "2"), ("rviz", ""),
        ("namespace", "a b"), ("namespace", "1st"), ("config", "/no/such.yaml"),
        ("remap", "somewhere:=else"), ("stamped_cmd_vel", "yes please"), ("camera_rate", "inf"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line_with_name_and_value(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        read({name: value})
    text = str(caught.value)
    assert "\n" not in text
    assert value in text
    assert "expected" in text or "no such file" in text


def test_a_misspelt_name_is_told_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"^terian: .*did you mean terrain\?$"):
        split(["vx:=0.1", "terian:=rough"])
    with pytest.raises(ValueError, match=r"^zzz: .*expected one of robot, .*use_sim_time$"):
        split(["zzz:=1"])
    with pytest.raises(ValueError, match=r"^'terrain': expected name:=value$"):
        split(["terrain"])


def test_words_become_a_mapping_and_the_last_one_counts() -> None:
    words = ["vx:=0.1", "remap:=cmd_vel:=/go", "vx:=0.2"]
    assert split(words) == {"vx": "0.2", "remap": "cmd_vel:=/go"}


def test_separate_processes_are_the_list_of_nodes() -> None:
    launch = read({"composed": "false", "record": "bag"})
    specs = sim_nodes(launch.options)
    assert [(p.package, p.executable) for p in launch.processes()] == [
        (spec.package, spec.executable) for spec in specs
    ]
    guests = [(p.executable, p.respawn) for p in launch.processes() if p.guest]
    assert guests == [("policy_node", True), ("viewer_node", False)]
    assert all(p.ros_arguments[0] == "--params-file" for p in launch.processes())
    assert all(not p.arguments for p in launch.processes())


def test_one_process_holds_the_loop_and_the_viewer_stays_out_of_it() -> None:
    composed, viewer = read({"vx": "0.1"}).processes()
    assert (composed.package, composed.executable) == ("stride_bringup", "composed")
    assert composed.arguments == ("--vx=0.1",)
    assert not composed.guest
    assert (viewer.executable, viewer.guest) == ("viewer_node", True)
    assert [p.executable for p in read({"headless": "true"}).processes()] == ["composed"]


def test_launch_gives_the_namespace_and_the_arguments_do_not() -> None:
    for composed in ("true", "false"):
        launch = read({"namespace": "left", "composed": composed})
        words = [w for p in launch.processes() for w in (*p.arguments, *p.ros_arguments)]
        assert not [word for word in words if "left" in word]


numbers = st.floats(-0.5, 0.5).map(str)
runs = st.fixed_dictionaries(
    {},
    optional={
        "terrain": st.sampled_from(terrain_names()), "difficulty": st.floats(0, 1).map(str),
        "seed": st.integers(0, 2**31 - 1).map(str), "vx": numbers, "vy": numbers, "wz": numbers,
        "gait": st.sampled_from(PATTERNS), "rate": st.floats(1, 2000).map(str),
        "realtime_factor": st.sampled_from(["max", "1", "0.5", "2"]),
        "headless": st.sampled_from(["true", "false", "True", "0"]),
        "record": st.sampled_from(["bag", "a b/c", "-", "--x", "robot:=fivebar"]),
        "remap": st.sampled_from(["cmd_vel:=/go", "cmd_vel:=/go,odom:=truth"]),
        "seconds": st.floats(0, 1e6).map(str), "summary": st.just("out/figures.json"),
    },
)  # fmt: skip


@settings(max_examples=20)
@given(runs)
def test_the_composed_executable_understands_what_launch_tells_it(run: dict[str, str]) -> None:
    launch = read(run)
    heard = vars(parser().parse_args(launch.words))
    assert set(heard) == {each.name for each in run_arguments()}
    assert read(heard).options == launch.options


def test_the_launch_file_compiles() -> None:
    path = ROOT / "launch/sim.launch.py"
    compile(path.read_text("utf-8"), str(path), "exec")


def test_the_launch_file_needs_no_simulator() -> None:
    """`ros2 launch` runs in the system's Python, which has what ROS needs, and no more."""
    source = """if True:
        import sys
        for name in ("mujoco", "viser", "rosbags", "onnxruntime", "rclpy"):
            sys.modules[name] = None
        from stride_bringup.launch_support import read
        print(len(read({"composed": "false", "record": "bag"}).processes()))
    """
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_rviz_shows_what_the_list_publishes() -> None:
    view = yaml.safe_load((ROOT / "config/stride.rviz").read_text("utf-8"))["Visualization Manager"]
    topics = {
        value["Value"]
        for display in view["Displays"]
        for name, value in display.items()
        if name.endswith("Topic")
    }
    nodes = sim_nodes(Options())
    told = {topic for node in nodes for topic in (*node.tells, *node.latches)}
    assert {topic.removeprefix("/") for topic in topics} == {"robot_description", "odom"} & told
    assert {"/tf", "/tf_static"} <= told
    assert view["Global Options"]["Fixed Frame"] == "odom"


def test_rviz_is_refused_where_it_would_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stride_bringup.launch_support.is_installed", lambda _: True)
    with pytest.raises(ValueError, match="rviz: true: expected false with namespace 'left'"):
        read({"rviz": "true", "namespace": "left"})
    launch = read({"rviz": "true", "headless": "true", "use_sim_time": "false"})
    rviz = launch.processes()[-1]
    assert (rviz.package, rviz.guest) == ("rviz2", True)
    assert Path(rviz.arguments[1]).name == "stride.rviz"
    assert Path(rviz.arguments[1]).is_file()
    assert rviz.ros_arguments == ("-p", "use_sim_time:=false")


def test_what_launch_fills_in_for_the_motors_is_not_taken_for_said() -> None:
    defaults = {each.name: each.typed for each in hardware_launch.arguments()}
    options = hardware_launch.read(defaults | {"twin": "true"})
    (gait,) = (
        one for spec in hardware_nodes(options) for one in spec.members if one.name == "gait"
    )
    assert set(gait.parameters) == {"robot", "servo"}


def test_the_folder_of_a_run_on_motors_ends_with_launch(tmp_path: Path) -> None:
    code = (
        "from stride_bringup.hardware_launch import arguments, read\n"
        "given = {each.name: each.typed for each in arguments()} | {'twin': 'true'}\n"
        "assert list(__import__('pathlib').Path(read(given).folder).parent.iterdir())\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.glob("stride-hardware-*"))
