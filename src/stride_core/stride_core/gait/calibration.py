"""From the speed that is wanted to the speed that the feet must be asked for.

Feet slip, servos lag, bodies sway: a gait that moves its feet at 0.15 m/s carries the trunk slower.
How much slower is measured (``./stride calibrate gait``), and undone here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_core.arrays import FloatArray
from stride_core.gait.config import Calibration, Calibrations

_BEYOND = 100.0
"""The outermost slope goes on this far [m/s]: what saturates is limited elsewhere."""


@dataclass(frozen=True)
class SpeedMap:
    """Piecewise linear through the measured knots.

    Attributes:
        tables: for vx, vy and wz, ``(wanted, ask)``, each ascending through 0.
    """

    tables: tuple[tuple[FloatArray, FloatArray], ...]

    @classmethod
    def of(cls, measured: Calibrations) -> SpeedMap:
        """Join the measured directions to one table for each component.

        Raises:
            ValueError: speeds or asks that do not rise from 0, or of different lengths.
        """
        return cls(
            (
                _joined(measured.backward, measured.forward),
                _joined(measured.sideways, measured.sideways),
                _joined(measured.turn, measured.turn),
            )
        )

    def __call__(self, wanted: FloatArray) -> FloatArray:
        """Speed to ask for, ``(..., 3)``, for the speed wanted, ``(..., 3)``."""
        ask = np.empty_like(wanted)
        for i, table in enumerate(self.tables):
            ask[..., i] = np.interp(wanted[..., i], *table)
        return ask


def _joined(negative: Calibration, positive: Calibration) -> tuple[FloatArray, FloatArray]:
    wanted = np.array([*(-s for s in reversed(negative.speed)), 0.0, *positive.speed])
    ask = np.array([*(-a for a in reversed(negative.ask)), 0.0, *positive.ask])
    if len(wanted) != len(ask) or (np.diff(wanted) <= 0).any() or (np.diff(ask) <= 0).any():
        raise ValueError(
            f"calibration: speeds {positive.speed} with asks {positive.ask},"
            " expected pairs that rise from 0"
        )
    outer = np.array([-_BEYOND, _BEYOND])
    slope = np.array([ask[0] / wanted[0], ask[-1] / wanted[-1]])
    ends, end_asks = wanted[[0, -1]] + outer, ask[[0, -1]] + outer * slope
    return (
        np.concatenate([ends[:1], wanted, ends[1:]]),
        np.concatenate([end_asks[:1], ask, end_asks[1:]]),
    )
