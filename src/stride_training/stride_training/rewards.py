"""Rewards: named, pure terms over a batch, and presets of their weights.

A term takes a ``Moment`` and returns ``(N,)``. The reward of a tick is Σ weight · term; nothing
else is added, and each weighted term is logged by itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import ConfigError
from stride_sim.records import Truth

_TRACKING, _TURNING = 0.12, 0.3
"""Errors at which the tracking terms fall to 1/e [m/s], [rad/s]."""

_BEYOND = 2.5
"""Joint angle that the sources count as beyond its limit [rad]."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What a tick led to, of N robots; all true values.

    Attributes:
        truth: of the plant.
        velocity: ``(N, 2)`` forward and left, in the heading's frame, over ``AVERAGE`` [m/s].
        turn: ``(N,)`` about the vertical, likewise [rad/s].
        pace: ``(N,)`` error of the forward speed, over ``PACE`` [m/s].
        planar: ``(N, 2)`` forward and left at this moment [m/s].
        vertical: ``(N,)`` [m/s].
        command: ``(N, 3)`` what is asked, with the turn that holds the heading [m/s, m/s, rad/s].
        gravity: ``(N, 3)`` unit vector in the trunk's frame.
        heading: ``(N,)`` error of the yaw against the turns asked for, without what holds it [rad].
        stance_height: of the trunk over level ground [m].
        action, last: ``(N, actions)`` within ±1, of this tick and the one before.
        limits: lower and upper of the joints, ``(joints,)`` [rad].
        swing: ``(N, legs)`` whether the gait had the foot in the air.
        feet_before: ``(N, legs, 3)`` [m] a tick ago.
        period: of a tick [s].
        weight: of the robot [N].
        fell: ``(N,)`` the episode ends here by a fall.
    """

    truth: Truth
    velocity: FloatArray
    turn: FloatArray
    pace: FloatArray
    planar: FloatArray
    vertical: FloatArray
    command: FloatArray
    gravity: FloatArray
    heading: FloatArray
    stance_height: float
    action: FloatArray
    last: FloatArray
    limits: tuple[FloatArray, FloatArray]
    swing: BoolArray
    feet_before: FloatArray
    period: float
    weight: float
    fell: BoolArray


Term = Callable[[Moment], FloatArray]


def _alive(m: Moment) -> FloatArray:
    """1 in every tick."""
    return np.ones(len(m.turn))


def _velocity_error(m: Moment) -> FloatArray:
    error = m.velocity - m.command[:, :2]
    return np.sqrt((error * error).sum(-1))


def _tracking(m: Moment) -> FloatArray:
    """exp(−e²/0.12²) of the planar velocity's error e [m/s]."""
    error = m.velocity - m.command[:, :2]
    return np.exp((error * error).sum(-1) / -(_TRACKING**2))


def _pace(m: Moment) -> FloatArray:
    """|error of the forward speed| over a second [m/s]: what a mean speed shows, no sway."""
    return np.abs(m.pace)


def _turning(m: Moment) -> FloatArray:
    """exp(−e²/0.3²) of the turning rate's error e [rad/s]."""
    return np.exp(np.square(m.turn - m.command[:, 2]) / -(_TURNING**2))


def _tilt(m: Moment) -> FloatArray:
    """gx² + gy² of gravity in the trunk's frame: sin² of the tilt."""
    return np.square(m.gravity[:, :2]).sum(-1)


def _rocking(m: Moment) -> FloatArray:
    """ωx² + ωy² [rad²/s²]."""
    return np.square(m.truth.angular_velocity[:, :2]).sum(-1)


def _bouncing(m: Moment) -> FloatArray:
    """vz² [m²/s²]."""
    return np.square(m.vertical)


def _heading(m: Moment) -> FloatArray:
    """|error of the yaw| against the turns asked for, as far as the gait can follow [rad]."""
    return np.abs(m.heading)


def _height(m: Moment) -> FloatArray:
    """|z − z*| of the trunk over the ground [m]."""
    return np.abs(m.truth.height - m.stance_height)


def _action(m: Moment) -> FloatArray:
    """‖a‖²."""
    return np.square(m.action).sum(-1)


def _action_rate(m: Moment) -> FloatArray:
    """‖a − a before‖²."""
    return np.square(m.action - m.last).sum(-1)


def _torque(m: Moment) -> FloatArray:
    """Στ² [N²·m²]."""
    return np.square(m.truth.effort).sum(-1)


def _power(m: Moment) -> FloatArray:
    """Σ max(τ·ω, 0): what the servos put in [W]."""
    return np.maximum(m.truth.effort * m.truth.joint_velocity, 0.0).sum(-1)


def _slip(m: Moment) -> FloatArray:
    """Σ horizontal speed² of the feet on the ground [m²/s²]."""
    moved = (m.truth.feet_world - m.feet_before)[..., :2] / m.period
    return (np.square(moved).sum(-1) * m.truth.foot_contact).sum(-1)


def _clearance(m: Moment) -> FloatArray:
    """Σ over swinging feet of the height they lack to 10 mm [m]."""
    return (np.maximum(0.01 - m.truth.foot_clearance, 0.0) * m.swing).sum(-1)


def _limits(m: Moment) -> FloatArray:
    """Σ by which joints come nearer than 0.05 rad to their limits [rad]."""
    lower, upper = m.limits
    room = np.minimum(m.truth.joint_position - lower, upper - m.truth.joint_position)
    return np.maximum(0.05 - room, 0.0).sum(-1)


def _impact(m: Moment) -> FloatArray:
    """Σ by which a foot's force exceeds the robot's whole weight, as a share of it."""
    return np.maximum(m.truth.foot_force / m.weight - 1.0, 0.0).sum(-1)


def _fall(m: Moment) -> FloatArray:
    """1 in the tick of a fall."""
    return m.fell.astype(np.float64)


# --- the source documents' own --------------------------------------------------------------------


def _forward_match(m: Moment) -> FloatArray:
    """1 − |v − v*| of the forward speed now [m/s]."""
    return 1.0 - np.abs(m.planar[:, 0] - m.command[:, 0])


def _lateral(m: Moment) -> FloatArray:
    """|vy| now [m/s]."""
    return np.abs(m.planar[:, 1])


def _orientation(m: Moment) -> FloatArray:
    """roll² + pitch² [rad²]."""
    roll = np.arctan2(-m.gravity[:, 1], -m.gravity[:, 2])
    pitch = np.arcsin(np.clip(m.gravity[:, 0], -1.0, 1.0))
    return np.square(roll) + np.square(pitch)


def _action_norm(m: Moment) -> FloatArray:
    """‖a‖."""
    return np.sqrt(np.square(m.action).sum(-1))


def _action_change(m: Moment) -> FloatArray:
    """‖a − a before‖."""
    return np.sqrt(np.square(m.action - m.last).sum(-1))


def _contact_pattern(m: Moment) -> FloatArray:
    """−0.5 for each leg in contact in its swing, +0.1 for each in its stance."""
    return (m.truth.foot_contact * np.where(m.swing, -0.5, 0.1)).sum(-1)


def _beyond(m: Moment) -> FloatArray:
    """Number of joints beyond 2.5 rad."""
    return (np.abs(m.truth.joint_position) > _BEYOND).sum(-1).astype(np.float64)


TERMS: Mapping[str, Term] = {
    "alive": _alive,
    "tracking": _tracking,
    "velocity_error": _velocity_error,
    "pace": _pace,
    "turning": _turning,
    "tilt": _tilt,
    "rocking": _rocking,
    "bouncing": _bouncing,
    "heading": _heading,
    "height": _height,
    "action": _action,
    "action_rate": _action_rate,
    "torque": _torque,
    "power": _power,
    "slip": _slip,
    "clearance": _clearance,
    "joint_limits": _limits,
    "impact": _impact,
    "fall": _fall,
    "forward_match": _forward_match,
    "lateral": _lateral,
    "orientation": _orientation,
    "action_norm": _action_norm,
    "action_change": _action_change,
    "contact_pattern": _contact_pattern,
    "beyond_limits": _beyond,
}

_FIRST_PLAN = {
    "forward_match": 1.0,
    "lateral": -0.5,
    "height": -2.0,
    "orientation": -3.0,
    "action_norm": -0.1,
    "action_change": -0.2,
    "contact_pattern": 1.0,
    "beyond_limits": -1.0,
}

PRESETS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    # the feasibility study's, that worked
    "stride": {
        "alive": 0.5,
        "tracking": 1.5,
        "velocity_error": -2.0,
        "turning": 0.5,
        "tilt": -4.0,
        "rocking": -0.02,
        "bouncing": -0.5,
        "action_rate": -0.03,
        "action": -0.01,
        "fall": -5.0,
    },
    # the source documents': it learns to stand still
    "first_plan": _FIRST_PLAN,
    # and what they made of it in November
    "november": {
        **_FIRST_PLAN,
        "forward_match": 5.0,
        "lateral": -0.3,
        "action_norm": -0.05,
        "action_change": -0.05,
    },
}


class Reward:
    """A list of weighted terms.

    Attributes:
        names: of those whose weight is not 0.
        weights: ``(terms,)``.
    """

    def __init__(self, preset: str, weights: Mapping[str, float]) -> None:
        """Choose the terms.

        Raises:
            ConfigError: a name is unknown; one line.
        """
        for name in weights:
            if name not in TERMS:
                near = difflib.get_close_matches(name, TERMS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(TERMS)}"
                raise ConfigError(f"rewards.weights: {name!r}: unknown term ({hint})")
        chosen = {n: w for n, w in {**PRESETS[preset], **weights}.items() if w != 0.0}
        if not chosen:
            raise ConfigError("rewards: no term has a weight; expected a preset or weights")
        self.names = tuple(chosen)
        self.weights = np.array(list(chosen.values()))
        self._terms = [TERMS[name] for name in chosen]

    def __call__(self, moment: Moment) -> FloatArray:
        """Weighted terms, ``(N, terms)``; the reward is their sum."""
        values = np.stack([term(moment) for term in self._terms], axis=-1)
        values *= self.weights
        return values
