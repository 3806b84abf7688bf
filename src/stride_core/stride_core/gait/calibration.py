"""From the speed that is wanted to the speed that the feet must be asked for.

Feet slip, servos lag, bodies sway: a gait that moves its feet at 0.15 m/s carries the trunk slower.
How much slower is measured (``./stride calibrate gait``), and undone here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_core.arrays import FloatArray, IntArray, clip
from stride_core.gait.config import PATTERNS, Calibration, Calibrations, PatternCalibration

_HALF = 20
"""Nodes of the table on either side of zero."""


@dataclass(frozen=True)
class SpeedMap:
    """Piecewise linear, on nodes that are evenly spaced from ``-span`` to ``span``.

    Attributes:
        per_node: ``(3,)`` nodes for each m/s, m/s, rad/s.
        table: ``(patterns, 3, nodes)`` what to ask for at each node of vx, vy, wz.
        per_fastest: ``(patterns, 2, 3)`` one over the fastest vx, vy, wz that were measured,
            forwards and (negative) backwards; 0 where nothing was.
    """

    per_node: FloatArray
    table: FloatArray
    per_fastest: FloatArray

    @classmethod
    def of(cls, measured: Calibrations, span: FloatArray) -> SpeedMap:
        """Tabulate the measurements of all patterns.

        Args:
            measured: knots by pattern and direction.
            span: ``(3,)`` largest speeds; beyond them the last slope goes on.

        Raises:
            ValueError: knots that do not rise from 0, or of different lengths.
        """
        span = np.maximum(span, 1e-9)  # 0 for a component that is not allowed
        nodes = np.linspace(-1.0, 1.0, 2 * _HALF + 1) * span[:, None]
        patterns = [getattr(measured, name) for name in PATTERNS]
        table = [
            [
                _ask(nodes[0], of.backward, of.forward, f"calibration.{name}"),
                _ask(nodes[1], of.sideways, of.sideways, f"calibration.{name}"),
                _ask(nodes[2], of.turn, of.turn, f"calibration.{name}"),
            ]
            for name, of in zip(PATTERNS, patterns, strict=True)
        ]
        return cls(_HALF / span, np.array(table), np.array([_per_fastest(m) for m in patterns]))

    def excess(self, wanted: FloatArray, pattern: IntArray) -> FloatArray:
        """How many times faster than measured a command is, ``(...)``; negative if it is not."""
        share: FloatArray = wanted[..., None, :] * self.per_fastest[pattern]
        fastest: FloatArray = np.maximum.reduce(share, axis=(-2, -1))
        return fastest

    def __call__(self, wanted: FloatArray, pattern: IntArray) -> FloatArray:
        """Speed to ask for, ``(..., 3)``, for the speed wanted, ``(..., 3)``, in a pattern."""
        row = wanted * self.per_node + _HALF
        low = clip(row, 0.0, 2.0 * _HALF - 1.0).astype(np.intp)
        place = low + (_ROWS + 3 * _NODES * pattern[..., None])
        below = self.table.take(place)
        return below + (row - low) * (self.table.take(place + 1) - below)


_NODES = 2 * _HALF + 1
_ROWS = _NODES * np.arange(3)


_UNKNOWN = Calibration((1.0,), (1.0,))


def _per_fastest(of: PatternCalibration) -> list[list[float]]:
    ways = ((of.forward, of.sideways, of.turn), (of.backward, of.sideways, of.turn))
    return [
        [sign / way.speed[-1] if way.speed else 0.0 for way in each]
        for sign, each in zip((1.0, -1.0), ways, strict=True)
    ]


def _ask(nodes: FloatArray, negative: Calibration, positive: Calibration, where: str) -> FloatArray:
    """The line through the knots of both directions, at the nodes."""
    for way in (negative, positive):
        rises = all((np.diff([0.0, *values]) > 0.0).all() for values in (way.speed, way.ask))
        if not (rises and len(way.speed) == len(way.ask)):
            raise ValueError(
                f"{where}: speed {way.speed}, ask {way.ask}: expected pairs that rise from 0"
            )
    # where nothing was measured, a line of slope 1
    negative, positive = (way if way.speed else _UNKNOWN for way in (negative, positive))
    wanted = np.array([*(-s for s in reversed(negative.speed)), 0.0, *positive.speed])
    ask = np.array([*(-a for a in reversed(negative.ask)), 0.0, *positive.ask])
    beyond = np.where(nodes < 0, ask[0] / wanted[0], ask[-1] / wanted[-1])
    inside = np.interp(nodes, wanted, ask)
    return inside + beyond * (nodes - clip(nodes, wanted[0], wanted[-1]))
