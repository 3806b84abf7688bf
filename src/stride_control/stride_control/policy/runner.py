"""One policy in a run: its memory, its strength, its faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.control import Sensed
from stride_core.gait import GaitOutput
from stride_core.observation import Observed

from stride_control.policy.gate import GateConfig, Novelty, next_strength, wanted_strength
from stride_control.policy.loading import Policy, fault_of


class Scene(NamedTuple):
    """What a tick shows to a policy.

    Attributes:
        stamp: of the tick [ns].
        sensed, gait: as in ``stride_core.observation.Observed``.
        pattern: name of the nominal gait's pattern.
    """

    stamp: int
    sensed: Sensed
    gait: GaitOutput
    pattern: str


class Answer(NamedTuple):
    """What a policy says in a tick.

    Attributes:
        offset: ``(legs, 3)`` [m], strength applied.
        rates: ``(6,)`` of the gait's shape [its unit/s], strength applied; None for no modulation.
        strength: applied, in [0, 1].
        novelty: see ``gate``.
        fault: why the answer is zero; empty if it is well.
        blame: whether the fault is the policy's own.
    """

    offset: FloatArray
    rates: FloatArray | None
    strength: float
    novelty: float
    fault: str = ""
    blame: bool = False


@dataclass(frozen=True)
class Bounds:
    """What an answer must keep to.

    Attributes:
        gate: of the novelty.
        largest_action: see ``loading.Terms``.
        inference_limit: see ``loading.Terms``; of a shadow run on average [s].
        deadline: a later answer is no answer, by the wall's clock [s]; inf where time stands still
            meanwhile.
    """

    gate: GateConfig
    largest_action: float
    inference_limit: float
    deadline: float


class Runner:
    """Runs a policy tick by tick.

    Attributes:
        policy: which.
        faults: consecutive ticks that were the policy's fault.
        strength: applied in the last tick.
    """

    def __init__(
        self, policy: Policy, strength: float = 1.0, clock: Callable[[], float] = perf_counter
    ) -> None:
        """Start without memory; ``clock`` is the wall's [s]."""
        self.policy = policy
        self.faults = 0
        self.strength = strength
        self._clock = clock
        self._novelty = Novelty(policy.contract.normaliser)
        self._nothing = np.zeros((len(policy.contract.legs), 3))
        self._action = np.zeros(policy.action.size)
        self._stamp: int | None = None

    def step(self, scene: Scene, bounds: Bounds) -> Answer:
        """Observe, compute, scale. Never raises: a fault is an answer of zero."""
        dt = 0.0 if self._stamp is None else max(scene.stamp - self._stamp, 0) * 1e-9
        self._stamp = scene.stamp
        start = self._clock()
        observation = self.policy.observation.build(
            Observed(scene.sensed, scene.gait, self._action)
        )
        novelty = self._novelty(observation)
        if not np.isfinite(novelty):
            return self._fail("observation: not finite", 0.0, blame=False)
        try:
            action = self.policy.network(observation)
        except Exception as error:  # whatever it is, the robot walks on
            return self._fail(" ".join(str(error).split())[:200], novelty)
        fault = fault_of(action, bounds.largest_action)
        if fault:
            return self._fail(fault, novelty)
        if self._clock() - start > bounds.deadline:
            return self._fail(f"later than {1e3 * bounds.deadline:g} ms", novelty)
        self.faults = 0
        familiar = scene.pattern == self.policy.contract.gait
        wanted = wanted_strength(bounds.gate, novelty) if familiar else 0.0
        self.strength = next_strength(bounds.gate, self.strength, wanted, dt)
        self._action = np.minimum(np.maximum(action, -1.0), 1.0)
        offset, rates = self.policy.action.apply(self._action)
        if rates is not None:
            rates = self.strength * rates if self.strength > 0.0 else None
        return Answer(self.strength * offset, rates, self.strength, novelty)

    def _fail(self, fault: str, novelty: float, blame: bool = True) -> Answer:
        """Nothing in this tick; once well again, the strength rises from zero."""
        self.faults += blame
        self.strength = 0.0
        self._action = np.zeros_like(self._action)
        return Answer(self._nothing, None, 0.0, novelty, fault, blame)
