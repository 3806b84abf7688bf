"""The foot's path over one cycle: linear in stance, Bézier in swing.

Everything here is dimensionless in time (phase) and pure: the oscillator decides the phase, this
module says where the foot is.
"""

from __future__ import annotations

import numpy as np

from stride_core.arrays import BoolArray, FloatArray


def foot_path(
    phase: FloatArray,
    duty: FloatArray,
    stride: FloatArray,
    lift: FloatArray,
    lean: FloatArray | float = 0.0,
) -> tuple[FloatArray, BoolArray]:
    """Displacement of each foot from its place of rest, and whether it swings.

    Stance, ``s = phase/duty``: the foot moves linearly from ``+stride/2`` to ``-stride/2``, so that
    the trunk moves by ``stride`` over it. Swing, ``u = (phase - duty)/(1 - duty)``: horizontally a
    cubic Bézier whose end slopes are those of the stance, vertically the quartic Bézier with
    control heights ``0, 0, 8/3·lift, 0, 0`` = ``16·lift·u²(1-u)²``. Position and velocity are thus
    continuous at lift-off and touch-down, and the apex, at ``u = 1/2``, *is* the lift.

    Args:
        phase: of each leg, ``(..., legs)`` in [0, 1); 0 is touch-down.
        duty: share of the cycle in stance, broadcastable to ``(..., legs)``, in (0, 1).
        stride: of each leg, ``(..., legs, 2)`` [m]: what the trunk travels over it in one stance.
        lift: height of the swing's apex [m], broadcastable to ``(..., legs)``.
        lean: share of the stride by which the whole path lies behind, broadcastable likewise.

    Returns:
        displacement ``(..., legs, 3)`` [m] and swing flags ``(..., legs)``.
    """
    past = phase - duty
    swing = past >= 0.0
    free = 1.0 - duty
    u = np.maximum(past, 0.0) / free
    uv = u - u * u
    # With k = (1-D)/D: -1/2 v³ + 3(-1/2 - k/3) v²u + 3(1/2 + k/3) vu² + 1/2 u³, gathered in
    # (u - v), where 1 + k = 1/D. In stance u is 0, so that the lift needs no branch.
    along = np.where(swing, (u + u - 1.0) * (0.5 + uv / duty), 0.5 - phase / duty)
    displacement = np.empty((*stride.shape[:-1], 3))
    np.multiply((along - lean)[..., None], stride, out=displacement[..., :2])
    np.multiply(16.0 * lift, uv * uv, out=displacement[..., 2])
    return displacement, swing
