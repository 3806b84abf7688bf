"""A search for better hyperparameters: Optuna, whose storage several machines can share."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from stride_core.config import ConfigError

from stride_training.curves import evaluations
from stride_training.runs import new_run
from stride_training.task import Task, load_task
from stride_training.train import train

Choice = tuple[str, str, tuple[float, ...]]

SPACE: Sequence[Choice] = (
    ("ppo.learning_rate", "log", (1e-5, 1e-3)),
    ("ppo.entropy", "log", (1e-5, 1e-1)),
    ("ppo.gamma", "uniform", (0.95, 0.995)),
    ("ppo.gae_lambda", "uniform", (0.9, 0.98)),
    ("ppo.clip_range", "uniform", (0.1, 0.3)),
    ("ppo.n_steps", "one of", (24, 48, 96)),
    ("ppo.minibatches", "one of", (2, 4, 8)),
    ("action.residual", "uniform", (0.01, 0.03)),
)
"""The source documents' ranges, by the task's keys; n_steps and batches for more robots than their
4, the residual within what the ik node lets through."""

HELD = ("ppo.kl=[]",)
"""A rate that adapts would make nothing of the one that was drawn."""


def tune(
    name: str,
    settings: Sequence[str],
    folder: Path,
    trials: int,
    storage: str = "",
    threads: int = 0,
    steps: int | None = None,
) -> optuna.Study:
    """Train a task with drawn settings, again and again; the score of its evaluations decides.

    Args:
        name: of the task.
        settings: ``key=value`` that hold in every trial.
        folder: of the trials' runs, and of the storage unless that is elsewhere.
        trials: how many this process adds.
        storage: a database that Optuna knows, such as ``postgresql://…``, for several machines; a
            path for a file of a shared disk; a file in ``folder`` if empty.
        threads: as in `train`.
        steps: of each trial.

    Raises:
        ConfigError: the task or the storage is wrong; one line.
    """
    load_task(name, (), settings)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=_storage(storage or str(folder / "study.log")),
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
    except Exception as error:  # whatever a database's driver raises
        why = " ".join(str(error).split())[:160]
        raise ConfigError(f"--storage {storage}: cannot be opened: {why}") from None

    def attempt(trial: optuna.Trial) -> float:
        drawn = [f"{key}={_draw(trial, key, kind, span)}" for key, kind, span in SPACE]
        task = _fitting(load_task(name, (), [*HELD, *drawn, *settings]), steps)
        run = new_run(task, folder / f"trial_{trial.number:04d}")
        try:
            finished = train(task, run, threads, report=lambda at, score: _judge(trial, at, score))
        except ConfigError as error:  # of weights that are no numbers, say
            print(f"trial {trial.number}: {error}", file=sys.stderr)
            raise optuna.TrialPruned from None
        if not finished:
            trial.study.stop()
            raise optuna.TrialPruned  # cut short, it has no score of its own
        scores = evaluations(run)["score"]
        return float(scores.max())

    try:
        study.optimize(attempt, n_trials=trials)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--storage {storage}: a line of it is damaged: {error}") from None
    return study


def _storage(where: str) -> Any:
    if "://" in where:
        return where
    backend = optuna.storages.journal.JournalFileBackend(where)
    return optuna.storages.JournalStorage(backend)


def _draw(trial: optuna.Trial, key: str, kind: str, span: tuple[float, ...]) -> float:
    if kind == "one of":
        drawn: float = trial.suggest_categorical(key, span)
        return drawn
    return trial.suggest_float(key, span[0], span[1], log=kind == "log")


def _fitting(task: Task, steps: int | None) -> Task:
    """With evaluations often enough to give up early."""
    total = steps or task.steps
    monitoring = replace(task.monitoring, evaluate_every=max(total // 6, 1))
    return replace(task, steps=total, monitoring=monitoring)


def _judge(trial: optuna.Trial, steps: int, score: float) -> None:
    trial.report(score, steps)
    if trial.should_prune():
        raise optuna.TrialPruned


def report(study: optuna.Study) -> str:
    """The best so far, as options of ``train``."""
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if not done:
        return "no trial is complete"
    best = study.best_trial
    drawn = [f"{key}={json.dumps(value)}" for key, value in best.params.items()]
    options = " ".join(f"--set {setting}" for setting in (*HELD, *drawn))
    return f"{len(done)} complete; best {best.value:.4f} (trial {best.number}): {options}"
