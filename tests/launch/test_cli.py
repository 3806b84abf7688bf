"""`./stride launch`: ros2 launch where there is one, the same nodes where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from stride_bringup.cli import launch
from stride_bringup.options import Options


class ReplacedError(Exception):
    """Stands for the process having become another."""


@pytest.fixture
def ros2(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine with ros2 launch; the command lines it was given."""
    commands: list[list[str]] = []

    def become(program: str, command: list[str]) -> None:
        assert program == command[0]
        commands.append(command)
        raise ReplacedError

    monkeypatch.setattr(launch, "has_launch", lambda: True)
    monkeypatch.setattr("os.execvp", become)
    return commands


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Options, bool]]:
    """A machine without ros2 launch; the runs that were asked for, which end in status 7."""
    asked: list[tuple[Options, bool]] = []

    def carry_out(options: Options, processes: bool, **_: Any) -> int:
        asked.append((options, processes))
        return 7

    monkeypatch.setattr(launch, "has_launch", lambda: False)
    monkeypatch.setattr(launch, "carry_out", carry_out)
    return asked


@pytest.mark.parametrize("name", ["sim", "sim.launch.py", "launch/sim.launch.py"])
def test_it_becomes_ros2_launch(ros2: list[list[str]], name: str) -> None:
    with pytest.raises(ReplacedError):
        launch.main([name, "terrain:=rough", "--show-args"])
    words = ["ros2", "launch", "stride_bringup", "sim.launch.py", "terrain:=rough", "--show-args"]
    assert ros2 == [words]


def test_without_it_the_same_options_run_here(
    runs: list[tuple[Options, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["terrain:=rough", "vx:=0.15", "realtime_factor:=max", "composed:=false"]
    assert launch.main(["sim", *words]) == 7
    run = Options(terrain="rough", command=(0.15, 0.0, 0.0), realtime_factor=0.0, live=True)
    assert runs == [(run, True)]
    said = capsys.readouterr().err
    assert "no ros2 launch here" in said
    assert said.count("\n") == 1
    assert launch.main(["sim"]) == 7
    assert runs[1] == (Options(live=True), False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simulation"], "'simulation': expected one of hardware, sim"),
        (["sim", "terian:=rough"], "terian: no such argument; did you mean terrain?"),
        (["sim", "terrain"], "'terrain': expected name:=value"),
        (["sim", "difficulty:=7"], "difficulty: '7': expected a finite number from 0 to 1"),
        (["sim", "rviz:=true"], "rviz: true: expected false, as rviz2 is not installed"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    runs: list[Any], words: list[str], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("stride_bringup.launch_support.is_installed", lambda _: False)
    assert launch.main(words) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"./stride launch: {said}\n")
    assert runs == []


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 2), (["sim", "-s"], 0)])
def test_help_lists_arguments_and_defaults(
    runs: list[Any], words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch.main(words) == status
    out = capsys.readouterr().out
    assert "realtime_factor" in out
    assert "(default: fivebar)" in out
    assert max(map(len, out.splitlines())) <= 100
    assert runs == []
