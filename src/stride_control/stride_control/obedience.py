"""What the watchdog allows the gait: to walk, to stand, or to sit."""

from __future__ import annotations

from stride_control.messages import NANOSECONDS, peek_behind_header, peek_stamp
from stride_msgs.msg import SafetyStatus

_PATIENCE_NS = NANOSECONDS // 20
"""A word of the watchdog counts from this much after its stamp. In lockstep nobody waits for
``safety_status``: by then it has come, however fast the run, so that the same seed walks alike."""

_WALKS = SafetyStatus.ACTIVE


class Obedience:
    """Reads ``safety_status`` as serialised: the gait hears it each tick and wants two bytes of it.

    Without a watchdog the gait walks as it is told.
    """

    def __init__(self) -> None:
        self._stands_since: int | None = None
        self._sits_since: int | None = None

    def hear(self, data: bytes) -> None:
        """Take a serialised ``SafetyStatus``."""
        stamp = peek_stamp(data)
        state, action = peek_behind_header(data, "BB")
        self._stands_since = _since(self._stands_since, state != _WALKS, stamp)
        sits = action == SafetyStatus.SIT and state in (SafetyStatus.STANDING, SafetyStatus.ACTIVE)
        self._sits_since = _since(self._sits_since, sits, stamp)

    def may_walk(self, now: int) -> bool:
        """Whether the gait may follow a command in the tick stamped ``now`` [ns]."""
        return not (_counts(self._stands_since, now) or _counts(self._sits_since, now))

    def may_stand(self, now: int) -> bool:
        """Whether the robot may stay on its legs."""
        return not _counts(self._sits_since, now)


def _since(before: int | None, holds: bool, stamp: int) -> int | None:
    if not holds:
        return None
    return stamp if before is None else before


def _counts(since: int | None, now: int) -> bool:
    return since is not None and abs(now - since) >= _PATIENCE_NS
