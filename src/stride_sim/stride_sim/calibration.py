"""How fast the robot goes for what its feet are asked, measured on flat ground."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.control import Controller
from stride_core.frames import roll_pitch_yaw
from stride_core.gait import PATTERNS, GaitInputs, make_gait, shape_array
from stride_core.gait.config import Calibration, Calibrations, PatternCalibration

from stride_sim.plant import NoiseConfig, Plant, PlantConfig
from stride_sim.rollout import rollout

DIRECTIONS = {
    "forward": (1.0, 0.0, 0.0),
    "backward": (-1.0, 0.0, 0.0),
    "sideways": (0.0, 1.0, 0.0),
    "turn": (0.0, 0.0, 1.0),
}
_SETTLE_S = 3.0
_MEASURE_S = 8.0
_MOST_TILT = np.radians(20.0)


def measure(
    controller: Controller, pattern: str, asks: FloatArray, direction: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Walk with each ask and return what came of it.

    Args:
        controller: its calibration is left out of account.
        pattern: of the gait.
        asks: ``(n,)`` speeds of the feet, along ``direction``.
        direction: ``(3,)`` vx, vy, wz.

    Returns:
        speeds ``(n,)`` along the direction, and the largest tilt on the way ``(n,)`` [rad].
        A speed is NaN where the stride's limits did not let the feet do what was asked.
    """
    bare = dataclasses.replace(controller.gait_config, calibration=Calibrations())
    controller = dataclasses.replace(controller, gait=make_gait(controller.robot, bare))
    n = len(asks)
    plant = Plant(controller.robot, PlantConfig(noise=NoiseConfig(scale=0.0)), robots=n)
    inputs = GaitInputs(
        command=asks[:, None] * direction,
        shape=np.tile(shape_array(bare.shape), (n, 1)),
        pattern=np.full(n, PATTERNS.index(pattern)),
        upright=np.ones(n, dtype=bool),
    )
    settle, ticks = (round(s / plant.period) for s in (_SETTLE_S, _SETTLE_S + _MEASURE_S))
    run = list(rollout(plant, controller, inputs, ticks))
    attitude = roll_pitch_yaw(np.array([tick.truth.quaternion for tick in run]))
    moved = _moved(np.array([tick.truth.position for tick in run]), attitude[..., 2])
    speed = (moved[settle:].mean(axis=0) / plant.period) @ direction
    limited = np.array([tick.control.gait.limited for tick in run]).any(axis=0)
    tilt = np.abs(attitude[..., :2]).max(axis=(0, 2))
    return np.where(limited, np.nan, speed), tilt


def _moved(position: FloatArray, yaw: FloatArray) -> FloatArray:
    """Per tick, in the heading's frame: forward, left [m], turned [rad]; ``(ticks-1, n, 3)``."""
    step, heading = np.diff(position, axis=0), yaw[:-1]
    cos, sin = np.cos(heading), np.sin(heading)
    forward = cos * step[..., 0] + sin * step[..., 1]
    left = cos * step[..., 1] - sin * step[..., 0]
    return np.stack([forward, left, np.diff(np.unwrap(yaw, axis=0), axis=0)], axis=-1)


def calibrate(controller: Controller, pattern: str, knots: int = 8) -> PatternCalibration:
    """Measure a pattern in every direction.

    Knots end where the robot tilts, stops to gain speed, or reaches the limits of its stride.
    """
    limits = np.array(controller.gait_config.limits.speed)
    found = {}
    for name, direction in DIRECTIONS.items():
        most = 1.2 * float(np.abs(direction) @ limits)
        asks = np.linspace(0.0, most, 2 * knots + 1)[1:]
        speed, tilt = measure(controller, pattern, asks, np.array(direction))
        found[name] = _knots(asks, np.where(tilt < _MOST_TILT, speed, np.nan))
    return PatternCalibration(**found)


def _knots(asks: FloatArray, speed: FloatArray) -> Calibration:
    """The rising part: each knot faster than all before it; the default where nothing rises."""
    kept: list[tuple[float, float]] = []
    fastest = 0.0
    for ask, reached in zip(asks, speed, strict=True):
        if not reached > fastest * 1.02 + 1e-3:
            break
        fastest = reached
        kept.append((round(float(reached), 4), round(float(ask), 4)))
    if not kept:
        return Calibration()
    return Calibration(tuple(s for s, _ in kept), tuple(a for _, a in kept))


def as_parameters(calibrations: dict[str, PatternCalibration]) -> str:
    """The YAML of ROS parameters that the gait node reads."""
    lines = ["/**/gait:", "  ros__parameters:", "    gait:", "      calibration:"]
    for pattern, found in calibrations.items():
        lines.append(f"        {pattern}:")
        for direction in DIRECTIONS:
            knots: Calibration = getattr(found, direction)
            if not knots.speed:  # a ROS parameter cannot be an empty list
                continue
            lines.append(f"          {direction}:")
            lines += [
                f"            {key}: {_list(getattr(knots, key))}" for key in ("speed", "ask")
            ]
    return "\n".join(lines) + "\n"


def _list(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:.4f}" for value in values) + "]"
