"""The nearest reachable foot, against dense samples of what the joints can do."""

from __future__ import annotations

import numpy as np
import pytest
from stride_core.robot import load_robot

SPEC = load_robot("fivebar")
LEG = SPEC.kinematics
LOWER, UPPER = SPEC.joint_lower[:3], SPEC.joint_upper[:3]
RNG = np.random.default_rng(5)
NOMINAL = SPEC.stance[0]


def usable(angles):
    """Whether angles (..., 3) of a left leg bend its elbows as they should, margins kept.

    Law of cosines from the passive angles; the foot below the pivots.
    """
    legs = np.repeat(angles[..., None, :], 4, axis=-2)
    bend = LEG.passive(legs)[..., 0, :] * (1.0, -1.0)
    reach = np.sqrt(0.045**2 + 0.060**2 + 2 * 0.045 * 0.060 * np.cos(bend))
    low = LEG.forward(legs * (0.0, 1.0, 1.0))[..., 0, 2] < -0.010
    inside = (angles >= LOWER).all(axis=-1) & (angles <= UPPER).all(axis=-1)
    return (
        inside & low & (bend > 0.0).all(axis=-1) & ((reach > 0.017) & (reach < 0.103)).all(axis=-1)
    )


def left_foot(angles):
    return LEG.forward(np.repeat(angles[..., None, :], 4, axis=-2))[..., 0, :]


def inverse_left(target):
    """The first leg's answer to targets (n, 3)."""
    feet = np.repeat(SPEC.stance[None], len(target), axis=0)
    feet[:, 0] = target
    return LEG.inverse(feet)


@pytest.fixture(scope="module")
def samples():
    """Feet of a left leg over the whole box of its joints, at most 2 mm from one another."""
    shoulders = np.stack(
        np.meshgrid(np.linspace(LOWER[1], UPPER[1], 180), np.linspace(LOWER[2], UPPER[2], 180)),
        axis=-1,
    ).reshape(-1, 2)
    flat = np.insert(shoulders, 0, 0.0, axis=1)
    foot = left_foot(flat[usable(flat)])
    tilt = np.linspace(LOWER[0], UPPER[0], 81)[:, None]
    y, z = foot[:, 1], foot[:, 2]
    swung = [
        np.broadcast_to(foot[:, 0], (81, len(foot))),
        y * np.cos(tilt) - z * np.sin(tilt),
        y * np.sin(tilt) + z * np.cos(tilt),
    ]
    return np.stack(swung, axis=-1).reshape(-1, 3)


def unreachable(kind):
    """Targets (n, 3) that the leg does not reach."""
    targets = {
        "near": NOMINAL + RNG.uniform(-0.08, 0.08, (400, 3)),
        "sideways": NOMINAL + RNG.uniform([-0.02, -0.2, -0.02], [0.02, 0.2, 0.05], (60, 3)),
        "far": RNG.normal(size=(40, 3)) * 0.5,
        "above": RNG.uniform([-0.09, -0.1, -0.03], [0.09, 0.1, 0.1], (60, 3)),
        "on the axis": RNG.uniform([-0.1, 0.0, 0.0], [0.1, 0.0, 0.0], (10, 3)),
        "by the pivots": np.array([0, 0.024, -0.012]) + RNG.uniform(-0.02, 0.02, (60, 3)),
    }[kind]
    return targets[~inverse_left(targets).reachable[:, 0]][:30]


KINDS = ["near", "sideways", "far", "above", "on the axis", "by the pivots"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_sample_of_the_joints_box_is_nearer(samples, kind):
    target = unreachable(kind)
    assert len(target) >= 10
    solution = inverse_left(target)
    distance = solution.distance[:, 0]
    np.testing.assert_allclose(
        distance, np.linalg.norm(solution.feet[:, 0] - target, axis=-1), atol=1e-15
    )
    nearest = np.array([np.sqrt(np.square(samples - one).sum(axis=-1).min()) for one in target])
    assert (distance <= nearest + 1e-9).all()
    # ... and not too good to be true: the samples are that dense.
    assert (nearest - distance).max() < 0.002


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_the_foot_of_its_angles_and_within_all_limits(kind):
    target = unreachable(kind)
    solution = inverse_left(target)
    angles = solution.angles[:, 0]
    np.testing.assert_allclose(left_foot(angles), solution.feet[:, 0], rtol=0, atol=1e-12)
    # A hair inside of the limits the very same posture passes the independent check.
    middle = np.array([0.0, -1.0, 1.0])
    assert usable(angles + 1e-7 * (middle - angles) / np.abs(middle - angles).max()).mean() > 0.6
    assert (angles >= LOWER).all()
    assert (angles <= UPPER).all()
    bend = LEG.passive(solution.angles)[:, 0] * (1.0, -1.0)
    assert (bend > 0.0).all()
    np.testing.assert_array_equal(solution.margin[:, 0], 0.0)
    assert not solution.reachable[:, 0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_no_small_step_within_the_limits_comes_nearer(kind):
    target = unreachable(kind)
    solution = inverse_left(target)
    for scale in (1e-2, 1e-4):
        moved = solution.angles[:, None, 0] + scale * RNG.normal(size=(len(target), 2000, 3))
        moved = np.minimum(np.maximum(moved, LOWER), UPPER)
        distance = np.linalg.norm(left_foot(moved) - target[:, None], axis=-1)
        distance[~usable(moved)] = np.inf
        assert (distance.min(axis=1) >= solution.distance[:, 0] - 1e-10).all()


def test_the_answer_to_the_answer_is_itself():
    feet = RNG.uniform(-0.2, 0.2, (500, 4, 3))
    first = LEG.inverse(feet)
    second = LEG.inverse(first.feet)
    assert second.distance.max() < 1e-12
    np.testing.assert_allclose(second.angles, first.angles, rtol=0, atol=1e-9)


def test_a_target_straight_beyond_the_stretched_leg_by_hand():
    # Both arms stretched to 0.103: the foot is sqrt(0.103² - 0.010²) = 0.1025 below the pivots. The
    # target is half as far again from the tilt axis, on the ray through that foot.
    left = np.array([0.0, 0.024, -0.010 - np.sqrt(0.103**2 - 0.010**2)])
    foot = left * np.where(SPEC.hips[:, 1:2] < 0, (1, -1, 1), (1, 1, 1))
    solution = LEG.inverse(1.5 * foot)
    np.testing.assert_allclose(solution.feet, foot, rtol=0, atol=1e-12)
    np.testing.assert_allclose(solution.distance, 0.5 * np.linalg.norm(left), rtol=0, atol=1e-12)
    np.testing.assert_allclose(solution.angles[:, 0], 0.0, atol=1e-12)


def test_beyond_the_tilt_limit_the_foot_stands_below_the_target_in_the_last_plane():
    # A foot well inside, turned 0.2 beyond the limit of 1.0: nearest is its shadow on that plane.
    foot = np.array([0.010, 0.024, -0.070])
    beyond, limit = 1.2, 1.0

    def turn(angle, point):
        c, s = np.cos(angle), np.sin(angle)
        return np.array([point[0], c * point[1] - s * point[2], s * point[1] + c * point[2]])

    target = turn(beyond, foot)
    seen = turn(-limit, target)
    solution = inverse_left(target[None])
    assert solution.angles[0, 0, 0] == pytest.approx(limit, abs=1e-15)
    np.testing.assert_allclose(
        solution.feet[0, 0], turn(limit, np.array([seen[0], 0.024, seen[2]])), atol=1e-15
    )
    assert solution.distance[0, 0] == pytest.approx(abs(seen[1] - 0.024), abs=1e-15)


def test_the_distance_never_grows_faster_than_the_target_moves():
    target = RNG.uniform(-0.2, 0.2, (3000, 3))
    step = 1e-3 * RNG.normal(size=(3000, 3))
    before, after = inverse_left(target).distance[:, 0], inverse_left(target + step).distance[:, 0]
    assert (np.abs(after - before) <= np.linalg.norm(step, axis=-1) + 1e-12).all()


def test_close_to_the_workspace_the_foot_moves_continuously_with_the_target():
    """Within 5 mm: the tightest inward curve of the boundary has a radius of 17 mm."""
    target = NOMINAL + RNG.uniform(-0.08, 0.08, (20000, 3))
    solution = inverse_left(target)
    close = solution.distance[:, 0] < 0.005
    assert (close & ~solution.reachable[:, 0]).sum() > 500
    step = 1e-6 * RNG.normal(size=target.shape)
    moved = inverse_left(target + step)
    change = np.linalg.norm(moved.feet[:, 0] - solution.feet[:, 0], axis=-1)
    assert (change <= 1.5 * np.linalg.norm(step, axis=-1) + 1e-12)[close].all()


def test_crossing_the_boundary_is_no_jump():
    start, end = NOMINAL, NOMINAL + RNG.normal(size=(60, 3)) * 0.2
    path = start + np.linspace(0.0, 1.0, 1001)[:, None, None] * (end - start)
    solution = inverse_left(path.reshape(-1, 3))
    feet = solution.feet[:, 0].reshape(path.shape)
    near = solution.distance[:, 0].reshape(path.shape[:2]) < 0.005
    jump = np.linalg.norm(np.diff(feet, axis=0), axis=-1)
    stride = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    assert (jump <= 1.5 * stride + 1e-12)[near[1:] & near[:-1]].all()


def test_a_target_equally_near_to_two_feet_gets_the_same_one_every_time():
    # Above and between the pivots, left and right are mirror images.
    target = np.array([[0.0, 0.024, 0.010]])
    one = inverse_left(target).feet[0, 0]
    for count in (2, 7, 64):
        feet = inverse_left(np.repeat(target, count, axis=0)).feet[:, 0]
        np.testing.assert_array_equal(feet, np.tile(one, (count, 1)))
