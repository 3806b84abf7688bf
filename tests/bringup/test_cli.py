"""`./stride COMMAND` without a run: what is refused, what is printed, and the exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("rclpy")

from stride_bringup.cli.main import COMMANDS, OWN, main
from stride_bringup.options import Options
from stride_bringup.run import Result

from stride_bringup import run as running

FIGURES = {
    "sim_seconds": 2.0, "wall_seconds": 0.5, "mean_vx_mps": 0.149, "falls": 0, "ticks": 200,
    "tick_latency_us": {"p50": 300.0, "p99": 900.0, "p99.9": 1000.0},
}  # fmt: skip


class Runs:
    """Stands in for the run itself.

    Attributes:
        asked: what `run` was called with.
        result: what it returns or raises.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Options, bool]] = []
        self.result: Result | Exception = Result(FIGURES)

    def __call__(self, options: Options, processes: bool = False) -> Result:
        self.asked.append((options, processes))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(running, "run", made)
    return made


def test_help_names_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["help"], ["--help"], ["-h"]):
        assert main(words) == 0
        said = capsys.readouterr().out
        assert all(f"  {name}" in said for name in COMMANDS | OWN)
        assert "./stride sim --headless" in said


@pytest.mark.parametrize("words", [["help", "sim"], ["sim", "--help"]])
def test_help_of_a_command_has_its_options(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for option in (
        "--robot", "--terrain", "--difficulty", "--terrain-seed", "--seed", "--vx", "--vy", "--wz",
        "--gait", "--policy", "--seconds", "--rate", "--realtime-factor", "--headless", "--window",
        "--film", "--processes", "--record", "--json",
    ):  # fmt: skip
        assert option in said
    assert "examples:" in said


def test_an_unknown_command_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["walk"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("stride: 'walk': expected one of sim,")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--vx", "fast"], ("--vx", "'fast'", "finite number")),
        (["--vy", "nan"], ("--vy", "nan")),
        (["--difficulty", "7"], ("--difficulty", "'7'", "0 to 1")),
        (["--seed", "-1"], ("--seed", "'-1'")),
        (["--seconds", "0"], ("--seconds", "'0'")),
        (["--rate", "0"], ("--rate", "'0'")),
        (["--realtime-factor", "fastest"], ("--realtime-factor", "fastest")),
        (["--terrain-size", "1,2"], ("--terrain-size", "X,Y,Z")),
        (["--hurry"], ("--hurry",)),
        (["somewhere"], ("somewhere",)),
        (["--robot", "nosuch"], ("nosuch", "fivebar")),
        (["--terrain", "moon"], ("terrain", "moon", "rough")),
        (["--gait", "hop"], ("gait", "hop", "trot")),
        (["--servo", "nosuch"], ("nosuch", "sts3215_147")),
        (["--policy", "best"], ("policy", "best", "none")),
        (["--namespace", "a b"], ("namespace", "a b")),
    ],
    ids=" ".join,
)
def test_a_bad_argument_of_sim_is_one_line_and_status_2(
    runs: Runs, capsys: pytest.CaptureFixture[str], words: list[str], named: tuple[str, ...]
) -> None:
    try:
        status = main(["sim", *words])
    except SystemExit as end:  # argparse's own way
        assert isinstance(end.code, int)
        status = end.code
    assert status == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("./stride sim: ")
    assert all(word in line for word in named), line
    assert (said.out, runs.asked) == ("", [])


def test_arguments_of_sim_become_options(runs: Runs) -> None:
    words = (
        "--robot fivebar --servo sts3215_345 --terrain rough --difficulty 0.3 --terrain-seed 2"
        " --seed 5 --vx 0.1 --vy -0.05 --wz 0.4 --gait walk --policy none --seconds 3 --rate 50"
        " --realtime-factor max --headless --film a.mp4 --record bag --namespace dog"
        " --remap odom:=truth --remap imu:=other --processes --json"
    )
    assert main(["sim", *words.split()]) == 0
    wanted = Options(
        robot="fivebar", servo="sts3215_345", terrain="rough", difficulty=0.3, terrain_seed=2,
        seed=5, command=(0.1, -0.05, 0.4), gait="walk", seconds=3.0, rate=50.0,
        realtime_factor=0.0, headless=True, film="a.mp4", record="bag", namespace="dog",
        remap=("odom:=truth", "imu:=other"),
    )  # fmt: skip
    assert runs.asked == [(wanted, True)]


def test_without_arguments_it_runs_in_real_time_with_a_live_line(runs: Runs) -> None:
    assert main(["sim"]) == 0
    assert runs.asked == [(Options(live=True), False)]


def test_json_is_the_last_line(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.result = Result(FIGURES, recorded={"messages": 90, "lost": 3})
    assert main(["sim", "--json", "--record", "bag", "--terrain", "rough"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    asked = {
        "robot": "fivebar", "servo": "sts3215_147", "terrain": "rough", "difficulty": 0.5,
        "gait": "trot", "policy": "none", "rate_hz": 100.0, "bag": "bag",
    }  # fmt: skip
    assert report == asked | FIGURES | {"bag_messages": 90, "bag_lost": 3}


def test_without_json_it_is_a_table(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    no_ticks = FIGURES | {"tick_latency_us": {"p50": None, "p99": 900.0}}
    runs.result = Result(no_ticks)
    assert main(["sim"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["mean_vx_mps"] == "0.149"
    assert rows["ticks"] == "200"
    assert rows["tick_latency_us"] == "p50 -  p99 900"


@pytest.mark.parametrize(
    ("result", "status", "out", "err"),
    [
        (Result(FIGURES), 0, True, ""),
        (Result(FIGURES | {"falls": 2}), 3, True, ""),
        (Result(FIGURES, "gait ended (killed by SIGKILL)"), 1, True, ""),
        (Result(FIGURES | {"falls": 1}, "gait ended (killed by SIGKILL)"), 1, True, ""),
        (Result(None, "gait ended (exit status 1)"), 1, False, "gait ended (exit status 1)"),
        (Result(None), 0, False, "stopped before the first tick"),
        (Result(None, refused=True), 2, False, ""),
        (ValueError("gait: speed: 9: too fast"), 2, False, "gait: speed: 9: too fast"),
        (OSError("disk full"), 2, False, "disk full"),
    ],
    ids=str,
)
def test_the_exit_status_says_how_it_went(
    runs: Runs,
    capsys: pytest.CaptureFixture[str],
    result: Any,
    status: int,
    out: bool,
    err: str,
) -> None:
    runs.result = result
    assert main(["sim", "--json"]) == status
    said = capsys.readouterr()
    assert bool(said.out) is out
    assert said.err == (f"./stride sim: {err}\n" if err else "")
