"""Studies: one task trained under several conditions, on one budget, with several seeds each."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from stride_core.config import ConfigError, from_mapping, param
from stride_core.robot import load_robot
from stride_core.yaml_file import read_yaml

from stride_training.checkpoint import nominal_gait
from stride_training.environment import Environment, check
from stride_training.evaluation import COLUMNS, Examination, calibrated, examine, figures
from stride_training.intervals import Interval, across
from stride_training.places import config_folder
from stride_training.policies import Policy, find
from stride_training.runs import Run, alone, commit, new_run, write
from stride_training.task import Task, load_task, with_settings
from stride_training.train import train

ALONE = "gait alone"
"""Of the row without any policy."""

_UNWATCHED = ("monitoring.evaluation_robots=1", "monitoring.evaluation_seconds=2.5")
"""A study examines its runs by itself."""

_SIGNS, _LONGEST = "/\\|", 200
"""What no condition's name may hold, and its bytes: a folder's name has 255."""

_SHOWN = ("success", "speed", "speed_error", "tilt_p99", "heading")
_DIGITS = {"tilt_p99": 1, "heading": 1}


@dataclass(frozen=True, kw_only=True)
class Study:
    """The schema of ``config/studies/<name>.yaml``."""

    task: str = param(doc="that all conditions start from")
    steps: int = param(doc="of each run", min=1, max=10**12)
    seeds: tuple[int, ...] = param((0, 1, 2), min=0, max=2**31 - 1)
    speeds: tuple[float, ...] = param((0.1, 0.2, 0.3), unit="m/s", min=-10.0, max=10.0)
    episodes: int = param(10, doc="at each speed", min=1, max=100_000)
    seconds: float = param(10.0, doc="of each", unit="s", min=3.0, max=3600.0)
    conditions: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name in ("seeds", "speeds"):
            if not getattr(self, name):
                raise ValueError(f"{name}: []: expected at least one")
        folders: dict[str, str] = {}
        for name, changes in self.conditions.items():
            _check_name(name)
            other = folders.setdefault(_folder(name), name)
            if other != name:
                raise ValueError(
                    f"conditions: {name!r}: expected another folder than {other!r} has"
                )
            for change in changes:
                key = change.partition("=")[0].strip().partition(".")[0]
                if key in ("steps", "seed"):
                    raise ValueError(
                        f"conditions: {name}: {change!r}: expected the study's own {key}"
                        " in all conditions"
                    )

    def tasks(self) -> dict[str, Task]:
        """The task under each condition.

        Raises:
            ConfigError: a setting is none; one line.
        """
        base = load_task(self.task, (), [f"steps={self.steps}", *_UNWATCHED])
        found = {}
        for name, changes in self.conditions.items():
            try:
                found[name] = with_settings(base, changes)
            except ConfigError as error:
                raise ConfigError(f"condition {name!r}: {error}") from None
        return found

    @property
    def exam(self) -> Examination:
        """What each trained policy goes through."""
        return Examination(self.speeds, self.episodes, self.seconds)


def _folder(name: str) -> str:
    """Of a condition's runs, less the seed."""
    return name.replace(" ", "_")


def _check_name(name: str) -> None:
    """A name is a row of a table and a folder.

    Raises:
        ValueError: it cannot be; one line.
    """
    if name == ALONE:
        raise ValueError(f"conditions: {name!r}: expected a name other than the gait's own row has")
    if (
        not name.strip()
        or not name.isprintable()
        or name.startswith(".")
        or any(sign in name for sign in _SIGNS)
        or len(name.encode()) > _LONGEST
    ):
        raise ValueError(
            f"conditions: {name[:60]!r}: expected a name for a folder: at most {_LONGEST} bytes,"
            f" no dot before it, none of {' '.join(_SIGNS)}"
        )


def load_study(name_or_path: str) -> Study:
    """Read a study.

    Raises:
        ConfigError: there is none, or it is wrong; one line.
    """
    folder = config_folder() / "studies"
    named = folder / f"{name_or_path}.yaml"
    path = named if named.is_file() else Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ConfigError(f"study {name_or_path!r}: expected one of {known}, or a path")
    content = read_yaml(path)
    conditions = content.get("conditions")
    if not isinstance(conditions, Mapping) or not all(
        isinstance(changes, list) and all(isinstance(c, str) for c in changes)
        for changes in conditions.values()
    ):
        raise ConfigError(f"{path}: conditions: expected names, each with a list of key=value")
    content["conditions"] = {name: tuple(changes) for name, changes in conditions.items()}
    return from_mapping(Study, content, str(path))


def carry_out(study: Study, folder: Path, threads: int = 0) -> list[dict[str, Any]]:
    """Train and examine what is not there yet; an interrupted study goes on where it was.

    Args:
        study: what to do.
        folder: of the runs, and of ``rows.json``.
        threads: as in ``train``.

    Returns:
        a row for each run: condition, seed, steps, and the figures over all speeds.

    Raises:
        ConfigError: one line; also where the folder holds another study.
    """
    tasks, base = study.tasks(), load_task(study.task)
    for name, task in tasks.items():
        _check_fit(name, task, base)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(Run(folder)):
        return _carry_out(study, tasks, base, folder, threads)


def _carry_out(
    study: Study, tasks: Mapping[str, Task], base: Task, folder: Path, threads: int
) -> list[dict[str, Any]]:
    _same_study(study, tasks, folder)
    kept = folder / "rows.json"
    rows = read_rows(kept) if kept.is_file() else []
    wanted = [(ALONE, 0)] + [(name, seed) for seed in study.seeds for name in tasks]
    for name, seed in wanted:
        if any((row["condition"], row["seed"]) == (name, seed) for row in rows):
            continue
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        policy, exam = Policy(ALONE), study.exam
        if name == ALONE:
            exam = replace(exam, told=calibrated(base, exam, threads))
        else:
            policy = _trained(with_settings(tasks[name], [f"seed={seed}"]), folder, name, threads)
        result = examine(policy, base, exam, threads)
        found = {key: figures(result.episodes)[key].value for key in COLUMNS}
        steps = 0 if name == ALONE else study.steps
        rows.append(
            {"condition": name, "seed": seed, "steps": steps, "commit": commit(), "figures": found}
        )
        write(kept, json.dumps(rows, indent=1) + "\n")
    return rows


def _check_fit(name: str, task: Task, base: Task) -> None:
    """What cannot be trained, or be examined on the study's task, is not worth an hour first.

    Raises:
        ConfigError: one line.
    """
    try:
        servo = load_robot(base.robot, base.servo or None).servo.name
        ground = replace(task.ground, levels=1, variants=1)
        gait = nominal_gait(Environment(replace(task, ground=ground), 1, threads=1))
        policy = Policy("of it", task=task, gait=gait)
        check(policy.fitted(replace(base, servo=servo)))
    except ValueError as error:
        raise ConfigError(f"condition {name!r}: {error}") from None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """What a study measured before.

    Raises:
        ConfigError: it cannot be read, or holds something else; one line.
    """
    try:
        rows: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}; expected a list of rows") from None
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: {json.dumps(rows)[:60]}: expected a list of rows")
    for index, row in enumerate(rows):
        wrong = _wrong(row)
        if wrong:
            raise ConfigError(f"{path}: row {index}: {wrong}")
    return rows


def _wrong(row: object) -> str:
    """What a row lacks; empty if nothing."""
    if not isinstance(row, dict):
        return f"{json.dumps(row)[:60]}: expected an object with condition, seed and figures"
    for key, kind, wanted in (
        ("condition", str, "a name"),
        ("seed", int, "a whole number"),
        ("figures", dict, "an object of numbers"),
    ):
        if not isinstance(row.get(key), kind):
            return f"{key}: {json.dumps(row.get(key))[:60]}: expected {wanted}"
    for key in _SHOWN:
        figure = row["figures"].get(key)
        if not isinstance(figure, int | float):
            return f"figures: {key}: {json.dumps(figure)[:60]}: expected a number"
    return ""


def _same_study(study: Study, tasks: Mapping[str, Task], folder: Path) -> None:
    """Rows of a study that has changed since would stand under names that mean something else."""
    file = folder / "study.json"
    whole = {"study": asdict(study), "tasks": {name: asdict(task) for name, task in tasks.items()}}
    text = json.dumps(whole, indent=1) + "\n"
    if not file.is_file():
        write(file, text)
    elif file.read_bytes() != text.encode():
        raise ConfigError(f"{folder}: study.json: another study: expected a folder of its own")


def _trained(task: Task, folder: Path, name: str, threads: int) -> Policy:
    path = folder / f"{_folder(name)}-{task.seed}"
    _clear(path)
    run = Run(path) if (path / "about.json").is_file() else new_run(task, path)
    if not train(task, run, threads, resume=run.last.is_file()):  # else killed before its first
        raise KeyboardInterrupt
    return find(f"{path}@last")


def _clear(path: Path) -> None:
    """What `new_run` had made where it was killed before its last file."""
    if not path.is_dir() or (path / "about.json").exists() or any(path.glob("*.pt")):
        return
    for file in path.iterdir():
        if re.fullmatch(r"task\.yaml|\.(task\.yaml|about\.json)\.\d+", file.name):
            file.unlink()


def by_condition(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Interval]]:
    """Mean over the seeds of each figure, with the interval that so few seeds allow."""
    names = dict.fromkeys(row["condition"] for row in rows)
    found = {}
    for name in names:
        mine = [row["figures"] for row in rows if row["condition"] == name]
        found[name] = {
            key: across(np.array([figure[key] for figure in mine], np.float64)) for key in _SHOWN
        }
    return found


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row for each condition."""
    head = ["condition", "seeds", *(COLUMNS[key] for key in _SHOWN)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, row in by_condition(rows).items():
        seeds = sum(each["condition"] == name for each in rows)
        cells = [_cell(key, row[key]) for key in _SHOWN]
        lines.append("| " + " | ".join([name, str(seeds), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(key: str, figure: Interval) -> str:
    if key == "success":
        return f"{100.0 * figure.value:.0f} %"
    digits = _DIGITS.get(key, 3)
    if not np.isfinite(figure.low):
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} ± {figure.high - figure.value:.{digits}f}"


def draw(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Each condition's figures, a point for each seed and a bar for the interval.

    Raises:
        ConfigError: the picture cannot be written; one line.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = by_condition(rows)
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained", sharey=True)
    for axis, key in zip(axes, ("speed_error", "tilt_p99", "heading"), strict=True):
        for place, (name, row) in enumerate(found.items()):
            seeds = [each["figures"][key] for each in rows if each["condition"] == name]
            half = max(row[key].high - row[key].value, 0.0) if len(seeds) > 1 else 0.0
            axis.errorbar(row[key].value, place, xerr=half, fmt="o", capsize=3, color="C0")
            axis.plot(seeds, [place] * len(seeds), "|", color="C1", markersize=10)
        axis.set(xlabel=COLUMNS[key], yticks=range(len(found)), yticklabels=list(found))
        axis.grid(alpha=0.3)
        axis.set_xlim(left=0.0)
    axes[0].invert_yaxis()
    try:
        figure.savefig(out, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)
