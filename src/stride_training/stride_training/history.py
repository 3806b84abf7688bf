"""What a run tells while it goes on, progress.csv and evaluations.jsonl; a resumed one adds to it.

A checkpoint is older than what was told after it. A run that goes on from there tells that anew, so
the rows after the checkpoint are dropped first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import CSVOutputFormat, KVWriter, Logger, make_output_format
from stride_core.config import ConfigError

from stride_training.curves import STEPS
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
                said = f"{self._name}: {error.strerror}: it ends here; training goes on"
                print(f"\n{said}", file=sys.stderr, flush=True)
            self._failed = True


def logger_of(run: Run) -> Logger:
    """Of progress.csv, and of TensorBoard where it is installed."""
    formats: list[KVWriter] = [Expendable("progress.csv", Progress(run.folder / "progress.csv"))]
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        board = make_output_format("tensorboard", str(run.folder))
        formats.append(Expendable("TensorBoard", board))
    return Logger(str(run.folder), formats)


def rewind(run: Run, steps: int) -> None:
    """Drop what was told after a checkpoint of so many steps.

    Raises:
        ConfigError: the folder cannot be written; one line.
    """
    for torn in run.folder.glob(".*.pt.*"):  # what a killed process was writing
        torn.unlink()
    _keep(run.folder / "evaluations.jsonl", _evaluated_by(steps))
    path = run.folder / "progress.csv"
    if not path.is_file():
        return
    header, *rows = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    names = header.split(",")
    if STEPS not in names:
        write(path, "")
        return
    column = names.index(STEPS)

    def before(row: str) -> bool:
        cells = row.split(",")
        try:
            return len(cells) == len(names) and float(cells[column]) <= steps
        except ValueError:
            return False

    write(path, "".join(f"{row}\n" for row in [header, *filter(before, rows)]))


def add_evaluation(run: Run, row: dict[str, float]) -> None:
    """Write down an evaluation, instead of one of as many steps.

    Raises:
        ConfigError: the disk is full, or the like; one line. The file is as it was.
    """
    _keep(run.folder / "evaluations.jsonl", _evaluated_by(int(row["steps"]) - 1), json.dumps(row))


def _evaluated_by(steps: int) -> Callable[[str], bool]:
    def before(line: str) -> bool:
        try:
            return bool(json.loads(line)["steps"] <= steps)
        except (ValueError, KeyError, TypeError):  # torn by a full disk
            return False

    return before


def _keep(path: Path, which: Callable[[str], bool], *more: str) -> None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    kept = [*filter(which, lines), *more]
    if kept or lines:
        write(path, "".join(f"{line}\n" for line in kept))
