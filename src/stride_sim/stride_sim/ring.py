"""What N robots had some ticks ago, each at an age of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


class Ring:
    """The last rows of N robots, ``(ages, N, ...)``; each robot reads at an age of its own."""

    def __init__(self, ages: int, rows: NDArray[Any]) -> None:
        """Begin with ``rows`` (N, ...) at every age below ``ages``."""
        self._past = np.repeat(np.asarray(rows)[None], ages, axis=0)
        self._newest = 0
        self._robots = np.arange(len(rows))

    @property
    def newest(self) -> NDArray[Any]:
        """(N, ...) of age 0, to be written into."""
        return self._past[self._newest]

    def advance(self) -> None:
        """Age all by one; the newest is to be written."""
        self._newest = (self._newest + 1) % len(self._past)

    def read(self, age: Indices) -> NDArray[Any]:
        """(N, ...) a copy of what each robot had ``age`` (N,) ago."""
        return self._past[(self._newest - age) % len(self._past), self._robots]

    def fill(self, robots: Indices, rows: NDArray[Any]) -> None:
        """Make ``rows`` (n, ...) all that robots (n,) had."""
        self._past[:, robots] = rows

    def state(self) -> tuple[NDArray[Any], int]:
        """For `restore`."""
        return self._past.copy(), self._newest

    def restore(self, state: tuple[NDArray[Any], int]) -> None:
        """Go back to a `state`."""
        self._past[:], self._newest = state
