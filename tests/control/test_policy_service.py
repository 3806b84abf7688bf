"""The service's answer where nobody has one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

pytest.importorskip("rclpy")

from rclpy.node import Node
from stride_control.policy.loader import Outcome
from stride_control.policy_service import SwapService
from tests.graph.harness import Graph

from stride_control import policy_service
from stride_msgs.srv import SwapPolicy


@pytest.fixture
def service(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[SwapService]:
    """Whose every request waits in vain."""
    monkeypatch.setattr(policy_service, "PATIENCE_S", 0.05)

    def ask(name: str, wait: bool) -> Future[Outcome]:
        return Future()

    yield SwapService(graph.add(Node, "policy"), ask)


def asked(service: SwapService) -> SwapPolicy.Response:
    return service._on_swap(SwapPolicy.Request(policy="b"), SwapPolicy.Response())


def test_what_nothing_is_known_of_is_no_success(service: SwapService) -> None:
    answer = asked(service)
    service.close()
    assert not answer.success
    assert answer.message.startswith("b: nothing is decided within 0.05 s")


def test_a_request_that_comes_while_the_node_ends_is_told_so(service: SwapService) -> None:
    service.close()
    answer = asked(service)
    assert (answer.success, answer.message) == (False, "the policy node ends")
