"""What befalls robots now and then: pushes, and motors without power.

Each robot has its own generator and its own clock, which begins at its reset.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from stride_core.arrays import BoolArray, FloatArray

from stride_sim.generators import generators_at, states_of
from stride_sim.randomisation import Randomisation, RandomisationConfig
from stride_sim.ring import Indices

_NEVER = np.iinfo(np.int64).max


class Events:
    """One kind of event, which lasts a while and comes again after a time that is drawn.

    Attributes:
        drawn: ``(N, draws)`` uniform numbers of each robot's present or next event.
    """

    def __init__(
        self, interval: tuple[float, ...], duration: float, robots: int, period: float, draws: int
    ) -> None:
        """Take least and most time from one's end to the next [s], nothing for never.

        Args:
            interval: least, most.
            duration: of an event [s], a tick at least.
            robots: N.
            period: of a tick [s].
            draws: numbers for each event.
        """
        self._interval, self._period = interval, period
        self._lasts = max(1, round(duration / period))
        self._age = np.zeros(robots, np.int64)
        self._begins = np.full(robots, _NEVER, np.int64)
        self._ends = np.full(robots, _NEVER, np.int64)
        self.drawn = np.zeros((robots, draws))
        self._random: list[np.random.Generator] = [np.random.default_rng(0)] * robots

    def reset(self, robot: int, random: np.random.Generator) -> None:
        """Begin anew with a generator."""
        self._age[robot] = 0
        if self._interval:
            self._random[robot] = random
            self._next(robot)

    def _next(self, robot: int) -> None:
        soon, late = self._interval
        wait, *drawn = self._random[robot].random(1 + self.drawn.shape[1])
        ticks = max(1, round((soon + wait * (late - soon)) / self._period))
        self._begins[robot] = self._age[robot] + ticks
        self._ends[robot] = self._begins[robot] + self._lasts
        self.drawn[robot] = drawn

    def step(self) -> tuple[BoolArray, Indices]:
        """Of the tick that begins: for whom it goes on ``(N,)``, and whose event ended before."""
        over = np.flatnonzero(self._age >= self._ends)
        for robot in over.tolist():
            self._next(robot)
        now = self._age >= self._begins
        self._age += 1
        return now, over

    def state(self) -> Any:
        """Everything that changes, as one object for `restore`."""
        arrays = (self._age, self._begins, self._ends, self.drawn)
        return deepcopy((*arrays, states_of(self._random)))

    def restore(self, state: Any) -> None:
        """Go back to a `state`."""
        *arrays, random = deepcopy(state)
        mine = (self._age, self._begins, self._ends, self.drawn)
        for array, value in zip(mine, arrays, strict=True):
            array[:] = value
        self._random = generators_at(random)


class Pushes:
    """Horizontal pushes on trunks."""

    def __init__(self, config: RandomisationConfig, robots: int, period: float) -> None:
        """Take N and the duration of a tick [s]."""
        interval = config.push_interval if config.push_force else ()
        self._on = bool(interval)
        self._force = config.push_force
        self.events = Events(interval, config.push_duration, robots, period, 2)

    def step(self, applied: FloatArray) -> None:
        """Write what pushes in this tick into ``(N, 2)`` [N], in the world."""
        if not self._on:
            return
        now, _ = self.events.step()
        (weak, strong), drawn = self._force, self.events.drawn
        newtons = now * (weak + drawn[:, 0] * (strong - weak))
        angle = 2.0 * np.pi * drawn[:, 1]
        applied[:, 0], applied[:, 1] = newtons * np.cos(angle), newtons * np.sin(angle)


class Blackouts:
    """One motor of a robot loses its power for a while."""

    def __init__(
        self,
        config: RandomisationConfig,
        domain: Randomisation,
        shape: tuple[int, int],
        period: float,
    ) -> None:
        """Take robots and joints, and the duration of a tick [s]."""
        self._domain, self._joints = domain, shape[1]
        self._on = bool(config.motor_off_interval)
        self.events = Events(
            config.motor_off_interval, config.motor_off_duration, shape[0], period, 1
        )
        self._off = np.zeros(shape[0], bool)

    def reset(self, robot: int, random: np.random.Generator) -> None:
        """Begin anew, with power."""
        self.events.reset(robot, random)
        self._off[robot] = False

    def step(self) -> None:
        """Switch what is to be switched in this tick."""
        if not self._on:
            return
        now, over = self.events.step()
        for robot in over.tolist():
            self._domain.power(robot, 0, True)
            self._off[robot] = False
        for robot in np.flatnonzero(now & ~self._off).tolist():
            self._domain.power(robot, self._joint(robot), False)
            self._off[robot] = True

    def _joint(self, robot: int) -> int:
        return int(self.events.drawn[robot, 0] * self._joints)

    def state(self) -> Any:
        """Everything that changes, as one object for `restore`."""
        return self.events.state(), self._off.copy()

    def restore(self, state: Any) -> None:
        """Go back to a `state`, after the randomisation did."""
        events, off = state
        self.events.restore(events)
        self._off[:] = off
        for robot in np.flatnonzero(off).tolist():
            self._domain.power(robot, self._joint(robot), False)
