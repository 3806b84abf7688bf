"""Decisions of the recorder, without ROS: which topics, which QoS, which time."""

from __future__ import annotations

from collections.abc import Sequence

from stride_operator.bag_metadata import OfferedQos

# A stamp further from the run's clock than this was made by another clock (wall against
# simulated time), and would stretch the bag over half a century.
FOREIGN_CLOCK = 3600 * 1_000_000_000  # ns


BEGINNING = 1_000_000_000  # ns of a run that begins at 0, in which a stamp of 0 may still come


def wanted(topic: str, names: Sequence[str]) -> bool:
    """Tell whether `topic` is to be recorded: named in `names`, or all but hidden ones.

    `names` are absolute names; an empty list means all. A name with a part that begins with `_`
    is hidden, by ROS's convention.
    """
    if names:
        return topic in names
    return not any(part.startswith("_") for part in topic.split("/"))


def request(offers: Sequence[OfferedQos]) -> tuple[bool, bool]:
    """Return (reliable, transient local) to ask for, so that every publisher on offer matches.

    A subscription gets nothing from a publisher that offers less than it asks for.
    """
    reliable = all(offer.reliability == "reliable" for offer in offers)
    latched = all(offer.durability == "transient_local" for offer in offers)
    return reliable, latched


class LogClock:
    """Gives each message its log time: its own stamp, else that of the current tick.

    No wall clock takes part, so that two equal runs give equal bags. A message that comes before
    the first tick gets None and waits: only the tick tells which clock its stamp is of.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._tick: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the first tick has come."""
        return self._tick is not None

    def begin(self, now: int) -> None:
        """Go on without ticks, from `now` [ns]: none came for so long that none is expected."""
        if self._tick is None:
            self._first = self._tick = now

    def time(self, stamp: int | None, ticks: bool = False, early: bool = False) -> int | None:
        """Return the log time [ns] of a message that bears `stamp`.

        Args:
            stamp: [ns], None without one.
            ticks: it starts a tick.
            early: it was there before the first tick, whenever it came: without a stamp it gets
                that of the first tick.
        """
        if ticks and stamp is not None and stamp >= 0:
            if self._first is None:
                self._first = stamp
            self._tick = stamp
            return stamp
        if self._tick is None or stamp is None or not self.stamped(stamp):
            return self._first if early else self._tick
        return stamp if abs(stamp - self._tick) <= FOREIGN_CLOCK else self._tick

    def stamped(self, stamp: int | None) -> bool:
        """Whether `stamp` tells a time: zero does at the beginning of a run that begins there."""
        if stamp != 0:
            return stamp is not None and stamp > 0
        return self._first == 0 and self._tick is not None and self._tick < BEGINNING
