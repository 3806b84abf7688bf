"""What a gait can be told: the schema of ``config/<robot>.yaml`` and of the ROS parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from stride_core.config import param
from stride_core.gait.heading import HeadingConfig

PATTERNS = ("trot", "walk", "pace", "bound")
"""Names of the patterns; their order is the index in every array."""


@dataclass(frozen=True)
class Pattern:
    """One gait as phase offsets and a duty factor."""

    offsets: tuple[float, ...] = param(
        doc="phase by which each leg leads, in leg order", min=0.0, max=1.0
    )
    duty: float = param(doc="share of the cycle in stance", min=0.3, max=0.95)
    cycle_scale: float = param(1.0, doc="times the shape's cycle time", min=0.1, max=10.0)
    inset: tuple[float, float] = param(
        (0.0, 0.0),
        doc="feet nearer to the trunk's middle, along x and y",
        unit="m",
        min=-0.2,
        max=0.2,
    )


@dataclass(frozen=True)
class Patterns:
    """The presets by name. At phase 0 of each, every foot is on the ground."""

    trot: Pattern
    walk: Pattern
    pace: Pattern
    bound: Pattern


@dataclass(frozen=True)
class Shape:
    """What may be changed while walking; reached at ``ShapeRates``, without a jump."""

    height: float = param(
        doc="hip above the foot's point of contact", unit="m", min=0.02, max=2.0, dynamic=True
    )
    step_height: float = param(
        doc="apex of the swing above the stance", unit="m", min=0.0, max=0.5, dynamic=True
    )
    cycle_time: float = param(
        doc="duration of one gait cycle", unit="s", min=0.1, max=5.0, dynamic=True
    )
    stance_length: float = param(
        0.0, doc="feet further from the middle along x", unit="m", min=-0.2, max=0.2, dynamic=True
    )
    stance_width: float = param(
        0.0, doc="feet further from the middle along y", unit="m", min=-0.2, max=0.2, dynamic=True
    )
    stride: float = param(
        1.0, doc="times the strides that the command asks for", min=0.0, max=5.0, dynamic=True
    )


SHAPE_PARTS = tuple(part.name for part in fields(Shape))
"""Names of what a shape's columns hold, in every array."""


@dataclass(frozen=True)
class ShapeRates:
    """How fast each part of the shape may change."""

    height: float = param(unit="m/s", min=0.001, max=2.0)
    step_height: float = param(unit="m/s", min=0.001, max=2.0)
    cycle_time: float = param(unit="s/s", min=0.001, max=100.0)
    stance_length: float = param(unit="m/s", min=0.001, max=2.0)
    stance_width: float = param(unit="m/s", min=0.001, max=2.0)
    stride: float = param(1.0, unit="1/s", min=0.001, max=100.0)


@dataclass(frozen=True)
class Limits:
    """The fastest command accepted, and how fast a command is followed."""

    speed: tuple[float, float, float] = param(
        doc="largest |vx|, |vy|, |wz|", unit="m/s, m/s, rad/s", min=0.0, max=10.0
    )
    acceleration: tuple[float, float, float] = param(
        doc="largest rate of change of vx, vy, wz", unit="m/s², m/s², rad/s²", min=0.01, max=100.0
    )
    servo_share: float = param(
        0.9,
        doc="share of the servo's no-load speed that the nominal gait may ask for",
        min=0.1,
        max=1.0,
    )


@dataclass(frozen=True)
class Calibration:
    """Speed to ask of the feet for each speed of the trunk: knots of a line through the origin.

    The last knot is the fastest that the robot goes: the feet follow no command beyond it. Without
    knots nothing is known: the feet are asked for what is wanted.
    """

    speed: tuple[float, ...] = param((), doc="reached, ascending", min=0.0, max=10.0)
    ask: tuple[float, ...] = param((), doc="what to ask for it", min=0.0, max=10.0)


@dataclass(frozen=True)
class PatternCalibration:
    """Of one pattern, for each way to move. The default asks for what is wanted."""

    forward: Calibration = field(default_factory=Calibration)
    backward: Calibration = field(default_factory=Calibration)
    sideways: Calibration = field(default_factory=Calibration)
    turn: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True)
class Calibrations:
    """Measured on flat ground by ``./stride calibrate gait``, for one servo of a robot."""

    trot: PatternCalibration = field(default_factory=PatternCalibration)
    walk: PatternCalibration = field(default_factory=PatternCalibration)
    pace: PatternCalibration = field(default_factory=PatternCalibration)
    bound: PatternCalibration = field(default_factory=PatternCalibration)


@dataclass(frozen=True, kw_only=True)
class GaitConfig:
    """The whole gait."""

    pattern: Literal["trot", "walk", "pace", "bound"] = param(
        doc="one of the patterns, by name", dynamic=True
    )
    patterns: Patterns
    shape: Shape
    shape_min: Shape
    shape_max: Shape
    shape_rates: ShapeRates
    shortest_leg: float = param(
        doc="the swinging foot rises no nearer to the hip", unit="m", min=0.0, max=2.0
    )
    limits: Limits
    lean: float = param(
        0.0,
        doc="share of the stride by which the feet step behind. Over a stance of two feet the body"
        " tips back, then forward; 1/6 lets it end level (constant speed, small angles)",
        min=0.0,
        max=0.5,
    )
    heading: HeadingConfig = field(default_factory=HeadingConfig)
    calibration: Calibrations = field(default_factory=Calibrations)
    command_timeout: float = param(
        0.5,
        doc="a cmd_vel older than this counts as zero",
        unit="s",
        min=0.01,
        max=60.0,
        dynamic=True,
    )

    def __post_init__(self) -> None:
        """Refuse a shape beyond its range, which the gait would otherwise clip in silence."""
        for part in fields(Shape):
            low, value, high = (
                getattr(shape, part.name) for shape in (self.shape_min, self.shape, self.shape_max)
            )
            if not low <= value <= high:
                raise ValueError(
                    f"shape.{part.name}: {value:g}: expected shape_min <= shape <= shape_max,"
                    f" {low:g} to {high:g}"
                )
