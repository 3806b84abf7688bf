"""Rewards against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_sim.records import Truth
from stride_sim.terrain import GroundPool, Heightfield
from stride_training.rewards import PRESETS, TERMS, Moment, Reward


def _moment(**changes: object) -> Moment:
    """Of one robot: 0.2 m/s asked, 0.3 m/s walked, tilted by 0.1 about x."""
    feet = np.array([[[0.0, 0.0, 0.016], [1.0, 0.0, 0.026], [0, 1, 0.006], [1, 1, 0.006]]])
    truth = Truth(
        position=np.array([[0.0, 0.0, 0.09]]),
        quaternion=np.array([[0.0, 0.0, 0.0, 1.0]]),
        linear_velocity=np.zeros((1, 3)),
        angular_velocity=np.array([[0.3, -0.4, 2.0]]),
        foot_force=np.array([[0.0, 0.0, 10.0, 4.0]]),
        feet_world=feet,
        tips_world=feet,
        passive=np.zeros((1, 0)),
        joint_position=np.array([[0.5, -2.6]]),
        joint_velocity=np.array([[2.0, -3.0]]),
        effort=np.array([[0.5, 0.1]]),
        foot_radius=0.006,
        grounds=GroundPool([Heightfield(np.zeros((2, 2)), 9.0, 9.0)]),
        choice=np.zeros(1, np.intp),
    )
    values = {
        "truth": truth,
        "velocity": np.array([[0.3, 0.04]]),
        "turn": np.array([0.5]),
        "pace": np.array([-0.07]),
        "planar": np.array([[0.35, -0.06]]),
        "vertical": np.array([0.2]),
        "command": np.array([[0.2, 0.04, 0.2]]),
        "gravity": np.array([[0.0, -np.sin(0.1), -np.cos(0.1)]]),
        "heading": np.array([-0.3]),
        "stance_height": 0.08,
        "action": np.array([[0.5, -0.1]]),
        "last": np.array([[0.2, 0.3]]),
        "limits": (np.array([-1.0, -2.62]), np.array([1.0, 1.0])),
        "swing": np.array([[True, True, True, False]]),
        "feet_before": feet - [[[0.1, 0, 0], [0.1, 0, 0], [0.003, 0.004, 1.0], [0, 0, 0]]],
        "period": 0.02,
        "weight": 8.0,
        "fell": np.array([True]),
    }
    return Moment(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("alive", 1.0),
        ("velocity_error", 0.1),
        ("tracking", np.exp(-(0.1**2) / 0.12**2)),
        ("pace", 0.07),
        ("turning", np.exp(-1.0)),
        ("tilt", np.sin(0.1) ** 2),
        ("rocking", 0.25),
        ("bouncing", 0.04),
        ("heading", 0.3),
        ("height", 0.01),
        ("action", 0.26),
        ("action_rate", 0.25),
        ("torque", 0.26),
        ("power", 1.0),
        ("slip", (0.005 / 0.02) ** 2),
        ("clearance", 0.01),
        ("joint_limits", 0.03),
        ("impact", 0.25),
        ("fall", 1.0),
        ("forward_match", 0.85),
        ("lateral", 0.06),
        ("orientation", 0.01),
        ("action_norm", np.sqrt(0.26)),
        ("action_change", 0.5),
        ("contact_pattern", -0.4),
        ("beyond_limits", 1.0),
    ],
)  # fmt: skip
def test_terms_are_what_they_say(name: str, expected: float) -> None:
    assert TERMS[name](_moment()) == pytest.approx([expected], rel=1e-9)


def test_every_term_is_worked_out_above() -> None:
    mark = next(m for m in test_terms_are_what_they_say.pytestmark if m.name == "parametrize")  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == set(TERMS)


def test_the_reward_is_the_sum_of_weighted_terms() -> None:
    reward = Reward("stride", {"heading": -2.0, "alive": 0.0})
    weighted = reward(_moment())
    assert "alive" not in reward.names
    assert weighted[0, reward.names.index("heading")] == pytest.approx(-0.6)
    assert weighted[0, reward.names.index("fall")] == -5.0


def test_the_presets_have_the_sources_weights() -> None:
    first, november = PRESETS["first_plan"], PRESETS["november"]
    assert first["forward_match"] == 1.0 and november["forward_match"] == 5.0
    assert (november["lateral"], november["action_norm"], november["action_change"]) == (
        -0.3, -0.05, -0.05,
    )  # fmt: skip
    assert first["orientation"] == november["orientation"] == -3.0


def test_standing_still_pays_under_the_first_plan_and_not_under_ours() -> None:
    """What the sources found, and why: 1 − |v − v*| is near 1 for a robot that does not move."""
    nothing = {"action": np.zeros((1, 2)), "last": np.zeros((1, 2)), "fell": np.array([False])}
    level = {"gravity": np.array([[0.0, 0.0, -1.0]])}
    stands = _moment(
        velocity=np.zeros((1, 2)), planar=np.zeros((1, 2)), turn=np.array([0.2]), **nothing, **level
    )
    walks = _moment(
        velocity=np.array([[0.2, 0.0]]), planar=np.array([[0.2, 0.02]]), turn=np.array([0.2]),
        action=np.full((1, 2), 0.8), last=np.full((1, 2), -0.2), fell=np.array([False]), **level,
    )  # fmt: skip
    first, ours = Reward("first_plan", {}), Reward("stride", {})
    assert first(stands).sum() > first(walks).sum()
    assert ours(stands).sum() < ours(walks).sum()


@pytest.mark.parametrize(
    "weights, said", [({"aliv": 1.0}, "did you mean alive"), ({"alive": 0.0}, "no term")]
)
def test_mistakes_are_answered_in_one_line(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Reward("none", weights)
