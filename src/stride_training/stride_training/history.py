"""What a run tells while it goes on, progress.csv and evaluations.jsonl; a resumed one adds to it.

A checkpoint is older than what was told after it. A run that goes on from there tells that anew, so
the rows after the checkpoint are dropped first.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import CSVOutputFormat, KVWriter, Logger, make_output_format
from stride_core.config import ConfigError

from stride_training.curves import STEPS, evaluation
from stride_training.runs import Run, write


class Progress(CSVOutputFormat):
    """Stable-Baselines3's, which begins anew in each process: this one adds to what is there."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.file = open(path, "r+", encoding="utf-8")  # noqa: SIM115, closed by the logger
        self.keys = [name for name in self.file.readline().rstrip("\n").split(",") if name]
        self.file.seek(0, 2)
        self.separator, self.quotechar = ",", '"'


class Expendable(KVWriter):
    """Another, whose failing ends it alone: a full disk costs rows, not the run."""

    def __init__(self, name: str, within: KVWriter) -> None:
        self._name, self._within, self._failed = name, within, False

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write what it still can."""
        if not self._failed:
            self._try(lambda: self._within.write(key_values, key_excluded, step))

    def close(self) -> None:
        """Let it go."""
        self._try(self._within.close)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            if not self._failed:
                _say(f"{self._name}: {error.strerror}: it ends here; training goes on")
            self._failed = True


def logger_of(run: Run) -> Logger:
    """Of progress.csv, and of TensorBoard where it is installed."""
    formats: list[KVWriter] = [Expendable("progress.csv", Progress(run.folder / "progress.csv"))]
    formats.extend(_board(run))
    return Logger(str(run.folder), formats)


def _board(run: Run) -> Iterator[KVWriter]:
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError:
        return
    try:
        yield Expendable("TensorBoard", make_output_format("tensorboard", str(run.folder)))
    except OSError as error:
        _say(f"TensorBoard: {error.strerror}: there is none of this run; training goes on")


@contextmanager
def quiet_writers() -> Iterator[None]:
    """No traceback of TensorBoard's thread: it fails the next row as well, which is told."""
    before = threading.excepthook

    def hook(what: threading.ExceptHookArgs) -> None:
        of_board = type(what.thread).__module__.startswith("tensorboard")
        if not (of_board and isinstance(what.exc_value, OSError)):
            before(what)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _say(what: str) -> None:
    print(f"\n{what}", file=sys.stderr, flush=True)


def rewind(run: Run, steps: int) -> None:
    """Drop what was told after a checkpoint of so many steps; what is damaged is kept aside.

    Raises:
        ConfigError: the folder cannot be written; one line.
    """
    for torn in run.folder.glob(".*.pt.*"):  # what a killed process was writing
        torn.unlink()
    _keep_evaluations(run, steps)
    path = run.folder / "progress.csv"
    header, *rows = _lines(path) or [""]
    names = header.split(",")
    if STEPS not in names:
        if header or rows:
            _aside(path)
            write(path, "")
        return
    column = names.index(STEPS)

    def told(row: str) -> float:
        cells = row.split(",")
        try:
            return float(cells[column]) if len(cells) == len(names) else math.nan
        except ValueError:
            return math.nan

    if rows and math.isnan(told(rows[-1])):  # torn by a kill, or by a full disk
        rows.pop()
    if any(math.isnan(told(row)) for row in rows):
        _aside(path)
    kept = [row for row in rows if told(row) <= steps]
    write(path, "".join(f"{row}\n" for row in [header, *kept]))


def add_evaluation(run: Run, row: dict[str, float]) -> None:
    """Write down an evaluation, instead of one of as many steps.

    Raises:
        ConfigError: the disk is full, or the like; one line. The file is as it was.
    """
    _keep_evaluations(run, int(row["steps"]) - 1, json.dumps(row))


def _keep_evaluations(run: Run, steps: int, *more: str) -> None:
    path = run.folder / "evaluations.jsonl"
    lines = _lines(path)
    kept, damaged = [], False
    for line in lines:
        try:
            if evaluation(line)["steps"] <= steps:
                kept.append(line)
        except ValueError:
            damaged = True
    if damaged:
        _aside(path)
    if lines or more:
        write(path, "".join(f"{line}\n" for line in [*kept, *more]))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _aside(path: Path) -> None:
    """Keep a copy of a damaged file, beside those of before, and say so."""
    copy, count = path.with_name(f"{path.name}.damaged"), 1
    while copy.exists():
        count += 1
        copy = path.with_name(f"{path.name}.damaged{count}")
    write(copy, path.read_bytes())
    _say(f"{path}: damaged: kept as {copy.name}; training goes on with what of it can be read")
