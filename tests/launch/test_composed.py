"""The executable `composed`, as a real process."""

from __future__ import annotations

import json
import signal
import sys

from tests.graph.harness import Processes, wait_until

COMPOSED = (sys.executable, "-m", "stride_bringup.composed_main")
FAST = ("--headless=true", "--realtime-factor=max", "--summary=summary.json")


def test_it_walks_ends_by_itself_and_leaves_the_figures(processes: Processes) -> None:
    run = processes.done(*COMPOSED, *FAST, "--terrain=rough", "--vx=0.1", "--seconds=2")
    assert (run.process.returncode, run.out) == (0, "")
    figures = json.loads((processes.folder / "summary.json").read_text("utf-8"))
    assert (figures["ticks"], figures["missed_ticks"], figures["falls"]) == (200, 0, 0)
    assert figures["distance_m"] > 0.1  # 2 s at 0.1 m/s, less the start
    # as `terrain:=rough` it would have been a remapping to ROS, with a warning
    assert "remap" not in run.err


def test_ros_arguments_hold_for_all_of_its_nodes(processes: Processes) -> None:
    run = processes.done(
        *COMPOSED, *FAST, "--seconds=1", "--ros-args", "-r", "__ns:=/left", "--log-level", "debug"
    )
    assert run.process.returncode == 0
    assert "[left.safety]: ACTIVE" in run.err


def test_a_wrong_value_is_one_line_and_status_2(processes: Processes) -> None:
    for words, said in [
        (["--difficulty=7"], "difficulty: '7': expected a finite number from 0 to 1"),
        (["--terrain=rugh"], "terrain: 'rugh': expected one of flat"),
        (["--terian=rough"], "unrecognized arguments: --terian=rough"),
    ]:
        run = processes.done(*COMPOSED, *FAST, *words)
        assert run.process.returncode == 2
        assert run.err.startswith(f"composed: {said}")
        assert run.err.count("\n") == 1


def test_ctrl_c_ends_it_well_and_keeps_the_figures(processes: Processes) -> None:
    run = processes.start(*COMPOSED, "--headless=true", "--summary=summary.json")
    wait_until(lambda: "ACTIVE" in run.err)
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert "Traceback" not in run.err
    assert json.loads((processes.folder / "summary.json").read_text("utf-8"))["falls"] == 0
