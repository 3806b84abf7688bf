"""Who walks on what, and how fast: levels that rise with success and fall with failure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from stride_core.arrays import BoolArray, FloatArray

from stride_training.task import Curriculum


class Progress(NamedTuple):
    """Of each robot.

    Attributes:
        level: ``(N,)`` of the terrain, from 0; whole numbers.
        reach: ``(N,)`` share of the range of commands.
    """

    level: FloatArray
    reach: FloatArray


def begin(config: Curriculum, levels: int, draws: FloatArray) -> Progress:
    """Where robots start, from uniform draws ``(N,)`` in [0, 1)."""
    among = max(1.0, np.ceil(levels * config.start)) if config.terrain else levels
    reach = config.reach if config.commands else 1.0
    return Progress(np.floor(draws * among), np.full(len(draws), reach))


def update(
    config: Curriculum,
    levels: int,
    before: Progress,
    fell: BoolArray,
    error: FloatArray,
    draws: FloatArray,
) -> Progress:
    """After an episode of each robot.

    Args:
        config: what counts as success.
        levels: how many there are; who masters the last one goes anywhere, by its draw.
        before: of these robots.
        fell: ``(n,)``.
        error: ``(n,)`` mean error of the velocity [m/s].
        draws: ``(n,)`` in [0, 1).
    """
    good, bad = ~fell & (error < config.good), fell | (error > config.bad)
    change = good.astype(np.float64) - bad
    level, reach = before
    if config.terrain:
        level = np.maximum(level + change, 0.0)
        level = np.where(level >= levels, np.floor(draws * levels), level)
    else:
        level = np.floor(draws * levels)
    if config.commands:
        reach = np.clip(reach + config.step * change, min(config.reach, 1.0), 1.0)
    return Progress(level, reach)
