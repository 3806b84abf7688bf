"""Rotations against rotation matrices, multiplied out from the textbook's three."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_core import frames

RNG = np.random.default_rng(3)
ANGLE = st.floats(-3.1, 3.1)


def matrix(rpy):
    """Rz(yaw) Ry(pitch) Rx(roll)."""
    roll, pitch, yaw = rpy
    c, s = np.cos, np.sin
    rx = np.array([[1, 0, 0], [0, c(roll), -s(roll)], [0, s(roll), c(roll)]])
    ry = np.array([[c(pitch), 0, s(pitch)], [0, 1, 0], [-s(pitch), 0, c(pitch)]])
    rz = np.array([[c(yaw), -s(yaw), 0], [s(yaw), c(yaw), 0], [0, 0, 1]])
    return rz @ ry @ rx


def random_quats(*shape):
    quat = RNG.normal(size=(*shape, 4))
    return quat / np.linalg.norm(quat, axis=-1, keepdims=True)


def test_a_quarter_turn_left_takes_forward_to_left():
    quat = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_allclose(frames.quat_rotate(quat, [1.0, 0.0, 0.0]), [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(
        frames.quat_rotate_inverse(quat, [1.0, 0.0, 0.0]), [0, -1, 0], atol=1e-15
    )


def test_mujoco_order_is_w_first():
    np.testing.assert_array_equal(frames.quat_from_mujoco([1.0, 2.0, 3.0, 4.0]), [2, 3, 4, 1])
    np.testing.assert_array_equal(frames.quat_to_mujoco([2.0, 3.0, 4.0, 1.0]), [1, 2, 3, 4])


@given(st.tuples(ANGLE, st.floats(-1.57, 1.57), ANGLE))
def test_quaternions_of_roll_pitch_yaw_rotate_as_the_matrices_do(rpy):
    quat, rotation = frames.quat_from_rpy(np.array(rpy)), matrix(rpy)
    vector = np.array([0.3, -1.2, 2.5])
    np.testing.assert_allclose(frames.quat_rotate(quat, vector), rotation @ vector, atol=1e-14)
    np.testing.assert_allclose(
        frames.quat_rotate_inverse(quat, vector), rotation.T @ vector, atol=1e-14
    )
    np.testing.assert_allclose(frames.up_in_body(quat), rotation.T @ [0.0, 0.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(np.cos(frames.tilt_angle(quat)), rotation[2, 2], atol=1e-14)


@given(st.tuples(ANGLE, st.floats(-1.55, 1.55), ANGLE))
def test_roll_pitch_yaw_comes_back(rpy):
    np.testing.assert_allclose(
        frames.roll_pitch_yaw(frames.quat_from_rpy(np.array(rpy))), rpy, atol=1e-12
    )


@pytest.mark.parametrize("pitch", [np.pi / 2, -np.pi / 2])
def test_at_the_pole_roll_pitch_yaw_still_give_the_same_rotation(pitch):
    rpy = np.array([0.4, pitch, -1.1])
    found = frames.roll_pitch_yaw(frames.quat_from_rpy(rpy))
    assert found[1] == pytest.approx(pitch, abs=1e-7)
    np.testing.assert_allclose(matrix(found), matrix(rpy), atol=1e-7)


def test_roll_pitch_yaw_do_not_depend_on_the_quaternions_sign():
    quat = random_quats(200)
    np.testing.assert_allclose(
        frames.roll_pitch_yaw(quat), frames.roll_pitch_yaw(-quat), atol=1e-12
    )


def test_tilt_is_exact_near_upright_and_upside_down():
    for roll in (0.0, 1e-9, 3e-5, np.pi - 1e-9):
        assert frames.tilt_angle(frames.quat_from_rpy(np.array([roll, 0.0, 2.0]))) == pytest.approx(
            roll, rel=1e-6, abs=1e-15
        )


def test_a_product_turns_by_the_second_then_the_first():
    first, second = random_quats(50), random_quats(50)
    vector = RNG.normal(size=(50, 3))
    np.testing.assert_allclose(
        frames.quat_rotate(frames.quat_multiply(first, second), vector),
        frames.quat_rotate(first, frames.quat_rotate(second, vector)),
        atol=1e-13,
    )


def test_a_quaternion_times_its_conjugate_is_the_identity():
    quat = random_quats(50)
    np.testing.assert_allclose(
        frames.quat_multiply(quat, frames.quat_conjugate(quat)),
        np.broadcast_to([0, 0, 0, 1], (50, 4)),
        atol=1e-15,
    )


def test_normalising_keeps_the_direction_and_never_gives_nan():
    quat = np.array([[0.0, 0.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [np.nan, 0.0, 0.0, 1.0]])
    want = np.array([[0.0, 0.0, 0.6, 0.8], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_allclose(frames.quat_normalize(quat), want, atol=1e-15)


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        (frames.quat_from_mujoco, [4]),
        (frames.quat_to_mujoco, [4]),
        (frames.quat_conjugate, [4]),
        (frames.quat_normalize, [4]),
        (frames.quat_multiply, [4, 4]),
        (frames.quat_rotate, [4, 3]),
        (frames.quat_rotate_inverse, [4, 3]),
        (frames.up_in_body, [4]),
        (frames.roll_pitch_yaw, [4]),
        (frames.quat_from_rpy, [3]),
        (frames.tilt_angle, [4]),
    ],
)
def test_a_batch_gives_what_its_members_give(function, sizes):
    inputs = [random_quats(5, 7)[..., :size] for size in sizes]
    batch = function(*inputs)
    for index in np.ndindex(5, 7):
        single = function(*(array[index] for array in inputs))
        np.testing.assert_allclose(batch[index], single, rtol=0, atol=1e-12)


def test_one_quaternion_rotates_many_vectors():
    quat, vectors = random_quats(), RNG.normal(size=(9, 3))
    one_by_one = np.stack([frames.quat_rotate(quat, vector) for vector in vectors])
    np.testing.assert_allclose(frames.quat_rotate(quat, vectors), one_by_one, atol=1e-15)
