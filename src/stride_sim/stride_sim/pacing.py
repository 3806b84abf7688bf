"""Real time: which tick is due by the wall's clock."""

from __future__ import annotations


class Pacer:
    """Says how many ticks are due; gives up time that cannot be caught up with.

    Args:
        period: of a tick in simulated seconds.
        factor: simulated seconds in a wall second.
        catch_up: ticks that may be late; what is beyond is time lost for good, which the real-time
            factor of the run shows.
        burst: no more ticks than this at once: nobody can answer those between. A machine that is
            too slow then walks in slow motion, instead of letting its own controller starve.
    """

    def __init__(self, period: float, factor: float, catch_up: int = 10, burst: int = 2) -> None:
        self._wall_period = period / factor
        self._catch_up, self._burst = catch_up, burst
        self._next: float | None = None

    @property
    def wall_period(self) -> float:
        """Wall seconds between ticks."""
        return self._wall_period

    def restart(self) -> None:
        """After a pause: the next call is the origin."""
        self._next = None

    def due(self, now: float) -> int:
        """Ticks due at ``now`` [s] of a monotonic clock; they count as taken.

        A timer of the same period asks; its phase is not ours. So a tick is due from half a period
        before its time, and a late call takes one tick alone until a whole period is lost.
        """
        if self._next is None:
            self._next = now + self._wall_period
            return 1
        late = (now - self._next) / self._wall_period
        if late < -0.5:
            return 0
        count = 1 + max(int(late), 0)
        taken = min(count, self._burst)
        lost = max(count - self._catch_up, 0)
        self._next += (taken + lost) * self._wall_period
        return taken
