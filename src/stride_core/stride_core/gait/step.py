"""The nominal gait: one tick of the oscillator, and where each foot belongs.

    foot = stance(height, width) + path(phase, stride(command))

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
from stride_core.gait.limits import StrideLimits, stride_limits
from stride_core.gait.trajectory import foot_path
from stride_core.robot import RobotSpec

STANDING_STILL = 1e-3
"""A command slower than this in every component [m/s, m/s, rad/s] is a command to stand."""

_READY_TO_WALK = 0.005
"""Walking starts when height, length and width of the stance are this close [m] to their goal."""

_LEAST_SHARE = 1e-9

_SHORTEST_CYCLE = 0.05
"""No shape makes a cycle shorter [s]."""

_POSTURE = np.array([1.0, 0.0, 0.0, 1.0, 1.0])


class GaitState(NamedTuple):
    """What the gait remembers from tick to tick.

    Attributes:
        phase: of the oscillator, ``(...)`` in [0, 1).
        walking: ``(...)``; a robot at rest has phase 0.
        command: ``(..., 3)`` vx [m/s], vy [m/s], wz [rad/s] followed now.
        shape: ``(..., 5)`` now, in the order of ``Shape``.
        pattern: ``(...)`` index into ``PATTERNS``; changes at rest only.
        stride: ``(..., legs, 2)`` what each foot travels in a stance [m]: a function of command,
            shape and pattern, kept while these rest.
        scale: ``(...)`` in (0, 1], what the limits left of the command; likewise.
        lean: ``(..., legs)`` share of the stride by which the feet lie behind; likewise.
    """

    phase: FloatArray
    walking: BoolArray
    command: FloatArray
    shape: FloatArray
    pattern: IntArray
    stride: FloatArray
    scale: FloatArray
    lean: FloatArray


class GaitInputs(NamedTuple):
    """What is asked of the gait in this tick: finite, same leading dimensions as the state.

    Attributes:
        command: ``(..., 3)`` vx, vy, wz of the trunk in its own frame.
        shape: ``(..., 5)`` as in ``GaitState``.
        pattern: ``(...)`` index into ``PATTERNS``.
        upright: ``(...)``; False asks to stop and sit down.
    """

    command: FloatArray
    shape: FloatArray
    pattern: IntArray
    upright: BoolArray


class GaitOutput(NamedTuple):
    """Where the feet belong.

    Attributes:
        feet: ``(..., legs, 3)`` [m] in hip frames.
        phase: ``(..., legs)`` of each leg in [0, 1); 0 is touch-down.
        swing: ``(..., legs)``.
        command: ``(..., 3)`` what the feet really follow, after every limit.
        limited: ``(...)`` the command asked for more than the leg or the servo gives.
    """

    feet: FloatArray
    phase: FloatArray
    swing: BoolArray
    command: FloatArray
    limited: BoolArray


@dataclass(frozen=True)
class Gait:
    """A robot's gait with everything looked up once; build it with ``make_gait``."""

    stance: FloatArray  # (legs, 3) nominal feet in hip frames, z = 0
    outward: FloatArray  # (legs, 2) +1 where away from the trunk's middle is +x, +y
    across: FloatArray  # (legs, 2) ẑ × arm, from the trunk's origin to each nominal foot [m]
    offsets: FloatArray  # (patterns, legs)
    duty: FloatArray  # (patterns,)
    cycle_scale: FloatArray  # (patterns,)
    inset: FloatArray  # (patterns, 2)
    speed_limit: FloatArray  # (3,)
    acceleration: FloatArray  # (3,)
    shape_rates: FloatArray  # (5,)
    sit_height: float
    lean: float
    strides: StrideLimits
    speed_map: SpeedMap

    def initial(self, inputs: GaitInputs) -> GaitState:
        """At rest, in the shape and pattern asked for."""
        lead = inputs.pattern.shape
        return GaitState(
            phase=np.zeros(lead),
            walking=np.zeros(lead, dtype=bool),
            command=np.zeros((*lead, 3)),
            shape=self._shape(inputs, inputs.pattern, inputs.upright),
            pattern=inputs.pattern + 0,
            stride=np.zeros((*lead, *self.across.shape)),
            scale=np.ones(lead),
            lean=np.zeros((*lead, len(self.across))),
        )

    def step(self, state: GaitState, inputs: GaitInputs, dt: float) -> tuple[GaitState, GaitOutput]:
        """Advance by ``dt`` [s] and say where the feet belong."""
        state = self._advance(state, inputs, dt)
        return state, self._feet(state, inputs)

    def _advance(self, state: GaitState, inputs: GaitInputs, dt: float) -> GaitState:
        # Flags multiply where np.where would choose: a fifth of its cost for one robot.
        pattern = inputs.pattern + state.walking * (state.pattern - inputs.pattern)
        goal = self._shape(inputs, pattern, inputs.upright | state.walking)
        shape = _towards(state.shape, goal, self.shape_rates * dt)
        wanted = (
            inputs.upright
            & (np.abs(inputs.command).max(axis=-1) > STANDING_STILL)
            & (pattern == inputs.pattern)
            & (state.walking | ((np.abs(shape - goal) * _POSTURE).max(axis=-1) < _READY_TO_WALK))
        )
        asked = clip(inputs.command, -self.speed_limit, self.speed_limit) * wanted[..., None]
        command = _towards(state.command, asked, self.acceleration * dt)

        phase = state.phase + state.walking * (dt / shape[..., 2])
        # At the end of a cycle every foot is on the ground: the place to stop, once the strides
        # have shrunk to nothing.
        stops = (phase >= 1.0) & ~wanted & ~command.any(axis=-1)
        walking = (state.walking | wanted) & ~stops
        strides = state.stride, state.scale, state.lean
        if command is not state.command or shape is not state.shape:
            strides = self._strides(command, shape, pattern)
        return GaitState(walking * (phase % 1.0), walking, command, shape, pattern, *strides)

    def _shape(self, inputs: GaitInputs, pattern: IntArray, upright: BoolArray) -> FloatArray:
        """What the shape shall become: as asked, as the pattern bends it, or sitting."""
        goal = inputs.shape.copy()
        goal[..., 0] = self.sit_height + upright * (goal[..., 0] - self.sit_height)
        goal[..., 2] = np.maximum(goal[..., 2] * self.cycle_scale[pattern], _SHORTEST_CYCLE)
        goal[..., 3:] -= self.inset[pattern]
        return goal

    def _strides(
        self, command: FloatArray, shape: FloatArray, pattern: IntArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What each foot must travel in one stance, (v + ω × arm)·stance_time, within the limits.

        Returns ``stride``, ``scale`` and ``lean`` of ``GaitState``.
        """
        duty, cycle = self.duty[pattern], shape[..., 2]
        velocity = self.speed_map(command, pattern)
        across = velocity[..., 2, None, None] * self.across
        stride = (velocity[..., None, :2] + across) * (duty * cycle)[..., None, None]
        longest = self.strides.longest(shape[..., 0], (1.0 - duty) * cycle)
        share = stride / longest[..., None, :]
        reach = np.hypot(share[..., 0], share[..., 1])
        # the leg that asks for most decides for all, so that the direction stays
        scale = 1.0 / np.maximum(reach.max(axis=-1), 1.0)
        # lean as far as the reach beyond the stride's end allows
        spare = 0.5 / np.maximum(reach * scale[..., None], _LEAST_SHARE) - 0.5
        lean = np.minimum(spare, self.lean)
        return stride * scale[..., None, None], scale, lean

    def _feet(self, state: GaitState, inputs: GaitInputs) -> GaitOutput:
        shape, walking = state.shape, state.walking[..., None]
        phase = (state.phase[..., None] + self.offsets[state.pattern]) % 1.0
        path, swing = foot_path(
            phase,
            self.duty[state.pattern][..., None],
            state.stride,
            shape[..., 1:2] * walking,
            state.lean,
        )
        feet = self.stance + path
        feet[..., :2] += self.outward * shape[..., None, 3:]
        feet[..., 2] -= shape[..., :1]
        return GaitOutput(
            feet=feet,
            phase=phase,
            swing=swing & walking,
            command=state.command * state.scale[..., None],
            limited=(state.scale < 1.0) | (np.abs(inputs.command) > self.speed_limit).any(axis=-1),
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
    sit_height = -float(spec.sit[:, 2].mean())
    heights = (sit_height, 1.2 * config.shape.height)
    return Gait(
        stance=stance,
        outward=np.sign(spec.hips[:, :2]),
        across=(spec.hips + stance)[:, 1::-1] * (-1.0, 1.0),
        offsets=np.array([pattern.offsets for pattern in patterns]),
        duty=np.array([pattern.duty for pattern in patterns]),
        cycle_scale=np.array([pattern.cycle_scale for pattern in patterns]),
        inset=np.array([pattern.inset for pattern in patterns]),
        speed_limit=np.array(config.limits.speed),
        acceleration=np.array(config.limits.acceleration),
        shape_rates=shape_array(config.shape_rates),
        sit_height=sit_height,
        lean=config.lean,
        strides=stride_limits(spec, heights, config.limits.servo_share),
        speed_map=SpeedMap.of(config.calibration, np.array(config.limits.speed)),
    )


def shape_array(shape: Shape | ShapeRates) -> FloatArray:
    """As ``(5,)``: the order of ``GaitState.shape``."""
    return np.array(astuple(shape))


def _towards(value: FloatArray, goal: FloatArray, most: FloatArray) -> FloatArray:
    """Move towards the goal by at most ``most``; the very same array when all have arrived."""
    rest = goal - value
    return value + clip(rest, -most, most) if rest.any() else value


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
