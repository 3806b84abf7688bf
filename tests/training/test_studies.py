"""Studies: what is tabulated is what was measured, and nothing is trained twice."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_training.intervals import across, share
from stride_training.places import config_folder
from stride_training.policies import Policy
from stride_training.runs import Run
from stride_training.task import Task, load_task
from tests.training.conftest import SMALL

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stride_training.cli import main

from stride_training import ablations, evaluation, tune


def test_few_seeds_have_students_interval() -> None:
    """Of 1, 2, 3: s = 1, and t of two degrees of freedom is 4.303."""
    found = across(np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx((2.0, 2.0 - 4.303 / np.sqrt(3.0), 2.0 + 4.303 / np.sqrt(3.0)))
    assert np.isnan(across(np.array([1.0])).low)


def test_the_shipped_study_changes_one_thing_at_a_time() -> None:
    study = ablations.load_study("ablations")
    tasks = study.tasks()
    assert len(study.seeds) >= 3 and len({task.steps for task in tasks.values()}) == 1
    assert len(set(map(repr, tasks.values()))) == len(tasks)


def test_a_study_goes_on_where_it_was(tmp_path: Path) -> None:
    calm = "privileged=[velocity]"
    study = ablations.Study(
        task="rough", steps=96, seeds=(0, 1), speeds=(0.1,), episodes=1, seconds=3.0,
        conditions={"whole": (*SMALL, calm), "no gait": (*SMALL, calm, "without_gait=true")},
    )  # fmt: skip
    rows = ablations.carry_out(study, tmp_path, threads=1)
    names = [ablations.ALONE, "whole", "no gait", "whole", "no gait"]
    assert [row["condition"] for row in rows] == names
    kept = tmp_path / "rows.json"
    kept.write_text(json.dumps(rows[:-1]), "utf-8")  # as if cut off in the last one
    (tmp_path / "no_gait-1" / "last.pt").unlink()  # as if killed before its first checkpoint
    before = (tmp_path / "whole-0" / "last.pt").stat().st_mtime_ns
    again = ablations.carry_out(study, tmp_path, threads=1)
    assert (tmp_path / "whole-0" / "last.pt").stat().st_mtime_ns == before
    assert again[-1]["figures"] == rows[-1]["figures"]
    with pytest.raises(ConfigError, match=r"study\.json: another study"):
        ablations.carry_out(dataclasses.replace(study, steps=192), tmp_path, threads=1)
    mean = np.mean([row["figures"]["speed"] for row in rows if row["condition"] == "whole"])
    assert f"| whole | 2 | 100 % | {mean:.3f} ±" in ablations.as_markdown(rows)


def test_a_study_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of ablations, or a path"):
        ablations.load_study("ablation")
    file = tmp_path / "mine.yaml"
    file.write_text("task: rough\nsteps: 5\nconditions: [none]\n")
    with pytest.raises(ConfigError, match="conditions: expected names"):
        ablations.load_study(str(file))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("speeds: []", r"speeds: \[\]: expected at least one"),
        ("seeds: []", r"seeds: \[\]: expected at least one"),
        ("conditions: {no pace: [], no_pace: []}", "'no_pace': expected another folder than 'no p"),
        ("conditions: {gait alone: []}", "'gait alone': expected a name other than"),
        ("conditions: {../up: []}", r"'\.\./up': expected a name for a folder"),
        ("conditions: {a/b: []}", "'a/b': expected a name for a folder"),
        ("conditions: {a|b: []}", r"'a\|b': expected a name for a folder"),
        ("conditions: {'': []}", "'': expected a name for a folder"),
        ("conditions: {long: [steps=9]}", "long: 'steps=9': expected the study's own steps"),
        ("conditions: {lucky: [seed = 7]}", "lucky: 'seed = 7': expected the study's own seed"),
    ],
)
def test_a_study_whose_rows_would_be_anothers_is_refused(
    tmp_path: Path, line: str, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    usual = "" if line.startswith("conditions") else "conditions: {whole: []}\n"
    file.write_text(f"task: rough\nsteps: 5\n{usual}{line}\n")
    with pytest.raises(ConfigError, match=rf"mine\.yaml: .*{message}"):
        ablations.load_study(str(file))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("plant.rate_hz=100", "'other': .*rate_hz 100.0: expected 50.0"),
        ("servo=sts3215_345", "'other': .*servo 'sts3215_345': expected 'sts3215_147'"),
        ("rewards.weights={pase: 1.0}", "'other': .*pase"),
        ("params={folder}/lower.yaml", "'other': .*height"),
        ("ppo.env=1", "'other': .*'env': unknown key"),
    ],
)
def test_what_cannot_be_examined_is_not_trained(tmp_path: Path, change: str, message: str) -> None:
    usual = (config_folder() / "fivebar.yaml").read_text("utf-8")
    (tmp_path / "lower.yaml").write_text(usual.replace("{height: 0.085,", "{height: 0.075,"))
    changes = (change.replace("{folder}", str(tmp_path)),)
    study = ablations.Study(task="rough", steps=96, conditions={"other": changes})
    with pytest.raises(ConfigError, match=f"condition {message}"):
        ablations.carry_out(study, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_run_killed_while_it_began_is_begun_anew(
    tmp_path: Path, small: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Task] = []

    def trained(task: Task, run: Run, threads: int, resume: bool) -> bool:
        assert not resume and run.about()
        begun.append(run.task())
        return True

    monkeypatch.setattr(ablations, "train", trained)
    monkeypatch.setattr(ablations, "find", Policy)
    (tmp_path / "no_gait-0").mkdir()
    for name in ("task.yaml", ".task.yaml.123"):
        (tmp_path / "no_gait-0" / name).touch()
    ablations._trained(small, tmp_path, "no gait", 1)
    assert begun == [small]


def test_only_what_a_run_began_with_is_cleared(tmp_path: Path, small: Task) -> None:
    (tmp_path / "a-0").mkdir()
    for name in ("task.yaml", ".about.json.7", "notes.txt"):
        (tmp_path / "a-0" / name).touch()
    with pytest.raises(ConfigError, match="a-0: exists"):
        ablations._trained(small, tmp_path, "a", 1)
    assert [file.name for file in (tmp_path / "a-0").iterdir()] == ["notes.txt"]
    (tmp_path / "b-0").mkdir()
    for name in ("task.yaml", "step_0000000096.pt"):  # of a run whose about.json is lost
        (tmp_path / "b-0" / name).touch()
    with pytest.raises(ConfigError, match="b-0: exists"):
        ablations._trained(small, tmp_path, "b", 1)
    assert len(list((tmp_path / "b-0").iterdir())) == 2


_FIGURES = '"success": 1, "speed": NaN, "speed_error": 0, "tilt_p99": 1, "heading": 1'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "5: expected a list of rows"),
        ("null", "null: expected a list of rows"),
        ("[1]", "row 0: 1: expected an object"),
        ("[{}]", "row 0: condition: null: expected a name"),
        ("{", "not JSON: .*expected a list of rows"),
        ("[" * 100_000, "not JSON: .*expected a list of rows"),
        ('[{"condition": "a", "seed": 0, "figures": null}]', "row 0: figures: null: expected"),
        ('[{"condition": "a", "seed": 0, "figures": {}}]', "row 0: figures: success: null: exp"),
        (f'[{{"condition": "a", "seed": 0, "figures": {{{_FIGURES}}}}}]', ""),
        (None, "cannot be read: No such file"),
    ],
)
def test_rows_that_are_none_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    file = tmp_path / "rows.json"
    if text is not None:
        file.write_text(text, "utf-8")
    status = main(["ablate", "--rows", str(file)])
    said = capsys.readouterr()
    if message:
        assert status == 2 and re.match(rf"\S+ ablate: {file}: {message}.*\n$", said.err)
    else:
        assert status == 0 and "| a | 1 | 100 % | nan |" in said.out


def test_asks_at_which_all_fall_at_once_calibrate_nothing(
    small: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has a speed beyond 0.2 m/s; up to there the robots go half of what they are told."""

    def examined(policy: object, task: object, exam: Any, threads: int) -> Any:
        asks = np.array(exam.speeds)
        speed = np.where(asks <= 0.2, asks / 2.0, np.nan)
        at = {ask: SimpleNamespace(speed=np.full(3, v)) for ask, v in zip(asks, speed, strict=True)}
        return SimpleNamespace(at=at.__getitem__)

    monkeypatch.setattr(evaluation, "examine", examined)
    told = evaluation.calibrated(small, evaluation.Examination((0.05, 0.1, 0.4)))
    assert told[0] == pytest.approx(0.1)
    assert 0.15 < told[1] <= 0.2 and told[2] == told[1]


def test_a_search_that_is_ended_or_whose_storage_is_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended in its first trial, before an evaluation: no trial is complete, and that is said."""
    monkeypatch.setattr(tune, "train", lambda *given, **named: False)
    study, finished = tune.tune("rough", SMALL, tmp_path, 3, steps=96)
    assert not finished and len(study.trials) == 1 and tune.report(study) == "no trial is complete"
    with open(tmp_path / "study.log", "a", encoding="utf-8") as stream:
        stream.write('{"op_code": 4, "wor')  # killed amid a line
    with pytest.raises(ConfigError, match="--storage"):
        tune.tune("rough", SMALL, tmp_path, 1, steps=96)


def _trains(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Trainings that take no time; each scores its residual."""
    tasks: list[Task] = []

    def trained(task: Task, run: object, threads: int, report: Any) -> bool:
        tasks.append(task)
        report(task.steps, task.action.residual)
        return True

    monkeypatch.setattr(tune, "train", trained)
    return tasks


def test_what_a_search_holds_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = _trains(monkeypatch)
    held = ("action.residual=0.005", "ppo={gamma: 0.9, kl: [0.01, 0.02]}")
    study, finished = tune.tune("rough", held, tmp_path, 2)
    assert finished and [task.action.residual for task in tasks] == [0.005] * 2
    assert {task.ppo.gamma for task in tasks} == {0.9}
    assert not {"action.residual", "ppo.gamma"} & set(study.best_trial.params)
    found, _, options = tune.report(study, held).partition("; held: ")
    assert options == "--set action.residual=0.005 --set 'ppo={gamma: 0.9, kl: [0.01, 0.02]}'"
    assert "--set ppo.entropy=" in found and "gamma=" not in found
    every = [f"{key}={span[-1]}" for key, _, span in tune.SPACE]
    with pytest.raises(ConfigError, match="--set holds all that is drawn"):
        tune.tune("rough", every, tmp_path / "none", 1)


def test_a_search_goes_on_only_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _trains(monkeypatch)
    tune.tune("rough", (), tmp_path, 1, steps=960)
    study, _ = tune.tune("rough", (), tmp_path, 1, steps=960)
    assert len(study.trials) == 2
    with pytest.raises(ConfigError, match=r"study\.log: .*'rough': steps 96: expected 960 as in"):
        tune.tune("rough", (), tmp_path, 1, steps=96)
    with pytest.raises(ConfigError, match=r"action\.residual 0\.03: expected \[\"uniform"):
        tune.tune("rough", ("action.residual=0.03",), tmp_path, 1, steps=960)


def test_a_trial_that_fails_is_one_line_and_ctrl_c_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    endings = [ConfigError("weights are not finite"), KeyboardInterrupt()]

    def failed(*given: object, **named: object) -> bool:
        raise endings.pop(0)

    monkeypatch.setattr(tune, "train", failed)
    assert main(["tune", "rough", "--folder", str(tmp_path), "--trials", "3"]) == 130
    said = capfd.readouterr()
    assert said.err == "trial 0: weights are not finite\n"
    assert said.out == "no trial is complete\n"


@pytest.mark.parametrize("base", ["''", "../rough", "3"])
def test_a_task_extends_one_beside_it(tmp_path: Path, base: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"extends: {base}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: extends: .*expected the name of a task"):
        load_task(file)


def test_the_interval_of_a_few_runs_is_students() -> None:
    """For ±1 s² is n/(n−1): mean ± t/√(n−1); t of 9 degrees of freedom is 2.262."""
    values = np.array([1.0, -1.0] * 5)
    found = across(values)
    assert found.value == 0.0
    assert found.high == pytest.approx(2.262 / 3.0) == -found.low
    assert across(np.array([1.0, -1.0] * 100)).high == pytest.approx(2.086 / np.sqrt(199.0))


def test_wilsons_interval_is_that_of_a_table() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, the score method."""
    assert share(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert share(0, 20).low == 0.0 and share(20, 20).high == 1.0
