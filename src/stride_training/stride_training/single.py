"""One robot as a Gymnasium environment: ``gymnasium.make("stride/Walk-v0", task="rough")``.

Importing this module registers it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from stride_training.environment import Environment, Observations
from stride_training.task import Task, load_task
from stride_training.vector import action_space, observation_space

NAME = "stride/Walk-v0"


class SingleEnvironment(gymnasium.Env[Any, Any]):
    """One robot; an observation is the actor's part alone unless ``privileged`` is asked for."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, task: str | Task = "rough", privileged: bool = False, seed: int = 0) -> None:
        """Build a task, by name or path or as it is."""
        chosen = task if isinstance(task, Task) else load_task(task)
        self.environment = Environment(chosen, 1, seed, threads=1)
        columns = self.environment.size if privileged else self.environment.actor_size
        self._columns = columns
        self.observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (columns,), observation_space(self.environment).dtype
        )
        self.action_space = action_space(self.environment)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; a seed begins the first one of that seed."""
        super().reset(seed=seed)
        if seed is not None:
            self.environment.starts.reseed(seed)
        return self.environment.reset()[0, : self._columns], {}

    def step(self, action: NDArray[Any]) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """One control tick."""
        step = self.environment.step(np.asarray(action)[None])
        names = self.environment.reward.names
        info = {"terms": dict(zip(names, step.terms[0].tolist(), strict=True))}
        seen = step.observation[0, : self._columns]
        return seen, float(step.reward[0]), bool(step.fell[0]), bool(step.late[0]), info


if NAME not in gymnasium.registry:
    gymnasium.register(NAME, entry_point="stride_training.single:SingleEnvironment")
