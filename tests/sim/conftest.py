from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.robot import RobotSpec, load_robot

Trot = Callable[[float, float], FloatArray]


@pytest.fixture(scope="session")
def spec() -> RobotSpec:
    return load_robot("fivebar")


@pytest.fixture(scope="session")
def trot(spec: RobotSpec) -> Trot:
    """A plain trot, open loop, written for these tests: joint targets at a time and a speed."""
    offset = np.array([0.0, 0.5, 0.5, 0.0])
    cycle, duty, lift = 0.4, 0.6, 0.025

    def targets(time: float, speed: float) -> FloatArray:
        phase = (time / cycle + offset) % 1.0
        swing = phase >= duty
        along = np.where(swing, (phase - duty) / (1 - duty), phase / duty)
        eased = along - np.sin(2 * np.pi * along) / (2 * np.pi)
        stride = speed * duty * cycle
        feet = np.array(spec.stance)
        feet[:, 0] += stride * np.where(swing, eased - 0.5, 0.5 - along)
        feet[:, 2] += np.where(swing, lift * 0.5 * (1 - np.cos(2 * np.pi * along)), 0.0)
        return spec.joints_of(spec.kinematics.inverse(feet).angles)

    return targets
