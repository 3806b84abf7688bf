"""Studies: what is tabulated is what was measured, and nothing is trained twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_training.intervals import across
from tests.training.conftest import SMALL

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stride_training import ablations


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
    before = (tmp_path / "whole-0" / "last.pt").stat().st_mtime_ns
    again = ablations.carry_out(study, tmp_path, threads=1)
    assert (tmp_path / "whole-0" / "last.pt").stat().st_mtime_ns == before
    assert again[-1]["figures"] == rows[-1]["figures"]
    mean = np.mean([row["figures"]["speed"] for row in rows if row["condition"] == "whole"])
    assert f"| whole | 2 | 100 % | {mean:.3f} ±" in ablations.as_markdown(rows)


def test_a_study_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of ablations, or a path"):
        ablations.load_study("ablation")
    file = tmp_path / "mine.yaml"
    file.write_text("task: rough\nsteps: 5\nconditions: [none]\n")
    with pytest.raises(ConfigError, match="conditions: expected names"):
        ablations.load_study(str(file))
