"""The batched environment as a VecEnv of Stable-Baselines3: robots begin anew by themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
from stride_sim.replay import dump

from stride_training.environment import Environment, Observations, Step


def observation_space(environment: Environment) -> spaces.Box:
    """Unbounded: an observation is what it is."""
    return spaces.Box(-np.inf, np.inf, (environment.size,), np.float32)


def action_space(environment: Environment) -> spaces.Box:
    """Within ±1."""
    return spaces.Box(-1.0, 1.0, (environment.layout.size,), np.float32)


_MOST_DUMPS = 10


class VectorEnvironment(VecEnv):
    """All robots of an `Environment`.

    Attributes:
        environment: within.
        last: what the latest step led to.
        sums: ``(N, terms)`` of the episodes that go on, by reward term.
        dumps: folder for what broke a simulation; None: nowhere.
    """

    def __init__(self, environment: Environment, dumps: Path | None = None) -> None:
        self.environment, self.dumps = environment, dumps
        self._refused = False  # by a full disk, say
        n = environment.robots
        super().__init__(n, observation_space(environment), action_space(environment))
        self.last: Step | None = None
        self.sums = np.zeros((n, len(environment.reward.names)))
        self._nothing: list[dict[str, Any]] = [{}] * n  # one dict for all who have none to tell
        self._action = np.zeros((n, environment.layout.size))

    def reset(self) -> Observations:
        """Let all begin anew."""
        self.sums[:] = 0.0
        return self.environment.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember what is asked."""
        self._action = actions

    def step_wait(
        self,
    ) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step; those who are done have their last observation in ``terminal_observation``."""
        step = self.last = self.environment.step(self._action)
        self.sums += step.terms
        done, observation, infos = step.done, step.observation, self._nothing
        if done.any():
            ended = np.flatnonzero(done)
            infos = self._tell(step, ended)
            self._dump(np.flatnonzero(step.diverged))
            observation = observation.copy()
            observation[ended] = self.environment.reset(ended)
            self.sums[ended] = 0.0
        return observation, step.reward.astype(np.float32), done, infos

    def _dump(self, robots: NDArray[np.intp]) -> None:
        """Keep what broke a simulation, as far as there is room for more."""
        if self.dumps is None or not len(robots):
            return
        starts = self.environment.starts
        try:
            self.dumps.mkdir(exist_ok=True)
            for robot in robots.tolist():
                if len(list(self.dumps.iterdir())) < _MOST_DUMPS:
                    name = f"robot{robot}_episode{starts.episode[robot]}.npz"
                    dump(self.environment.plant, robot, self.dumps / name)
        except OSError as error:
            if not self._refused:
                said = f"{self.dumps}: cannot be written: {error.strerror}; training goes on"
                print(f"\n{said}", file=sys.stderr, flush=True)
            self._refused = True

    def _tell(self, step: Step, ended: NDArray[np.intp]) -> list[dict[str, Any]]:
        infos = list(self._nothing)
        environment = self.environment
        for robot in ended:
            ticks = int(environment.age[robot])
            infos[robot] = {
                "terminal_observation": step.observation[robot],
                "TimeLimit.truncated": bool(step.late[robot]),
                "diverged": bool(step.diverged[robot]),
                "episode": {"r": float(self.sums[robot].sum()), "l": ticks, "t": 0.0},
                "terms": dict(zip(environment.reward.names, self.sums[robot] / ticks, strict=True)),
            }
        return infos

    # --- what else a VecEnv has -------------------------------------------------------------------

    def close(self) -> None:
        """Nothing is left open."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute, once for each robot."""
        if attr_name == "render_mode":
            return [None] * len(self._robots(indices))
        return [getattr(self.environment, attr_name)] * len(self._robots(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Not for robots that share one environment."""
        raise AttributeError(f"{attr_name}: robots of one batch have no attributes of their own")

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """A method of the environment, once; its answer for each robot."""
        answer = getattr(self.environment, method_name)(*args, **kwargs)
        return [answer] * len(self._robots(indices))

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No robot is."""
        return [False] * len(self._robots(indices))

    def _robots(self, indices: VecEnvIndices) -> Sequence[int]:
        if indices is None:
            return range(self.num_envs)
        return list(indices) if isinstance(indices, Iterable) else [indices]
