"""The learned residual: final_foot = nominal + residual.

One function, so that training and the robot add the same thing.
"""

from __future__ import annotations

import numpy as np

from stride_core.arrays import FloatArray, clip


def add_residual(nominal: FloatArray, offset: FloatArray, limit: FloatArray | float) -> FloatArray:
    """Nominal feet plus the clipped residual.

    A leg whose offset is not finite gets none: the nominal gait goes on (promise 4).

    Args:
        nominal: ``(..., legs, 3)`` [m] in hip frames.
        offset: ``(..., legs, 3)`` [m] in hip frames, already scaled.
        limit: largest offset along each axis [m], broadcastable.

    Returns:
        ``(..., legs, 3)`` [m] in hip frames.
    """
    sound = np.isfinite(offset).all(axis=-1, keepdims=True)
    return nominal + clip(np.where(sound, offset, 0.0), np.negative(limit), limit)
