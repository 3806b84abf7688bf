"""A search for better hyperparameters: Optuna, whose storage several machines can share."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from stride_core.config import ConfigError, flatten

from stride_training.environment import check
from stride_training.runs import new_run
from stride_training.task import Task, as_mapping, load_task, merge
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
) -> tuple[optuna.Study, bool]:
    """Train a task with drawn settings, again and again; the score of its evaluations decides.

    Args:
        name: of the task.
        settings: ``key=value`` that hold in every trial; what they say is not drawn.
        folder: of the trials' runs, and of the storage unless that is elsewhere.
        trials: how many this process adds.
        storage: a database that Optuna knows, such as ``postgresql://…``, for several machines; a
            path for a file of a shared disk; a file in ``folder`` if empty.
        threads: as in `train`.
        steps: of each trial.

    Returns:
        the study, and whether all trials were made: not after Ctrl-C.

    Raises:
        ConfigError: the task or the storage is wrong, or holds another search; one line.
    """
    base = _fitting(load_task(name, (), [*HELD, *settings]), settings, steps)
    check(base)
    space = [choice for choice in SPACE if not _says(settings, choice[0])]
    if not space:
        raise ConfigError(f"--set holds all that is drawn: expected one of {SPACE[0][0]}, … left")
    folder.mkdir(parents=True, exist_ok=True)
    where = storage or str(folder / "study.log")
    study = _opened(name, where)

    def attempt(trial: optuna.Trial) -> float:
        drawn = [f"{key}={_draw(trial, key, kind, span)}" for key, kind, span in space]
        scores: list[float] = []

        def judge(at: int, score: float) -> None:
            scores.append(score)
            _judge(trial, at, score)

        with _one_line(trial):
            task = _fitting(load_task(name, (), [*HELD, *drawn, *settings]), settings, steps)
        run = new_run(task, folder / f"trial_{trial.number:04d}")
        with _one_line(trial):
            if train(task, run, threads, report=judge):
                return max(scores)
        raise KeyboardInterrupt  # cut short, it has no score of its own

    try:
        _same_search(study, base, space, where)
        study.optimize(attempt, n_trials=trials)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--storage {where}: a line of it is damaged: {error}") from None
    except KeyboardInterrupt:
        return study, False
    return study, True


def _opened(name: str, where: str) -> optuna.Study:
    # Optuna's warnings are tracebacks of what is answered here in a line
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.create_study(
            study_name=name,
            storage=_storage(where),
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
    except Exception as error:  # whatever a database's driver raises
        why = " ".join(str(error).split())[:160]
        raise ConfigError(f"--storage {where}: cannot be opened: {why}") from None


def _same_search(study: optuna.Study, base: Task, space: Sequence[Choice], where: str) -> None:
    """Trials of another task, of other steps or settings have scores that say nothing here."""
    drawn = {key: [kind, *span] for key, kind, span in space}
    held: dict[str, Any] = json.loads(json.dumps({**flatten(base), **drawn}))
    if "held" not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr("held", held)
    before = study.user_attrs.get("held", {})
    for key in {**held, **before}:
        if held.get(key) != before.get(key):
            ours, theirs = (json.dumps(of.get(key)) for of in (held, before))
            raise ConfigError(
                f"--storage {where}: another search {study.study_name!r}: {key} {ours}:"
                f" expected {theirs} as in its trials, or a folder of its own"
            )


@contextmanager
def _one_line(trial: optuna.Trial) -> Iterator[None]:
    """What is wrong with one trial, such as weights that are no numbers, ends that one alone."""
    try:
        yield
    except ConfigError as error:
        print(f"trial {trial.number}: {error}", file=sys.stderr)
        raise optuna.TrialPruned from None


def _says(settings: Sequence[str], key: str) -> bool:
    """Whether settings say a dotted key, be it within a section: ``ppo={gamma: 0.9}``."""
    said: Any = {}
    for setting in settings:
        said = merge(said, as_mapping(setting))
    for part in key.split("."):
        if not isinstance(said, Mapping) or part not in said:
            return False
        said = said[part]
    return True


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


def _fitting(task: Task, settings: Sequence[str], steps: int | None) -> Task:
    """With evaluations often enough to give up early, unless settings say how often."""
    total = steps or task.steps
    if not _says(settings, "monitoring.evaluate_every"):
        often = replace(task.monitoring, evaluate_every=max(total // 6, 1))
        task = replace(task, monitoring=often)
    return replace(task, steps=total)


def _judge(trial: optuna.Trial, steps: int, score: float) -> None:
    trial.report(score, steps)
    if trial.should_prune():
        raise optuna.TrialPruned


def report(study: optuna.Study, settings: Sequence[str] = ()) -> str:
    """The best so far, as options of ``train``; what ``settings`` held in all trials too."""
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if not done:
        return "no trial is complete"
    best = study.best_trial
    drawn = [f"{key}={json.dumps(value)}" for key, value in best.params.items()]
    ours = [held for held in HELD if not _says(settings, held.partition("=")[0])]
    found, held = (
        " ".join(f"--set {shlex.quote(setting)}" for setting in some)
        for some in (drawn, [*ours, *settings])
    )
    said = f"{found}; held: {held}" if held else found
    return f"{len(done)} complete; best {best.value:.4f} (trial {best.number}): {said}"
