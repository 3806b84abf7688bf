"""What the watchdog's tests share: three joints, and inputs that are fine unless told otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.safety import (
    Check,
    Checks,
    Decision,
    JointLimits,
    Mode,
    Motors,
    SafetyConfig,
    SafetyInputs,
    SafetyState,
    initial,
    step,
)

# Sums of powers of two, so that ages and slews come out exactly. What a test of one check would
# trip over by the way is set far off; the checks have tests of their own.
FAR = Check(1e3, "warn")
CONFIG = SafetyConfig(
    max_joint_speed=8.0,
    standing_speed=2.0,
    standing_tolerance=0.25,
    checks=Checks(
        tilt=Check(1.0),
        fall=Check(2.0),
        state_stale=Check(0.125),
        imu_stale=Check(0.125),
        target_stale=Check(0.25),
        target_late=FAR,
        tick_overrun=FAR,
        state_jump=FAR,
        clock_jump=Check(10.0),
    ),
)
LIMITS = JointLimits(np.array([-1.0, -0.5, 0.0]), np.array([1.0, 0.5, 2.0]), torque=0.5)
HOME = np.array([0.25, -0.25, 1.0])
UPRIGHT = np.array([0.0, 0.0, 1.0])
DT = 1.0 / 64.0
PER_TICK = CONFIG.max_joint_speed * DT  # 0.125 rad
STANDING_TICK = CONFIG.standing_speed * DT  # 0.03125 rad
NOW = 10.0


def tilted(angle: float) -> FloatArray:
    """The vertical as a trunk pitched by `angle` sees it."""
    return np.array([np.sin(angle), 0.0, np.cos(angle)])


def healthy(now: float = NOW, **changes: float) -> Motors:
    """Motors that are well; `changes` by name."""
    fine = {
        "time": now, "missing": 0.0, "fault": 0.0, "locked": 0.0, "temperature": 30.0,
        "voltage_low": 7.4, "voltage_high": 7.4,
    }  # fmt: skip
    return Motors(**{k: np.asarray(v) for k, v in {**fine, **changes}.items()})


def sane(now: float = NOW, **changes: object) -> SafetyInputs:
    """Inputs of one robot that stands at HOME and is asked to stay; `changes` by name."""
    fine: dict[str, Any] = {
        "target": HOME, "target_time": now, "position": HOME, "up": UPRIGHT, "state_time": now,
        "estop": False, "reset": False, "imu_time": now, "velocity": np.zeros(3),
        "effort": np.zeros(3), "gyro": np.zeros(3), "accel": 9.81 * UPRIGHT,
        "command_time": now, "lost": 0.0,
    }  # fmt: skip
    given = {k: v for k, v in {**fine, **changes}.items() if k != "motors"}
    arrays = {k: None if v is None else np.asarray(v) for k, v in given.items()}
    return SafetyInputs(**arrays, motors=changes.get("motors", healthy(now)))  # type: ignore[arg-type]


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


def standing_up(now: float = NOW) -> SafetyState:
    """A watchdog whose robot began to stand up in the tick before `now`."""
    state, decision = decide(standing_by(now - DT), now - DT)
    assert decision.powered and state.mode == Mode.STANDING
    return state


def powered_up(now: float = NOW) -> SafetyState:
    """A watchdog that became ACTIVE in the tick before `now`."""
    state, decision = decide(standing_up(now - DT), now - DT)
    assert decision.powered and state.mode == Mode.ACTIVE
    return state
