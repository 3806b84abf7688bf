"""From the speed wanted to the speed asked of the feet, pattern by pattern."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.gait import PATTERNS
from stride_core.gait.calibration import SpeedMap
from stride_core.gait.config import Calibration, Calibrations, PatternCalibration

SPAN = np.array([1.0, 1.0, 2.0])  # nodes every 0.05, 0.05, 0.1
TROT, WALK = PATTERNS.index("trot"), PATTERNS.index("walk")
MEASURED = SpeedMap.of(
    Calibrations(
        trot=PatternCalibration(
            forward=Calibration((0.1, 0.2), (0.12, 0.3)),
            backward=Calibration((0.1,), (0.15,)),
            sideways=Calibration((0.05, 0.1), (0.08, 0.2)),
            turn=Calibration((0.5, 1.0), (0.6, 1.5)),
        ),
        walk=PatternCalibration(forward=Calibration((0.1,), (0.5,))),
    ),
    SPAN,
)


def trot(speed_map, wanted):
    wanted = np.asarray(wanted, float)
    return speed_map(wanted, np.full(wanted.shape[:-1], TROT))


def trotting(**parts):
    return SpeedMap.of(Calibrations(trot=PatternCalibration(**parts)), SPAN)


@st.composite
def calibrations(draw):
    """Knots on the map's nodes for vx and vy, so that they are kept exactly."""
    nodes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=6, unique=True))
    speed = np.sort(nodes) * 0.05
    gains = draw(st.lists(st.floats(0.2, 3.0), min_size=len(speed), max_size=len(speed)))
    ask = np.cumsum(np.diff([0.0, *speed]) * gains)
    return Calibration(tuple(speed.tolist()), tuple(ask.tolist()))


def test_by_hand():
    # forward: 0.05 is half way to the first knot; 0.15 half way between 0.12 and 0.3
    got = trot(MEASURED, [[0.05, 0.075, 0.2], [0.15, 0.05, 0.7], [-0.05, -0.1, -1.0]])
    want = [[0.06, 0.14, 0.24], [0.21, 0.08, 0.96], [-0.075, -0.2, -1.5]]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-14)


def test_beyond_the_last_knot_the_line_from_the_origin_goes_on():
    # forward 0.3/0.2 = 1.5, backward 0.15/0.1 = 1.5, sideways 2, turn 1.5 for each further 1;
    # the second row lies beyond the span
    got = trot(MEASURED, [[0.4, 0.3, 1.5], [-2.1, -1.3, -3.0]])
    want = [[0.6, 0.6, 2.25], [-3.15, -2.6, -4.5]]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_each_pattern_has_its_own_and_without_one_gets_what_it_wants():
    wanted = np.tile([0.1, 0.05, 0.5], (len(PATTERNS), 1))
    got = MEASURED(wanted, np.arange(len(PATTERNS)))
    np.testing.assert_allclose(got[TROT], [0.12, 0.08, 0.6], rtol=1e-12)
    np.testing.assert_allclose(got[WALK], [0.5, 0.05, 0.5], rtol=1e-12)
    np.testing.assert_allclose(got[2:], wanted[2:], rtol=1e-12)


def test_zero_asks_for_zero():
    got = MEASURED(np.zeros((4, 3)), np.arange(4))
    np.testing.assert_allclose(got, 0.0, rtol=0, atol=1e-15)


@given(calibrations(), calibrations(), calibrations())
def test_passes_through_every_knot(forward, backward, sideways):
    made = trotting(forward=forward, backward=backward, sideways=sideways)
    for part, column, sign in (
        (forward, 0, 1), (backward, 0, -1), (sideways, 1, 1), (sideways, 1, -1)
    ):  # fmt: skip
        wanted = np.zeros((len(part.speed), 3))
        wanted[:, column] = sign * np.array(part.speed)
        got = trot(made, wanted)[:, column]
        np.testing.assert_allclose(got, sign * np.array(part.ask), rtol=1e-10, atol=1e-12)


@given(calibrations(), calibrations(), st.lists(st.floats(-3, 3), min_size=2, max_size=20))
def test_rises_strictly_and_sideways_and_turn_are_odd(forward, other, speeds):
    made = trotting(forward=forward, sideways=other, turn=other)
    wanted = np.unique(np.round(speeds, 6))[:, None] * np.ones(3)
    ask = trot(made, wanted)
    assert (np.diff(ask, axis=0) > 0.0).all()
    np.testing.assert_allclose(trot(made, -wanted)[:, 1:], -ask[:, 1:], rtol=1e-9, atol=1e-12)


def test_between_the_nodes_it_is_off_by_no_more_than_the_measurements_bend_there():
    # a knot in the middle between two nodes: 0.025 there should ask for 0.05; the chord of the
    # nodes 0 and 0.05 (asks 0 and 0.05 + 0.025·0.5 = 0.0625) gives half of 0.0625
    made = trotting(forward=Calibration((0.025, 1.0), (0.05, 0.05 + 0.975 * 0.5)))
    got = trot(made, [[0.025, 0.0, 0.0], [0.05, 0.0, 0.0]])[:, 0]
    np.testing.assert_allclose(got, [0.03125, 0.0625], rtol=1e-12)


def test_forward_and_backward_are_told_apart():
    made = trotting(forward=Calibration((1.0,), (2.0,)), backward=Calibration((1.0,), (3.0,)))
    got = trot(made, [[0.5, 0, 0], [-0.5, 0, 0]])[:, 0]
    np.testing.assert_allclose(got, [1.0, -1.5], rtol=1e-12)


def test_the_last_knots_are_the_fastest_in_every_direction():
    made = trotting(
        forward=Calibration((0.1, 0.2), (0.1, 0.3)),
        backward=Calibration((0.1,), (0.1,)),
        turn=Calibration((0.5,), (0.5,)),
    )
    commands = np.array(
        [[0.2, 0, 0], [0.3, 0, 0], [-0.3, 0, 0], [0, 9.0, 0], [0.2, 0, -1.0], [0.0, 0.0, 0.0]]
    )
    got = made.excess(commands, np.zeros(6, int))
    np.testing.assert_allclose(got, [1.0, 1.5, 3.0, 0.0, 2.0, 0.0], rtol=1e-12)
    assert trotting().excess(commands, np.zeros(6, int)).max() == 0.0  # nothing is known


@pytest.mark.parametrize(
    ("speed", "ask"),
    [
        ((0.2, 0.1), (0.1, 0.2)),  # falls
        ((0.1, 0.2), (0.2, 0.1)),
        ((0.1, 0.1), (0.1, 0.2)),  # stays
        ((0.0, 0.1), (0.0, 0.1)),  # not from 0
        ((0.1, 0.2), (0.1,)),  # not pairs
        ((0.1,), (0.1, 0.2)),
    ],
)
@pytest.mark.parametrize("part", ["forward", "backward", "sideways", "turn"])
def test_bad_knots_are_refused_in_one_line_that_shows_them(part, speed, ask):
    with pytest.raises(ValueError) as caught:
        trotting(**{part: Calibration(speed, ask)})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("calibration.trot")
    assert str(speed) in message
    assert str(ask) in message


def test_pairs_that_only_fit_together_by_mistake_are_refused():
    # 2 + 1 speeds and 1 + 2 asks: as many in all, but no pairs
    with pytest.raises(ValueError, match=r"calibration\.trot"):
        trotting(forward=Calibration((0.1,), (0.1, 0.2)), backward=Calibration((0.1, 0.2), (0.3,)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_component_that_is_not_allowed_at_all_stays_zero(axis):
    span = SPAN.copy()
    span[axis] = 0.0
    got = trot(SpeedMap.of(Calibrations(), span), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(got, 0.0)


@pytest.mark.parametrize("lead", [(), (7,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(1)
    wanted, pattern = rng.normal(size=(*lead, 3)), rng.integers(0, 4, lead)
    got = MEASURED(wanted, pattern)
    assert got.shape == wanted.shape
    for index in np.ndindex(lead):
        one = MEASURED(wanted[index], pattern[index])
        np.testing.assert_allclose(got[index], one, rtol=0, atol=1e-12)


@given(st.tuples(*[st.floats(-1e300, 1e300)] * 3), st.integers(0, 3))
def test_every_finite_speed_has_a_finite_answer(wanted, pattern):
    assert np.isfinite(MEASURED(np.array(wanted), np.array(pattern))).all()
