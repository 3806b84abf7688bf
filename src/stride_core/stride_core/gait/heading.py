"""Holding the heading: what the robot turns too far or too little is turned back.

Feet slip and rough ground turns the robot; the commanded turn, integrated, says where it should
look, and a proportional term turns it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, clip
from stride_core.config import param

_TURN = 2.0 * np.pi


@dataclass(frozen=True)
class HeadingConfig:
    """Of the heading's control loop."""

    gain: float = param(
        0.0, doc="turning speed per error of the heading; 0: off", unit="1/s", min=0.0, max=20.0
    )
    most: float = param(
        0.5, doc="largest turning speed that it adds", unit="rad/s", min=0.0, max=10.0
    )
    lead: float = param(0.5, doc="an error beyond this is forgotten", unit="rad", min=0.01, max=3.0)


def hold(
    config: HeadingConfig,
    heading: FloatArray,
    yaw: FloatArray,
    turn: FloatArray,
    walking: BoolArray,
    dt: float,
) -> tuple[FloatArray, FloatArray]:
    """One tick of the loop.

    Args:
        config: of the loop.
        heading: ``(...)`` where the robot should look [rad]; NaN: nowhere in particular.
        yaw: ``(...)`` where it looks [rad], any turn of it; NaN: unknown.
        turn: ``(...)`` commanded [rad/s].
        walking: ``(...)``; a robot at rest looks where it looks.
        dt: of the tick [s].

    Returns:
        what to add to the commanded turn ``(...)`` [rad/s], and the next heading ``(...)``.
    """
    error = heading - yaw
    error = clip(error - _TURN * np.rint(error / _TURN), -config.lead, config.lead)
    followed = walking & np.isfinite(error)
    error = np.where(followed, error, 0.0)
    return clip(config.gain * error, -config.most, config.most), yaw + error + turn * dt
