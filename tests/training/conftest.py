from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_training.environment import Environment
from stride_training.runs import Run, new_run
from stride_training.task import Task, load_task

SMALL = (
    "ground.levels=2", "ground.variants=1", "episode.seconds=3.0", "ppo.envs=6", "ppo.n_steps=16",
    "ppo.minibatches=2", "ppo.epochs=2", "ppo.networks.hidden=[16]", "commands.resample=[0.3,0.9]",
    "monitoring.evaluation_robots=4", "monitoring.evaluation_seconds=2.5",
    "monitoring.evaluate_every=100000", "monitoring.checkpoint_every=192",
)  # fmt: skip
"""A task whose robots are few, with everything that `hard_adaptive` switches on."""


@pytest.fixture(scope="session")
def small() -> Task:
    return load_task("hard_adaptive", (), SMALL)


Walk = Callable[[Environment, int], dict[str, FloatArray]]


@pytest.fixture(scope="session")
def walk() -> Walk:
    """Steps with actions of the robot's own; what is seen, (ticks, N, …)."""

    def run(environment: Environment, ticks: int) -> dict[str, FloatArray]:
        seen: dict[str, list[FloatArray]] = {}
        columns = np.arange(environment.layout.size)
        for tick in range(ticks):
            action = np.sin(0.3 * tick + columns + environment.starts.command[:, :1] * 20.0)
            step = environment.step(0.7 * action)
            parts = {
                "observation": step.observation, "reward": step.reward, "terms": step.terms,
                "feet": step.control.feet, "command": step.control.decision.command,
                "position": step.truth.position, "done": step.done.astype(float),
            }  # fmt: skip
            for name, value in parts.items():
                seen.setdefault(name, []).append(np.array(value, np.float64))
            if step.done.any():
                environment.reset(np.flatnonzero(step.done))
        return {name: np.stack(values) for name, values in seen.items()}

    return run


def small_steps(task: Task, steps: int) -> Task:
    return dataclasses.replace(task, steps=steps)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, small: Task) -> Run:
    """Five updates in one go, a checkpoint after each two."""
    pytest.importorskip("stable_baselines3")
    from stride_training.train import train

    run = new_run(small_steps(small, 480), tmp_path_factory.mktemp("runs") / "whole")
    assert train(run.task(), run, threads=1)
    return run
