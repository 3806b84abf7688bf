"""Real time: which tick is due by the wall's clock."""

from __future__ import annotations

EARLY = 0.5
"""Share of a period by which a timer of the same period may be ahead: its phase is not ours."""


class Pacer:
    """Says whether a tick is due; gives up time that cannot be caught up with.

    Args:
        period: of a tick in simulated seconds.
        factor: simulated seconds in a wall second.
        catch_up: ticks that may be late; what is beyond is time lost for good, which the real-time
            factor of the run shows.
    """

    def __init__(self, period: float, factor: float, catch_up: int = 10) -> None:
        self._wall_period = period / factor
        self._catch_up = catch_up
        self._next: float | None = None

    @property
    def wall_period(self) -> float:
        """Wall seconds between ticks."""
        return self._wall_period

    def restart(self) -> None:
        """After a pause: the next call is the origin."""
        self._next = None

    def due(self, now: float, early: float = 0.0) -> bool:
        """Whether a tick is due; if it is, it counts as taken.

        Args:
            now: of a monotonic clock [s].
            early: share of a period before its time from which it is.
        """
        if self._next is None:
            self._next = now
        late = (now - self._next) / self._wall_period
        if late < -early:
            return False
        lost = max(int(late) + 1 - self._catch_up, 0)
        self._next += (1 + lost) * self._wall_period
        return True
