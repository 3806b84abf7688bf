"""Studies: what is tabulated is what was measured, and nothing is trained twice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_training.intervals import across, share
from stride_training.task import Task, load_task
from tests.training.conftest import SMALL

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

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
    study = tune.tune("rough", SMALL, tmp_path, 3, steps=96)
    assert len(study.trials) == 1 and tune.report(study) == "no trial is complete"
    with open(tmp_path / "study.log", "a", encoding="utf-8") as stream:
        stream.write('{"op_code": 4, "wor')  # killed amid a line
    with pytest.raises(ConfigError, match="--storage"):
        tune.tune("rough", SMALL, tmp_path, 1, steps=96)


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
