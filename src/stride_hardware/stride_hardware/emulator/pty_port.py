"""A serial port that is none: a pseudo-terminal with something emulated at its other end."""

from __future__ import annotations

import errno
import os
import select
import time
import tty
from collections.abc import Callable
from pathlib import Path

_LARGEST = 4096


class PtyPort:
    """Opens a pseudo-terminal; use it as a context.

    Attributes:
        path: what a driver opens as its serial port.
    """

    def __init__(self, link: str | Path | None = None) -> None:
        """Open it.

        Args:
            link: a name for it in the file system; an old link of that name is replaced.
        """
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        # Kept open here too: else a driver that closes the port would end it.
        self._slave = slave
        self.path = os.ttyname(slave)
        self._link: Path | None = None
        if link is not None:
            self._link = Path(link)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.path)
            self.path = str(self._link)

    def __enter__(self) -> PtyPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, patience: float) -> bytes:
        """Bytes of the driver, or none after ``patience`` [s]."""
        ready, _, _ = select.select([self._master], [], [], max(patience, 0.0))
        if not ready:
            return b""
        try:
            return os.read(self._master, _LARGEST)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EAGAIN):
                return b""
            raise

    def write(self, data: bytes) -> None:
        """Send; what a driver that does not read leaves no room for is lost, as on a wire."""
        try:
            os.write(self._master, data)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise

    def close(self) -> None:
        """Take the port away."""
        if self._master < 0:
            return
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = -1


def serve(
    port: PtyPort,
    answer: Callable[[bytes, float], tuple[bytes, float]],
    idle: Callable[[float], float],
    stopped: Callable[[], bool],
) -> None:
    """Answer until ``stopped()``.

    Args:
        port: to serve.
        answer: bytes and time [s] to bytes, and how long they take from then on [s].
        idle: called with the time [s] before each wait; says how long it may be [s].
        stopped: looked at between two.
    """
    while not stopped():
        data = port.read(idle(time.monotonic()))
        if not data:
            continue
        heard = time.monotonic()
        said, wait = answer(data, heard)
        if said:
            rest = heard + wait - time.monotonic()
            if rest > 0.0:
                time.sleep(rest)
            port.write(said)
