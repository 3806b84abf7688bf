"""What a person can get wrong: one line that names it, exit status 2, and nothing runs on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from stride_bringup.cli.main import main
from stride_bringup.options import config_file
from stride_core.robot import load_robot
from tests.graph.harness import (
    CLI,
    FAST,
    Graph,
    Processes,
    Started,
    free_domain,
    wait_until,
    warnings,
)
from tests.graph.watching import Watcher

Edit = Callable[[str], str]


def refused(run: Started) -> str:
    """The one line with which a run was refused."""
    assert run.wait() == 2, (run.out, run.err)
    lines = [line for line in run.err.splitlines() if "stride" in line]
    assert len(lines) == 1, run.err
    assert "Traceback" not in run.err
    assert not run.out
    assert not run.family()
    return lines[0]


def replaced(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit


CONFIGS: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "unknown key": (replaced("{height: 0.085", "{heigth: 0.085"), ("shape", "heigth", "height?")),
    "wrong type": (replaced("{height: 0.085", "{height: tall"), ("height", "tall", "a number")),
    "out of range": (replaced("{height: 0.085", "{height: 9.5"), ("height", "9.5", "0.02 to 2")),
    "not finite": (replaced("{height: 0.085", "{height: .nan"), ("height", "nan", "finite")),
    "key missing": (replaced("max_joint_speed: 30.0", ""), ("max_joint_speed", "missing")),
    "unknown pattern": (replaced("pattern: trot", "pattern: hop"), ("pattern", "hop", "trot")),
    "unknown section": (replaced("    gait:\n", "    gate: {a: 1}\n    gait:\n"), ("gate",)),
    "mixed list": (replaced("speed: [0.5,", "speed: [1,"), ("mixed list.yaml", "same type")),
    "not YAML": (lambda _: "a: [", ("not YAML.yaml",)),
    "not for ROS": (lambda _: "gait: 3", ("not for ROS.yaml", "missing")),
    "empty": (lambda _: "", ("empty.yaml", "nothing")),
}  # fmt: skip

BY_NODES = {"unknown section", "mixed list"}

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "--rate 70": ("rate_hz", "70", "divisor"),
    "--terrain nowhere.png --terrain-size 1,1,1": ("nowhere.png", "No such file"),
    "--terrain nowhere.png": ("nowhere.png", "size"),
    "--record .": (".", "exists already"),
    "--record /proc/bag": ("/proc/bag",),
    "--film nowhere/walk.mp4": ("nowhere/walk.mp4",),
    "--film walk.avi": ("walk.avi", ".mp4"),
    "--remap nosuch:=x": ("'nosuch:=x'", "joint_states"),
    "--remap odom": ("'odom'", "TOPIC:=NAME"),
    "--remap odom:=1st": ("odom:=1st",),
    "--config nowhere.yaml": ("nowhere.yaml", "no such file"),
    "--processes --config heigth.yaml": ("shape", "heigth", "height?"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Started]:
    """Every wrong run, two at a time, each in a domain of its own."""
    folder = tmp_path_factory.mktemp("wrong")
    text = config_file("fivebar").read_text("utf-8")
    for name, (edit, _) in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(edit(text))
    (folder / "heigth.yaml").write_text(CONFIGS["unknown key"][0](text))

    def run(name: str) -> Started:
        words = ("--config", f"{name}.yaml") if name in CONFIGS else name.split()
        with free_domain() as domain:
            started = Processes(folder, domain).sim(*FAST, "--seconds", "1", *words)
            try:
                started.wait()
            finally:
                left = started.family()
                started.end()
        assert not left
        return started

    names = [*BY_NODES, *ARGUMENTS]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


@pytest.mark.parametrize("name", sorted(CONFIGS.keys() - BY_NODES))
def test_a_configuration_that_is_wrong_is_refused_before_anything_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setattr("stride_bringup.run.run", lambda *_: pytest.fail("it started"))
    edit, named = CONFIGS[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(edit(config_file("fivebar").read_text("utf-8")))
    assert main(["sim", *FAST, "--config", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in named), line


@pytest.mark.parametrize("name", sorted(BY_NODES))
def test_a_configuration_that_only_the_nodes_can_judge_is_refused(
    runs: dict[str, Started], name: str
) -> None:
    line = refused(runs[name])
    assert all(word in line for word in CONFIGS[name][1]), line


@pytest.mark.parametrize("words", ARGUMENTS)
def test_what_only_the_nodes_can_judge_is_refused(runs: dict[str, Started], words: str) -> None:
    line = refused(runs[words])
    assert all(word in line for word in ARGUMENTS[words]), line


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("gait.shape.heigth:=0.1", ("heigth", "unknown key")),
        ("gait.shape.height:=tall", ("height", "tall")),
        ("gait.shape.height:=9.5", ("height", "9.5")),
        ("gait.limits.speed:=[0.5, 0.2]", ("speed", "3 values")),
        ("nonsense", ("nonsense",)),
    ],
)
def test_a_parameter_on_an_executables_command_line_is_refused(
    processes: Processes, rule: str, named: tuple[str, ...]
) -> None:
    arguments = ("--ros-args", "--params-file", str(config_file("fivebar")), "-p", rule)
    code = "import sys; from stride_control.gait_node import main; sys.exit(main())"
    line = refused(processes.start(CLI[0], "-c", code, *arguments))
    assert all(word in line for word in named), line


@pytest.mark.parametrize("rule", ["nosuch:=x", "gait:cmd_veel:=x"])
def test_an_executable_warns_of_a_remapping_that_it_has_no_use_for(
    processes: Processes, rule: str
) -> None:
    arguments = ("--ros-args", "--params-file", str(config_file("fivebar")), "-r", rule)
    used = ("-r", "cmd_vel:=drive", "-r", "__node:=gait")
    code = "import sys; from stride_control.gait_node import main; sys.exit(main())"
    run = processes.start(CLI[0], "-c", code, *arguments, *used)
    (line,) = wait_until(lambda: warnings(run.err, "gait"))
    assert repr(rule) in line and "/drive" in line and "/foot_targets" in line
    run.process.terminate()
    assert run.wait() == 0


def test_a_remapping_moves_the_topic_for_all_nodes(processes: Processes, graph: Graph) -> None:
    processes.sim(*FAST, "--remap", "joint_states:=measured", "--remap", "odom:=truth")
    watcher = Watcher(graph, "joint_commands")
    watcher.latest("joint_commands")  # the loop is closed
    graph.until(lambda: "/truth" in dict(watcher.node.get_topic_names_and_types()))
    topics = dict(watcher.node.get_topic_names_and_types())
    assert "/measured" in topics
    assert not {"/joint_states", "/odom"} & topics.keys()


def test_a_second_plant_in_a_domain_and_namespace_is_refused(
    processes: Processes, graph: Graph
) -> None:
    first = processes.sim("--headless", "--json", "--realtime-factor", "1")
    Watcher(graph, "joint_commands").latest("joint_commands")
    line = refused(processes.sim(*FAST))
    assert "already runs" in line
    assert f"process {first.process.pid}" in line
    assert str(processes.domain) in line
    assert first.process.poll() is None  # it walks on
    elsewhere = processes.sim(*FAST, "--namespace", "other", "--seconds", "0.1")
    assert elsewhere.wait() == 0, elsewhere.err


def test_a_damaged_robot_is_refused(processes: Processes) -> None:
    folder = Path(shutil.copytree(load_robot("fivebar").mjcf.parent, processes.folder / "robot"))
    path = folder / "robot.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("stall_torque", "stall_torgue"))
    line = refused(processes.sim(*FAST, "--robot", str(path)))
    assert "stall_torgue" in line and str(path) in line
    path.write_text(text[: len(text) // 2])
    assert str(path) in refused(processes.sim(*FAST, "--robot", str(folder)))
    path.write_text(text)
    (folder / load_robot("fivebar").mjcf.name).write_text("<mujoco><worldbody>")
    assert ".xml" in refused(processes.sim(*FAST, "--robot", str(path)))
    shutil.copy(load_robot("fivebar").mjcf, folder)
    (folder / load_robot("fivebar").urdf.name).write_text("<robot")
    assert "not a URDF" in refused(processes.sim(*FAST, "--robot", str(path)))
