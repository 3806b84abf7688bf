"""What the watchdog's tests share: three joints, and inputs that are fine unless told otherwise."""

from __future__ import annotations

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.safety import (
    Decision,
    JointLimits,
    SafetyConfig,
    SafetyInputs,
    SafetyState,
    initial,
    step,
)

# Sums of powers of two, so that ages and slews come out exactly.
CONFIG = SafetyConfig(max_joint_speed=8.0, max_tilt=1.0, state_timeout=0.125, target_timeout=0.25)
LIMITS = JointLimits(np.array([-1.0, -0.5, 0.0]), np.array([1.0, 0.5, 2.0]))
HOME = np.array([0.25, -0.25, 1.0])
UPRIGHT = np.array([0.0, 0.0, 1.0])
DT = 1.0 / 64.0
PER_TICK = CONFIG.max_joint_speed * DT  # 0.125 rad
NOW = 10.0


def tilted(angle: float) -> FloatArray:
    """The vertical as a trunk pitched by `angle` sees it."""
    return np.array([np.sin(angle), 0.0, np.cos(angle)])


def sane(now: float = NOW, **changes: object) -> SafetyInputs:
    """Inputs of one robot that stands at HOME and is asked to stay; `changes` by name."""
    fine: dict[str, object] = {
        "target": HOME, "target_time": now, "position": HOME, "up": UPRIGHT, "state_time": now,
        "estop": False, "reset": False,
    }  # fmt: skip
    return SafetyInputs(**{k: np.asarray(v) for k, v in {**fine, **changes}.items()})


def decide(
    state: SafetyState, now: float = NOW, config: SafetyConfig = CONFIG, **changes: object
) -> tuple[SafetyState, Decision]:
    return step(config, LIMITS, state, sane(now, **changes), np.asarray(now))


def standing_by(now: float = NOW) -> SafetyState:
    """A watchdog that knows the robot's state and has no target yet."""
    nothing = np.full(3, np.nan)
    state = initial((), 3)
    for tick in (2, 1):
        state, decision = decide(state, now - tick * DT, target=nothing, target_time=-np.inf)
        assert not decision.powered
    return state


def powered_up(now: float = NOW) -> SafetyState:
    """A watchdog that became ACTIVE in the tick before `now`."""
    state, decision = decide(standing_by(now - DT), now - DT)
    assert decision.powered
    return state
