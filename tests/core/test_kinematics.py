"""The five-bar leg: closed forms against hand-made numbers, chains of links and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.robot import load_robot

SPEC = load_robot("fivebar")
LEG = SPEC.kinematics
SIDE = np.array([1.0, -1.0, 1.0, -1.0])
UPPER, LOWER, PIVOT, DROP, OFFSET = 0.045, 0.060, 0.010, 0.010, 0.024
RNG = np.random.default_rng(11)


def reachable_feet(count):
    """Feet spread over the workspace of all four legs, (count, 4, 3)."""
    feet = np.empty((0, 4, 3))
    while len(feet) < count:
        tries = RNG.uniform([-0.09, -0.08, -0.12], [0.09, 0.12, 0.0], (40000, 4, 3))
        tries[..., 1] *= SIDE
        good = LEG.inverse(tries).reachable
        # The legs' good ones side by side, whichever try they came from.
        least = good.sum(axis=0).min()
        columns = [tries[good[:, leg], leg][:least] for leg in range(4)]
        feet = np.concatenate([feet, np.stack(columns, axis=1)])
    return feet[:count]


FEET = reachable_feet(3000)
ANGLES = LEG.inverse(FEET).angles


def chain(angles, elbows, arm):
    """Elbow and foot of one arm in the leg plane: rotations of hanging links, one after another."""

    def hang(length, angle):
        return length * np.stack([-np.sin(angle), -np.cos(angle)], axis=-1)

    pivot = np.array([PIVOT if arm == 0 else -PIVOT, -DROP])
    elbow = pivot + hang(UPPER, angles[..., 1 + arm])
    return elbow, elbow + hang(LOWER, angles[..., 1 + arm] + elbows[..., arm])


def test_a_symmetric_leg_by_hand():
    # sin q = 0.6: elbows 0.010 + 0.027 = 0.037 out and 0.036 down; the foot hangs
    # sqrt(0.060² − 0.037²) = 0.0472335 below them, and everything 0.010 below the hip.
    q = np.arcsin(0.6)
    feet = LEG.forward(np.tile([0.0, -q, q], (4, 1)))
    np.testing.assert_allclose(feet[:, 0], 0.0, atol=1e-15)
    np.testing.assert_allclose(feet[:, 1], OFFSET * SIDE, atol=1e-15)
    np.testing.assert_allclose(feet[:, 2], -0.0932335, atol=5e-8)


def test_a_right_angled_leg_by_hand():
    # Front arm level forward: elbow at (0.055, -0.010). Rear arm straight down: (-0.010, -0.055).
    # Half way between: (0.0225, -0.0325), each (0.0325, 0.0225) away from there. The foot is on the
    # line square to that, downward, where the lower link is 0.060 long.
    half = np.array([0.0325, 0.0225])
    square = np.array([half[1], -half[0]]) / np.hypot(*half)
    want = np.array([0.0225, -0.0325]) + square * np.sqrt(0.060**2 - half @ half)
    feet = LEG.forward(np.tile([0.0, -np.pi / 2, 0.0], (4, 1)))
    np.testing.assert_allclose(feet[:, [0, 2]], np.tile(want, (4, 1)), atol=1e-15)


def test_tilt_turns_the_foot_about_the_hips_x_axis():
    for tilt in (-0.9, 0.3):
        angles = ANGLES[:50].copy()
        angles[..., 0] = 0.0
        flat = LEG.forward(angles)
        angles[..., 0] = tilt
        turn = np.array(
            [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
        )
        np.testing.assert_allclose(LEG.forward(angles), flat @ turn.T, atol=1e-16)


def test_forward_of_inverse_is_the_foot():
    np.testing.assert_allclose(LEG.forward(ANGLES), FEET, rtol=0, atol=1e-12)


def test_inverse_of_forward_are_the_angles():
    np.testing.assert_allclose(LEG.inverse(LEG.forward(ANGLES)).angles, ANGLES, rtol=0, atol=1e-12)


def test_both_arms_end_in_the_foot():
    passive = LEG.passive(ANGLES)
    unturned = ANGLES * (0.0, 1.0, 1.0)
    for arm in (0, 1):
        tip = chain(unturned, passive, arm)[1]
        np.testing.assert_allclose(tip, LEG.forward(unturned)[..., [0, 2]], atol=1e-15)


def test_the_front_elbow_bends_forward_and_the_rear_one_back():
    passive = LEG.passive(ANGLES)
    assert (passive[..., 0] > 0.1).all()
    assert (passive[..., 1] < -0.1).all()
    front, rear = chain(ANGLES, passive, 0)[0], chain(ANGLES, passive, 1)[0]
    assert (front[..., 0] - rear[..., 0] > 0.012).all()


def test_the_arms_never_touch():
    """As robot.yaml says of the shoulders' limits: 10 mm between any two links that do not meet."""
    passive = LEG.passive(ANGLES)
    along = np.linspace(0.0, 1.0, 21)[:, None]
    pivots = np.array([[PIVOT, -DROP], [-PIVOT, -DROP]])
    links = {}
    for arm in (0, 1):
        elbow, foot = chain(ANGLES, passive, arm)
        links["upper", arm] = pivots[arm] + along * (elbow - pivots[arm])[..., None, :]
        links["lower", arm] = elbow[..., None, :] + along * (foot - elbow)[..., None, :]
    for first, second in (
        (("upper", 0), ("upper", 1)),
        (("upper", 0), ("lower", 1)),
        (("lower", 0), ("upper", 1)),
    ):
        gap = links[first][..., :, None, :] - links[second][..., None, :, :]
        assert np.sqrt(np.square(gap).sum(axis=-1)).min() > 0.010, (first, second)


def test_the_foot_stays_below_the_pivots():
    assert (LEG.forward(ANGLES * (0.0, 1.0, 1.0))[..., 2] < -DROP - 0.005).all()


def test_the_jacobian_is_the_slope_of_forward():
    step = 1e-6
    found = LEG.jacobian(ANGLES)
    for joint in range(3):
        move = step * np.eye(3)[joint]
        slope = (LEG.forward(ANGLES + move) - LEG.forward(ANGLES - move)) / (2 * step)
        np.testing.assert_allclose(found[..., joint], slope, atol=2e-9)


def test_the_jacobian_can_be_inverted_everywhere():
    assert (np.linalg.svd(LEG.jacobian(ANGLES), compute_uv=False)[..., -1] > 0.005).all()


def test_right_legs_mirror_left_ones():
    mirror = (1.0, -1.0, 1.0)
    left, right = FEET[:, [0, 2]], FEET[:, [0, 2]] * mirror
    both = np.stack([left[:, 0], right[:, 0], left[:, 1], right[:, 1]], axis=1)
    angles = LEG.inverse(both).angles
    np.testing.assert_allclose(angles[:, 1] * (-1, 1, 1), angles[:, 0], atol=1e-15)
    np.testing.assert_allclose(angles[:, 3] * (-1, 1, 1), angles[:, 2], atol=1e-15)


def test_what_is_reachable_is_within_the_limits_and_off_the_singularities():
    lower, upper = SPEC.legs_of(SPEC.joint_lower), SPEC.legs_of(SPEC.joint_upper)
    assert (lower <= ANGLES).all()
    assert (upper >= ANGLES).all()
    bend = np.abs(LEG.passive(ANGLES))
    # Law of cosines: an arm 2 mm short of straight is bent by 0.395, 2 mm from folded by π − 0.154.
    assert bend.min() > 0.39
    assert bend.max() < np.pi - 0.15


def test_everything_within_the_limits_is_reachable():
    """Angles from the joints' box whose arms bend the right way and are not too straight."""
    angles = RNG.uniform(
        SPEC.legs_of(SPEC.joint_lower), SPEC.legs_of(SPEC.joint_upper), (20000, 4, 3)
    )
    bend = LEG.passive(angles) * (1.0, -1.0)
    reach = np.sqrt(UPPER**2 + LOWER**2 + 2 * UPPER * LOWER * np.cos(bend))
    good = (bend > 0.0) & (reach > 0.01700001) & (reach < 0.10299999)
    good &= LEG.forward(angles * (0.0, 1.0, 1.0))[..., 2:] < -DROP
    good = np.all(good, axis=-1)
    solution = LEG.inverse(LEG.forward(angles))
    assert good.mean() > 0.5
    assert solution.reachable[good].all()
    np.testing.assert_allclose(solution.angles[good], angles[good], atol=1e-9)


def test_the_range_the_robot_was_made_for_is_reachable():
    # Sideways ±0.053 from the nominal foot at the usual height, ahead and back ±0.060.
    feet = np.repeat(SPEC.stance[None], 4, axis=0)
    feet[:, :, :2] += np.array([[0.0, 0.053], [0.0, -0.053], [0.060, 0.0], [-0.060, 0.0]])[:, None]
    assert LEG.inverse(feet).reachable.all()


# --- margin --------------------------------------------------------------------------------------


def test_within_its_margin_a_foot_stays_reachable_in_its_leg_plane():
    solution = LEG.inverse(FEET)
    assert (solution.margin >= 0.0).all()
    for angle in np.linspace(0.0, 2 * np.pi, 24, endpoint=False):
        way = np.zeros((*FEET.shape[:-1], 3))
        tilt = ANGLES[..., 0]
        way[..., 0] = np.cos(angle)
        way[..., 1], way[..., 2] = -np.sin(angle) * np.sin(tilt), np.sin(angle) * np.cos(tilt)
        moved = LEG.inverse(FEET + 0.999 * solution.margin[..., None] * way)
        assert moved.reachable.all()


def test_just_beyond_its_margin_something_is_out_of_reach():
    feet = FEET[:400] * (1.0, 0.0, 1.0) + OFFSET * SIDE[:, None] * (0.0, 1.0, 0.0)
    solution = LEG.inverse(feet)
    feet, margin = (
        feet[solution.reachable.all(axis=-1)],
        solution.margin[solution.reachable.all(axis=-1)],
    )
    assert len(feet) > 50
    angle = np.linspace(0.0, 2 * np.pi, 720, endpoint=False)[:, None, None]
    way = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=-1)
    moved = LEG.inverse(feet + (1.001 * margin[..., None] + 1e-6) * way)
    assert (~moved.reachable).any(axis=0).all()


@pytest.mark.parametrize("limit", [1.0, -1.0])
def test_close_to_the_tilts_limit_the_margin_is_the_way_to_the_last_leg_plane(limit):
    for turn in (0.0, 0.01, 0.1):
        angles = np.tile([limit - np.sign(limit) * turn, -0.9, 0.9], (4, 1))
        feet = LEG.forward(angles)
        # The last leg plane, turned back to tilt 0, is y = ±0.024: how far is the foot from it?
        back = feet[:, 1] * np.cos(limit) + feet[:, 2] * np.sin(limit)
        way = np.abs(back - OFFSET * SIDE)
        margin = LEG.inverse(feet).margin
        assert (margin <= way * 1.02 + 1e-12).all()
        assert (margin >= way * 0.98 - 1e-12).all()


def test_the_margin_of_the_stance_by_hand():
    # Foot 0.075 below the pivots and between them, sqrt(0.075² + 0.010²) = 0.0756637 from each: the
    # nearest limit is 0.103 from a pivot, the other arms' and the joints' are further.
    assert LEG.inverse(SPEC.stance).margin == pytest.approx(0.103 - 0.0756637, abs=1e-7)


# --- input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200, -1e4])
def test_a_target_that_is_no_number_gives_the_stance_and_says_so(bad):
    feet = SPEC.stance + np.array([0.01, 0.0, 0.0])
    for axis in range(3):
        target = feet.copy()
        target[2, axis] = bad
        solution = LEG.inverse(target)
        np.testing.assert_array_equal(solution.reachable, [True, True, False, True])
        np.testing.assert_array_equal(solution.distance, [0.0, 0.0, np.inf, 0.0])
        np.testing.assert_array_equal(solution.feet[2], SPEC.stance[2])
        np.testing.assert_allclose(solution.angles[2], SPEC.legs_of(SPEC.home)[2], atol=1e-15)
        assert solution.margin[2] == 0.0
        np.testing.assert_array_equal(solution.angles[:2], LEG.inverse(feet).angles[:2])


@given(st.lists(st.floats(width=64), min_size=12, max_size=12))
def test_whatever_the_target_the_angles_are_finite_and_within_limits(numbers):
    solution = LEG.inverse(np.array(numbers).reshape(4, 3))
    angles = solution.angles.ravel()
    assert (angles >= SPEC.joint_lower).all()
    assert (angles <= SPEC.joint_upper).all()
    assert np.isfinite(solution.feet).all()
    assert np.isfinite(solution.margin).all()
    assert not np.isnan(solution.distance).any()
    assert (solution.distance[solution.reachable] == 0.0).all()
    assert (solution.margin[~solution.reachable] == 0.0).all()


def test_inputs_are_left_alone_and_results_do_not_share_memory_with_them():
    feet = FEET[:3].copy()
    feet[0, 0] = 0.5
    before = feet.copy()
    solution = LEG.inverse(feet)
    np.testing.assert_array_equal(feet, before)
    feet[:] = 0.0
    np.testing.assert_array_equal(solution.feet[1:], before[1:])


@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (0,)])
def test_any_leading_dimensions_give_what_single_robots_give(shape):
    feet = RNG.uniform([-0.1, -0.1, -0.13], [0.1, 0.1, 0.02], (*shape, 4, 3)) + SPEC.stance * (
        0,
        1,
        0,
    )
    solution = LEG.inverse(feet)
    angles = solution.angles
    batch = {
        "angles": angles,
        "feet": solution.feet,
        "distance": solution.distance,
        "margin": solution.margin,
        "forward": LEG.forward(angles),
        "jacobian": LEG.jacobian(angles),
        "passive": LEG.passive(angles),
    }
    assert batch["jacobian"].shape == (*shape, 4, 3, 3)
    assert batch["passive"].shape == (*shape, 4, 2)
    for index in np.ndindex(*shape):
        one = LEG.inverse(feet[index])
        single = {
            "angles": one.angles,
            "feet": one.feet,
            "distance": one.distance,
            "margin": one.margin,
            "forward": LEG.forward(one.angles),
            "jacobian": LEG.jacobian(one.angles),
            "passive": LEG.passive(one.angles),
        }
        np.testing.assert_array_equal(solution.reachable[index], one.reachable)
        for name, value in single.items():
            np.testing.assert_allclose(batch[name][index], value, rtol=0, atol=1e-12, err_msg=name)
