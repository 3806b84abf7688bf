"""Which policy is in charge: shadow run, fade, probation, roll-back, unloading.

Everything here goes by ticks and their stamps, so that a run in lockstep is reproducible; only the
moment at which a request arrives is the user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.config import param

from stride_control.policy.background import Background
from stride_control.policy.events import Event, EventKind, Request, Tally
from stride_control.policy.gate import smooth
from stride_control.policy.library import NONE, PolicyError
from stride_control.policy.loading import Policy
from stride_control.policy.runner import Answer, Bounds, Runner, Scene
from stride_control.policy.shadow import Report, Shadow

_START, _MID_WALK = "at the start", "at a start after the first tick: its probation begins"


@dataclass(frozen=True)
class SwitchConfig:
    """How a policy takes over from another, and when it is taken back."""

    shadow_time: float = param(
        0.5,
        doc="it computes beside the other one first",
        unit="s",
        min=0.0,
        max=600.0,
        dynamic=True,
    )
    shadow_difference: float = param(
        0.02,
        doc="largest RMS difference of its offsets from those applied meanwhile",
        unit="m",
        min=0.0,
        max=1.0,
        dynamic=True,
    )
    fade_time: float = param(
        0.5,
        doc="over which the residual goes from old to new",
        unit="s",
        min=0.0,
        max=60.0,
        dynamic=True,
    )
    probation_time: float = param(
        5.0,
        doc="after the fade; until then a fault or a tilt brings the old one back",
        unit="s",
        min=0.0,
        max=3600.0,
        dynamic=True,
    )
    probation_tilt: float = param(
        0.6,
        doc="of the trunk, by which it fails its probation",
        unit="rad",
        min=0.01,
        max=3.2,
        dynamic=True,
    )
    return_time: float = param(
        0.1, doc="over which the old one comes back", unit="s", min=0.0, max=60.0, dynamic=True
    )
    fault_limit: int = param(
        10, doc="consecutive faults after which it is unloaded", min=1, max=1_000_000, dynamic=True
    )


class Applied(NamedTuple):
    """What is applied in a tick; see ``Answer``.

    Attributes:
        policy: who is in charge; empty for none.
        strength: share of this policy's own answer; the rest is nothing, or the leaving one's.
    """

    offset: FloatArray
    rates: FloatArray | None
    policy: str
    strength: float
    novelty: float


class Switch:
    """One tick after the other; a fresh one has no policy and applies nothing.

    Attributes:
        faults: all ticks that a policy answered with a fault, by its kind.
        report: of the latest shadow run.
    """

    def __init__(
        self, legs: int, config: SwitchConfig, bounds: Bounds, background: Background, wait: bool
    ) -> None:
        """Args are the robot's number of legs, and whether shadow runs are waited for."""
        self.config, self.bounds = config, bounds
        self.faults: dict[str, Tally] = {}
        self.report: Report | None = None
        self._background, self._wait = background, wait
        still = np.zeros((legs, 3))
        self._nothing = Answer(still, None, 0.0, 0.0, still)
        self._active: Runner | None = None
        self._leaving: Runner | None = None
        self._starting = self._returning = False
        self._now: int | None = None
        self._fade_from: int | None = None
        self._fade_ns = 0
        self._shadow: Shadow | None = None
        self._shadow_until = 0
        self._request: Request | None = None
        self._proven: Policy | None = None
        self._probation_until: int | None = None
        self._events: list[Event] = []

    # --- from outside ---------------------------------------------------------------------------

    @property
    def active(self) -> Policy | None:
        """The policy in charge."""
        return self._active.policy if self._active else None

    @property
    def idle(self) -> bool:
        """Whether nobody has a say in a tick."""
        return self._active is None and self._leaving is None and self._request is None

    @property
    def busy(self) -> str:
        """Why no request is taken now; empty if one is."""
        request = self._request  # once: the control thread may answer it meanwhile
        return "" if request is None else f"{_name(request.policy)} is on its way"

    @property
    def state(self) -> str:
        """In a word, for people."""
        if self._request is not None:
            return "shadow"
        if self._fade_from is not None:
            return "fade"
        return "probation" if self._probation_until is not None else "steady"

    def start(self, policy: Policy) -> None:
        """Put the first policy in charge before the first tick, without a shadow run.

        Where the plant's time begins with the run nothing has moved yet, and it has its whole say
        at once. In a walk that is under way it fades in and has its probation.
        """
        self._active, self._starting = Runner(policy), True

    def ask(self, request: Request) -> None:
        """Let a policy take over, or none. It is answered at once if this is not the time.

        It always is for none, the way out of whatever goes on: who is on its way goes.
        """
        if request.policy is None:
            self._supersede()
        if why := self.busy:
            error = PolicyError(f"busy: {why}; try again")
            self.refuse(_identity(request.policy), error)
            request.answer(error, "")
            return
        self._request = request
        if request.policy is not None:
            self._tell(EventKind.LOADED, request.policy, self.active, "its shadow run begins")

    def refuse(self, name: str, error: PolicyError) -> None:
        """Say that a policy could not be loaded."""
        self._events.append(Event(EventKind.REFUSED, name, _identity(self.active), str(error)))

    def events(self) -> list[Event]:
        """What happened since the last call."""
        told, self._events = self._events, []
        return told

    def _supersede(self) -> None:
        request = self._request
        if request is None or request.policy is None:
            return
        self._request = self._shadow = None
        error = PolicyError(f"superseded by {NONE}")
        self.refuse(request.policy.identity, error)
        request.answer(error, "")

    # --- the tick -------------------------------------------------------------------------------

    def tick(self, scene: Scene, tilt: float) -> Applied:
        """Run whoever has a say in this tick.

        Args:
            scene: of the tick.
            tilt: of the trunk [rad]; NaN if unknown.
        """
        self._go_on(scene.stamp)
        self._take_request(scene)
        weight = self._weight(scene.stamp)
        new = self._run(self._active, scene)
        old = self._run(self._leaving, scene) if weight < 1.0 else self._nothing
        residual = self._mix(new, old, weight)
        if self._shadow is not None:
            self._shadow.feed(scene, residual.offset)
        self._judge(scene, tilt)
        return residual

    def _go_on(self, now: int) -> None:
        """The first tick begins a start's fade; a clock that was set back ends a fade.

        Then a shadow run and a probation begin anew: they would end when the clock is there again.
        """
        before, self._now = self._now, now
        if self._starting:
            self._starting = False
            why = _START if now <= 0 else _MID_WALK
            start = Event(EventKind.SWITCHED, _identity(self.active), "", why)
            self._events.insert(0, start)  # before what was asked for before the first tick
            if now > 0:
                self._fade_in(now)
        elif before is not None and now < before:
            self._end_fade()
            self._shadow_until = now + _ns(self.config.shadow_time)
            if self._probation_until is not None:
                self._begin_probation(now)

    def _fade_in(self, now: int) -> None:
        self._fade_from, self._fade_ns = now, _ns(self.config.fade_time)
        self._begin_probation(now + self._fade_ns)

    def _begin_probation(self, now: int) -> None:
        self._probation_until = now + _ns(self.config.probation_time)

    def _end_fade(self) -> None:
        self._fade_from = self._leaving = None
        self._returning = False

    def _take_request(self, scene: Scene) -> None:
        """Begin a shadow run, or end it."""
        if self._request is None:
            return
        policy = self._request.policy
        if policy is None:
            if self._fade_from is None:
                self._take_over(None, scene)
        elif self._shadow is None:
            most = self.config.shadow_difference
            self._shadow = Shadow(Runner(policy), self.bounds, most, self._background)
            self._shadow_until = scene.stamp + _ns(self.config.shadow_time)
        # one fade at a time: of three policies none would be whole
        over = scene.stamp >= self._shadow_until and self._fade_from is None
        if self._shadow is not None and over:
            self._finish_shadow(self._shadow, scene)

    def _finish_shadow(self, shadow: Shadow, scene: Scene) -> None:
        shadow.end()
        report = shadow.report(self._wait)
        if report is None:
            return
        self.report = report
        if report.refusal is None:
            self._take_over(shadow.runner, scene)
            return
        request, self._request, self._shadow = self._request, None, None
        self.refuse(shadow.runner.policy.identity, report.refusal)
        if request is not None:
            request.answer(report.refusal, "")

    def _take_over(self, runner: Runner | None, scene: Scene) -> None:
        """The fade begins with this tick."""
        request, self._request, self._shadow = self._request, None, None
        before = self.active
        if self._probation_until is None:  # else it was not proven yet: the one before it counts
            self._proven = before
        self._leaving, self._active = self._active, runner
        self._fade_in(scene.stamp)
        if runner is None:
            self._probation_until = None
        self._tell(EventKind.SWITCHED, self.active, before, "as asked")
        if request is not None:
            request.answer(None, _identity(self.active) or NONE)

    def _weight(self, now: int) -> float:
        """Share of the policy in charge in the residual; the rest is the leaving one's."""
        if self._fade_from is None:
            return 1.0
        past = now - self._fade_from
        if past >= self._fade_ns:
            self._end_fade()
            return 1.0
        return smooth(past / self._fade_ns)

    def _run(self, runner: Runner | None, scene: Scene) -> Answer:
        if runner is None:
            return self._nothing
        answer = runner.step(scene, self.bounds)
        if fault := answer.fault:
            before = self.faults.get(fault.kind)
            self.faults[fault.kind] = Tally(before.ticks + 1 if before else 1, fault.text)
        return answer

    def _mix(self, new: Answer, old: Answer, weight: float) -> Applied:
        if weight == 1.0:
            return Applied(new.offset, new.rates, _identity(self.active), new.strength, new.novelty)
        rest = 1.0 - weight
        parts = [(new.rates, weight), (old.rates, rest)]
        known = [share * rates for rates, share in parts if rates is not None]
        return Applied(
            weight * new.offset + rest * old.offset,
            sum(known[1:], known[0]) if known else None,
            _identity(self.active),
            weight * new.strength,
            max(new.novelty, old.novelty),
        )

    def _judge(self, scene: Scene, tilt: float) -> None:
        """Take a policy back that fails."""
        if self._active is None or self._returning:  # what goes wrong still is the failed one's
            return
        config = self.config
        faulty = self._active.faults >= config.fault_limit
        tilted = tilt > config.probation_tilt
        if self._probation_until is not None and (faulty or tilted):
            why = f"{config.fault_limit} faults in a row" if faulty else "the trunk tilted"
            limit = "" if faulty else f" beyond {config.probation_tilt:g} rad"
            self._bring_back(scene, f"{why}{limit} in its probation")
        elif faulty:
            self._tell(
                *(EventKind.UNLOADED, None, self.active),
                f"{config.fault_limit} faults in a row: the nominal gait goes on",
            )
            self._active = self._proven = None
            self._end_fade()
        elif self._probation_until is not None and scene.stamp >= self._probation_until:
            self._probation_until, self._proven = None, self.active
            self._tell(EventKind.CONFIRMED, self.active, self.active, "its probation is over")

    def _bring_back(self, scene: Scene, reason: str) -> None:
        failed, time = self.active, _ns(self.config.return_time)
        if self._fade_from is None:
            back = Runner(self._proven) if self._proven else None
            done = 0.0
        else:  # still fading in: from here the same way back
            back = self._leaving
            done = 1.0 - (scene.stamp - self._fade_from) / self._fade_ns
        self._active, self._leaving = back, self._active
        self._fade_from, self._fade_ns = scene.stamp - round(done * time), time
        self._returning, self._probation_until = True, None
        if back is not None and back.policy is not self._proven:  # its own was cut short
            self._begin_probation(self._fade_from + time)
        self._tell(EventKind.ROLLED_BACK, self.active, failed, reason)

    def _tell(
        self, kind: EventKind, policy: Policy | None, previous: Policy | None, reason: str
    ) -> None:
        self._events.append(Event(kind, _identity(policy), _identity(previous), reason))


def _ns(seconds: float) -> int:
    return round(1e9 * seconds)


def _identity(policy: Policy | None) -> str:
    return policy.identity if policy else ""


def _name(policy: Policy | None) -> str:
    return policy.name if policy else NONE
