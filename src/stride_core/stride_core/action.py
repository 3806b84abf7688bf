"""What a policy's answer means: foot residuals, and rates by which it modulates the gait."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from stride_core.arrays import FloatArray, clip
from stride_core.config import param
from stride_core.gait.config import SHAPE_PARTS
from stride_core.robot import RobotSpec


@dataclass(frozen=True)
class ActionConfig:
    """What a policy may do: the same words in a training task and in a policy's contract."""

    residual: float = param(
        0.02, doc="foot offset of a full action, along each axis", unit="m", min=0.0, max=0.2
    )
    modulation: dict[str, float] = field(
        default_factory=dict,
        metadata={
            "doc": "parts of the gait's shape, and the rate of a full action [the part's unit/s]",
            "min": 0.0,
            "max": 100.0,
        },
    )

    def __post_init__(self) -> None:
        for name in self.modulation:
            if name not in SHAPE_PARTS:
                raise ValueError(f"modulation: {name!r}: expected one of {', '.join(SHAPE_PARTS)}")


class Act(NamedTuple):
    """An action in the graph's terms.

    Attributes:
        offset: ``(..., legs, 3)`` of the feet, in hip frames [m].
        rates: ``(..., 6)`` as in ``GaitInputs``; None where the layout modulates nothing.
    """

    offset: FloatArray
    rates: FloatArray | None


class ActionLayout:
    """Order and scale of a policy's answer: the legs' x, y, z in turn, then the modulation.

    Attributes:
        names: of the columns.
        size: how many.
    """

    def __init__(self, robot: RobotSpec, config: ActionConfig) -> None:
        feet = [f"{leg}_{axis}" for leg in robot.legs for axis in "xyz"]
        self.config = config
        self.names = (*feet, *config.modulation)
        self.size = len(self.names)
        self._feet = (len(robot.legs), 3)
        self._offsets = len(feet)
        self._columns = [SHAPE_PARTS.index(name) for name in config.modulation]

    @cached_property
    def _rates(self) -> FloatArray:
        return np.array(list(self.config.modulation.values()))

    def apply(self, action: FloatArray) -> Act:
        """Scale an answer, ``(..., size)`` clipped to ±1; what is not finite stays so."""
        bounded = clip(action, -1.0, 1.0)
        lead = bounded.shape[:-1]
        offset = self.config.residual * bounded[..., : self._offsets].reshape(*lead, *self._feet)
        if not self._columns:
            return Act(offset, None)
        rates = np.zeros((*lead, len(SHAPE_PARTS)))
        rates[..., self._columns] = bounded[..., self._offsets :] * self._rates
        return Act(offset, rates)

    def invert(self, act: Act) -> FloatArray:
        """The answer ``(..., size)`` behind an act; 0 where a full action moves nothing."""
        lead = act.offset.shape[:-2]
        parts = [act.offset.reshape(*lead, self._offsets)]
        full = np.full(self._offsets, self.config.residual)
        if act.rates is not None:
            parts.append(act.rates[..., self._columns])
            full = np.concatenate([full, self._rates])
        said = np.concatenate(parts, axis=-1)
        return np.divide(said, full, out=np.zeros(said.shape), where=full > 0.0)
