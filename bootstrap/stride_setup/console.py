"""What the bootstrap says: one line for a problem, one line for a step, all on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class SetupError(Exception):
    """A problem that ends the set-up; its text is for the person, `status` for the shell."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    """Print one line, named after the program."""
    print(f"stride: {message}", file=sys.stderr, flush=True)


def elapsed(seconds: float) -> str:
    """Return a duration [s] as people write it: 3.4 s, 1 min 20 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


@contextmanager
def progress(number: int, total: int, title: str) -> Iterator[None]:
    """Show a step's line while its body runs, and the time it took afterwards."""
    start = time.monotonic()
    line = f"[{number}/{total}] {title} "
    live = sys.stderr.isatty()
    finished = threading.Event()

    def show(end: str = "") -> None:
        prefix = "\r" if live else ""
        print(f"{prefix}{line}... {end}", end="", file=sys.stderr, flush=True)

    def tick() -> None:
        while not finished.wait(1.0):
            show(elapsed(time.monotonic() - start))

    show()
    ticker = threading.Thread(target=tick, daemon=True)
    if live:
        ticker.start()
    outcome = "stopped after"
    try:
        yield
        outcome = "done in"
    finally:
        finished.set()
        if live:
            ticker.join()
            show(f"{outcome} {elapsed(time.monotonic() - start)}   \n")
        else:
            print(f"{outcome} {elapsed(time.monotonic() - start)}", file=sys.stderr, flush=True)
