"""The nominal gait: one tick of the oscillator, and where each foot belongs.

    foot = stance(height, width) + path(phase, stride(command))

A policy may modulate the shape, as rates per second: the same limits hold for it as for a user.

State, inputs and output are records of arrays with any leading dimensions; ``Gait`` holds what does
not change while walking. Nothing here keeps state of its own.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, IntArray, clip
from stride_core.gait.calibration import SpeedMap
from stride_core.gait.config import PATTERNS, GaitConfig, Shape, ShapeRates
from stride_core.gait.heading import HeadingConfig, hold
from stride_core.gait.limits import StrideLimits, stride_limits
from stride_core.gait.trajectory import foot_path
from stride_core.robot import RobotSpec

STANDING_STILL = 1e-3
"""A command slower than this in every component [m/s, m/s, rad/s] is a command to stand."""

_READY_TO_WALK = 0.005
"""Walking starts when height, length and width of the stance are this close [m] to their goal."""

_LEAST_SHARE = 1e-9

_SPREAD = (3, 4, 0)
"""Columns of a shape that move the feet along x, y, z: length, width, height."""

_POSTURE = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
_STRIDE = 5


class GaitState(NamedTuple):
    """What the gait remembers from tick to tick.

    Attributes:
        phase: of the oscillator, ``(...)`` in [0, 1).
        walking: ``(...)``; a robot at rest has phase 0.
        command: ``(..., 3)`` vx [m/s], vy [m/s], wz [rad/s] followed now.
        asked: ``(..., 3)`` what was asked for, within the speed limits.
        turn: ``(...)`` by which its heading changes: the turn asked for, as far as the feet follow
            it [rad/s]; what holds the heading comes on top.
        heading: ``(...)`` where a walking robot should look [rad]; NaN: nowhere in particular.
        slowed: ``(...)`` more was asked than the speed limits or the fastest measured speed.
        shape: ``(..., 6)`` now, in the order of ``Shape``.
        modulation: ``(..., 6)`` what a policy has added to the shape asked for.
        pattern: ``(...)`` index into ``PATTERNS``; changes at rest only.
        stride: ``(..., legs, 2)`` what each foot travels in a stance [m]: a function of command,
            shape and pattern, kept while these rest.
        scale: ``(...)`` in (0, 1], what the limits left of the command; likewise.
        lean: ``(..., legs)`` share of the stride by which the feet lie behind; likewise.
        longest: ``(..., legs, 2)`` stride that the leg and the servo give [m]: a function of shape
            and pattern, kept while these rest.
    """

    phase: FloatArray
    walking: BoolArray
    command: FloatArray
    asked: FloatArray
    turn: FloatArray
    heading: FloatArray
    slowed: BoolArray
    shape: FloatArray
    modulation: FloatArray
    pattern: IntArray
    stride: FloatArray
    scale: FloatArray
    lean: FloatArray
    longest: FloatArray


class GaitInputs(NamedTuple):
    """What is asked of the gait in this tick: finite, same leading dimensions as the state.

    Attributes:
        command: ``(..., 3)`` vx, vy, wz of the trunk in its own frame.
        shape: ``(..., 6)`` as in ``GaitState``.
        pattern: ``(...)`` index into ``PATTERNS``.
        upright: ``(...)``; False asks to stop and sit down.
        rates: ``(..., 6)`` by which a policy changes each part of the shape [its unit/s]. Where one
            is not finite, as without a policy, that part returns to the shape asked for. None: no
            robot has a policy that modulates.
        yaw: ``(...)`` where the robot looks [rad], NaN if unknown; None: no robot knows.
    """

    command: FloatArray
    shape: FloatArray
    pattern: IntArray
    upright: BoolArray
    rates: FloatArray | None = None
    yaw: FloatArray | None = None


class GaitOutput(NamedTuple):
    """Where the feet belong.

    Attributes:
        feet: ``(..., legs, 3)`` [m] in hip frames.
        phase: ``(..., legs)`` of each leg in [0, 1); 0 is touch-down.
        swing: ``(..., legs)``.
        command: ``(..., 3)`` what the feet really follow, after every limit.
        asked: ``(..., 3)`` as in ``GaitState``.
        shape: ``(..., 6)`` as in ``GaitState``.
        limited: ``(...)`` the command asked for more than the leg or the servo gives.
    """

    feet: FloatArray
    phase: FloatArray
    swing: BoolArray
    command: FloatArray
    asked: FloatArray
    shape: FloatArray
    limited: BoolArray


@dataclass(frozen=True)
class Gait:
    """A robot's gait with everything looked up once; build it with ``make_gait``."""

    stance: FloatArray  # (legs, 3) nominal feet in hip frames, z = 0
    spread: FloatArray  # (legs, 3) what a metre of length, width, height adds to a foot's place
    spread_columns: IntArray  # (legs, 3) the columns of a shape that it multiplies
    across: FloatArray  # (legs, 2) ẑ × arm, from the trunk's origin to each nominal foot [m]
    offsets: FloatArray  # (patterns, legs)
    duty: FloatArray  # (patterns, legs)
    shape_scale: FloatArray  # (patterns, 6)
    shape_inset: FloatArray  # (patterns, 6)
    shape_min: FloatArray  # (6,)
    shape_max: FloatArray  # (6,)
    shortest_leg: float
    seat: FloatArray  # (6,) the shape of a robot that sits
    per_speed: FloatArray  # (3,) one over the speed limit; 0 where that is 0: not followed
    acceleration: FloatArray  # (3,)
    shape_rates: FloatArray  # (6,)
    lean: float
    heading: HeadingConfig
    strides: StrideLimits
    speed_map: SpeedMap

    def initial(self, inputs: GaitInputs) -> GaitState:
        """At rest, in the shape and pattern asked for."""
        lead = inputs.pattern.shape
        shape = self._shape(inputs.shape, inputs.pattern, inputs.upright)
        return GaitState(
            phase=np.zeros(lead),
            walking=np.zeros(lead, dtype=bool),
            command=np.zeros((*lead, 3)),
            asked=np.zeros((*lead, 3)),
            turn=np.zeros(lead),
            heading=np.full(lead, np.nan),
            slowed=np.zeros(lead, dtype=bool),
            shape=shape,
            modulation=np.zeros((*lead, len(self.shape_rates))),
            pattern=inputs.pattern + 0,
            stride=np.zeros((*lead, *self.across.shape)),
            scale=np.ones(lead),
            lean=np.full((*lead, len(self.across)), self.lean),
            longest=self._longest(shape, inputs.pattern),
        )

    def step(self, state: GaitState, inputs: GaitInputs, dt: float) -> tuple[GaitState, GaitOutput]:
        """Advance by ``dt`` [s] and say where the feet belong."""
        state = self._advance(state, inputs, dt)
        return state, self._feet(state)

    def _advance(self, state: GaitState, inputs: GaitInputs, dt: float) -> GaitState:
        # Flags multiply where np.where would choose: a fifth of its cost for one robot.
        pattern = inputs.pattern + state.walking * (state.pattern - inputs.pattern)
        modulation = self._modulate(state, inputs, dt)
        form = self._shape(inputs.shape + modulation, pattern, inputs.upright | state.walking)
        shape = _towards(state.shape, form, self.shape_rates * dt)
        wanted = (
            inputs.upright
            & (np.maximum.reduce(np.abs(inputs.command), axis=-1) > STANDING_STILL)
            & (pattern == inputs.pattern)
        )
        if shape is not state.shape:  # else it has arrived
            away = np.maximum.reduce(np.abs(shape - form) * _POSTURE, axis=-1)
            wanted &= state.walking | (away < _READY_TO_WALK)
        # too fast in one component slows down all three, so that the direction stays
        share = np.abs(inputs.command) * self.per_speed
        excess = np.maximum.reduce(share, axis=-1)
        asked = np.where(share > 0.0, inputs.command, 0.0)
        asked *= (wanted / np.maximum(excess, 1.0))[..., None]
        beyond = self.speed_map.excess(asked, pattern)
        goal = asked / np.maximum(beyond, 1.0)[..., None]
        heading, turn = state.heading, goal[..., 2] + 0.0
        if inputs.yaw is not None and self.heading.gain:
            back, heading = hold(self.heading, heading, inputs.yaw, turn, state.walking, dt)
            goal[..., 2] += back * wanted
        command = _towards(state.command, goal, self.acceleration * dt)

        phase = state.phase + state.walking * (dt / shape[..., 2])
        # At the end of a cycle every foot is on the ground: the place to stop, once the strides
        # have shrunk to nothing.
        stops = (phase >= 1.0) & ~wanted & ~np.logical_or.reduce(command, axis=-1)
        walking = (state.walking | wanted) & ~stops
        strides, longest = (state.stride, state.scale, state.lean), state.longest
        reformed = shape is not state.shape or np.logical_or.reduce(
            pattern != state.pattern, axis=None
        )
        if reformed:
            longest = self._longest(shape, pattern)
        if reformed or command is not state.command:
            strides = self._strides(command, shape, pattern, longest)
        phase = walking * (phase % 1.0)
        slowed = (excess > 1.0) | (beyond > 1.0)
        return GaitState(
            *(phase, walking, command, asked, turn, heading, slowed, shape, modulation, pattern),
            *(*strides, longest),
        )

    def _modulate(self, state: GaitState, inputs: GaitInputs, dt: float) -> FloatArray:
        """What a policy has added to the shape, ``(..., 6)``: within its range and rates."""
        before = state.modulation
        if inputs.rates is None and not np.logical_or.reduce(before, axis=None):
            return before
        rates = np.nan if inputs.rates is None else inputs.rates
        wanted = np.where(np.isfinite(rates), before + rates * dt, 0.0)
        wanted = clip(wanted, self.shape_min - inputs.shape, self.shape_max - inputs.shape)
        return _towards(before, wanted, self.shape_rates * dt)

    def _shape(self, asked: FloatArray, pattern: IntArray, upright: BoolArray) -> FloatArray:
        """What the shape shall become: as asked, as the pattern bends it, or sitting."""
        goal = asked * self.shape_scale[pattern] - self.shape_inset[pattern]
        goal = clip(goal, self.shape_min, self.shape_max)
        goal[..., 1] = np.minimum(goal[..., 1], goal[..., 0] - self.shortest_leg)
        return np.where(upright[..., None], goal, self.seat)

    def _longest(self, shape: FloatArray, pattern: IntArray) -> FloatArray:
        """Longest stride of each leg, ``(..., legs, 2)``."""
        outside = np.abs(self._rest(shape)[..., :2]) - np.abs(self.stance[:, :2])
        swing_time = (1.0 - self.duty[pattern]) * shape[..., 2, None]
        return self.strides.longest(shape[..., :1], swing_time, outside)

    def _strides(
        self, command: FloatArray, shape: FloatArray, pattern: IntArray, longest: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What each foot must travel in one stance, (v + ω × arm)·stance_time, within the limits.

        Returns ``stride``, ``scale`` and ``lean`` of ``GaitState``.
        """
        velocity = self.speed_map(command, pattern)
        across = velocity[..., 2, None, None] * self.across
        times = self.duty[pattern] * (shape[..., 2] * shape[..., _STRIDE])[..., None]
        stride = (velocity[..., None, :2] + across) * times[..., None]
        # Within the straight lines between the ends of the longest strides: what a convex
        # workspace surely holds.
        share = np.abs(stride) / longest
        reach = share[..., 0] + share[..., 1]
        # the leg that asks for most decides for all, so that the direction stays
        scale = 1.0 / np.maximum(reach.max(axis=-1), 1.0)
        # lean as far as the reach beyond the stride's end allows
        spare = 0.5 / np.maximum(reach * scale[..., None], _LEAST_SHARE) - 0.5
        lean = np.minimum(spare, self.lean)
        return stride * scale[..., None, None], scale, lean

    def _rest(self, shape: FloatArray) -> FloatArray:
        """Where the feet rest in a shape, (..., legs, 3)."""
        return self.stance + self.spread * shape.take(self.spread_columns, axis=-1)

    def _feet(self, state: GaitState) -> GaitOutput:
        shape, walking = state.shape, state.walking[..., None]
        phase = (state.phase[..., None] + self.offsets[state.pattern]) % 1.0
        path, swing = foot_path(
            phase,
            self.duty[state.pattern],
            state.stride,
            shape[..., 1:2],
            state.lean,
        )
        return GaitOutput(
            feet=self._rest(shape) + path,
            phase=phase,
            swing=swing & walking,
            command=state.command * state.scale[..., None],
            asked=state.asked,
            shape=shape,
            limited=(state.scale < 1.0) | state.slowed,
        )


def make_gait(spec: RobotSpec, config: GaitConfig) -> Gait:
    """Look everything up once.

    Raises:
        ValueError: a pattern has not one offset a leg, or lifts a foot at phase 0.
    """
    patterns = [getattr(config.patterns, name) for name in PATTERNS]
    for name, pattern in zip(PATTERNS, patterns, strict=True):
        _check_pattern(name, pattern.offsets, pattern.duty, len(spec.legs))
    stance = spec.stance * (1.0, 1.0, 0.0)
    speed_limit = np.array(config.limits.speed)
    sit_height = -float(spec.sit[:, 2].mean())
    heights = (min(sit_height, config.shape_min.height), config.shape_max.height)
    return Gait(
        stance=stance,
        spread=np.sign(spec.hips) * (1.0, 1.0, 0.0) - (0.0, 0.0, 1.0),
        spread_columns=np.array([_SPREAD] * len(spec.legs)),
        across=(spec.hips + stance)[:, 1::-1] * (-1.0, 1.0),
        offsets=np.array([pattern.offsets for pattern in patterns]),
        duty=np.array([[pattern.duty] * len(spec.legs) for pattern in patterns]),
        shape_scale=np.array([(1.0, 1.0, p.cycle_scale, 1.0, 1.0, 1.0) for p in patterns]),
        shape_inset=np.array([(0.0, 0.0, 0.0, *p.inset, 0.0) for p in patterns]),
        shape_min=shape_array(config.shape_min),
        shape_max=shape_array(config.shape_max),
        shortest_leg=config.shortest_leg,
        seat=np.array([sit_height, 0.0, config.shape.cycle_time, 0.0, 0.0, 1.0]),
        per_speed=np.divide(1.0, speed_limit, out=np.zeros(3), where=speed_limit > 0.0),
        acceleration=np.array(config.limits.acceleration),
        shape_rates=shape_array(config.shape_rates),
        lean=config.lean,
        heading=config.heading,
        strides=stride_limits(spec, heights, config.limits.servo_share),
        speed_map=SpeedMap.of(config.calibration, speed_limit),
    )


def shape_array(shape: Shape | ShapeRates) -> FloatArray:
    """As ``(6,)``: the order of ``GaitState.shape``."""
    return np.array(astuple(shape))


def _towards(value: FloatArray, goal: FloatArray, most: FloatArray) -> FloatArray:
    """Move towards the goal by at most ``most``; the very same array when all have arrived."""
    rest = goal - value
    return value + clip(rest, -most, most) if np.logical_or.reduce(rest, axis=None) else value


def _check_pattern(name: str, offsets: tuple[float, ...], duty: float, legs: int) -> None:
    if len(offsets) != legs:
        raise ValueError(
            f"patterns.{name}.offsets: {len(offsets)} values, expected one for each of {legs} legs"
        )
    early = [offset for offset in offsets if offset % 1.0 > duty]
    if early:
        raise ValueError(
            f"patterns.{name}: offset {early[0]} is in swing at phase 0 with duty {duty},"
            " expected every foot on the ground there"
        )
