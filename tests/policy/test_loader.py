"""Requests on their way between threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from stride_control.policy import loader as module
from stride_control.policy.background import Background
from stride_control.policy.events import Request
from stride_control.policy.loader import Loader, Outcome
from stride_control.policy.loading import Policy, Terms
from stride_control.policy.switch import Switch
from tests.policy.models import ROBOT, write_policy
from tests.policy.stage import BOUNDS, CONFIG, policy


@contextmanager
def loading(folder: Path) -> Iterator[Loader]:
    """A loader all of whose work is done at the end."""
    trouble: list[str] = []
    background = Background("test", trouble.append)
    yield Loader(folder, Terms(ROBOT, 100.0), background)
    background.close()
    assert not trouble


def test_none_is_never_refused_as_busy(tmp_path: Path) -> None:
    with loading(tmp_path) as loader:
        refused = loader.ask("b", busy=lambda: "a is on its way")
        taken = loader.ask("none", busy=lambda: "a is on its way")
    assert refused.result(0) == Outcome(False, "busy: a is on its way; try again")
    assert not taken.done() and loader.waiting


def test_none_waits_for_no_file_and_whoever_was_asked_for_before_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()

    def slowly(*_: Any) -> Policy:
        begun.set()
        assert go_on.wait(60.0)
        return policy("b", 0.1)

    monkeypatch.setattr(module, "load_policy", slowly)
    with loading(write_policy(tmp_path / "b.onnx").parent) as loader:
        slow, queued = loader.ask("b"), loader.ask("b")
        assert begun.wait(60.0)
        taken = loader.ask("none", wait=False)
        assert taken.done() and loader.waiting
        later = loader.ask("b", wait=False)
        go_on.set()
    assert slow.result(0) == queued.result(0) == Outcome(False, "superseded by none")
    assert later.result(0).accepted


def test_a_policy_called_none_goes_by_its_path(tmp_path: Path) -> None:
    file = write_policy(tmp_path / "none.onnx")
    with loading(tmp_path) as loader:
        called = loader.load(str(file))
        assert called is not None and loader.name_of(called) == str(file)


def test_a_request_that_is_answered_while_somebody_asks_is_no_fault() -> None:
    """The control thread ends a request between two looks of another thread."""
    request = Request(policy("b", 0.1), lambda error, identity: None)
    looks = iter([request, None])

    class Racing(Switch):
        _request: Any = property(lambda self: next(looks), lambda self, value: None)

    assert Racing(4, CONFIG, BOUNDS, Any, wait=True).busy == "b is on its way"  # type: ignore[arg-type]


def test_the_second_answer_of_two_threads_is_none() -> None:
    class Hasty(Future[Outcome]):
        """Not done when it was looked at."""

        def done(self) -> bool:
            return False

    answer = Hasty()
    for text in ("one", "two"):
        module._settle(answer, Outcome(True, text))
    assert answer.result(0).message == "one"
