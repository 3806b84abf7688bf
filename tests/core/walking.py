"""What the gait's tests share: a configuration of their own, and a robot that walks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.control import load_controller
from stride_core.gait import (
    PATTERNS,
    Gait,
    GaitConfig,
    GaitInputs,
    GaitOutput,
    GaitState,
    Shape,
    shape_array,
)
from stride_core.gait import make_gait as make_gait_for
from stride_core.gait.config import (
    Calibrations,
    Limits,
    Pattern,
    Patterns,
    ShapeRates,
)
from stride_core.robot import load_robot

SPEC = load_robot("fivebar")
SHIPPED = Path(__file__).parents[2] / "config" / "fivebar.yaml"
CONTROLLER = load_controller(SPEC, SHIPPED)
SIDE = np.array([1.0, -1.0, 1.0, -1.0])

# The shipped numbers are tuned; these stay. The walk is the lateral sequence: RL, FL, RR, FR.
CONFIG = dataclasses.replace(
    CONTROLLER.gait_config,
    pattern="trot",
    patterns=Patterns(
        trot=Pattern(offsets=(0.0, 0.5, 0.5, 0.0), duty=0.6),
        walk=Pattern(offsets=(0.0, 0.5, 0.25, 0.75), duty=0.78),
        pace=Pattern(offsets=(0.0, 0.5, 0.0, 0.5), duty=0.6),
        bound=Pattern(offsets=(0.0, 0.0, 0.5, 0.5), duty=0.55),
    ),
    shape=Shape(
        height=0.085, step_height=0.025, cycle_time=0.4, stance_length=0.0, stance_width=0.0
    ),
    shape_rates=ShapeRates(
        height=0.1, step_height=0.1, cycle_time=1.0, stance_length=0.1, stance_width=0.1
    ),
    limits=Limits(speed=(0.5, 0.3, 2.0), acceleration=(1.0, 0.8, 6.0), servo_share=0.9),
    calibration=Calibrations(),
    lean=0.0,
)
PARTS = tuple(part.name for part in dataclasses.fields(Shape))
HEIGHT, LIFT, CYCLE = CONFIG.shape.height, CONFIG.shape.step_height, CONFIG.shape.cycle_time
DT = 0.01


def shaped(**changes: float) -> FloatArray:
    """CONFIG's shape, with some parts changed by name."""
    return shape_array(dataclasses.replace(CONFIG.shape, **changes))


SHAPE = shaped()


def make_gait(config: GaitConfig = CONFIG, **changes: object) -> Gait:
    return make_gait_for(SPEC, dataclasses.replace(config, **changes))  # type: ignore[arg-type]


GAIT = make_gait()


def asking(
    command: object = (0.0, 0.0, 0.0),
    shape: object = SHAPE,
    pattern: object = 0,
    upright: object = True,
    lead: tuple[int, ...] = (),
) -> GaitInputs:
    """Inputs with leading dimensions `lead`; `pattern` is a name or indices."""
    index = PATTERNS.index(pattern) if isinstance(pattern, str) else pattern
    return GaitInputs(
        command=np.array(np.broadcast_to(np.asarray(command, float), (*lead, 3))),
        shape=np.array(np.broadcast_to(np.asarray(shape, float), (*lead, len(PARTS)))),
        pattern=np.array(np.broadcast_to(np.asarray(index), lead)),
        upright=np.array(np.broadcast_to(np.asarray(upright), lead)),
    )


def walk(
    inputs: GaitInputs,
    ticks: int,
    *,
    dt: float = DT,
    gait: Gait = GAIT,
    state: GaitState | None = None,
) -> Iterator[tuple[GaitState, GaitOutput]]:
    """Every tick of a robot that is asked the same all the time."""
    state = gait.initial(inputs) if state is None else state
    for _ in range(ticks):
        state, output = gait.step(state, inputs, dt)
        yield state, output


def settled(inputs: GaitInputs, *, gait: Gait = GAIT, seconds: float = 4.0) -> GaitState:
    """The state once the command and the shape are reached."""
    *_, (state, _output) = walk(inputs, round(seconds / 0.02), dt=0.02, gait=gait)
    return state


def random_inputs(rng: np.random.Generator, lead: tuple[int, ...]) -> GaitInputs:
    """Anything that may be asked while walking, within what this robot can be shaped to."""
    low = shaped(
        height=0.07, step_height=0.0, cycle_time=0.25, stance_length=-0.01, stance_width=-0.01,
        stride=0.6,
    )  # fmt: skip
    high = shaped(
        height=0.095, step_height=0.03, cycle_time=1.0, stance_length=0.01, stance_width=0.01,
        stride=1.5,
    )  # fmt: skip
    commands = rng.uniform(-1.0, 1.0, (*lead, 3)) * (0.6, 0.4, 2.5)
    return GaitInputs(
        command=commands * rng.choice([0, 1], (*lead, 1)),
        shape=rng.uniform(low, high, (*lead, len(PARTS))),
        pattern=rng.integers(0, len(PATTERNS), lead),
        upright=rng.random(lead) < 0.9,
        rates=rng.normal(0.0, 0.05, (*lead, len(PARTS))),
        yaw=rng.uniform(-3.0, 3.0, lead),
    )


def at_rest(**changes: float) -> FloatArray:
    """Where the feet belong at rest, (legs, 3): by hand from the robot's dimensions."""
    shape = dataclasses.replace(CONFIG.shape, **changes)
    feet = np.zeros((4, 3))
    feet[:, 0] = np.array([1.0, 1.0, -1.0, -1.0]) * shape.stance_length
    feet[:, 1] = SIDE * (0.024 + shape.stance_width)
    feet[:, 2] = -shape.height
    return feet
