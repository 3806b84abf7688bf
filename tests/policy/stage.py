"""A switch without a robot: policies that say what a test tells them, tick by tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np
from stride_control.policy.background import Background
from stride_control.policy.events import Event, Request
from stride_control.policy.gate import GateConfig
from stride_control.policy.library import PolicyError
from stride_control.policy.loading import Policy
from stride_control.policy.network import Network
from stride_control.policy.runner import Bounds, Scene
from stride_control.policy.switch import Applied, Switch, SwitchConfig
from stride_core.action import ActionConfig, ActionLayout
from stride_core.arrays import FloatArray
from stride_core.contract import Normaliser
from stride_core.control import Sensed
from stride_core.gait import GaitOutput
from stride_core.observation import Observation
from tests.policy.models import ROBOT, contract_of

DT = 0.01
BOUNDS = Bounds(GateConfig(fall_time=0.0, rise_time=0.0), 100.0, 0.002, inf)
CONFIG = SwitchConfig(
    shadow_time=0.05, fade_time=0.1, probation_time=0.2, return_time=0.05, fault_limit=3
)
SIZE = 0.02
"""A full action [m]."""

Say = Callable[[FloatArray], Any]


def policy(
    name: str,
    say: Say | float,
    modulation: dict[str, float] | None = None,
    mean: float = 0.0,
    **contract: Any,
) -> Policy:
    """A policy that answers an observation with ``say`` of it, or with a constant.

    ``mean`` is that of all it saw in training, with a spread of 100; ``contract`` is the rest of
    ``contract_of``.
    """
    action = ActionConfig(residual=SIZE, modulation=modulation or {})
    layout = ActionLayout(ROBOT, action)
    observation = Observation(ROBOT, ("gravity", "action"), layout.size)
    size = observation.size
    made = contract_of(
        Normaliser((mean,) * size, (100.0,) * size),
        action=action,
        names=("gravity", "action"),
        weights_sha256=name * 64,
        **contract,
    )

    def answer(seen: FloatArray) -> FloatArray:
        value = say(seen) if callable(say) else say
        return np.broadcast_to(np.asarray(value, float), (layout.size,)).copy()

    network = cast(Network, answer)
    return Policy(name, Path(name), made, network, observation, layout, 1e-5)


def scene(
    tick: int, up: Any = (0.0, 0.0, 1.0), pattern: str = "trot", shape: Any = (0.0,) * 6
) -> Scene:
    """A tick of a robot that stands still."""
    joints, legs = len(ROBOT.joints), len(ROBOT.legs)
    sensed = Sensed(
        np.zeros(joints), np.zeros(joints), np.array(up), np.zeros(3), np.array(tick * DT)
    )
    none = np.zeros(3)
    gait = GaitOutput(
        np.zeros((legs, 3)), np.zeros(legs), np.zeros(legs, bool), none, none,
        np.array(shape), np.array(False),
    )  # fmt: skip
    return Scene(round(tick * DT * 1e9), sensed, gait, pattern)


class Stage:
    """A switch, and what it said and did.

    Attributes:
        applied: of each tick.
        events: with the number of the tick in which they were told.
        outcomes: of requests, in the order of their answers.
    """

    def __init__(self, background: Background, config: SwitchConfig = CONFIG) -> None:
        self.switch = Switch(len(ROBOT.legs), config, BOUNDS, background, wait=True)
        self.applied: list[Applied] = []
        self.events: list[tuple[int, Event]] = []
        self.outcomes: list[tuple[str, str]] = []

    def ask(self, made: Policy | None) -> None:
        """Request a policy."""

        def told(error: PolicyError | None, identity: str) -> None:
            self.outcomes.append((str(error) if error else "", identity))

        self.switch.ask(Request(made, told))

    def go(self, ticks: int = 1, tilt: float = 0.0, **how: Any) -> float:
        """Ticks of 10 ms; the last one's offset of all feet along all axes [full actions]."""
        for _ in range(ticks):
            number = len(self.applied)
            self.applied.append(self.switch.tick(scene(number, **how), tilt))
            self.events += [(number, event) for event in self.switch.events()]
        offset = self.applied[-1].offset / SIZE
        assert np.ptp(offset) < 1e-12
        return float(offset[0, 0])

    def told(self) -> list[tuple[int, str, str]]:
        """Tick, kind and name of each event."""
        return [(n, event.kind.name, event.policy.partition("@")[0]) for n, event in self.events]

    def offsets(self) -> FloatArray:
        """Of each tick [full actions]."""
        return np.array([applied.offset[0, 0] for applied in self.applied]) / SIZE


@contextmanager
def stage(config: SwitchConfig = CONFIG, first: Policy | None = None) -> Iterator[Stage]:
    """A stage whose thread ends with it."""
    trouble: list[str] = []
    background = Background("test", trouble.append)
    made = Stage(background, config)
    if first is not None:
        made.switch.start(first)
    try:
        yield made
    finally:
        background.close()
    assert not trouble
