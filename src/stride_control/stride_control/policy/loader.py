"""Requests for another policy: loaded on the background thread, collected by the control thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from stride_control.policy.background import Background, one_line
from stride_control.policy.events import Request
from stride_control.policy.library import NONE, PolicyError, find_policy, name_of
from stride_control.policy.loading import Policy, Terms, load_policy
from stride_control.policy.switch import Switch


class Outcome(NamedTuple):
    """How a request went.

    Attributes:
        accepted: whether the policy takes over, or was loaded if nobody waits for that.
        message: one line, with what this machine measured.
        policy: identity of the policy; empty for none.
    """

    accepted: bool
    message: str
    policy: str = ""


class _Refusal(NamedTuple):
    name: str
    error: PolicyError


class Loader:
    """Turns names into policies.

    Attributes:
        folder: where names are looked up.
    """

    def __init__(self, folder: Path, terms: Terms, background: Background) -> None:
        self.folder = folder
        self._terms = terms
        self._background = background
        self._inbox: SimpleQueue[Request | _Refusal] = SimpleQueue()
        self._decided: SimpleQueue[tuple[Future[Outcome], Outcome]] = SimpleQueue()
        self._turn, self._turns = 0, Lock()

    @property
    def waiting(self) -> bool:
        """Whether there is something to `deliver`."""
        return not self._inbox.empty()

    def load(self, name: str) -> Policy | None:
        """The policy of that name now, as at the start; None for none.

        Raises:
            PolicyError: one line.
        """
        file = self.find(name)
        return load_policy(file, self._terms, name_of(file, self.folder)) if file else None

    def find(self, name: str) -> Path | None:
        """The file of that name; None for none.

        Raises:
            PolicyError: one line.
        """
        return None if name == NONE else find_policy(name, self.folder)

    def name_of(self, policy: Policy) -> str:
        """By which ``load`` finds a policy again: short where it is in the folder."""
        short = name_of(policy.path, self.folder)
        inside = policy.path.is_relative_to(self.folder)
        return short if inside and short != NONE else str(policy.path)

    def ask(
        self, name: str, wait: bool = True, busy: Callable[[], str] = lambda: ""
    ) -> Future[Outcome]:
        """Let a policy take over; returns at once.

        None is the way out of whatever goes on: it waits for no file, and what was asked for
        before it and is not loaded yet is refused.

        Args:
            name: as the user says it.
            wait: answer when it takes over; else once it is loaded.
            busy: asked when its turn comes: why not now, or empty.
        """
        answer: Future[Outcome] = Future()
        if name == NONE:
            with self._turns:
                self._turn += 1
                self._hand_over(None, wait, answer)
        else:
            turn = self._turn
            self._background.do(lambda: self._load(name, wait, busy, answer, turn))
        return answer

    def take(self, file: Path) -> None:
        """On the background thread: load a file now, before anybody else asks, and let it take over
        as by `ask`.
        """
        self._load(str(file), False, lambda: "", Future(), self._turn)

    def deliver(self, switch: Switch) -> None:
        """On the control thread, before a tick: hand over what has been loaded or refused."""
        while not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, _Refusal):
                switch.refuse(*item)
            else:
                switch.ask(item)

    def settle(self) -> None:
        """Answer what ticks have decided. After them: who hears it begins to work at once."""
        while not self._decided.empty():
            _settle(*self._decided.get())

    def _load(
        self,
        name: str,
        wait: bool,
        busy: Callable[[], str],
        answer: Future[Outcome],
        turn: int,
    ) -> None:
        try:
            if why := busy():
                raise PolicyError(f"busy: {why}; try again")
            policy = self.load(name)
            with self._turns:
                if turn != self._turn:
                    raise PolicyError(f"superseded by {NONE}")
                self._hand_over(policy, wait, answer)
        except Exception as error:
            refused = error if isinstance(error, PolicyError) else PolicyError(one_line(error))
            self._inbox.put(_Refusal(name, refused))
            _settle(answer, Outcome(False, _measured(refused)))

    def _hand_over(self, policy: Policy | None, wait: bool, answer: Future[Outcome]) -> None:
        def told(error: PolicyError | None, identity: str) -> None:
            if error is not None:
                outcome = Outcome(False, _measured(error))
            else:
                outcome = Outcome(True, f"{identity} takes over", _of(policy))
            self._decided.put((answer, outcome))

        self._inbox.put(Request(policy, told))
        if not wait:
            _settle(answer, Outcome(True, f"{_of(policy) or NONE} is loaded", _of(policy)))


def _settle(answer: Future[Outcome], outcome: Outcome) -> None:
    with suppress(InvalidStateError):  # answered before, or nobody waits any more
        answer.set_result(outcome)


def _of(policy: Policy | None) -> str:
    return policy.identity if policy else ""


def _measured(error: PolicyError) -> str:
    return f"{error} (measured: {error.measured})" if error.measured else str(error)
