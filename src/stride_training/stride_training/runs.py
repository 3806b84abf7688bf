"""The folder of a run: what was asked, with what code, how it went, and checkpoints.

task.yaml       the whole task
about.json      command, commit, versions
progress.csv    a row for each update
evaluations.jsonl
summary.json    steps, episodes, falls, diverged simulations, numbers that were none
last.pt         to go on from: everything
best.pt, step_<n>.pt   networks, with the steps they had
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from stride_core.config import ConfigError, from_mapping
from stride_core.yaml_file import as_yaml, read_yaml

from stride_training.task import Task

PACKAGES = ("torch", "stable-baselines3", "gymnasium", "mujoco", "numpy")


@dataclass(frozen=True)
class Run:
    """One folder."""

    folder: Path

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The network that evaluated best; the latest if none was evaluated."""
        return self.folder / "best.pt"

    def network(self, name: str = "") -> Path:
        """A checkpoint by name; the best without one.

        Raises:
            ConfigError: there is none; one line.
        """
        path = self.folder / f"{name}.pt" if name else self.best
        if not name and not path.is_file():
            path = self.last
        if not path.is_file():
            there = ", ".join(sorted(p.stem for p in self.folder.glob("*.pt"))) or "none yet"
            raise ConfigError(f"{self.folder}: {path.name}: no such checkpoint; there: {there}")
        return path

    def task(self) -> Task:
        """What was asked."""
        path = self.folder / "task.yaml"
        if not path.is_file():
            raise ConfigError(f"{self.folder}: expected the folder of a run, with a task.yaml")
        return from_mapping(Task, read_yaml(path), str(path))

    def about(self) -> dict[str, Any]:
        """Of the code and the command."""
        try:
            found: dict[str, Any] = json.loads(
                (self.folder / "about.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.folder}/about.json: {error}") from None
        if not isinstance(found, dict):
            raise ConfigError(f"{self.folder}/about.json: expected a JSON object")
        return found


def new_run(task: Task, folder: str | Path = "") -> Run:
    """Make a run's folder.

    Raises:
        ConfigError: it exists; one line.
    """
    name = f"{task.name.replace('/', '_')}-{task.seed}-{time.strftime('%m%d-%H%M%S')}"
    path = Path(folder) if folder else Path("runs") / name
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{path}: exists; expected a new folder (or --resume {path})")
    path.mkdir(parents=True, exist_ok=True)
    try:
        (path / "task.yaml").touch(exist_ok=False)
    except FileExistsError:
        raise ConfigError(f"{path}: another process has just begun a run there") from None
    run = Run(path)
    write(path / "task.yaml", as_yaml(plain(dataclasses.asdict(task))))
    about = {"command": sys.argv, "commit": commit(), "versions": versions()}
    write(path / "about.json", json.dumps(about, indent=1) + "\n")
    return run


@contextmanager
def alone(run: Run) -> Iterator[Callable[[], None]]:
    """Hold a run's folder for this process; however it ends, it is free again.

    Yields:
        What raises a ConfigError of one line once the folder is not there any more.

    Raises:
        ConfigError: another process holds it; one line.
    """
    lock = run.folder / ".lock"
    with open(lock, "w", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{run.folder}: another process is training in it") from None

        def there() -> None:
            if not run.folder.is_dir():
                raise ConfigError(f"{run.folder}: the run's folder is gone, and its training ends")
            with suppress(FileNotFoundError):
                if not os.path.samestat(os.fstat(held.fileno()), lock.stat()):
                    raise ConfigError(f"{run.folder}: another run's by now: this training ends")

        yield there


def plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def commit() -> str:
    """Of the checkout that this code lies in, with + if it was changed; empty outside of one."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Of Python and what training stands on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "?"
    return found


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that at any moment it is the old one or the whole new one.

    A link stays one, to a new file; what is no file, a pipe or a device, is written into.

    Raises:
        ConfigError: the disk is full, or the like; one line. The old file is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and (not path.is_file() or _is_output(path)):
            _into(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _into(path: Path, data: bytes) -> None:
    sys.stdout.flush()  # what was printed so far comes first
    printed = _is_output(path)
    with open(1 if printed else path, "wb", closefd=not printed) as stream:
        stream.write(data)


def _is_output(path: Path) -> bool:
    """Whether it is where this process prints to, such as /dev/stdout."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(1), path.stat())
    return False


def _replace(path: Path, data: bytes) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(scratch, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path)
    except OSError:
        with suppress(OSError):
            scratch.unlink()
        raise
