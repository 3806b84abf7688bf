"""Rotations. Quaternions are unit, (..., 4), in the order x, y, z, w, and turn body into world.

Every function takes any leading dimensions, which broadcast as numpy's do. MuJoCo's order
(w, x, y, z) is converted in `quat_from_mujoco` and `quat_to_mujoco` and nowhere else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stride_core.arrays import FloatArray

_FROM_MUJOCO = np.array([1, 2, 3, 0])
_TO_MUJOCO = np.array([3, 0, 1, 2])

# 2(xz - yw), 2(yz + xw), 1 - 2(xx + yy) in few numpy calls: the factors of each product by their
# place in x, y, z, w, and what it counts.
_FIRST, _SECOND = np.array([[0, 1, 0], [1, 0, 1]]), np.array([[2, 2, 0], [3, 3, 1]])
_COUNTS = np.array([[2.0, 2.0, -2.0], [-2.0, 2.0, -2.0]])
_UP = np.array([0.0, 0.0, 1.0])
# likewise wz + xy and yy + zz: doubled, sine and (from 1) cosine of the yaw, times cos(pitch)
_YAW_FIRST, _YAW_SECOND = np.array([[3, 0], [1, 2]]), np.array([[2, 1], [1, 2]])


def quat_from_mujoco(quat: ArrayLike) -> FloatArray:
    """Reorder (..., 4) from w, x, y, z to x, y, z, w."""
    return np.asarray(quat, np.float64).take(_FROM_MUJOCO, axis=-1)


def quat_to_mujoco(quat: ArrayLike) -> FloatArray:
    """Reorder (..., 4) from x, y, z, w to w, x, y, z."""
    return np.asarray(quat, np.float64).take(_TO_MUJOCO, axis=-1)


def quat_conjugate(quat: ArrayLike) -> FloatArray:
    """Return the inverse rotation of a unit quaternion (..., 4)."""
    return np.asarray(quat, np.float64) * (-1.0, -1.0, -1.0, 1.0)


def quat_normalize(quat: ArrayLike) -> FloatArray:
    """Scale (..., 4) to unit length; a zero or non-finite quaternion becomes the identity."""
    q = np.asarray(quat, np.float64)
    norm = np.sqrt((q * q).sum(-1, keepdims=True))
    good = np.isfinite(norm) & (norm > 0.0)
    return np.where(good, q / np.where(good, norm, 1.0), (0.0, 0.0, 0.0, 1.0))


def quat_multiply(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Hamilton product (..., 4): the rotation which turns by `second`, then by `first`."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    ax, ay, az, aw = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bx, by, bz, bw = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    out[..., 0] = aw * bx + ax * bw + ay * bz - az * by
    out[..., 1] = aw * by - ax * bz + ay * bw + az * bx
    out[..., 2] = aw * bz + ax * by - ay * bx + az * bw
    out[..., 3] = aw * bw - ax * bx - ay * by - az * bz
    return out


def quat_rotate(quat: ArrayLike, vector: ArrayLike) -> FloatArray:
    """Turn vectors (..., 3) from the body frame into the world frame."""
    return _rotate(np.asarray(quat, np.float64), np.asarray(vector, np.float64), 1.0)


def quat_rotate_inverse(quat: ArrayLike, vector: ArrayLike) -> FloatArray:
    """Turn vectors (..., 3) from the world frame into the body frame."""
    return _rotate(np.asarray(quat, np.float64), np.asarray(vector, np.float64), -1.0)


def _rotate(q: FloatArray, v: FloatArray, sign: float) -> FloatArray:
    """Return v + 2 w (u × v) + 2 u × (u × v), u = (x, y, z); with −w for the inverse."""
    x, y, z, w = q[..., 0], q[..., 1], q[..., 2], sign * q[..., 3]
    vx, vy, vz = v[..., 0], v[..., 1], v[..., 2]
    # t = 2 u × v
    tx, ty, tz = 2.0 * (y * vz - z * vy), 2.0 * (z * vx - x * vz), 2.0 * (x * vy - y * vx)
    out = np.empty((*np.broadcast_shapes(q.shape[:-1], v.shape[:-1]), 3))
    out[..., 0] = vx + w * tx + y * tz - z * ty
    out[..., 1] = vy + w * ty + z * tx - x * tz
    out[..., 2] = vz + w * tz + x * ty - y * tx
    return out


def up_in_body(quat: ArrayLike) -> FloatArray:
    """Return the world's vertical +z in the body frame, (..., 3): the matrix's third row."""
    products = np.asarray(quat, np.float64).take(_FIRST, axis=-1)
    products *= np.asarray(quat, np.float64).take(_SECOND, axis=-1)
    products *= _COUNTS
    return products[..., 0, :] + products[..., 1, :] + _UP


def yaw_of(quat: ArrayLike) -> FloatArray:
    """Return the yaw alone (...) [rad], as `roll_pitch_yaw` has it, at a fifth of its cost."""
    products = np.asarray(quat, np.float64).take(_YAW_FIRST, axis=-1)
    products *= np.asarray(quat, np.float64).take(_YAW_SECOND, axis=-1)
    sums = 2.0 * np.add.reduce(products, axis=-1)
    return np.arctan2(sums[..., 0], 1.0 - sums[..., 1])


def roll_pitch_yaw(quat: ArrayLike) -> FloatArray:
    """Return roll, pitch, yaw [rad] (..., 3) with R = Rz(yaw) Ry(pitch) Rx(roll) (REP-103).

    Pitch lies in [−π/2, π/2]. At pitch ±π/2 roll and yaw are not unique; the pair returned
    is then finite, and still one that gives this rotation to rounding.
    """
    q = np.asarray(quat, np.float64)
    x, y, z, w = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    out = np.empty((*q.shape[:-1], 3))
    # Half sums and differences of roll and yaw stay accurate up to the pole (pitch ±π/2).
    plus, minus = np.arctan2(x + z, w - y), np.arctan2(z - x, w + y)
    out[..., 0] = plus - minus
    out[..., 1] = 2.0 * np.arctan2(np.hypot(w + y, z - x), np.hypot(w - y, x + z)) - 0.5 * np.pi
    out[..., 2] = plus + minus
    out[..., 0::2] -= 2.0 * np.pi * np.round(out[..., 0::2] / (2.0 * np.pi))
    return out


def quat_from_rpy(rpy: ArrayLike) -> FloatArray:
    """Return the quaternion (..., 4) of roll, pitch, yaw [rad] (..., 3); see `roll_pitch_yaw`."""
    half = 0.5 * np.asarray(rpy, np.float64)
    c, s = np.cos(half), np.sin(half)
    cr, cp, cy = c[..., 0], c[..., 1], c[..., 2]
    sr, sp, sy = s[..., 0], s[..., 1], s[..., 2]
    out = np.empty((*half.shape[:-1], 4))
    out[..., 0] = sr * cp * cy - cr * sp * sy
    out[..., 1] = cr * sp * cy + sr * cp * sy
    out[..., 2] = cr * cp * sy - sr * sp * cy
    out[..., 3] = cr * cp * cy + sr * sp * sy
    return out


def tilt_angle(quat: ArrayLike) -> FloatArray:
    """Return the angle [rad] (...) in [0, π] between the body's z axis and the vertical."""
    q = np.asarray(quat, np.float64)
    x, y, z, w = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    # cos = 1 − 2 (x² + y²) would lose half the digits near upright.
    tilt: FloatArray = 2.0 * np.arctan2(np.hypot(x, y), np.hypot(z, w))
    return tilt
