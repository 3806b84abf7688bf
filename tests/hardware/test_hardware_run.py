"""``./stride hardware`` on the twin, from end to end, and what it refuses to start with."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from stride_bringup.cli import hardware
from stride_bringup.hardware import HardwareOptions, hardware_nodes
from stride_core.control import load_controller
from stride_core.safety_config import NAMES, SafetyConfig
from tests.graph.harness import CLI, Processes, wait_until
from tests.hardware.parts import FILE, ROOT, SPEC


def test_the_twin_walks_like_the_simulation_and_says_what_the_bus_did(
    processes: Processes,
) -> None:
    run = processes.start(
        *CLI, "hardware", "--twin", "--headless", "--seconds", "8", "--vx", "0.15", "--json"
    )
    assert run.wait() == 0, run.err
    report = run.report()
    assert report["falls"] == 0
    loop, bus = report["loop"], report["bus"]
    assert loop["ticks"] > 100 and loop["rate_held_hz"] <= 101.0
    # 0.15 m/s in the simulation; the robot gets up and gathers speed in these eight seconds too.
    # On a machine that cannot hold the rate it stops and goes: it walks, and no more is said.
    held = loop["rate_held_hz"] > 80.0
    assert (0.112 if held else 0.03) < report["mean_vx_mps"] < 0.168
    # by hand: reading all takes 20 + 12·12 bytes a tick, writing 8 + 12·3, and so on at 1 Mbaud;
    # on a busy machine there are fewer ticks
    assert 0.15 < bus["wire_utilisation"] * 100.0 / loop["rate_held_hz"] < 0.35
    assert report["tick_latency_us"]["p50"] > 0.0 and bus["read_age_ms"]["p99"] > 0.0
    assert report["cause"] == "the time is up"


def test_nothing_outlives_a_run_that_was_killed(processes: Processes) -> None:
    run = processes.start(*CLI, "hardware", "--twin", "--headless", "--vx", "0.1")
    wait_until(lambda: "[safety]: ACTIVE" in run.err)
    assert len(run.family()) >= 6  # twin, safety, control, policy, estimator, actuator, guard
    run.signal(signal.SIGKILL)
    wait_until(lambda: not run.family())


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGKILL, 1), (signal.SIGINT, 0)])
def test_an_end_while_the_twin_still_lies_down_is_said(
    processes: Processes, signum: int, status: int
) -> None:
    run = processes.start(*CLI, "hardware", "--twin", "--headless", "--vx", "0.1")

    def twin() -> list[int]:
        return [pid for pid, line in run.family().items() if "stride_sim.twin_node" in line]

    (pid,) = wait_until(twin)
    if signum == signal.SIGKILL:
        os.kill(pid, signum)
    else:
        run.signal(signum)
    assert run.wait() == status
    said = "twin ended (killed by SIGKILL)" if status else "stopped early"
    assert f"./stride hardware: {said}" in run.err


def refused(processes: Processes, *arguments: str) -> str:
    """The one line that a run ends with; exit status 2."""
    run = processes.done(*CLI, "hardware", "--headless", *arguments)
    assert run.process.returncode == 2, run.err
    lines = [line for line in run.err.splitlines() if line.startswith(("stride:", "./stride"))]
    assert len(lines) == 1, run.err
    assert "Traceback" not in run.err
    return lines[0]


def changed(folder: Path, **servo: object) -> str:
    content = yaml.safe_load(FILE.read_text())
    content["servos"]["FL_tilt"] |= servo
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


def test_what_it_cannot_start_with_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        str(FILE): "no such device",
        str(tmp_path / "none.yaml"): "not calibrated; run ./stride calibrate servos",
        changed(tmp_path, id=2): "id 2 twice",
    }
    for file, expected in wrong.items():
        words = ("--headless", "--port", str(tmp_path / "none"), "--calibration", file)
        assert hardware.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("./stride hardware: ") and expected in line


def test_a_robot_on_its_back_is_refused(processes: Processes) -> None:
    config = (ROOT / "config/fivebar.yaml").read_text()
    config += "\n/**/twin: {ros__parameters: {upside_down: true}}\n"
    config = config.replace("    safety:\n", "    boot_patience: 4.0\n    safety:\n")
    (processes.folder / "back.yaml").write_text(config)
    said = refused(processes, "--twin", "--config", "back.yaml")
    assert "not fit to start: TILT (3.1" in said and "upright" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "port: expected --port PORT"),
        ({"twin": True, "port": "/dev/x"}, "port: /dev/x: expected none with --twin"),
        ({"port": "/dev/x", "imu": "compass"}, "imu: 'compass': expected none or bno055"),
        ({"port": "/dev/x", "imu": "bno055"}, "imu_port: expected --imu-port PORT"),
        ({"twin": True, "film": "a.mp4"}, "film: expected none"),
        ({"twin": True, "realtime_factor": 0.0}, "realtime_factor: 0: expected 1"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        HardwareOptions(**options)  # type: ignore[arg-type]


def test_the_robot_has_all_but_the_twin(tmp_path: Path) -> None:
    on_motors = HardwareOptions(port="/dev/x", imu="bno055", imu_port="/dev/y", headless=True)
    twin = HardwareOptions(twin=True, folder=str(tmp_path), headless=True)
    names = [[node.name for node in hardware_nodes(one)] for one in (on_motors, twin)]
    assert [name.replace("imu", "twin") for name in names[0]] == names[1]
    first = {
        node.name: node.parameters.get("realtime_priority", 0) for node in hardware_nodes(on_motors)
    }
    assert first["actuator"] > first["safety"] > first["estimator"] == 0
    for usual in (twin, replace(on_motors, realtime=False)):
        assert all("realtime_priority" not in node.parameters for node in hardware_nodes(usual))


def test_the_timeouts_are_the_robots_own_but_for_a_twin_that_may_wait() -> None:
    def safety(**options: object) -> SafetyConfig:
        made = HardwareOptions(**options)  # type: ignore[arg-type]
        return load_controller(SPEC, *made.params_files()).safety_config

    strict, own = safety(twin=True, strict=True), safety(port="/dev/x")
    patient = safety(twin=True)
    assert own == strict == load_controller(SPEC, ROOT / "config/fivebar.yaml").safety_config
    changed = {
        name: getattr(patient.checks, name).limit
        for name in NAMES
        if getattr(patient.checks, name) != getattr(own.checks, name)
    }
    assert set(changed) == {
        "state_stale", "imu_stale", "target_stale", "motors_stale", "clock_jump",
    }  # fmt: skip
    assert min(changed.values()) >= 1.0
    assert replace(patient, checks=own.checks) == own


def test_some_faults_end_as_the_table_promises(processes: Processes) -> None:
    """The whole table takes minutes: ``./stride faults``; docs/faults.md."""
    run = processes.start(
        *CLI, "faults", "--patient", "--json",
        "position NaN", "70°", "servo vanishes", "watchdog killed",
    )  # fmt: skip
    assert run.wait() == 0, run.err
    report = run.report()
    assert report["cases"] == report["as_promised"] == 4


def test_a_signal_lets_the_driver_take_the_torque_off_before_the_twin_is_gone(
    processes: Processes,
) -> None:
    run = processes.start(*CLI, "hardware", "--twin", "--headless", "--json")
    wait_until(lambda: "[safety]: ACTIVE" in run.err)
    run.signal(signal.SIGTERM)
    assert run.wait() == 0, run.err
    assert run.report()["cause"] == "ended"
    assert "servo_bus" not in run.err
