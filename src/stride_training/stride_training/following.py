"""How well robots follow what they are told, over the times by which that is judged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from stride_core.arrays import FloatArray

AVERAGE = 0.25
"""Time constant of the velocities that are compared with the command [s]: half a cycle or so."""

PACE = 1.0
"""Time constant of the forward speed's error, over which the sway of steps is nothing [s]."""


class Following(NamedTuple):
    """Of N robots.

    Attributes:
        velocity: ``(N, 2)`` forward and left, in the heading's frame, over ``AVERAGE`` [m/s].
        turn: ``(N,)`` about the vertical, likewise [rad/s].
        pace: ``(N,)`` error of the forward speed, over ``PACE`` [m/s].
        heading: ``(N,)`` where the turns asked for lead, as far as the gait can follow [rad].
    """

    velocity: FloatArray
    turn: FloatArray
    pace: FloatArray
    heading: FloatArray


def at_rest(yaw: FloatArray) -> Following:
    """Of robots that look along ``yaw``, ``(n,)`` [rad]."""
    n = len(yaw)
    return Following(np.zeros((n, 2)), np.zeros(n), np.zeros(n), yaw.copy())


def follow(
    before: Following,
    planar: FloatArray,
    turn: FloatArray,
    command: FloatArray,
    aim: FloatArray,
    period: float,
) -> Following:
    """One tick.

    Args:
        before: a tick ago.
        planar: ``(N, 2)`` forward and left now [m/s].
        turn: ``(N,)`` about the vertical now [rad/s].
        command: ``(N, 3)`` what is asked [m/s, m/s, rad/s].
        aim: ``(N,)`` as much of its turn as the gait can follow beside the rest of it [rad/s].
        period: of a tick [s].
    """
    share, slowly = period / AVERAGE, period / PACE
    return Following(
        velocity=before.velocity + share * (planar - before.velocity),
        turn=before.turn + share * (turn - before.turn),
        pace=before.pace + slowly * (planar[:, 0] - command[:, 0] - before.pace),
        heading=before.heading + period * aim,
    )


def off_heading(following: Following, yaw: FloatArray) -> FloatArray:
    """Error of the yaw against the heading asked for, ``(N,)`` within ±π [rad]."""
    off = yaw - following.heading
    error: FloatArray = off - 2.0 * np.pi * np.round(off / (2.0 * np.pi))
    return error
