"""A thread for what outlasts a tick: loading a policy, its shadow run, looking at a folder."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

_PATIENCE_S = 15.0


class Background:
    """Does one thing after the other, off the control thread."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], None]) -> None:
        """Do it when its turn comes; it answers for its own exceptions."""
        self._work.put(task)

    def close(self) -> None:
        """End after what is under way; what waits is done before."""
        self._work.put(None)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while (task := self._work.get()) is not None:
            task()
