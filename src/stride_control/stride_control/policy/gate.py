"""Out of what it was trained for, a policy fades out.

The distance is the largest of the observation's channels, each in standard deviations of training:
``max |x - mean| / std``. A mean over channels would hide the one that broke: a stuck joint is 16 by
the largest and 2.4 by the root mean square of sixty, which tilting by 30° reaches as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.config import param
from stride_core.contract import Normaliser


@dataclass(frozen=True)
class GateConfig:
    """When, and how fast.

    Walking on flat and rough ground by random commands stays below 6.3 of its own statistics
    (240,000 observations); reversed joints reach 13, a tilt of 30° 13, a stuck joint 16.
    """

    enabled: bool = param(True, doc="off: full strength whatever it sees", dynamic=True)
    familiar: float = param(
        8.0, doc="novelty up to which the strength is full", min=0.1, max=1e6, dynamic=True
    )
    strange: float = param(
        16.0, doc="novelty from which it is zero", min=0.2, max=1e6, dynamic=True
    )
    fall_time: float = param(
        0.1, doc="of the strength from full to zero", unit="s", min=0.0, max=10.0, dynamic=True
    )
    rise_time: float = param(
        0.5, doc="of the strength from zero to full", unit="s", min=0.0, max=10.0, dynamic=True
    )

    def __post_init__(self) -> None:
        """Refuse a gate that closes before it begins to."""
        if self.strange <= self.familiar:
            raise ValueError(f"strange: {self.strange:g}: expected more than familiar")


class Novelty:
    """Distance of an observation from those of training."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._mean = np.array(normaliser.mean)
        self._per_std = 1.0 / np.array(normaliser.std)

    def __call__(self, observation: FloatArray) -> float:
        """Of ``(size,)``, in standard deviations of the strangest channel."""
        distance = np.abs((observation - self._mean) * self._per_std)
        return float(np.maximum.reduce(distance))


def smooth(share: float) -> float:
    """From 0 to 1 with level ends, 3s² - 2s³, clipped outside."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def wanted_strength(config: GateConfig, novelty: float) -> float:
    """Strength for a novelty: 1 where it is familiar, 0 where it is strange, smooth between."""
    if not config.enabled:
        return 1.0
    return 1.0 - smooth((novelty - config.familiar) / (config.strange - config.familiar))


def next_strength(config: GateConfig, strength: float, wanted: float, dt: float) -> float:
    """One tick of ``dt`` [s] towards the strength that is wanted, at the configured pace."""
    time = config.rise_time if wanted > strength else config.fall_time
    most = dt / time if time > 0.0 else 1.0
    return strength + min(max(wanted - strength, -most), most)
