"""Steps of the set-up, each with a stamp that says what it was last done with.

A stamp is written only after its step has succeeded and holds a digest of the step's inputs. It
lies inside what the step makes, so that it vanishes together with it. So an interrupted set-up goes
on where it stopped, and a changed input redoes its own step alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stride_setup.console import progress, say


@dataclass(frozen=True)
class Step:
    """One step: `act` makes what `stamp` lies in, out of the inputs behind `digest`.

    `intact` is asked too, for damage that a stamp does not show.
    """

    title: str
    stamp: Path
    digest: str
    act: Callable[[], None]
    intact: Callable[[], bool] = lambda: True

    def is_done(self) -> bool:
        """Tell whether the step was finished with these very inputs."""
        try:
            return self.stamp.read_text(encoding="utf-8") == self.digest and self.intact()
        except (OSError, UnicodeDecodeError):
            return False


def digest(*values: str, files: Iterable[Path] = (), names: Iterable[Path] = ()) -> str:
    """Return a SHA-256 over values, over files' paths and contents, and over mere paths."""
    total = hashlib.sha256()

    def add(kind: str, content: bytes) -> None:
        total.update(f"{kind} {len(content)}\n".encode())
        total.update(content)

    for value in values:
        add("value", value.encode())
    for file in sorted(files):
        add("path", os.fsencode(file))
        add("content", file.read_bytes())
    for name in sorted(names):
        add("name", os.fsencode(name))
    return total.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that at any moment it is either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with open(scratch, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(scratch, path)


def perform(steps: Sequence[Step]) -> int:
    """Do every step that is not done yet, in order, and return how many were done.

    A step may invalidate later ones (a new virtual environment is empty), so each is asked anew
    when its turn comes.
    """
    done = 0
    for number, step in enumerate(steps, start=1):
        if step.is_done():
            continue
        step.stamp.unlink(missing_ok=True)
        with progress(number, len(steps), step.title):
            step.act()
            write_atomically(step.stamp, step.digest)
        done += 1
    return done


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; wait, and say so, while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            say(f"another ./stride (process {holder or 'unknown'}) is setting up; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
