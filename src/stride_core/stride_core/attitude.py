"""What an IMU says of the trunk's attitude, and what it must not be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stride_core.arrays import BoolArray, FloatArray
from stride_core.frames import (
    quat_conjugate,
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
    up_in_body,
    yaw_of,
)

_UNIT_TOLERANCE = 0.01


class ImuMount:
    """Where the IMU sits: turns its readings into the trunk's frame.

    Args:
        rpy: roll, pitch, yaw of the IMU's frame in the trunk's [rad], (3,).
    """

    def __init__(self, rpy: ArrayLike) -> None:
        # the IMU's axes in the trunk's frame, a row each
        self._x, self._y, self._z = axes = quat_rotate(quat_from_rpy(rpy), np.eye(3))
        self._aligned = bool((axes == np.eye(3)).all())
        self._to_trunk = quat_conjugate(quat_from_rpy(rpy))

    def up(self, orientation: ArrayLike) -> FloatArray:
        """Vertical of the world in the trunk's frame, (..., 3).

        Args:
            orientation: (..., 4) x, y, z, w of the IMU in the world. What is no unit quaternion,
                such as the zeros of a message that nobody filled, gives NaN: no attitude.
        """
        q = np.asarray(orientation, np.float64)
        unit = _is_unit(q)
        return np.where(unit[..., None], self.turn(up_in_body(q)), np.nan)

    def yaw(self, orientation: ArrayLike) -> FloatArray:
        """Heading of the trunk in the world (...) [rad]; NaN as in ``up``."""
        q = np.asarray(orientation, np.float64)
        trunk = q if self._aligned else quat_multiply(q, self._to_trunk)
        return np.where(_is_unit(q), yaw_of(trunk), np.nan)

    def turn(self, vector: ArrayLike) -> FloatArray:
        """Vectors (..., 3) of the IMU's frame, such as its gyro's, in the trunk's."""
        v = np.asarray(vector, np.float64)
        if self._aligned:
            return v
        # spelt out: a matrix product rounds differently for one robot and for many
        return v[..., :1] * self._x + v[..., 1:2] * self._y + v[..., 2:] * self._z


def _is_unit(q: FloatArray) -> BoolArray:
    unit: BoolArray = np.abs(np.add.reduce(q * q, axis=-1) - 1.0) < _UNIT_TOLERANCE
    return unit
