"""Out of distribution, the residual fades: how far, how fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_control.policy.gate import (
    GateConfig,
    Novelty,
    next_strength,
    smooth,
    wanted_strength,
)
from stride_control.policy.library import read_policy
from stride_core.contract import Normaliser
from stride_core.observation import DEPLOYABLE, Observation
from tests.policy.models import ROBOT
from tests.policy.untrained import FOLDER
from tests.policy.walks import observations

GATE = GateConfig()
novelties = st.floats(0.0, 100.0)


def test_the_distance_is_that_of_the_strangest_channel_in_its_standard_deviations() -> None:
    novelty = Novelty(Normaliser((1.0, 0.0, -2.0), (0.5, 2.0, 1.0)))
    assert novelty(np.array([1.0, 0.0, -2.0])) == 0.0
    assert novelty(np.array([2.0, 3.0, -2.5])) == 2.0  # 1/0.5, not 3/2
    assert not np.isfinite(novelty(np.array([np.nan, 0.0, 0.0])))


def test_full_strength_where_familiar_none_where_strange_half_between() -> None:
    assert [wanted_strength(GATE, n) for n in (0.0, 8.0, 12.0, 16.0, 1e9)] == [1, 1, 0.5, 0, 0]
    assert wanted_strength(replace(GATE, enabled=False), 1e9) == 1.0


@given(a=novelties, b=novelties)
def test_more_novelty_is_never_more_strength_and_a_little_more_is_little_less(
    a: float, b: float
) -> None:
    less, more = sorted((a, b))
    drop = wanted_strength(GATE, less) - wanted_strength(GATE, more)
    assert 0.0 <= drop <= 1.5 * (more - less) / (GATE.strange - GATE.familiar) + 1e-12


@given(strength=st.floats(0.0, 1.0), wanted=st.floats(0.0, 1.0), ticks=st.integers(1, 200))
def test_it_gets_there_in_its_time_and_not_beyond(
    strength: float, wanted: float, ticks: int
) -> None:
    now = strength
    for _ in range(ticks):
        after = next_strength(GATE, now, wanted, 0.01)
        assert -0.01 / GATE.fall_time - 1e-12 <= after - now <= 0.01 / GATE.rise_time + 1e-12
        now = after
    assert min(strength, wanted) - 1e-12 <= now <= max(strength, wanted) + 1e-12
    if ticks >= 51:
        assert now == pytest.approx(wanted)


def test_a_gate_without_times_follows_at_once() -> None:
    quick = replace(GATE, fall_time=0.0, rise_time=0.0)
    assert next_strength(quick, 1.0, 0.25, 0.01) == 0.25
    assert next_strength(quick, 0.0, 1.0, 0.0) == 1.0


def test_a_gate_that_closes_before_it_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="strange: 5: expected more than familiar"):
        GateConfig(familiar=8.0, strange=5.0)


@pytest.mark.parametrize(("share", "value"), [(-1.0, 0.0), (0.0, 0.0), (0.5, 0.5), (9.0, 1.0)])
def test_smoothstep(share: float, value: float) -> None:
    assert smooth(share) == value


# --- on a robot: what the thresholds are for ----------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> tuple[Novelty, np.ndarray, Observation]:
    """The shipped policy's statistics, and a walk on other ground with other commands."""
    _, contract = read_policy(FOLDER / "policy.onnx")
    walk = observations(robots=8, ticks=400, seed=11).reshape(-1, 60)
    return Novelty(contract.normaliser), walk, Observation(ROBOT, DEPLOYABLE, 12)


def columns(observation: Observation, term: str) -> slice:
    sizes = [each.size for each in observation.terms]
    at = [each.name for each in observation.terms].index(term)
    return slice(sum(sizes[:at]), sum(sizes[: at + 1]))


def test_another_walk_is_familiar(seen: tuple[Novelty, np.ndarray, Observation]) -> None:
    novelty, walk, _ = seen
    assert max(novelty(each) for each in walk) < GATE.familiar


@pytest.mark.parametrize("fault", ["on its side", "a stuck joint", "degrees for radians", "shape"])
def test_what_no_walk_shows_is_strange(
    seen: tuple[Novelty, np.ndarray, Observation], fault: str
) -> None:
    novelty, walk, observation = seen
    bad = walk.copy()
    joints = columns(observation, "joint_position")
    if fault == "on its side":
        bad[:, columns(observation, "gravity")] = (0.0, 1.0, 0.0)
    elif fault == "a stuck joint":
        bad[:, joints.start] = 1.2
    elif fault == "degrees for radians":
        bad[:, joints] *= 57.3
    else:
        bad[:, columns(observation, "shape").start] += 0.2
    shares = np.mean([novelty(each) > GATE.strange for each in bad])
    assert shares > 0.9
