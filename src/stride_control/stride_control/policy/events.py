"""What happens to policies, and what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from stride_control.policy.library import PolicyError
from stride_control.policy.loading import Policy


class EventKind(IntEnum):
    """What happened; the numbers are those of stride_msgs/PolicyEvent."""

    LOADED = 0
    REFUSED = 1
    SWITCHED = 2
    CONFIRMED = 3
    ROLLED_BACK = 4
    UNLOADED = 5


class Event(NamedTuple):
    """One thing that happened.

    Attributes:
        policy: identity of the policy that it happened to; empty for none.
        previous: identity of the one in charge before.
        reason: one line; the same in every run.
    """

    kind: EventKind
    policy: str
    previous: str
    reason: str


@dataclass
class Request:
    """A policy that waits to take over, or none; ``answer`` is told the outcome once."""

    policy: Policy | None
    answer: Callable[[PolicyError | None, str], None]


class Tally(NamedTuple):
    """Faults of one kind: in how many ticks, and what the newest said."""

    ticks: int
    newest: str
