"""One policy in a run: its memory, its strength, its faults."""

from __future__ import annotations

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


class Fault(NamedTuple):
    """Why there is no answer in a tick.

    Attributes:
        kind: one of a few words.
        text: one line, with what was found.
        blame: whether it is the policy's own.
    """

    kind: str
    text: str
    blame: bool = True


class Answer(NamedTuple):
    """What a policy says in a tick.

    Attributes:
        offset: ``(legs, 3)`` [m], strength applied.
        rates: ``(6,)`` of the gait's shape [its unit/s], strength applied; None for no modulation.
        strength: applied, in [0, 1].
        novelty: see ``gate``.
        said: the offset without the strength.
        silence: why it shall have no say, although it answers; empty if it shall.
        fault: why the answer is zero; None if it is well.
    """

    offset: FloatArray
    rates: FloatArray | None
    strength: float
    novelty: float
    said: FloatArray
    silence: str = ""
    fault: Fault | None = None


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

    def __init__(self, policy: Policy) -> None:
        """Start without memory."""
        self.policy = policy
        self.faults = 0
        self.strength = 1.0
        self._novelty = Novelty(policy.contract.normaliser)
        self._nothing = np.zeros((len(policy.contract.legs), 3))
        self._action = np.zeros(policy.action.size)
        self._stamp: int | None = None

    def step(self, scene: Scene, bounds: Bounds) -> Answer:
        """Observe, compute, scale. Never raises: a fault is an answer of zero."""
        dt = 0.0 if self._stamp is None else max(scene.stamp - self._stamp, 0) * 1e-9
        self._stamp = scene.stamp
        start = perf_counter()
        observation = self.policy.observation.build(
            Observed(scene.sensed, scene.gait, self._action)
        )
        novelty = self._novelty(observation)
        if not np.isfinite(novelty):
            return self._fail(Fault("observation", "observation: not finite", blame=False), 0.0)
        try:
            action = self.policy.network(observation)
        except Exception as error:  # whatever it is, the robot walks on
            return self._fail(Fault("exception", " ".join(str(error).split())[:200]), novelty)
        wrong = fault_of(action, bounds.largest_action)
        if wrong:
            return self._fail(Fault("action", wrong), novelty)
        if perf_counter() - start > bounds.deadline:
            return self._fail(Fault("late", f"later than {1e3 * bounds.deadline:g} ms"), novelty)
        self.faults = 0
        silence = ""
        wanted = wanted_strength(bounds.gate, novelty)
        if other := self.policy.contract.gait.differs(scene.pattern, scene.gait.shape):
            wanted, silence = 0.0, other
        elif wanted == 0.0:
            most = bounds.gate.strange
            silence = f"strange to it: novelty {novelty:.3g}: expected less than {most:g}"
        self.strength = next_strength(bounds.gate, self.strength, wanted, dt)
        self._action = np.minimum(np.maximum(action, -1.0), 1.0)
        offset, rates = self.policy.action.apply(self._action)
        if rates is not None:
            rates = self.strength * rates if self.strength > 0.0 else None
        return Answer(self.strength * offset, rates, self.strength, novelty, offset, silence)

    def _fail(self, fault: Fault, novelty: float) -> Answer:
        """Nothing in this tick; once well again, the strength rises from zero."""
        self.faults += fault.blame
        self.strength = 0.0
        self._action = np.zeros_like(self._action)
        return Answer(self._nothing, None, 0.0, novelty, self._nothing, fault=fault)
