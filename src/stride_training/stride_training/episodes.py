"""Episodes of a policy, and what became of them: the figures that policies are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stride_core.arrays import BoolArray, FloatArray
from stride_core.frames import roll_pitch_yaw
from stride_sim.records import Truth

from stride_training.environment import Environment, Observations, for_one_command
from stride_training.task import Task

Answer = Callable[[Observations], NDArray[Any]]
"""A policy: ``(N, actor_size)`` float32 to ``(N, actions)``."""

SETTLE = 2.0
"""Speed counts from here on [s]: the gait follows a command at 0.5 m/s²."""

_BEYOND = 1e-3
"""A joint further beyond its limit than this violates it [rad]; an encoder counts 1.5e-3."""

_GRID = np.linspace(-1.0, 1.0, 5)


@dataclass(frozen=True, eq=False)
class Episodes:
    """Of n robots, one episode each; all ``(n,)``.

    Attributes:
        fell, diverged: ended early.
        seconds: until its end.
        asked: forward speed [m/s].
        speed: mean forward, in the heading's frame [m/s].
        error: mean over time of the planar velocity's error, averaged over a step [m/s].
        sideways, turn: mean [m/s], [rad/s].
        tilt: 99th percentile of max(|roll|, |pitch|) [rad].
        height: share of the time within 2 cm of the stance's height over the ground under it.
        violations: ticks in which a joint was beyond its limit.
        heading: largest error against the turns asked for, as far as the gait can follow [rad].
        distance: between start and end [m].
        power: mean of what the servos put in [W].
        action: mean of |action|.
        reward: mean of a tick.
    """

    fell: BoolArray
    diverged: BoolArray
    seconds: FloatArray
    asked: FloatArray
    speed: FloatArray
    error: FloatArray
    sideways: FloatArray
    turn: FloatArray
    tilt: FloatArray
    height: FloatArray
    violations: FloatArray
    heading: FloatArray
    distance: FloatArray
    power: FloatArray
    action: FloatArray
    reward: FloatArray


def walk(environment: Environment, answer: Answer | None) -> Episodes:
    """Let each robot have one episode.

    Args:
        environment: as built; it is reset.
        answer: the policy; None is the gait alone.
    """
    tally = _Tally(environment)
    observation = environment.reset()
    tally.begin()
    nothing = np.zeros((environment.robots, environment.layout.size))
    for _ in range(environment.last_tick):
        seen = observation[:, : environment.actor_size]
        action = nothing if answer is None else np.asarray(answer(seen), np.float64)
        step = environment.step(action)
        tally.add(step.truth, np.abs(np.clip(action, -1.0, 1.0)).mean(-1), step.reward)
        tally.end(step.fell, step.diverged)
        observation = step.observation
        if not tally.going.any():
            break
    return tally.result()


class _Tally:
    """Sums over the ticks of N robots, each until its end."""

    def __init__(self, environment: Environment) -> None:
        self._environment, self._plant = environment, environment.plant
        n, ticks = environment.robots, environment.last_tick
        self._tilt = np.full((ticks, n), np.nan, np.float32)
        self._sums = {name: np.zeros(n) for name in _SUMMED}
        self._ticks, self._settled = np.zeros(n), np.zeros(n)
        self.going = np.ones(n, bool)
        self._fell, self._diverged = np.zeros(n, bool), np.zeros(n, bool)
        self._heading = np.zeros(n)
        feet = self._plant.spec.hips + self._plant.spec.stance
        self._around = [np.ptp(feet[:, axis]) / 2.0 for axis in (0, 1)]

    def begin(self) -> None:
        """At the start."""
        self._from = self._plant.truth().position[:, :2].copy()
        self._to = self._from.copy()
        self._asked = self._environment.starts.command.copy()

    def add(self, truth: Truth, action: FloatArray, reward: FloatArray) -> None:
        """Of one tick."""
        going, moment = self.going, self._environment.moment
        count = int(self._ticks.max())
        roll, pitch, yaw = roll_pitch_yaw(truth.quaternion).T
        self._tilt[count, going] = np.maximum(np.abs(roll), np.abs(pitch))[going]
        lower, upper = moment.limits
        q = truth.joint_position
        settled = going & (self._ticks * moment.period >= SETTLE)
        planar = moment.velocity - moment.command[:, :2]
        above = truth.position[:, 2] - self._ground(truth, yaw)
        added = {
            "speed": settled * moment.planar[:, 0],
            "sideways": settled * moment.planar[:, 1],
            "turn": settled * moment.turn,
            "error": settled * np.sqrt(np.square(planar).sum(-1)),
            "height": going * (np.abs(above - moment.stance_height) <= 0.02),
            "violations": going * ((q < lower - _BEYOND) | (q > upper + _BEYOND)).any(-1),
            "power": going * np.maximum(truth.effort * truth.joint_velocity, 0.0).sum(-1),
            "action": going * action,
            "reward": going * reward,
        }
        for name, values in added.items():
            self._sums[name] += np.where(going, values, 0.0)
        self._heading[going] = np.maximum(self._heading, np.abs(moment.heading))[going]
        self._to[going] = truth.position[going, :2]
        self._ticks += going
        self._settled += settled

    def _ground(self, truth: Truth, yaw: FloatArray) -> FloatArray:
        """Mean height of the ground under the stance, ``(n,)`` [m]."""
        along, across = np.meshgrid(self._around[0] * _GRID, self._around[1] * _GRID)
        x, y = along.ravel(), across.ravel()
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        place = truth.position[:, :2, None]
        east, north = place[:, 0] + cos * x - sin * y, place[:, 1] + sin * x + cos * y
        which = np.repeat(truth.choice[:, None], len(x), axis=1)
        heights: FloatArray = truth.grounds.height_at(which, east, north).mean(-1)
        return heights

    def end(self, fell: BoolArray, diverged: BoolArray) -> None:
        """Stop counting those who fell."""
        self._fell |= fell & self.going
        self._diverged |= diverged & self.going
        self.going &= ~fell

    def result(self) -> Episodes:
        """All together."""
        ticks, settled = np.maximum(self._ticks, 1.0), self._settled
        mean = {name: total / ticks for name, total in self._sums.items()}
        for name in ("speed", "sideways", "turn", "error"):
            with np.errstate(invalid="ignore"):
                mean[name] = np.where(settled > 0, self._sums[name] / settled, np.nan)
        mean["violations"] = self._sums["violations"]
        return Episodes(
            fell=self._fell,
            diverged=self._diverged,
            seconds=self._ticks * self._plant.period,
            asked=self._asked[:, 0],
            tilt=np.nanpercentile(self._tilt, 99, axis=0),
            heading=self._heading,
            distance=np.sqrt(np.square(self._to - self._from).sum(-1)),
            **mean,
        )


_SUMMED = (
    "speed",
    "sideways",
    "turn",
    "error",
    "height",
    "violations",
    "power",
    "action",
    "reward",
)


def examination(task: Task, seconds: float, seed: int, variants: int = 8) -> Task:
    """The task on unseen landscapes of its greatest difficulty, from rest, without curriculum."""
    high = task.ground.difficulty[1]
    still = for_one_command(task, (0.0, 0.0, 0.0))
    return replace(
        still,
        episode=replace(task.episode, seconds=seconds, random_phase=0.0),
        ground=replace(
            task.ground,
            levels=1,
            difficulty=(high, high),
            variants=variants,
            seed=task.ground.seed + 1_000_000 + 10_000 * seed,
        ),
    )


def score(episodes: Episodes) -> float:
    """One number to choose a checkpoint by: share of successes, less twice the speed's error."""
    return float(np.mean(~episodes.fell) - 2.0 * speed_error(episodes))


def speed_error(episodes: Episodes) -> float:
    """Mean [m/s] over those who walked long enough; if none did, as if they had stood still."""
    walked = ~np.isnan(episodes.speed)
    speed = episodes.speed[walked] if walked.any() else np.zeros_like(episodes.asked)
    asked = episodes.asked[walked] if walked.any() else episodes.asked
    return float(np.abs(speed - asked).mean())
