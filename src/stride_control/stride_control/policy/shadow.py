"""The shadow run: a candidate computes beside the policy in charge, and nobody obeys it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, sqrt
from threading import Event
from time import thread_time

import numpy as np
from stride_core.arrays import FloatArray

from stride_control.policy.background import Background
from stride_control.policy.library import PolicyError
from stride_control.policy.runner import Bounds, Runner, Scene

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Report:
    """How a shadow run went.

    Attributes:
        refusal: why the candidate must not take over; None if it may.
        ticks: in which the candidate would have had a say; it is judged by these.
        difference: root mean square over them between its offsets in full and those applied [m].
        novelty: the largest.
        inference: the processor's time for a tick, on average [s].
    """

    refusal: PolicyError | None
    ticks: int
    difference: float
    novelty: float
    inference: float


class Shadow:
    """Feeds a candidate on the background thread, which keeps the ticks in order."""

    def __init__(
        self, runner: Runner, bounds: Bounds, difference: float, background: Background
    ) -> None:
        """``difference`` is the largest that is allowed, see ``Report``."""
        self.runner = runner
        # held against the processor's time instead: the wall's says how busy this machine is
        self._bounds = replace(bounds, deadline=inf)
        self._most_different = difference
        self._background = background
        self._ended = Event()
        self._fault = self._silence = ""
        self._fed = self._ticks = 0
        self._square = self._novelty = self._spent = 0.0

    def feed(self, scene: Scene, offset: FloatArray) -> None:
        """Hand over a tick, and the offset that the policy in charge gave; returns at once."""
        self._background.do(lambda: self._step(scene, offset))

    def end(self) -> None:
        """No tick comes any more."""
        self._background.do(self._ended.set)

    def report(self, wait: bool) -> Report | None:
        """How it went, after ``end``; None while it is still computing.

        Args:
            wait: for it, as in lockstep, where time stands still meanwhile.
        """
        if wait:
            self._ended.wait(_PATIENCE_S)
        if not self._ended.is_set():
            return None
        ticks = max(self._ticks, 1)
        difference, inference = sqrt(self._square / ticks), self._spent / ticks
        return Report(
            self._refusal(difference, inference), self._ticks, difference, self._novelty, inference
        )

    def _step(self, scene: Scene, offset: FloatArray) -> None:
        if self._fault:
            return
        start = thread_time()
        answer = self.runner.step(scene, self._bounds)
        spent = thread_time() - start
        self._fed += 1
        self._novelty = max(self._novelty, answer.novelty)
        if answer.fault is not None and answer.fault.blame:
            self._fault = answer.fault.text
            return
        self._silence = answer.fault.text if answer.fault else answer.silence
        if self._silence:
            return
        self._ticks += 1
        self._spent += spent
        self._square += float(np.square(answer.said - offset).mean())

    def _refusal(self, difference: float, inference: float) -> PolicyError | None:
        if self._fault:
            return PolicyError(f"shadow run: {self._fault}")
        if self._fed and not self._ticks:
            return PolicyError(f"shadow run: never tried: {self._silence}")
        if difference > self._most_different:
            return PolicyError(
                f"shadow run: its feet differ by {1e3 * difference:.1f} mm from what is applied:"
                f" expected at most {1e3 * self._most_different:g}"
            )
        if inference > self._bounds.inference_limit:
            return PolicyError(
                f"shadow run: too slow: expected at most {1e3 * self._bounds.inference_limit:g} ms",
                measured=f"{1e3 * inference:.3g} ms",
            )
        return None
