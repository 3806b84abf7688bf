"""Which ticks of a bag are compared with a policy's answers, and how."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from stride_control.policy.loading import Policy
from stride_control.policy.switch import Applied
from stride_core.arrays import FloatArray
from tests.policy.models import ROBOT
from tests.policy.stage import policy, scene, stage

from stride_bringup import verify
from stride_msgs.msg import Residual

Walk = list[tuple[Any, Residual]]


def recalling(name: str, share: float) -> Policy:
    """Its answer goes by its last one: a wrong memory shows."""
    return policy(name, lambda seen: 0.2 + share * seen[3], {"height": 0.1})


def said(applied: Applied) -> Residual:
    message = Residual(legs=list(ROBOT.legs), offset=applied.offset.ravel().tolist())
    message.rates = [] if applied.rates is None else applied.rates.tolist()
    message.policy, message.strength = applied.policy, applied.strength
    return message


def verified(monkeypatch: pytest.MonkeyPatch, asked: Policy, walk: Walk) -> verify.Verified:
    monkeypatch.setattr(verify, "ticks", lambda recorded, reader: iter(walk))
    monkeypatch.setattr(verify, "is_whole", lambda recorded: True)
    return verify.verify(asked, Path("walk.mcap"), ROBOT)


def test_a_bag_in_which_policies_change_is_verified_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = recalling("a", 0.3), recalling("b", -0.4)
    with stage(first=one) as made:
        made.go(10)
        for other in (two, None, one):
            made.ask(other)
            made.go(40)
        walk = [(scene(tick), said(applied)) for tick, applied in enumerate(made.applied)]
    for each, beside in ((one, "b"), (two, "a")):
        found = verified(monkeypatch, each, walk)
        assert found.difference < 1e-12
        assert found.observations >= 15
        assert [name.partition("@")[0] for name in found.others] == [beside]
    wrong = verified(monkeypatch, recalling("a", 0.31), walk)  # it can fail
    assert wrong.observations and wrong.difference > 1e-3


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_that_is_no_number_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    answers = iter([math.nan, 0.5] if first else [0.5, math.nan])
    asked = policy("a", lambda seen: next(answers))
    full = Applied(np.full((4, 3), 0.01), None, asked.identity, 1.0, 0.0)
    found = verified(monkeypatch, asked, [(scene(tick), said(full)) for tick in (0, 1)])
    assert found.observations == 2
    assert math.isnan(found.difference)


def answers_of(layout: Any) -> FloatArray:
    return np.random.default_rng(0).uniform(-1.0, 1.0, (5, 3, layout.size))


@pytest.mark.parametrize("modulation", [{}, {"cycle_time": 0.5, "height": 0.1}])
def test_an_act_leads_back_to_its_answer(modulation: dict[str, float]) -> None:
    layout = policy("a", 0.0, modulation).action
    answers = answers_of(layout)
    np.testing.assert_allclose(layout.invert(layout.apply(answers)), answers, atol=1e-15)


def test_what_moves_nothing_leads_back_to_nothing() -> None:
    layout = policy("a", 0.0, {"cycle_time": 0.0, "height": 0.1}).action
    back = layout.invert(layout.apply(np.full(layout.size, 0.5)))
    assert back.tolist() == [*[0.5] * 12, 0.0, 0.5]
