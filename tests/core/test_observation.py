"""What a policy sees and what its answer means: by name, in one order, for any batch."""

from __future__ import annotations

import numpy as np
import pytest
from stride_core.action import ActionConfig, ActionLayout
from stride_core.config import ConfigError
from stride_core.control import Sensed
from stride_core.gait import SHAPE_PARTS
from stride_core.observation import DEPLOYABLE, Observation, Observed
from tests.core.batches import row
from tests.core.walking import GAIT, SPEC, random_inputs

ADAPTIVE = ActionConfig(
    0.02, {"step_height": 0.1, "stride": 2.0, "cycle_time": 0.5, "height": 0.03}
)


def observed(lead: tuple[int, ...], actions: int = 12) -> Observed:
    rng = np.random.default_rng(3)
    inputs = random_inputs(rng, lead)
    state, _ = GAIT.step(GAIT.initial(inputs), inputs, 0.01)
    _, gait = GAIT.step(state, inputs, 0.07)
    sensed = Sensed(
        position=rng.normal(size=(*lead, 12)),
        velocity=rng.normal(size=(*lead, 12)),
        up=rng.normal(size=(*lead, 3)),
        gyro=rng.normal(size=(*lead, 3)),
        time=rng.normal(size=lead),
    )
    return Observed(sensed, gait, rng.uniform(-1, 1, (*lead, actions)))


def test_every_term_is_where_the_layout_says_and_what_its_name_says():
    seen = observed((5,))
    layout = Observation(SPEC, DEPLOYABLE, 12)
    built = layout.build(seen)
    assert built.shape == (5, layout.size)
    ends = np.cumsum([term.size for term in layout.terms])
    parts = dict(zip((t.name for t in layout.terms), np.split(built, ends[:-1], -1), strict=True))
    phase = np.arctan2(*parts["phase"].T) / (2 * np.pi) % 1.0
    by_hand = {
        "gravity": -seen.sensed.up,
        "gyro": seen.sensed.gyro,
        "joint_position": seen.sensed.position - SPEC.home,
        "joint_velocity": seen.sensed.velocity,
        "swing": seen.gait.swing.astype(float),
        "shape": seen.gait.shape,
        "asked": seen.gait.asked,
        "command": seen.gait.command,
        "action": seen.action,
    }
    np.testing.assert_allclose(phase, seen.gait.phase[:, 0], atol=1e-12)
    assert {"phase", *by_hand} == set(parts)
    for name, want in by_hand.items():
        np.testing.assert_array_equal(parts[name], want, err_msg=name)


def test_the_order_is_the_one_asked_for():
    seen = observed(())
    first, second = (
        Observation(SPEC, names, 12).build(seen) for names in (("gyro", "swing"), ("swing", "gyro"))
    )
    np.testing.assert_array_equal(first, np.roll(second, 3))


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    seen, layout = observed(lead, 16), Observation(SPEC, DEPLOYABLE, 16)
    built = layout.build(seen)
    for index in np.ndindex(lead):
        alone = Observed(
            row(seen.sensed, index),
            row(seen.gait, index),
            seen.action[index],
        )
        np.testing.assert_array_equal(layout.build(alone), built[index])


@pytest.mark.parametrize(
    ("names", "told"),
    [((), "empty"), (("gyro", "gyros"), "'gyros': expected one of"), (("gyro",) * 2, "more than")],
)
def test_a_wrong_layout_is_refused_in_one_line(names, told):
    with pytest.raises(ConfigError, match=told):
        Observation(SPEC, names, 12)


# --- actions -------------------------------------------------------------------------------------


def test_an_answer_is_offsets_leg_by_leg_and_then_rates():
    layout = ActionLayout(SPEC, ADAPTIVE)
    assert layout.size == 16
    assert layout.names[:4] == ("FL_x", "FL_y", "FL_z", "FR_x")
    assert layout.names[12:] == ("step_height", "stride", "cycle_time", "height")
    action = np.linspace(-1.0, 1.0, 16)
    offset, rates = layout.apply(action)
    np.testing.assert_allclose(offset.ravel(), 0.02 * action[:12], rtol=1e-15)
    assert rates is not None
    by_name = dict(zip(SHAPE_PARTS, rates, strict=True))
    assert by_name == pytest.approx(
        {
            "height": 0.03 * action[15],
            "step_height": 0.1 * action[12],
            "cycle_time": 0.5 * action[14],
            "stance_length": 0.0,
            "stance_width": 0.0,
            "stride": 2.0 * action[13],
        }
    )


def test_an_answer_counts_to_one_and_what_is_not_finite_stays_so():
    layout = ActionLayout(SPEC, ADAPTIVE)
    action = np.full((2, 16), 7.0)
    action[1] = np.nan
    offset, rates = layout.apply(action)
    assert (offset[0] == 0.02).all()
    assert rates is not None
    assert rates[0, SHAPE_PARTS.index("stride")] == 2.0
    assert np.isnan(offset[1]).all()
    assert np.isnan(rates[1, SHAPE_PARTS.index("stride")])


def test_without_modulation_nobody_touches_the_shape():
    layout = ActionLayout(SPEC, ActionConfig())
    assert layout.size == 12
    assert layout.apply(np.zeros((3, 12))).rates is None


def test_only_parts_of_a_shape_can_be_modulated():
    with pytest.raises(ValueError, match="'speed': expected one of height"):
        ActionConfig(0.02, {"speed": 1.0})
