"""Learning curves: what a run's progress.csv and evaluations.jsonl hold, drawn."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError

from stride_training.runs import Run

STEPS = "time/total_timesteps"
"""Column of progress.csv."""

_TRAINING = {
    "rollout/ep_rew_mean": "return of an episode",
    "rollout/falls": "share of episodes that end in a fall",
    "curriculum/level": "level of the terrain",
    "train/approx_kl": "KL divergence of an update",
}
_EVALUATION = {
    "score": "score: successes − 2 × speed error",
    "speed_error": "speed error on unseen ground [m/s]",
    "tilt_deg": "roll, pitch p99 on unseen ground [°]",
    "heading_deg": "heading error on unseen ground [°]",
}


def progress(run: Run) -> dict[str, FloatArray]:
    """Columns of progress.csv; what a row lacks is NaN.

    Raises:
        ConfigError: there is none yet; one line.
    """
    path = run.folder / "progress.csv"
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: damaged: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: holds no update yet")
    if STEPS not in rows[0]:
        raise ConfigError(f"{path}: damaged: no column {STEPS}")
    return {name: np.array([_number(row.get(name)) for row in rows]) for name in rows[0] if name}


def evaluations(run: Run) -> dict[str, FloatArray]:
    """Columns of evaluations.jsonl, what a row lacks being NaN; empty without one.

    Raises:
        ConfigError: it is damaged; one line.
    """
    rows = evaluation_rows(run)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def evaluation_rows(run: Run) -> list[dict[str, float]]:
    """Rows of evaluations.jsonl; none without one.

    Raises:
        ConfigError: it is damaged; one line.
    """
    path = run.folder / "evaluations.jsonl"
    if not path.is_file():
        return []
    try:
        return [evaluation(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: damaged: {error}") from None


def evaluation(line: str) -> dict[str, float]:
    """A line of evaluations.jsonl.

    Raises:
        ValueError: it is no JSON object of numbers, ``steps`` among them.
    """
    try:
        row = json.loads(line)
        found = {str(name): float(value) for name, value in row.items()}
        if math.isfinite(found["steps"]):
            return found
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        pass
    raise ValueError(f"{line[:40]!r}: expected a JSON object of numbers with steps")


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def draw(runs: Sequence[Run], out: Path) -> None:
    """Write a picture of all runs' curves.

    Raises:
        ConfigError: a run has no figures, or the picture cannot be written; one line.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 4, figsize=(18, 7), layout="constrained")
    for run in runs:
        for figures, steps, titles, row in (
            (progress(run), STEPS, _TRAINING, axes[0]),
            (evaluations(run), "steps", _EVALUATION, axes[1]),
        ):
            for axis, (name, title) in zip(row, titles.items(), strict=True):
                axis.set_title(title, fontsize=10)
                axis.grid(alpha=0.3)
                if name in figures:
                    millions = figures[steps] / 1e6
                    axis.plot(millions, figures[name], label=run.folder.name, linewidth=1.2)
    for axis in axes[1]:
        axis.set_xlabel("million steps")
    if axes[0][0].lines:
        axes[0][0].legend(fontsize=8)
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)
