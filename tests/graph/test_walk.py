"""`./stride sim` walks as it is told, and says so in one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from stride_bringup.options import config_file
from tests.graph.harness import FAST, Processes, Started, free_domain

SECONDS = 5.0
COMMANDS = {
    "straight": ("--vx", "0.15"),
    "fast": ("--vx", "0.25"),
    "back": ("--vx", "-0.1"),
    "sideways": ("--vy", "0.05"),
    "turn": ("--wz", "0.5"),
    "rough": ("--vx", "0.15", "--terrain", "rough"),
    "processes": ("--vx", "0.15", "--processes"),
    "walk gait": ("--vx", "0.1", "--gait", "walk"),
    "slow rate": ("--vx", "0.1", "--rate", "50", "--servo", "sts3215_345"),
    "configured": ("--config", "mine.yaml", "--difficulty", "0.5"),
}
MINE = """
/**/gait: {ros__parameters: {initial_command: [0.1, 0.0, 0.0], gait: {pattern: walk}}}
/**/sim: {ros__parameters: {terrain: waves, difficulty: 0.9, terrain_seed: 3, plant.rate_hz: 50.0}}
"""
FIGURES = {
    "robot": str, "terrain": str, "gait": str, "policy": str, "rate_hz": float,
    "sim_seconds": float, "wall_seconds": float, "realtime_factor": float, "distance_m": float,
    "mean_vx_mps": float, "mean_vy_mps": float, "mean_wz_rps": float, "lateral_drift_m": float,
    "max_abs_roll_deg": float, "max_abs_pitch_deg": float, "height_mean_m": float,
    "height_std_m": float, "falls": int, "ticks": int, "missed_ticks": int, "tick_latency_us": dict,
}  # fmt: skip
OF_THE_WALL = {"wall_seconds", "realtime_factor", "tick_latency_us"}

Walks = dict[str, tuple[int, Started]]


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walks]:
    """Every command walked once, two at a time, each in a domain of its own."""

    def walk(name: str) -> tuple[int, Started]:
        with free_domain() as domain:
            folder: Path = tmp_path_factory.mktemp("walk")
            ours = yaml.safe_load(config_file("fivebar").read_text("utf-8"))
            (folder / "mine.yaml").write_text(yaml.safe_dump(merged(ours, yaml.safe_load(MINE))))
            started = Processes(folder, domain).sim(
                *FAST, "--seconds", str(SECONDS), *COMMANDS[name]
            )
            try:
                return started.wait(), started
            finally:
                left[name] = started.family()
                started.end()

    left: dict[str, dict[int, str]] = {}
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(COMMANDS, pool.map(walk, COMMANDS), strict=True))
    assert not any(left.values()), left
    yield found


def merged(below: Any, above: Any) -> Any:
    """A mapping with another's values put into it."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def report(walks: Walks, name: str) -> dict[str, Any]:
    status, started = walks[name]
    assert status == 0, started.err
    return started.report()


@pytest.mark.parametrize(
    ("name", "figure", "wanted"),
    [
        ("straight", "mean_vx_mps", 0.15),
        ("fast", "mean_vx_mps", 0.25),
        ("back", "mean_vx_mps", -0.1),
        ("sideways", "mean_vy_mps", 0.05),
        ("turn", "mean_wz_rps", 0.5),
        ("processes", "mean_vx_mps", 0.15),
        ("walk gait", "mean_vx_mps", 0.1),
        ("slow rate", "mean_vx_mps", 0.1),
    ],
)
def test_it_goes_as_fast_as_it_is_told(walks: Walks, name: str, figure: str, wanted: float) -> None:
    found = report(walks, name)
    assert found[figure] == pytest.approx(wanted, rel=0.15)
    assert found["falls"] == 0


def test_it_goes_nowhere_else(walks: Walks) -> None:
    straight, turn = report(walks, "straight"), report(walks, "turn")
    assert abs(straight["mean_vy_mps"]) < 0.015
    assert abs(straight["mean_wz_rps"]) < 0.05
    assert abs(turn["mean_vx_mps"]) < 0.02
    assert abs(report(walks, "sideways")["mean_vx_mps"]) < 0.02


def test_it_stays_up_on_rough_ground_and_says_how_fast_it_is(walks: Walks) -> None:
    found = report(walks, "rough")
    assert (found["terrain"], found["falls"]) == ("rough", 0)
    assert 0.05 < found["mean_vx_mps"] < 0.25


@pytest.mark.parametrize("name", COMMANDS)
def test_the_last_line_is_one_json_object_with_every_figure(walks: Walks, name: str) -> None:
    found = report(walks, name)
    wrong = {
        key: found.get(key) for key, kind in FIGURES.items() if type(found.get(key)) is not kind
    }
    assert not wrong
    assert found["bag"] is None
    assert {"p50", "p99"} <= found["tick_latency_us"].keys()
    assert len(walks[name][1].out.splitlines()) == 1


def test_the_figures_agree_with_the_command_line_and_with_each_other(walks: Walks) -> None:
    found = report(walks, "straight")
    asked = ("fivebar", "flat", "trot", "none", 100.0)
    assert tuple(found[k] for k in ("robot", "terrain", "gait", "policy", "rate_hz")) == asked
    assert (found["ticks"], found["sim_seconds"], found["missed_ticks"]) == (500, SECONDS, 0)
    assert found["distance_m"] == pytest.approx(found["mean_vx_mps"] * SECONDS, rel=0.05)
    assert found["realtime_factor"] == pytest.approx(SECONDS / found["wall_seconds"])
    assert 0.06 < found["height_mean_m"] < 0.085
    assert 0.0 < found["max_abs_roll_deg"] < 20.0
    slow = report(walks, "slow rate")
    assert (slow["ticks"], slow["rate_hz"], slow["servo"]) == (250, 50.0, "sts3215_345")
    assert report(walks, "walk gait")["gait"] == "walk"


def test_what_is_not_given_is_the_configurations_to_say(walks: Walks) -> None:
    found = report(walks, "configured")
    told = ("walk", "waves", 0.5, 3, 50.0)  # the difficulty was given, though it is the default
    asked = ("gait", "terrain", "difficulty", "terrain_seed", "rate_hz")
    assert tuple(found[key] for key in asked) == told
    assert found["mean_vx_mps"] > 0.05


def test_a_process_for_each_node_walks_the_very_same_walk(walks: Walks) -> None:
    composed, apart = report(walks, "straight"), report(walks, "processes")
    same = composed.keys() - OF_THE_WALL
    assert {key: apart[key] for key in same} == {key: composed[key] for key in same}


def test_without_json_it_prints_a_table(processes: Processes) -> None:
    run = processes.sim("--headless", "--seconds", "0.5", "--realtime-factor", "5", "--vx", "0.1")
    assert run.wait() == 0
    rows = dict(line.split(maxsplit=1) for line in run.out.splitlines())
    assert rows["sim_seconds"] == "0.500"
    assert rows.keys() >= FIGURES.keys()
