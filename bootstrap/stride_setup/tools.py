"""Runs the programs that the set-up needs, and knows what the system must provide for them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from stride_setup.console import SetupError

LOCK_HOLDERS: list[int] = []  # open lock files, by number, that started programs inherit
TAIL = 12  # lines of the log that are shown after a failure
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|name resolution|Network is unreachable"
    r"|Connection refused|ConnectTimeoutError|ProxyError"
)
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")


def missing_system_packages(sourced: bool) -> dict[str, str]:
    """Return what the system lacks for a set-up: its name -> the Debian package that has it."""
    python = f"python{sysconfig.get_python_version()}"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    present = {
        "ensurepip and venv": (_has_module("ensurepip") and _has_module("venv"), f"{python}-venv"),
        "Python.h": (header.exists(), f"{python}-dev"),
        "cmake": (shutil.which("cmake"), "cmake"),
        "make": (shutil.which("make"), "make"),
        "g++": (shutil.which("g++") or shutil.which("c++"), "g++"),
    }
    if sourced:
        present["colcon"] = (shutil.which("colcon"), "python3-colcon-common-extensions")
    return {name: package for name, (found, package) in present.items() if not found}


def require_system_packages(sourced: bool) -> None:
    """Raise one SetupError that names everything missing and the command that installs it."""
    missing = missing_system_packages(sourced)
    if missing:
        raise SetupError(
            f"missing on this system: {', '.join(missing)}; on Debian and Ubuntu: "
            f"sudo apt-get install {' '.join(sorted(set(missing.values())))}",
            2,
        )


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def run_logged(
    command: Sequence[str | Path], log: Path, cwd: Path, env: Mapping[str, str], what: str
) -> None:
    """Run a command with its output appended to `log`.

    Raises:
        SetupError: it failed; the text says why where that is known, and ends with its last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as stream:
        stream.write(("\n$ " + " ".join(map(str, command)) + "\n").encode())
        stream.flush()
        start = stream.tell()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=LOCK_HOLDERS,
        )
        try:
            status = process.wait()
        except BaseException:
            _end(process)
            raise
    if status:
        raise SetupError(explain(log, start, what))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def explain(log: Path, start: int, what: str) -> str:
    """Return the text for a failed command whose output begins at byte `start` of the log."""
    with open(log, "rb") as stream:
        stream.seek(start)
        output = stream.read().decode(errors="replace")
    if NO_SPACE.search(output):
        return f"{what} failed: the disk is full (log: {log})"
    if NO_NETWORK.search(output):
        return f"{what} failed: no package index in reach; is there a network? (log: {log})"
    lines = [line for line in output.splitlines() if line.strip()][-TAIL:]
    return "\n".join([f"{what} failed; its last lines (all of them: {log}):", *lines])
