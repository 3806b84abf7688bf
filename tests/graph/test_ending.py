"""However a run ends: its figures are printed, its bag is readable, and nothing stays behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from std_srvs.srv import Trigger
from stride_operator.bag_writer import BagError
from tests.graph.harness import FAST, Graph, Processes, Started, wait_until, warnings
from tests.graph.watching import paused

from stride_operator import bag

REAL_TIME = ("--headless", "--vx", "0.1")
COMPOSED: tuple[str, ...] = ()
APART: tuple[str, ...] = ("--processes",)


def walking(run: Started) -> bool:
    """Whether the motors are on."""
    assert run.process.poll() is None, run.err
    return "[safety]: ACTIVE" in run.err


def left(run: Started) -> dict[int, str]:
    """What lives on although the run has ended."""
    assert run.process.poll() is not None
    return run.family()


def test_a_robot_that_lies_down_is_a_fall_and_status_3(processes: Processes) -> None:
    timid = config_text().replace("tilt: {limit: 1.0472", "tilt: {limit: 0.1")
    (processes.folder / "timid.yaml").write_text(timid)  # rough ground makes it drop its motors
    run = processes.sim(
        *FAST,
        "--seconds",
        "4",
        "--vx",
        "0.3",
        "--config",
        "timid.yaml",
        "--terrain",
        "rough",
        "--difficulty",
        "1",
    )
    assert run.wait() == 3, run.err
    assert run.report()["falls"] >= 1
    assert any("motors off: TILT" in line for line in warnings(run.err, "safety"))
    assert not left(run)


def test_a_robot_that_sits_down_as_told_has_not_fallen(processes: Processes, graph: Graph) -> None:
    run = processes.sim(*FAST)
    with paused(graph, "foot_targets", "joint_commands") as watcher:
        watcher.walk(20)
        graph.call(watcher.node, Trigger, "gait/sit_down")
        watcher.walk(150)
        assert watcher.latest("foot_targets").mode == "sit"
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.err
    assert run.report()["falls"] == 0


def test_a_signal_while_walking_prints_the_figures(processes: Processes) -> None:
    run = processes.sim(*REAL_TIME)
    wait_until(lambda: walking(run))
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.err
    rows = dict(line.split(maxsplit=1) for line in run.out.splitlines())
    assert float(rows["sim_seconds"]) > 0.0
    assert rows["falls"] == "0"
    assert "Traceback" not in run.err
    assert not left(run)


def test_ctrl_c_at_a_terminal_reaches_every_process_and_is_no_failure(
    processes: Processes,
) -> None:
    run = processes.sim(*REAL_TIME, "--json", *APART, "--record", "bag")
    wait_until(lambda: messages(run) > 100)
    run.signal(signal.SIGINT, whole_group=True)
    assert run.wait() == 0, run.err
    assert run.report()["falls"] == 0
    assert "Traceback" not in run.err
    assert "ended" not in run.err
    assert not left(run)


def messages(run: Started) -> int:
    """How many messages are in the bag by now."""
    folder = Path(run.folder, "bag")
    try:
        return sum(1 for _ in bag.read(folder))
    except BagError:
        return 0


@pytest.mark.parametrize(
    ("signum", "runner"), [(signal.SIGTERM, COMPOSED), (signal.SIGTERM, APART)]
)
def test_a_signal_while_recording_leaves_a_whole_bag(
    processes: Processes, signum: signal.Signals, runner: tuple[str, ...]
) -> None:
    run = processes.sim(*REAL_TIME, "--json", *runner, "--record", "bag")
    wait_until(lambda: messages(run) > 100)
    run.signal(signum)
    assert run.wait() == 0, run.err
    folder = Path(run.folder, "bag")
    assert (folder / "metadata.yaml").is_file()
    report, found = run.report(), list(bag.read(folder))
    assert report["bag"] == "bag"
    for topic in ("/joint_states", "/imu", "/odom", "/foot_contacts", "/clock"):
        assert sum(m.topic == topic for m in found) == report["ticks"], topic
    assert (report["bag_messages"], report["bag_lost"]) == (len(found), 0)
    assert bag.recover(folder) == len(found)
    assert not left(run)


def test_a_run_that_is_killed_leaves_what_was_recorded_and_no_process(processes: Processes) -> None:
    run = processes.sim(*REAL_TIME, *APART, "--record", "bag")
    wait_until(lambda: messages(run) > 100)
    before = messages(run)
    run.signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not left(run))
    assert messages(run) >= before


def started(run: Started) -> bool:
    return True


def made_its_folder(run: Started) -> bool:
    return Path(run.folder, "bag").exists()


def imports(run: Started) -> bool:
    return "numpy" in Path(f"/proc/{run.process.pid}/maps").read_text("utf-8")


def has_children(run: Started) -> bool:
    return len(run.family()) > 2


@pytest.mark.parametrize(
    ("moment", "signum", "runner"),
    [
        (started, signal.SIGINT, COMPOSED),
        (imports, signal.SIGINT, COMPOSED),
        (imports, signal.SIGTERM, COMPOSED),
        (made_its_folder, signal.SIGINT, COMPOSED),
        (made_its_folder, signal.SIGTERM, COMPOSED),
        (has_children, signal.SIGINT, APART),
        (has_children, signal.SIGTERM, APART),
    ],
)
def test_a_signal_before_the_first_tick_leaves_nothing(
    processes: Processes,
    moment: Callable[[Started], bool],
    signum: signal.Signals,
    runner: tuple[str, ...],
) -> None:
    run = processes.sim(*REAL_TIME, "--json", *runner, "--record", "bag")
    wait_until(lambda: moment(run))
    run.signal(signum, whole_group=signum == signal.SIGINT)
    assert run.wait() in (0, -signum, 128 + signum), run.err
    assert "Traceback" not in run.err
    if run.out:
        run.report()
    wait_until(lambda: not left(run))


@pytest.mark.parametrize("node", ["gait", "sim"])
def test_a_node_that_dies_ends_the_run_with_one_line(processes: Processes, node: str) -> None:
    run = processes.sim(*REAL_TIME, "--json", *APART, "--record", "bag")
    wait_until(lambda: messages(run) > 100)
    (pid,) = [pid for pid, line in run.family().items() if f"{node}_node" in line]
    os.kill(pid, signal.SIGKILL)
    assert run.wait() == 1
    ended = [line for line in run.err.splitlines() if line.startswith("stride:")]
    assert ended[0] == f"stride: {node} ended (killed by SIGKILL)"
    assert not [line for line in run.err.splitlines() if "Traceback" in line]
    assert not left(run)
    assert messages(run) > 100


def config_text() -> str:
    from stride_bringup.options import config_file

    return config_file("fivebar").read_text("utf-8")
