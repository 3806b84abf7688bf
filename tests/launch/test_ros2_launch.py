"""The launch file under the real ros2 launch; skipped where there is none (ROS 2 from wheels)."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="ros2 launch is not part of the ROS 2 wheels")
if shutil.which("ros2") is None:
    pytest.skip("there is no ros2 command", allow_module_level=True)

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch.utilities import perform_substitutions
from launch_ros.actions import Node
from stride_bringup.graph import sim_nodes
from stride_bringup.launch_support import arguments
from stride_bringup.options import Options
from tests.graph.harness import Processes, Started, wait_until

FILE = Path(__file__).resolve().parents[2] / "launch/sim.launch.py"
BY_PACKAGE = ("ros2", "launch", "stride_bringup", "sim.launch.py")
BY_PATH = ("ros2", "launch", str(FILE))
SHORT = ("headless:=true", "realtime_factor:=max", "seconds:=2", "summary:=summary.json")


@pytest.fixture
def entities() -> list[Any]:
    """What the launch file consists of."""
    return list(get_launch_description_from_python_launch_file(str(FILE)).entities)


def test_it_declares_every_argument_with_default_and_description(entities: list[Any]) -> None:
    *declared, start = entities
    assert isinstance(start, OpaqueFunction)
    assert all(isinstance(each, DeclareLaunchArgument) for each in declared)
    context = LaunchContext()
    found = [
        (d.name, perform_substitutions(context, d.default_value), d.description) for d in declared
    ]
    assert found == [(each.name, each.typed, each.description) for each in arguments()]


def started(entities: list[Any], **given: str) -> list[tuple[Any, Any]]:
    """Package and executable of what the launch file would start."""
    context = LaunchContext()
    context.launch_configurations.update(given)
    for declared in entities[:-1]:
        declared.execute(context)
    nodes = entities[-1].execute(context)
    assert all(isinstance(node, Node) for node in nodes)
    return [(node.node_package, node.node_executable) for node in nodes]


def test_its_actions_are_the_list_of_nodes(entities: list[Any]) -> None:
    nodes = [(spec.package, spec.executable) for spec in sim_nodes(Options())]
    assert started(entities, composed="false") == nodes
    composed, viewer = ("stride_bringup", "composed"), ("stride_operator", "viewer_node")
    assert started(entities) == [composed, viewer]
    assert started(entities, headless="true") == [composed]


@pytest.mark.parametrize("spelling", [BY_PACKAGE, BY_PATH], ids=["package", "path"])
@pytest.mark.parametrize("composed", ["true", "false"])
def test_a_run_in_lockstep_ends_by_itself(
    processes: Processes, spelling: tuple[str, ...], composed: str
) -> None:
    words = (*SHORT, "terrain:=rough", "vx:=0.1", f"composed:={composed}")
    launch = processes.done(*spelling, *words)
    assert launch.process.returncode == 0, launch.out + launch.err
    assert "[ERROR]" not in launch.out + launch.err
    assert "deprecated" not in launch.out + launch.err
    assert launch.family() == {}
    figures = json.loads((processes.folder / "summary.json").read_text("utf-8"))
    assert (figures["ticks"], figures["falls"]) == (200, 0)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("terrain:=rugh", "terrain: 'rugh': expected one of flat"),
        ("difficulty:=7", "difficulty: '7': expected a finite number from 0 to 1"),
        ("terian:=rough", "terian: no such argument; did you mean terrain?"),
        ("record:=/proc/nowhere", "bag /proc/nowhere: "),
    ],
)
def test_a_wrong_value_fails_the_launch_with_a_line(
    processes: Processes, word: str, said: str
) -> None:
    launch = processes.done(*BY_PACKAGE, *SHORT, word)
    assert launch.process.returncode == 1
    lines = (launch.out + launch.err).splitlines()
    assert sum(said in line for line in lines) == 1
    assert "Traceback" not in launch.out + launch.err
    assert launch.family() == {}


def active(processes: Processes, *words: str) -> Started:
    """A launch whose robot stands, without end."""
    launch = processes.start(*BY_PACKAGE, "headless:=true", *words)
    wait_until(lambda: "ACTIVE" in launch.out + launch.err)
    assert len(launch.family()) > 1
    return launch


@pytest.mark.parametrize("composed", ["true", "false"])
def test_ctrl_c_leaves_nothing_running(processes: Processes, composed: str) -> None:
    launch = active(processes, f"composed:={composed}", "record:=bag")
    launch.signal(signal.SIGINT, whole_group=True)
    assert launch.wait() == 0
    assert launch.family() == {}
    assert (processes.folder / "bag/metadata.yaml").is_file()
    assert "process has died" not in launch.out + launch.err


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_launch_leaves_nothing_running(processes: Processes, signum: int) -> None:
    launch = active(processes)
    launch.signal(signum)
    launch.wait()
    wait_until(lambda: launch.family() == {})


def test_a_node_that_dies_fails_the_launch(processes: Processes) -> None:
    launch = active(processes, "composed:=false")
    (gait,) = [pid for pid, line in launch.family().items() if "gait_node" in line]
    os.kill(gait, signal.SIGKILL)
    assert launch.wait() == 1
    assert "gait_node-1 ended" in launch.out + launch.err
    assert launch.family() == {}
