"""The vertical as an IMU gives it, however it is mounted; and no vertical from no reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.attitude import ImuMount
from stride_core.frames import (
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
    quat_rotate_inverse,
    roll_pitch_yaw,
)

ANGLE = st.floats(-3.1, 3.1)
RPY = st.tuples(ANGLE, st.floats(-1.5, 1.5), ANGLE)


@given(trunk=RPY, mount=RPY)
def test_any_mounting_gives_the_trunks_own_vertical(
    trunk: tuple[float, ...], mount: tuple[float, ...]
) -> None:
    attitude = quat_from_rpy(trunk)
    imu = quat_multiply(attitude, quat_from_rpy(mount))
    expected = quat_rotate_inverse(attitude, (0.0, 0.0, 1.0))
    np.testing.assert_allclose(ImuMount(mount).up(imu), expected, atol=1e-12)


@given(trunk=RPY, mount=RPY)
def test_any_mounting_gives_the_trunks_own_heading(
    trunk: tuple[float, ...], mount: tuple[float, ...]
) -> None:
    imu = quat_multiply(quat_from_rpy(trunk), quat_from_rpy(mount))
    error = ImuMount(mount).yaw(imu) - roll_pitch_yaw(quat_from_rpy(trunk))[2]
    assert abs(np.remainder(error + np.pi, 2 * np.pi) - np.pi) < 1e-9


@pytest.mark.parametrize(
    "bad", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 2.0), (np.nan, 0.0, 0.0, 1.0)]
)
def test_what_is_no_rotation_is_no_attitude(bad: tuple[float, ...]) -> None:
    assert np.isnan(ImuMount((0.0, 0.0, 0.0)).up(bad)).all()
    assert np.isnan(ImuMount((0.0, 0.0, 0.0)).yaw(bad))


def test_a_batch_is_its_rows_to_the_bit() -> None:
    quats = quat_from_rpy(np.random.default_rng(0).uniform(-1.0, 1.0, (7, 3)))
    mount = ImuMount((0.1, -0.2, 0.3))
    assert np.array_equal(mount.up(quats), [mount.up(quat) for quat in quats])
    assert np.array_equal(mount.yaw(quats), [mount.yaw(quat) for quat in quats])


@given(mount=RPY, vector=st.tuples(ANGLE, ANGLE, ANGLE))
def test_a_reading_is_turned_as_the_vertical_is(
    mount: tuple[float, ...], vector: tuple[float, ...]
) -> None:
    expected = quat_rotate(quat_from_rpy(mount), vector)
    np.testing.assert_allclose(ImuMount(mount).turn(vector), expected, atol=1e-12)
