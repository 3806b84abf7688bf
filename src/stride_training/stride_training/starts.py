"""How each robot begins an episode, and what it is told on the way, from its own generator."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from stride_core.arrays import FloatArray, IntArray
from stride_sim.generators import generators_at, states_of
from stride_sim.plant import Plant
from stride_sim.terrain import TerrainConfig

from stride_training.curriculum import Progress, begin, update
from stride_training.records import Indices
from stride_training.rewards import Moment
from stride_training.task import Ground, Task


def pool(ground: Ground) -> tuple[TerrainConfig, ...]:
    """All terrains of a task, by level, then kind, then variant."""
    return tuple(
        TerrainConfig(kind, _difficulty(ground, level), _seed(ground, level, kind, variant))
        for level in range(ground.levels)
        for kind in ground.kinds
        for variant in range(ground.variants)
    )


def _difficulty(ground: Ground, level: int) -> float:
    low, high = ground.difficulty
    if ground.levels == 1:
        return high
    return low + (high - low) * level / (ground.levels - 1)


def _seed(ground: Ground, level: int, kind: str, variant: int) -> int:
    # flat ground, slopes and stairs are the same whatever the seed: one landscape of each
    if kind in ("flat", "slope", "stairs"):
        return 0
    return ground.seed + level * 101 + variant


@dataclass(frozen=True, eq=False)
class Start:
    """Of n robots.

    Attributes:
        seeds: of the plant.
        pose: ``(n, 3)`` x, y [m], yaw [rad].
        ground: ``(n,)`` index of the plant's terrains.
        phase: ``(n,)`` of the gait; NaN: at rest.
    """

    seeds: list[int]
    pose: FloatArray
    ground: Indices
    phase: FloatArray


class Starts:
    """Draws for N robots.

    Attributes:
        command: ``(N, 3)`` what each is told now [m/s, m/s, rad/s]; a new array at each change.
        progress: the curriculum.
        seed: of all that is drawn.
        episode: ``(N,)`` how many each has begun.
        fixed_pose, fixed_command: ``(N, 3)`` or None; instead of drawn ones.
    """

    def __init__(self, task: Task, plant: Plant, robots: int, seed: int, first: int) -> None:
        """Take the number of the first robot."""
        self._task, self._plant, self._first = task, plant, first
        index = {kind: place for place, kind in enumerate(plant.kinds)}
        shape = (task.ground.levels, len(task.ground.kinds) * task.ground.variants)
        self._grounds = np.array([index[kind] for kind in pool(task.ground)]).reshape(shape)
        self.episode = np.zeros(robots, np.int64)
        self.command = np.zeros((robots, 3))
        self.fixed_pose: FloatArray | None = None
        self.fixed_command: FloatArray | None = None
        self._random = [np.random.default_rng(0)] * robots
        self._until = np.zeros(robots, np.int64)
        self._error, self._ticks, self._judged = np.zeros((3, robots))
        self._fell = np.zeros(robots, bool)
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Let the next episodes be the first ones of a seed; the curriculum begins anew."""
        self.seed, robots = seed, range(len(self.episode))
        self.episode[:], self._ticks[:], self._judged[:], self._fell[:] = 0, 0.0, 0.0, False
        draws = [np.random.default_rng((seed, self._first + r, 0)).random() for r in robots]
        self.progress = begin(self._task.curriculum, self._task.ground.levels, np.array(draws))

    def begin(self, robots: Indices) -> Start:
        """Draw new episodes of some robots, after judging those that end."""
        task, n = self._task, len(robots)
        self.episode[robots] += 1
        draws = np.empty((n, _DRAWS))
        seeds = []
        for row, robot in enumerate(robots):
            name = (self.seed, self._first + int(robot), int(self.episode[robot]))
            self._random[robot] = random = np.random.default_rng(name)
            random.random(out=draws[row])
            seeds.append(int(random.integers(2**62)))
        self._judge(robots, draws[:, 0])
        level = self.progress.level[robots].astype(np.intp)
        column = (draws[:, 1] * self._grounds.shape[1]).astype(np.intp)
        for kept in (self._error, self._ticks, self._judged, self._fell):
            kept[robots] = 0
        self.command = self.command.copy()
        for robot in robots.tolist():
            self._tell(robot, 0)
        moving = draws[:, 2] < task.episode.random_phase
        return Start(
            seeds=seeds,
            pose=self._pose(robots, draws),
            ground=self._grounds[level, column],
            phase=np.where(moving, draws[:, 3], np.nan),
        )

    def _pose(self, robots: Indices, draws: FloatArray) -> FloatArray:
        """Somewhere about the middle, from where the command leads over it, not off the edge."""
        if self.fixed_pose is not None:
            return self.fixed_pose[robots]
        task = self._task
        yaw = 2.0 * np.pi * draws[:, 4] * task.episode.random_yaw
        forward, left = self.command[robots, 0], self.command[robots, 1]
        back = 0.5 * task.episode.seconds * (np.abs(self.command[robots, 2]) < 0.1)
        cos, sin = np.cos(yaw), np.sin(yaw)
        x = task.ground.area * (2.0 * draws[:, 5] - 1.0) - back * (cos * forward - sin * left)
        y = task.ground.area * (2.0 * draws[:, 6] - 1.0) - back * (sin * forward + cos * left)
        return np.stack([x, y, yaw], axis=-1)

    def _judge(self, robots: Indices, draws: FloatArray) -> None:
        ended = self._fell[robots] | (self._judged[robots] > 0)
        mine = Progress(self.progress.level[robots], self.progress.reach[robots])
        error = self._error[robots] / np.maximum(self._judged[robots], 1.0)
        after = update(
            self._task.curriculum,
            self._task.ground.levels,
            mine,
            self._fell[robots],
            error,
            draws,
        )
        self.progress.level[robots] = np.where(ended, after.level, mine.level)
        self.progress.reach[robots] = np.where(ended, after.reach, mine.reach)

    def learn(self, moment: Moment) -> None:
        """Keep what the curriculum judges by."""
        error = moment.velocity - moment.command[:, :2]
        settled = self._ticks >= 1.0 / self._plant.period  # the first second is for starting
        self._error += np.sqrt((error * error).sum(-1)) * settled
        self._judged += settled
        self._ticks += 1.0
        self._fell |= moment.fell

    def resample(self, age: IntArray) -> bool:
        """Give new commands to robots whose time has come; tell whether there were any."""
        due = np.flatnonzero(age >= self._until)
        if len(due):
            self.command = self.command.copy()
            for robot in due.tolist():
                self._tell(robot, int(age[robot]))
        return len(due) > 0

    def _tell(self, robot: int, age: int) -> None:
        commands, reach = self._task.commands, self.progress.reach[robot]
        stand, straight, *where, wait = self._random[robot].random(6)
        spans = (commands.forward, commands.sideways, commands.turn)
        told = [_within(span, place, reach) for span, place in zip(spans, where, strict=True)]
        if straight < commands.straight:
            told[1:] = 0.0, 0.0
        if self.fixed_command is not None:
            told = list(self.fixed_command[robot])
        self.command[robot] = 0.0 if stand < commands.standing else told
        low, high = commands.resample
        self._until[robot] = age + max(1, round((low + wait * (high - low)) / self._plant.period))

    def state(self) -> Any:
        """Everything that changes, as one object for `restore`."""
        values = {name: getattr(self, name) for name in _STATE}
        return deepcopy((values, states_of(self._random)))

    def restore(self, state: Any) -> None:
        """Go back to a `state`."""
        values, random = deepcopy(state)
        for name, value in values.items():
            setattr(self, name, value)
        self._random = generators_at(random)


def _within(span: tuple[float, float], place: float, reach: float) -> float:
    """Uniform in the part of a range that lies within ``reach`` of its largest value.

    Of a range without 0 at least its smallest value is left.
    """
    low, high = span
    least = max(low, -high, 0.0)
    most = max(reach * max(abs(low), abs(high)), least)
    low, high = max(low, -most), min(high, most)
    return low + place * (high - low)


_DRAWS = 7
_STATE = ("episode", "command", "progress", "_until", "_error", "_ticks", "_judged", "_fell")
