"""Steps of the set-up, each with a stamp that says what it was last done with.

A stamp is written only after its step has succeeded, and holds a digest of the step's inputs. So an
interrupted set-up goes on where it stopped, and a changed input redoes its own step alone.
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
from stride_setup.tools import LOCK_HOLDERS


@dataclass(frozen=True)
class Step:
    """One step: `act` makes what `stamp` lies in, out of the inputs behind `digest`.

    `intact` is asked too, for damage that a stamp does not show. Where the last try was cut off, by
    a signal or a power cut, `mend` is called before `act` with the time at which that try began.
    """

    title: str
    stamp: Path
    digest: str
    act: Callable[[], None]
    intact: Callable[[], bool] = lambda: True
    mend: Callable[[float], None] = lambda begun: None

    @property
    def begun(self) -> Path:
        """Return the file which is there from a try's begin to its end."""
        return self.stamp.with_name(f"{self.stamp.name}.begun")

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
        with progress(number, len(steps), step.title):
            attempt(step)
        done += 1
    return done


def attempt(step: Step) -> None:
    """Do one step, and leave a trace where it is cut off."""
    step.stamp.unlink(missing_ok=True)
    if step.begun.exists():
        step.mend(step.begun.stat().st_mtime)
    write_atomically(step.begun, "")
    try:
        step.act()
    except Exception:
        step.begun.unlink(missing_ok=True)
        raise
    write_atomically(step.stamp, step.digest)
    step.begun.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; wait, and say so, while another process holds it.

    The programs that are started meanwhile inherit it (LOCK_HOLDERS), so that a killed bootstrap
    whose pip still runs is waited for.
    """
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
        LOCK_HOLDERS.append(lock.fileno())
        try:
            yield
        finally:
            LOCK_HOLDERS.remove(lock.fileno())
            lock.truncate(0)
