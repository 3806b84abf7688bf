"""The Bézier gait: phase oscillator, foot path, stride limits, speed calibration."""

from stride_core.gait.config import PATTERNS, SHAPE_PARTS, GaitConfig, Shape
from stride_core.gait.step import (
    Gait,
    GaitInputs,
    GaitOutput,
    GaitState,
    make_gait,
    shape_array,
)

__all__ = [
    "PATTERNS",
    "SHAPE_PARTS",
    "Gait",
    "GaitConfig",
    "GaitInputs",
    "GaitOutput",
    "GaitState",
    "Shape",
    "make_gait",
    "shape_array",
]
