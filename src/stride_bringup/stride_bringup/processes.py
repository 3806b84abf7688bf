"""Child processes that end with their parent, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from time import monotonic, sleep

from stride_bringup.graph import EVERYTHING, NodeSpec, ros_arguments
from stride_bringup.options import Options

_PR_SET_PDEATHSIG = 1
_PATIENCE_S = 5.0
_LOOK_S = 0.05
_LIVED_S = 5.0
"""A node that ended sooner after its start would only end again."""


class Children:
    """Started nodes, by name; use it as a context."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._restarted: set[str] = set()
        self._listeners: set[str] = set()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, spec: NodeSpec, options: Options) -> None:
        """Start a node's executable with the arguments of the list."""
        paths = [member.path for member in spec.members]
        command = [*executable(spec), *paths, *ros_arguments(spec, options)]
        self._restarted |= {spec.name} & self._started.keys()
        self._started[spec.name] = monotonic()
        if EVERYTHING in spec.hears:
            self._listeners.add(spec.name)
        self._running[spec.name] = subprocess.Popen(
            command, preexec_fn=_die_with_parent(os.getpid()), stdin=subprocess.DEVNULL
        )

    def may_start_again(self, name: str) -> bool:
        """Whether a node that has ended lived for a while."""
        return monotonic() - self._started[name] > _LIVED_S

    def restarted(self, name: str) -> bool:
        """Whether a node was started more than once: it took its arguments before."""
        return name in self._restarted

    def pid(self, name: str) -> int:
        """Process id of a node."""
        return self._running[name].pid

    def pids(self) -> list[int]:
        """Process ids of all that were started and have not been seen to end."""
        return [process.pid for process in self._running.values()]

    def _ended(self) -> dict[str, int]:
        """Exit status of those that have ended, told once."""
        gone = {name: p.returncode for name, p in self._running.items() if p.poll() is not None}
        for name in gone:
            del self._running[name]
        return gone

    def stop(self) -> None:
        """Ask all to end, wait, and kill what does not. Who records hears the others out."""
        self._stop([name for name in self._running if name not in self._listeners])
        self._stop(list(self._running))

    def _stop(self, names: Sequence[str]) -> None:
        for name in names:
            self._running[name].send_signal(signal.SIGTERM)
        deadline = monotonic() + _PATIENCE_S
        for name in names:
            process = self._running.pop(name)
            try:
                process.wait(max(deadline - monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                print(f"stride: {name} did not end on SIGTERM: killed", file=sys.stderr)
                process.kill()
                process.wait()

    def wait(self, stopped: Callable[[], bool]) -> dict[str, int]:
        """Wait until a node ends or ``stopped()``; return name and exit status of what ended."""
        while not (gone := self._ended()) and not stopped():
            sleep(_LOOK_S)
        return gone


def executable(spec: NodeSpec) -> list[str]:
    """How to run a node's console script with this Python.

    Raises:
        ValueError: no package that is installed has it.
    """
    for entry in entry_points(group="console_scripts", name=spec.executable):
        code = f"import sys; from {entry.module} import {entry.attr} as main; sys.exit(main())"
        return [sys.executable, "-c", code]
    raise ValueError(f"{spec.package} {spec.executable}: no such executable; build the workspace")


def _die_with_parent(parent: int) -> Callable[[], None]:
    """For the child, before it runs: SIGTERM when the parent is gone (Linux).

    Until it listens for it itself, Ctrl-C passes it by: the parent ends it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before we asked
            os._exit(1)

    return prepare
