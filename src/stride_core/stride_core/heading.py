"""Heading hold: turns a little more or less than asked, until the trunk points where it should.

    turn = asked turn + clip(gain · (∫ asked turn dt − yaw), ±limit)

A gait that slips, and a policy that remembers nothing, both drift off their heading; the IMU's yaw
tells. Stateless of its own and batched, like the gait whose command it corrects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stride_core.arrays import FloatArray, clip
from stride_core.config import param

_STILL = 1e-3
"""A command below this in every component asks to stand: the heading is then whatever it is."""


@dataclass(frozen=True)
class HeadingConfig:
    """How strongly a heading is held."""

    gain: float = param(
        0.0, doc="turning for an error of the heading; 0: not held", unit="1/s", min=0.0, max=20.0
    )
    limit: float = param(0.5, doc="largest correction", unit="rad/s", min=0.0, max=10.0)
    slack: float = param(
        0.5, doc="the heading wanted stays this close to the yaw", unit="rad", min=0.01, max=3.0
    )


class HeadingState(NamedTuple):
    """What is remembered.

    Attributes:
        wanted: ``(...)`` yaw [rad], not wrapped; NaN: that of the next tick.
    """

    wanted: FloatArray


def initial(lead: tuple[int, ...]) -> HeadingState:
    """Nothing wanted yet; ``lead`` are the leading dimensions."""
    return HeadingState(np.full(lead, np.nan))


def hold(
    config: HeadingConfig, state: HeadingState, command: FloatArray, yaw: FloatArray, dt: float
) -> tuple[HeadingState, FloatArray]:
    """Correct a command.

    Args:
        config: its gain 0 leaves every command alone.
        state: of the tick before.
        command: ``(..., 3)`` vx, vy, wz as asked [m/s, m/s, rad/s].
        yaw: ``(...)`` of the trunk, from the IMU [rad]; where it is NaN nothing is corrected, and
            the heading wanted begins anew.
        dt: since the tick before [s].

    Returns:
        State, and the command ``(..., 3)`` with another wz where the robot shall move.
    """
    moves = np.maximum.reduce(np.abs(command), axis=-1) > _STILL
    ahead = state.wanted + command[..., 2] * dt - yaw
    ahead = clip(ahead - 2.0 * np.pi * np.round(ahead / (2.0 * np.pi)), -config.slack, config.slack)
    ahead = np.where(moves & np.isfinite(ahead), ahead, 0.0)
    corrected = command.copy()
    corrected[..., 2] += clip(config.gain * ahead, -config.limit, config.limit)
    return HeadingState(yaw + ahead), corrected


def yaw_of(quaternion: FloatArray) -> FloatArray:
    """Heading [rad] ``(...)`` of ``(..., 4)`` x, y, z, w; NaN if that is no unit quaternion."""
    q = np.asarray(quaternion, np.float64)
    x, y, z, w = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    unit = np.abs((q * q).sum(axis=-1) - 1.0) < 0.01
    return np.where(unit, yaw, np.nan)
