"""What changes while the robot walks: speed, shape, pattern; starting, stopping, sitting down."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from stride_core.gait import PATTERNS, shape_array
from stride_core.gait.config import Pattern
from tests.core.walking import (
    CONFIG,
    CYCLE,
    DT,
    GAIT,
    HEIGHT,
    PARTS,
    SPEC,
    asking,
    at_rest,
    make_gait,
    random_inputs,
    settled,
    shaped,
    walk,
)

WALK = asking((0.15, 0.02, 0.2))
STAND = asking()
ACCELERATION = np.array(CONFIG.limits.acceleration)
RATES = shape_array(CONFIG.shape_rates)


# --- following the command -----------------------------------------------------------------------


def test_the_command_is_approached_at_the_acceleration_limits():
    commands = np.array([state.command for state, _ in walk(asking((0.3, 0.2, 1.0)), 40)])
    # 1.0 m/s², 0.8 m/s², 6 rad/s² in ticks of 0.01 s
    np.testing.assert_allclose(commands[0], [0.01, 0.008, 0.06], rtol=0, atol=1e-15)
    np.testing.assert_allclose(commands[9], [0.1, 0.08, 0.6], rtol=0, atol=1e-12)
    np.testing.assert_allclose(commands[-1], [0.3, 0.2, 1.0], rtol=0, atol=1e-12)


def test_no_component_ever_changes_faster_than_its_limit():
    rng = np.random.default_rng(0)
    state = GAIT.initial(random_inputs(rng, (40,)))
    for _ in range(12):
        before = state.command
        start = state
        for state, _ in walk(random_inputs(rng, (40,)), 12, state=start):
            assert (np.abs(state.command - before) <= ACCELERATION * DT + 1e-12).all()
            before = state.command


def test_a_reversal_passes_through_zero_without_stopping():
    state = settled(WALK)
    start = state
    for state, _ in walk(asking((-0.15, 0, 0)), 60, state=start):
        assert state.walking
    np.testing.assert_allclose(state.command, [-0.15, 0.0, 0.0], rtol=0, atol=1e-12)


# --- stopping and starting -----------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_told_to_stop_it_finishes_the_step_and_rests_with_its_feet_at_the_stance(pattern):
    state = settled(asking((0.15, 0.02, 0.2), pattern=pattern))
    before = state.phase
    start = state
    for state, _ in walk(asking(pattern=pattern), 200, state=start):
        if not state.walking:
            break
        assert (state.phase - before) % 1.0 == pytest.approx(DT / CYCLE, abs=1e-12)
        before = state.phase
    assert before + DT / CYCLE >= 1.0  # the tick that would have wrapped
    for rested, out in walk(asking(pattern=pattern), 3, state=state):
        assert not rested.walking
        assert rested.phase == 0.0
        np.testing.assert_allclose(out.feet, at_rest(), rtol=0, atol=1e-15)
        np.testing.assert_array_equal(out.command, 0.0)
        assert not out.swing.any()
        assert not out.limited


def test_a_leg_that_lifts_off_at_phase_zero_does_not_swing_at_rest():
    walking = Pattern(offsets=(0.0, 0.5, 0.25, 0.75), duty=0.75)
    gait = make_gait(patterns=dataclasses.replace(CONFIG.patterns, walk=walking))
    for _, out in walk(asking(pattern="walk"), 2, gait=gait):
        assert not out.swing.any()
        np.testing.assert_allclose(out.feet, at_rest(), rtol=0, atol=1e-15)


def test_it_stops_within_the_time_to_slow_down_and_a_cycle():
    state = settled(WALK)  # 0.15 m/s at 1 m/s²
    ticks = next(n for n, (s, _) in enumerate(walk(STAND, 500, state=state)) if not s.walking)
    assert ticks * DT <= 0.15 + CYCLE + 2 * DT


def test_asked_again_before_it_has_stopped_it_walks_on():
    state = settled(WALK)
    start = state
    for state, _ in walk(STAND, 12, state=start):
        assert state.walking
    start = state
    for state, _ in walk(WALK, 200, state=start):
        assert state.walking


def test_asked_again_at_rest_it_starts_from_phase_zero():
    *_, (state, _) = walk(STAND, 300, state=settled(WALK))
    assert not state.walking
    phases = [float(s.phase) for s, _ in walk(WALK, 3, state=state)]
    np.testing.assert_allclose(phases, [0.0, DT / CYCLE, 2 * DT / CYCLE], rtol=0, atol=1e-12)


@pytest.mark.parametrize("command", [(0.0, 0.0, 0.0), (1e-3, -1e-3, 1e-3), (-0.0, 5e-4, 0.0)])
def test_next_to_nothing_is_a_command_to_stand(command):
    for state, out in walk(asking(command), 100):
        assert not state.walking
        np.testing.assert_allclose(out.feet, at_rest(), rtol=0, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_little_more_than_nothing_in_any_direction_walks(axis, sign):
    command = np.zeros(3)
    command[axis] = sign * 0.002
    ((state, _),) = walk(asking(command), 1)
    assert state.walking


# --- the shape -----------------------------------------------------------------------------------

CHANGES = {
    "height": 0.075, "step_height": 0.015, "cycle_time": 0.6, "stance_length": 0.014,
    "stance_width": -0.012, "stride": 1.2,
}  # fmt: skip
CHANGED = shaped(**CHANGES)


@pytest.mark.parametrize("command", [(0.0, 0.0, 0.0), (0.1, 0.0, 0.2)], ids=["rest", "walk"])
def test_the_shape_is_reached_at_its_rates_and_exactly(command):
    state = settled(asking(command))
    shapes = [state.shape] + [s.shape for s, _ in walk(asking(command, CHANGED), 40, state=state)]
    steps = np.abs(np.diff(shapes, axis=0))
    assert (steps <= RATES * DT + 1e-12).all()
    np.testing.assert_allclose(steps[0], RATES * DT, rtol=0, atol=1e-12)
    np.testing.assert_allclose(shapes[-1], CHANGED, rtol=0, atol=1e-15)


@pytest.mark.parametrize("part", PARTS)
def test_walking_goes_on_at_full_speed_while_the_shape_changes(part):
    state = settled(WALK)
    shape = shaped(**{part: CHANGES[part]})
    start = state
    for state, out in walk(WALK._replace(shape=shape), 80, state=start):
        assert state.walking
        np.testing.assert_allclose(out.command, WALK.command, rtol=0, atol=1e-12)


@pytest.mark.parametrize("part", PARTS)
def test_how_it_walks_does_not_depend_on_how_it_walked_before(part):
    new = WALK._replace(shape=shaped(**{part: CHANGES[part]}))
    changed, fresh = settled(WALK), settled(new)
    start = changed
    for changed, _ in walk(new, 200, dt=0.02, state=start):
        assert changed.walking
    for phase in np.linspace(0.0, 1.0, 12, endpoint=False):
        _, got = GAIT.step(changed._replace(phase=np.array(phase)), new, 0.0)
        _, want = GAIT.step(fresh._replace(phase=np.array(phase)), new, 0.0)
        np.testing.assert_allclose(got.feet, want.feet, rtol=0, atol=1e-12)


def test_at_rest_the_feet_stand_at_the_height_and_the_width():
    *_, (_, out) = walk(asking(shape=CHANGED), 100, state=settled(STAND))
    np.testing.assert_allclose(out.feet, at_rest(**CHANGES), rtol=0, atol=1e-15)


def test_the_cycle_takes_the_cycle_time():
    inputs = asking((0.1, 0.0, 0.0), shape=shaped(cycle_time=0.64))
    state = settled(inputs)
    phases = np.array([float(s.phase) for s, _ in walk(inputs, 641, dt=0.001, state=state)])
    assert phases[640] == pytest.approx(phases[0], abs=1e-9)
    assert (np.diff(phases) < 0).sum() == 1


def test_no_foot_ever_jumps():
    # Slow robots whose every input changes every 0.2 s, at ticks of 0.5 ms. Bounds in m/s:
    # a foot's path relative to the hip goes at most at stride/cycle times the slope of the swing,
    # (1 + (1 + k)/2)/(1 - duty), upward at 16·lift·(2/3√3)/2 ≈ 3.1·lift/swing time; changes of
    # stride, height, lift and width come on top.
    rng = np.random.default_rng(1)
    dt, duty, longest_duty = 0.0005, 0.6, 0.78
    state = GAIT.initial(asking(lead=(24,)))
    _, out = GAIT.step(state, asking(lead=(24,)), 0.0)
    before, worst = out.feet, 0.0
    for _ in range(12):
        inputs = random_inputs(rng, (24,))
        inputs = inputs._replace(command=inputs.command * 0.25)
        start = state
        for state, out in walk(inputs, 400, dt=dt, state=start):  # noqa: B007
            worst = max(worst, np.abs(out.feet - before).max())
            before = out.feet
    foot_speed = 0.15 + 0.1 + 0.625 * 0.1
    k = (1.0 - duty) / duty
    along = foot_speed * max(
        duty * (1.5 + 0.5 * k) / (1.0 - duty), longest_duty * 1.65 / (1.0 - longest_duty)
    )
    up = 3.1 * 0.03 / (0.22 * 0.25) + 0.1 + 0.1
    stride = 0.6 * (1.0 + foot_speed)  # from acceleration and from the cycle time's rate
    assert worst <= (max(along, up) + stride + 0.1) * dt


# --- sitting down and standing up ----------------------------------------------------------------


def test_sitting_down_ends_at_the_robots_seat_and_standing_up_at_its_height():
    sit = asking(upright=False)
    *_, (state, out) = walk(sit, 100, state=settled(STAND))
    np.testing.assert_allclose(out.feet, SPEC.sit, rtol=0, atol=1e-12)
    start = state
    for state, out in walk(STAND, 100, state=start):  # noqa: B007
        assert not state.walking
    np.testing.assert_allclose(out.feet, at_rest(), rtol=0, atol=1e-12)


def test_who_sits_does_not_walk_and_who_stands_up_walks_when_nearly_there():
    *_, (state, _) = walk(WALK._replace(upright=np.array(False)), 100, state=settled(STAND))
    assert not state.walking
    started = next(s for s, _ in walk(WALK, 100, state=state) if s.walking)
    assert HEIGHT - 0.01 < started.shape[PARTS.index("height")] < HEIGHT


def test_told_to_sit_while_walking_it_stops_stands_and_then_sits():
    sit = WALK._replace(upright=np.array(False))
    for state, out in walk(sit, 400, state=settled(WALK)):
        solution = SPEC.kinematics.inverse(out.feet)
        assert solution.reachable.all()
        if state.walking:  # nobody swings legs while the belly comes down
            assert state.shape[PARTS.index("height")] == HEIGHT
    np.testing.assert_allclose(out.feet, SPEC.sit, rtol=0, atol=1e-12)


# --- the pattern ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", PATTERNS)
@pytest.mark.parametrize("after", PATTERNS)
def test_the_pattern_changes_at_rest_alone(before, after):
    if before == after:
        return
    state = settled(asking((0.1, 0, 0), pattern=before))
    was_walking, rested = True, 0
    start = state
    for state, out in walk(asking((0.1, 0, 0), pattern=after), 300, state=start):
        pattern = PATTERNS[int(state.pattern)]
        if pattern == before:
            assert rested == 0 or not state.walking
        else:
            assert rested > 0
        offsets = np.array(getattr(CONFIG.patterns, pattern).offsets)
        np.testing.assert_allclose(out.phase, (state.phase + offsets) % 1.0, rtol=0, atol=1e-12)
        rested += was_walking and not state.walking
        was_walking = bool(state.walking)
    assert rested == 1
    assert state.walking
    assert pattern == after
    np.testing.assert_allclose(state.command, [0.1, 0.0, 0.0], rtol=0, atol=1e-12)
