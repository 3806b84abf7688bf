"""How far the gait may step: tables against brute force, and no foot where a leg does not reach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from stride_core.config import fields_of
from stride_core.gait import PATTERNS, GaitInputs
from stride_core.gait.config import Limits, Shape
from stride_core.gait.limits import stride_limits
from tests.core.walking import (
    CONFIG,
    CONTROLLER,
    CYCLE,
    GAIT,
    HEIGHT,
    PARTS,
    SHAPE,
    SIDE,
    SPEC,
    asking,
    make_gait,
    settled,
    shaped,
    walk,
)

SHARE = 0.9
HEIGHTS = (0.03, 0.1)  # nodes every 0.0021875
NODES = [0.03 + n * 0.0021875 for n in (3, 16, 24, 32)]  # crouching, half way, walking, highest
TABLE = stride_limits(SPEC, HEIGHTS, SHARE)
KINEMATICS = SPEC.kinematics
FAST = make_gait(
    limits=Limits(speed=(2.0, 2.0, 10.0), acceleration=(100.0, 100.0, 100.0), servo_share=SHARE)
)
LEANING = make_gait(lean=0.3)
FOREVER = 1e9  # a swing so slow that the servo's speed bounds nothing


def stance_feet(height):
    feet = np.zeros((4, 3))
    feet[:, 1] = 0.024 * SIDE
    feet[:, 2] = -height
    return feet


def longest_by_search(height, axis):
    """Walk outward in 0.1 mm until a leg's end of a stride is within 2 mm of the edge."""
    half = np.arange(0.0, 0.3, 1e-4)
    ends = np.tile(stance_feet(height), (2, len(half), 1, 1))
    ends[0, :, :, axis] += half[:, None]
    ends[1, :, :, axis] -= half[:, None]
    good = np.ones(len(half), bool)
    for chunk in np.array_split(np.arange(len(half)), 60):  # far out it only gets slower
        solution = KINEMATICS.inverse(ends[:, chunk])
        good[chunk] = (solution.reachable & (solution.margin > 0.002)).all(axis=(0, -1))
        if not good[chunk].all():
            return 2.0 * half[np.argmin(good) - 1]
    raise AssertionError("the search is too short")


def servo_speed_by_differences(height, axis):
    """Foot speed along an axis at which the busiest joint turns at its share of no-load speed."""
    step = np.zeros(3)
    step[axis] = 1e-6
    feet = stance_feet(height)
    there, here = KINEMATICS.inverse(feet + step).angles, KINEMATICS.inverse(feet - step).angles
    joint_per_metre = np.abs(there - here).max() / 2e-6
    return SHARE * SPEC.servo.no_load_speed / joint_per_metre


# --- the tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("height", NODES)
def test_reach_is_what_a_search_finds(height, axis):
    got = TABLE.longest(np.array(height), np.array(FOREVER))[axis]
    want = longest_by_search(height, axis)
    assert want - 1.0 / 256.0 - 2e-4 <= got <= want + 2e-4  # the table's strides are 1/256 m apart


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("height", NODES)
def test_servo_bound_is_what_differences_of_the_inverse_give(height, axis):
    got = TABLE.longest(np.array(height), np.array(1e-3))[axis]
    assert got == pytest.approx(1e-3 * servo_speed_by_differences(height, axis), rel=1e-4)


def test_the_servo_bound_by_hand_sideways():
    # Sideways at the stance tilt alone moves the foot: tilt at rate ω moves it by ω·height.
    got = TABLE.longest(np.array(0.075), np.array(1e-3))[1]
    assert got == pytest.approx(1e-3 * 0.9 * 12.8 * 0.075, rel=1e-9)


def test_a_slower_servo_and_a_smaller_share_shorten_it_in_proportion():
    height, swing = np.array(0.075), np.array(1e-3)
    slow = stride_limits(SPEC.with_servo("sts3215_345"), HEIGHTS, SHARE).longest(height, swing)
    fast = TABLE.longest(height, swing)
    np.testing.assert_allclose(slow / fast, 5.4 / 12.8, rtol=1e-12)
    half = stride_limits(SPEC, HEIGHTS, SHARE / 2).longest(height, swing)
    np.testing.assert_allclose(half / fast, 0.5, rtol=1e-12)


def test_reach_does_not_depend_on_the_servo():
    slow = stride_limits(SPEC.with_servo("sts3215_345"), HEIGHTS, SHARE)
    height = np.linspace(*HEIGHTS, 50)
    np.testing.assert_array_equal(
        slow.longest(height, np.full(50, FOREVER)), TABLE.longest(height, np.full(50, FOREVER))
    )


def test_between_heights_the_bound_lies_between_its_neighbours():
    node = np.linspace(*HEIGHTS, 33)
    for swing in (FOREVER, 1e-3):
        at = TABLE.longest(node, np.full(33, swing))
        between = TABLE.longest(0.5 * (node[:-1] + node[1:]), np.full(32, swing))
        np.testing.assert_allclose(between, 0.5 * (at[:-1] + at[1:]), rtol=0, atol=1e-5)


def test_beyond_the_table_its_ends_hold():
    swing = np.full(2, FOREVER)
    got = TABLE.longest(np.array([0.0, 1.0]), swing)
    np.testing.assert_allclose(got, TABLE.longest(np.array(HEIGHTS), swing), rtol=0, atol=1e-4)


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(0)
    height, swing = rng.uniform(0.0, 0.2, lead), rng.uniform(0.0, 1.0, lead)
    got = TABLE.longest(height, swing)
    assert got.shape == (*lead, 2)
    for index in np.ndindex(lead):
        want = TABLE.longest(height[index], swing[index])
        np.testing.assert_allclose(got[index], want, rtol=0, atol=1e-12)


# --- the gait keeps to them ----------------------------------------------------------------------

TWISTS = np.random.default_rng(9).uniform(-1.0, 1.0, (400, 3)) * (2.0, 2.0, 10.0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_limits_scale_the_whole_twist_and_say_so(pattern):
    inputs = asking(TWISTS, pattern=pattern, lead=(len(TWISTS),))
    state = settled(inputs, gait=FAST, seconds=0.3)
    assert state.walking.all()
    _, out = FAST.step(state, inputs, 0.0)
    scale = np.linalg.norm(out.command, axis=1) / np.linalg.norm(state.command, axis=1)
    np.testing.assert_allclose(out.command, scale[:, None] * state.command, rtol=0, atol=1e-12)
    assert scale.max() <= 1.0 + 1e-12
    np.testing.assert_array_equal(out.limited, scale < 1.0 - 1e-12)
    assert out.limited.sum() > 50


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_leg_that_asks_for_most_goes_to_its_limit(pattern):
    duty = getattr(CONFIG.patterns, pattern).duty
    longest = FAST.strides.longest(np.array(HEIGHT), np.array((1 - duty) * CYCLE))
    for twist in ((2.0, 0.0, 0.0), (0.0, -2.0, 0.0), (1.0, 0.7, 5.0), (0.0, 0.0, 10.0)):
        inputs = asking(twist, pattern=pattern)
        _, out = FAST.step(settled(inputs, gait=FAST, seconds=0.3), inputs, 0.0)
        vx, vy, wz = out.command
        arm = SPEC.hips + stance_feet(0.0)
        stride = np.stack([vx - wz * arm[:, 1], vy + wz * arm[:, 0]], axis=1) * duty * CYCLE
        share = np.abs(stride) / longest
        assert out.limited
        # along an axis to the very end; in between no further than the ellipse through the ends,
        # no less than the straight line
        assert share.max() <= 1.0 + 1e-12
        assert np.hypot(*share.T).max() <= 1.0 + 1e-12
        assert share.sum(axis=1).max() >= 1.0 - 1e-12
        if wz == 0.0 and 0.0 in (vx, vy):
            assert share.max() == pytest.approx(1.0, rel=1e-12)


def test_a_command_beyond_the_fastest_accepted_keeps_its_direction_and_is_flagged():
    inputs = asking(TWISTS, lead=(len(TWISTS),))
    state = settled(inputs)
    limit = np.array(CONFIG.limits.speed)
    excess = np.maximum((np.abs(TWISTS) / limit).max(axis=1), 1.0)
    assert 50 < (excess > 1.0).sum() < 400
    np.testing.assert_allclose(state.command, TWISTS / excess[:, None], rtol=0, atol=1e-9)
    _, out = GAIT.step(state, inputs, 0.0)
    assert out.limited[excess > 1.0].all()


def test_within_the_limits_nothing_is_flagged_or_changed():
    inputs = asking((0.1, 0.02, 0.2))
    _, out = GAIT.step(settled(inputs), inputs, 0.0)
    assert not out.limited
    np.testing.assert_allclose(out.command, [0.1, 0.02, 0.2], rtol=0, atol=1e-12)


def test_a_component_whose_limit_is_zero_is_not_followed():
    speed = dataclasses.replace(CONFIG.limits, speed=(0.5, 0.0, 2.0))
    gait = make_gait(limits=speed)
    for command in ((0.1, 0.1, 0.2), (0.1, 0.0, 0.2)):
        state = settled(asking(command), gait=gait)
        _, out = gait.step(state, asking(command), 0.0)
        assert np.isfinite(out.feet).all()
        assert abs(state.command[1]) <= 1e-6


# --- every foot within the workspace -------------------------------------------------------------


def assert_within_reach(gait, rng, low, high, robots=1000, changes=4):
    """Robots that are asked anything, anew every second, in every pattern."""
    speed = np.array(CONFIG.limits.speed)
    state = None
    for _ in range(changes):
        inputs = GaitInputs(
            command=rng.uniform(-3, 3, (robots, 3)) * speed,
            shape=rng.uniform(low, high, (robots, len(PARTS))),
            pattern=rng.integers(0, len(PATTERNS), robots),
            upright=rng.random(robots) < 0.9,
        )
        start = state
        for state, out in walk(inputs, 40, dt=0.025, gait=gait, state=start):
            solution = KINEMATICS.inverse(out.feet)
            if not solution.reachable.all():
                worst = np.unravel_index(np.argmax(solution.distance), solution.distance.shape)
                robot = worst[0]
                raise AssertionError(
                    f"{solution.distance[worst] * 1e3:.2f} mm out of reach: foot"
                    f" {out.feet[worst].round(4)}, command {state.command[robot].round(3)}, shape"
                    f" {state.shape[robot].round(4)}, {PATTERNS[int(state.pattern[robot])]},"
                    f" phase {out.phase[worst]:.3f}, upright {inputs.upright[robot]}"
                )


@pytest.mark.parametrize(
    "gait", [FAST, LEANING, CONTROLLER.gait], ids=["own", "leaning", "shipped"]
)
def test_in_the_nominal_shape_no_command_leads_a_foot_out_of_reach(gait):
    assert_within_reach(gait, np.random.default_rng(0), SHAPE, SHAPE)


def test_in_any_reasonable_shape_no_command_leads_a_foot_out_of_reach():
    low = shaped(
        height=0.07, step_height=0.0, cycle_time=0.2, stance_length=-0.01, stance_width=-0.01
    )
    high = shaped(
        height=0.095, step_height=0.03, cycle_time=1.0, stance_length=0.01, stance_width=0.01
    )
    assert_within_reach(FAST, np.random.default_rng(1), low, high)


def test_in_any_shape_that_may_be_declared_no_command_leads_a_foot_out_of_reach():
    declared = fields_of(Shape)
    low, high = ([field.metadata[end] for field in declared] for end in ("min", "max"))
    assert_within_reach(FAST, np.random.default_rng(2), low, high)
