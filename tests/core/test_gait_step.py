"""The walking gait: phase relations, step vectors from the twist, and what holds for any input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from stride_core.gait import PATTERNS
from stride_core.gait.config import Calibration, Calibrations, Pattern, PatternCalibration
from tests.core.batches import assert_same, row
from tests.core.walking import (
    CONFIG,
    CONTROLLER,
    CYCLE,
    GAIT,
    HEIGHT,
    LIFT,
    PARTS,
    SHAPE,
    SPEC,
    asking,
    at_rest,
    make_gait,
    random_inputs,
    settled,
    shaped,
    walk,
)

NAMES = SPEC.legs
DUTY = {name: getattr(CONFIG.patterns, name).duty for name in PATTERNS}
slow_twists = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.05, 0.05), st.floats(-0.4, 0.4))


def one_cycle(inputs, cells=400, gait=GAIT):
    """A cycle of steady walking from phase 0: leg phases, swing flags, feet, one row a cell."""
    state = settled(inputs, gait=gait)
    outputs = [out for _, out in walk(
        inputs, cells, dt=float(state.shape[PARTS.index("cycle_time")]) / cells, gait=gait,
        state=state._replace(phase=np.zeros(())),
    )]  # fmt: skip
    names = ("phase", "swing", "feet")
    return tuple(np.array([getattr(output, name) for output in outputs]) for name in names)


def rigid_body_stride(command, pattern, cycle=CYCLE):
    """What each nominal foot travels over the ground in one stance, (legs, 2): v + ω × r."""
    vx, vy, wz = command
    arm = SPEC.hips + at_rest()
    velocity = np.array([vx, vy, 0.0]) + np.cross([0.0, 0.0, wz], arm)
    return velocity[:, :2] * DUTY[pattern] * cycle


# --- phases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gait", [GAIT, CONTROLLER.gait], ids=["own", "shipped"])
@pytest.mark.parametrize(
    ("pattern", "pairs"),
    [
        ("trot", [("FL", "RR"), ("FR", "RL")]),
        ("pace", [("FL", "RL"), ("FR", "RR")]),
        ("bound", [("FL", "FR"), ("RL", "RR")]),
    ],
)
def test_pairs_move_together_half_a_cycle_apart(gait, pattern, pairs):
    phase, swing, _ = one_cycle(asking((0.05, 0, 0), pattern=pattern), gait=gait)
    (a, b), (c, d) = [[NAMES.index(leg) for leg in pair] for pair in pairs]
    np.testing.assert_allclose(phase[:, a], phase[:, b], rtol=0, atol=1e-12)
    np.testing.assert_allclose(phase[:, c], phase[:, d], rtol=0, atol=1e-12)
    np.testing.assert_allclose((phase[:, a] - phase[:, c]) % 1.0, 0.5, rtol=0, atol=1e-12)
    assert not (swing[:, a] & swing[:, c]).any()


def touch_downs(swing):
    """Legs in the order in which they touch down."""
    landing = swing & ~np.roll(swing, -1, axis=0)
    return [NAMES[leg] for leg in np.nonzero(landing)[1]]


def test_walk_sets_the_feet_down_one_by_one_hind_before_front_on_each_side():
    _, swing, _ = one_cycle(asking((0.05, 0, 0), pattern="walk"))
    assert touch_downs(swing) == ["RR", "FR", "RL", "FL"]
    assert swing.sum(axis=1).max() == 1


def test_the_shipped_walk_always_stands_on_three_feet():
    _, swing, _ = one_cycle(asking((0.05, 0, 0), pattern="walk"), gait=CONTROLLER.gait)
    assert sorted(touch_downs(swing)) == sorted(NAMES)
    assert swing.sum(axis=1).max() == 1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_leg_swings_for_its_share_of_the_cycle(pattern):
    phase, swing, feet = one_cycle(asking((0.05, 0, 0), pattern=pattern))
    np.testing.assert_allclose(swing.mean(axis=0), 1.0 - DUTY[pattern], atol=2 / 400)
    np.testing.assert_array_equal(swing, phase >= DUTY[pattern])
    above = feet[..., 2] + HEIGHT
    np.testing.assert_allclose(above[~swing], 0.0, rtol=0, atol=1e-15)
    assert (above[swing] >= 0.0).all()
    assert above[swing].max() == pytest.approx(LIFT, rel=1e-3)


@pytest.mark.parametrize("gait", [GAIT, CONTROLLER.gait], ids=["own", "shipped"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_at_phase_zero_every_foot_is_on_the_ground(pattern, gait):
    inputs = asking((0.1, 0.02, 0.2), pattern=pattern)
    state = settled(inputs, gait=gait)._replace(phase=np.array(0.0))
    _, out = gait.step(state, inputs, 0.0)
    np.testing.assert_allclose(out.feet[:, 2], -HEIGHT, rtol=0, atol=1e-15)
    _, out = gait.step(gait.initial(inputs), inputs, 0.01)  # the first tick of walking
    np.testing.assert_allclose(out.feet[:, 2], -HEIGHT, rtol=0, atol=1e-15)


def test_apex_is_exactly_the_step_height():
    # duty 1/2 and u = 1/2 at phase 3/4 are free of rounding; so are the numbers below
    trot = Pattern(offsets=(0.0, 0.5, 0.5, 0.0), duty=0.5)
    gait = make_gait(patterns=dataclasses.replace(CONFIG.patterns, trot=trot))
    inputs = asking((0.1, 0.0, 0.0), shape=shaped(height=0.0859375, step_height=0.03125))
    state = settled(inputs, gait=gait)._replace(phase=np.array(0.75))
    _, out = gait.step(state, inputs, 0.0)
    assert out.feet[0, 2] == 0.03125 - 0.0859375


# --- step vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=15, deadline=None)
@given(slow_twists)
def test_stance_follows_the_ground_of_a_rigid_body_moving_with_the_twist(pattern, twist):
    if max(map(abs, twist)) <= 1e-3:
        return  # a command to stand
    phase, swing, feet = one_cycle(asking(twist, pattern=pattern), cells=200)
    want = -rigid_body_stride(twist, pattern) / (DUTY[pattern] * CYCLE)
    velocity = np.diff(feet, axis=0) / (CYCLE / 200)
    both = ~swing[1:] & ~swing[:-1] & (np.diff(phase, axis=0) > 0)
    for leg in range(4):
        steady = velocity[both[:, leg], leg]
        np.testing.assert_allclose(steady[:, :2], want[leg] * np.ones((len(steady), 1)), atol=1e-9)
        np.testing.assert_allclose(steady[:, 2], 0.0, atol=1e-12)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_foot_touches_down_half_a_stride_ahead_and_lifts_half_a_stride_behind(pattern):
    twist = (0.08, -0.03, 0.3)
    inputs = asking(twist, pattern=pattern)
    state = settled(inputs)
    half = 0.5 * rigid_body_stride(twist, pattern)
    for leg, offset in enumerate(getattr(CONFIG.patterns, pattern).offsets):
        for phase, sign in ((0.0, 1.0), (DUTY[pattern], -1.0)):
            at = state._replace(phase=np.array((phase - offset) % 1.0))
            _, out = GAIT.step(at, inputs, 0.0)
            want = at_rest()[leg] + [*(sign * half[leg]), 0.0]
            np.testing.assert_allclose(out.feet[leg], want, rtol=0, atol=1e-12)


def test_leaning_a_foot_lands_nearer_and_lifts_off_further_behind():
    gait = make_gait(lean=1.0 / 6.0)
    inputs = asking((0.08, -0.03, 0.0))
    state = settled(inputs, gait=gait)
    stride = rigid_body_stride((0.08, -0.03, 0.0), "trot")[0]
    for phase, share in ((0.0, 1.0 / 3.0), (DUTY["trot"], -2.0 / 3.0)):
        _, out = gait.step(state._replace(phase=np.array(phase)), inputs, 0.0)
        np.testing.assert_allclose(
            out.feet[0, :2] - at_rest()[0, :2], share * stride, rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("pattern", PATTERNS)
def test_position_and_velocity_are_continuous_over_the_cycle(pattern):
    # as for the path itself: a second derivative of 6·stride/duty along and 64·lift up, over
    # ((1 - duty)·cycle)², bounds the change of velocity from one fine step to the next
    twist, cells = (0.1, 0.03, -0.3), 4000
    _, _, feet = one_cycle(asking(twist, pattern=pattern), cells=cells)
    feet = np.concatenate([feet, feet[:2]])  # closed over the cycle
    dt = CYCLE / cells
    velocity = np.diff(feet, axis=0) / dt
    swing_time = (1.0 - DUTY[pattern]) * CYCLE
    most = 6.0 * np.abs(rigid_body_stride(twist, pattern)).max() / DUTY[pattern]
    most = max(most, 64.0 * LIFT) / swing_time**2
    assert np.abs(np.diff(velocity, axis=0)).max() <= most * dt * 1.001 + 1e-8


def test_the_same_speed_with_a_longer_cycle_takes_a_longer_stride():
    for cycle in (0.3, 0.6):
        _, _, feet = one_cycle(asking((0.1, 0, 0), shape=shaped(cycle_time=cycle)))
        excursion = np.ptp(feet[..., 0], axis=0)
        stride = 0.1 * DUTY["trot"] * cycle
        assert (excursion >= stride - 1e-12).all()
        assert (excursion <= 1.2 * stride).all()  # the swing reaches a little beyond the stance


def test_the_calibration_is_asked_of_the_feet_and_not_of_the_report():
    twice = PatternCalibration(forward=Calibration((0.25,), (0.5,)))
    gait = make_gait(calibration=Calibrations(trot=twice))
    for pattern, asked in (("trot", 0.2), ("pace", 0.1)):  # the pace has one of its own: none
        inputs = asking((0.1, 0.0, 0.0), pattern=pattern)
        state = settled(inputs, gait=gait)._replace(phase=np.zeros(()))
        _, out = gait.step(state, inputs, 0.0)
        want = 0.5 * asked * DUTY[pattern] * CYCLE
        assert out.feet[0, 0] == pytest.approx(want, rel=1e-12)
        np.testing.assert_allclose(out.command, [0.1, 0.0, 0.0], rtol=0, atol=1e-12)


# --- whatever is asked ---------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.tuples(finite, finite, finite), st.integers(0, 3), st.booleans()),
        min_size=1, max_size=6,
    ),
    st.sampled_from([0.0, 1e-3, 0.02, 0.1, 1.0]),
)  # fmt: skip
def test_any_finite_command_gives_finite_feet_and_phases_below_one(asked, dt):
    state = GAIT.initial(asking())
    for command, pattern, upright in asked:
        inputs = asking(command, pattern=pattern, upright=upright)._replace(yaw=np.array(0.1))
        start = state
        for state, out in walk(inputs, 5, dt=dt, state=start):
            for field in (*state, *out):
                assert np.isfinite(field).all()
            assert 0.0 <= state.phase < 1.0
            assert ((out.phase >= 0.0) & (out.phase < 1.0)).all()


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(st.tuples(*[finite] * len(PARTS)), st.booleans())
def test_any_finite_shape_gives_finite_feet(shape, at_once):
    state = GAIT.initial(asking(shape=shape if at_once else SHAPE))
    for _, out in walk(asking((0.1, 0, 0.2), shape=shape), 30, dt=0.05, state=state):
        assert np.isfinite(out.feet).all()
        assert np.isfinite(out.phase).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_phases_stay_in_range_and_nothing_is_nan_whatever_changes(seed):
    rng = np.random.default_rng(seed)
    state = GAIT.initial(random_inputs(rng, (32,)))
    for _ in range(20):
        inputs, dt = random_inputs(rng, (32,)), rng.choice([0.001, 0.01, 0.02, 0.1])
        start = state
        for state, out in walk(inputs, 4, dt=dt, state=start):
            assert ((state.phase >= 0.0) & (state.phase < 1.0)).all()
            assert (state.phase[~state.walking] == 0.0).all()
            assert ((out.phase >= 0.0) & (out.phase < 1.0)).all()
            assert np.isfinite(out.feet).all()
            assert np.isfinite(out.command).all()
            assert not out.swing[~state.walking].any()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_time_no_change(pattern):
    inputs = asking((0.1, 0.0, 0.3), pattern=pattern)
    for state in (GAIT.initial(inputs), settled(inputs, seconds=0.26)):
        _, before = GAIT.step(state, inputs, 0.0)
        wild = asking((-0.3, 0.2, -1.0), shape=1.1 * SHAPE, pattern=pattern)
        sit = wild._replace(upright=np.array(False))
        for asked in (inputs, wild, asking(pattern=pattern), sit):
            after, out = GAIT.step(state, asked, 0.0)
            for name in ("phase", "command", "shape", "pattern"):
                np.testing.assert_array_equal(getattr(after, name), getattr(state, name), name)
            np.testing.assert_array_equal(out.feet, before.feet)


def test_the_same_inputs_give_the_same_bits_and_are_left_alone():
    rng = np.random.default_rng(4)
    inputs = random_inputs(rng, (20,))
    *_, (state, _) = walk(inputs, 33)
    inputs = random_inputs(rng, (20,))
    for field in (*state, *inputs):
        assert field is not None
        field.flags.writeable = False
    first, second = GAIT.step(state, inputs, 0.01), GAIT.step(state, inputs, 0.01)
    for a, b in zip((*first[0], *first[1]), (*second[0], *second[1]), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_state_does_not_share_memory_with_its_inputs():
    inputs = asking((0.1, 0, 0), lead=(3,))
    state = GAIT.initial(inputs)
    inputs.shape[...] = np.nan
    inputs.pattern[...] = 99
    assert np.isfinite(state.shape).all()
    assert (state.pattern == 0).all()


@pytest.mark.parametrize("lead", [(), (7,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("gait", [GAIT, CONTROLLER.gait], ids=["own", "shipped"])
def test_a_batch_is_its_rows(lead, gait):
    rng = np.random.default_rng(6)
    inputs = random_inputs(rng, lead)
    state = gait.initial(inputs)
    singles = {index: gait.initial(row(inputs, index)) for index in np.ndindex(lead)}
    for tick in range(60):
        if tick % 20 == 19:
            inputs = random_inputs(rng, lead)
        state, out = gait.step(state, inputs, 0.02)
        assert out.feet.shape == (*lead, 4, 3)
        assert out.phase.shape == out.swing.shape == (*lead, 4)
        assert out.limited.shape == state.phase.shape == lead
        for index in singles:
            singles[index], single = gait.step(singles[index], row(inputs, index), 0.02)
            assert_same(state, singles[index], index)
            assert_same(out, single, index)


@pytest.mark.parametrize(
    "pattern",
    [
        Pattern(offsets=(0.0, 0.5, 0.5), duty=0.6),
        Pattern(offsets=(0.0, 0.5, 0.5, 0.0, 0.0), duty=0.6),
        Pattern(offsets=(0.0, 0.5, 0.75, 0.25), duty=0.7),
    ],
)
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_that_does_not_fit_is_refused_in_one_line_with_its_name(name, pattern):
    with pytest.raises(ValueError, match=name) as caught:
        make_gait(patterns=dataclasses.replace(CONFIG.patterns, **{name: pattern}))
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


def test_beyond_the_fastest_measured_speed_the_feet_do_not_go_and_it_says_so():
    known = PatternCalibration(forward=Calibration((0.2,), (0.25,)))
    gait = make_gait(calibration=Calibrations(trot=known))
    for asked, limited in ((0.2, False), (0.4, True)):
        inputs = asking((asked, 0.0, 0.3 * asked))
        state = settled(inputs, gait=gait)
        _, out = gait.step(state, inputs, 0.01)
        np.testing.assert_allclose(out.command, [0.2, 0.0, 0.06], rtol=1e-9)
        np.testing.assert_allclose(out.asked, inputs.command, rtol=1e-12)
        assert bool(out.limited) == limited
