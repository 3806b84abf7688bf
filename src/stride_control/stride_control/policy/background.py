"""A thread for what outlasts a tick: loading a policy, its shadow run, looking at a folder."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import sleep

_PATIENCE_S = 15.0
_REST_S = 2e-4


def rest() -> None:
    """Between two pieces of work of 1 ms or less: the control loop shares the interpreter, and the
    kernel may take 4 ms to take it from a thread that computes.
    """
    sleep(_REST_S)


class Background:
    """Does one thing after the other, off the control thread."""

    def __init__(self, name: str, failed: Callable[[str], None]) -> None:
        """``failed`` is told, on the thread, of an exception that a task let out: one line."""
        self._failed = failed
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], None]) -> None:
        """Do it when its turn comes; what fails is over, and the next one's turn comes."""
        self._work.put(task)

    def close(self) -> None:
        """End after what is under way; what waits is done before."""
        self._work.put(None)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while (task := self._work.get()) is not None:
            try:
                task()
            except Exception as error:  # without this thread nothing is ever loaded again
                self._failed(one_line(error))


def one_line(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
