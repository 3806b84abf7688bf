"""Speed of training beside its floor, the physics alone, measured in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from stride_core.arrays import FloatArray

from stride_training.environment import Environment
from stride_training.task import Task

_ROUNDS = 5
_TICKS = 40
_UPDATES = 3
_COMPARED = 4  # robots, against a loop over mj_step


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        robots, threads, substeps: of the batch.
        physics, environment, ppo: environment steps a wall second.
        period: simulated seconds of a step.
        parts: seconds of the PPO loop's wall time for each step of all robots, by what took them.
        difference: between ``mujoco.batch`` and its ``mj_step`` loop, over every state; exactly 0.
    """

    robots: int
    threads: int
    substeps: int
    physics: float
    environment: float
    ppo: float
    period: float
    parts: dict[str, float]
    difference: float

    @property
    def shares(self) -> dict[str, float]:
        """Of the physics' speed."""
        return {"environment": self.environment / self.physics, "ppo": self.ppo / self.physics}


def measure(task: Task, threads: int = 0) -> Result:
    """Of a task with its own number of robots; about half a minute."""
    environment = Environment(task, task.ppo.envs, 0, threads)
    environment.reset()
    random = np.random.default_rng(0)
    shape = (environment.robots, environment.layout.size)
    actions = 0.3 * random.standard_normal((_TICKS, *shape))
    for _ in range(2):  # up to speed
        _walk(environment, actions)
    moment = environment.state()
    controls = _record(environment, actions)
    took: dict[str, list[float]] = {"physics": [], "environment": []}
    for _ in range(_ROUNDS):  # in turn, so that both meet the same disturbances
        environment.restore(moment)
        took["physics"].append(_timed(lambda: _replay(environment, controls)))
        environment.restore(moment)
        took["environment"].append(_timed(lambda: _walk(environment, actions)))
    steps = _TICKS * environment.robots
    environment.restore(moment)
    difference = _against_loop(environment, controls)
    ppo, parts = _ppo(task, threads)
    return Result(
        robots=environment.robots,
        threads=environment.plant.batch.nthread,
        substeps=environment.plant.config.substeps,
        physics=steps / statistics.median(took["physics"]),
        environment=steps / statistics.median(took["environment"]),
        ppo=ppo,
        period=environment.plant.period,
        parts=parts,
        difference=difference,
    )


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _walk(environment: Environment, actions: FloatArray) -> None:
    for action in actions:
        ended = np.flatnonzero(environment.step(action).done)
        if len(ended):
            environment.reset(ended)


def _record(environment: Environment, actions: FloatArray) -> FloatArray:
    """Walk, and keep what the servos were told, (ticks, N, actuators)."""
    told = []
    for action in actions:
        environment.step(action)
        told.append(environment.plant.batch.ctrl.copy())
    return np.stack(told)


def _replay(environment: Environment, controls: FloatArray) -> None:
    """The same batch, model, substeps and stages, and nothing else."""
    batch, substeps = environment.plant.batch, environment.plant.config.substeps
    ctrl, now = batch.ctrl, int(mujoco.mjtStage.mjSTAGE_ACC)
    for control in controls:
        ctrl[:] = control
        batch.step(None, substeps, now)


def _against_loop(environment: Environment, controls: FloatArray) -> float:
    """Largest difference of any state variable."""
    plant = environment.plant
    robots = range(min(_COMPARED, plant.robots))
    alone = [(plant.robot_model(robot), plant.robot_data(robot)) for robot in robots]
    _replay(environment, controls)
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    worst = 0.0
    for robot, (model, data) in zip(robots, alone, strict=True):
        for control in controls:
            data.ctrl[:] = control[robot]
            for _ in range(plant.config.substeps):
                mujoco.mj_step(model, data)
        row = np.empty(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(model, data, row, kind)
        worst = max(worst, float(np.abs(row - plant.batch.state[robot]).max()))
    return worst


def _ppo(task: Task, threads: int) -> tuple[float, dict[str, float]]:
    """Steps a second of the whole loop, and where the time goes."""
    from stride_training.ppo import Recipe, make_ppo, seed_all
    from stride_training.vector import VectorEnvironment

    seed_all(0)
    vector = VectorEnvironment(Environment(task, task.ppo.envs, 0, threads))
    model: Any = make_ppo(task.ppo, vector, 0)
    parts = {"physics": 0.0, "environment": 0.0, "policy": 0.0, "update": 0.0}
    plant = vector.environment.plant
    _clock(parts, "physics", plant.batch, "step")
    _clock(parts, "environment", vector, "step_wait")
    _clock(parts, "policy", model.policy, "forward")
    _clock(parts, "update", model, "train")
    update = task.ppo.n_steps * vector.num_envs
    recipe = Recipe(task.ppo, threads)
    model.learn(update, callback=[recipe])
    for name in parts:
        parts[name] = 0.0
    took = _timed(
        lambda: model.learn(_UPDATES * update, callback=[recipe], reset_num_timesteps=False)
    )
    ticks = _UPDATES * task.ppo.n_steps
    parts["environment"] -= parts["physics"]
    parts["rest"] = took - sum(parts.values())
    return _UPDATES * update / took, {name: spent / ticks for name, spent in parts.items()}


def _clock(parts: dict[str, float], name: str, owner: Any, method: str) -> None:
    """Count the time that a method takes."""
    inner = getattr(owner, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            parts[name] += time.perf_counter() - began

    object.__setattr__(owner, method, timed)


def table(result: Result) -> str:
    """For people."""
    head = f"{result.robots} robots, {result.threads} threads, {result.substeps} substeps a step"
    lines = [head, "", f"{'':20}{'steps/s':>10}{'sim s/s':>10}{'of physics':>12}"]
    for name, speed in (
        ("physics alone", result.physics),
        ("environment", result.environment),
        ("PPO's loop", result.ppo),
    ):
        share = 100.0 * speed / result.physics
        lines.append(f"{name:20}{speed:10,.0f}{speed * result.period:10,.0f}{share:10.0f} %")
    total = sum(result.parts.values())
    lines += ["", "PPO's loop, for one step of all robots:"]
    for name, spent in result.parts.items():
        lines.append(f"  {name:18}{1e3 * spent:8.2f} ms{100.0 * spent / total:8.0f} %")
    lines.append(f"\nmujoco.batch against a loop over mj_step: differs by {result.difference:g}")
    return "\n".join(lines)


def as_record(result: Result) -> dict[str, Any]:
    """For JSON."""
    return {**vars(result), "shares": result.shares}
