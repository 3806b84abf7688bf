"""Training: PPO on a task, watched, checkpointed, and resumable."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError

from stride_training.checkpoint import load_all, save_all, save_network
from stride_training.environment import Environment, Observations
from stride_training.episodes import Answer, examination, score, speed_error, walk
from stride_training.history import add_evaluation, logger_of, quiet_writers, rewind
from stride_training.policy import Actor
from stride_training.ppo import Recipe, make_ppo, seed_all, warm_up
from stride_training.runs import Run, alone, write
from stride_training.task import Task
from stride_training.vector import VectorEnvironment

COUNTED = ("episodes", "falls", "diverged", "not_finite")
"""What a run's summary counts from its first step to its last."""


@dataclass
class Ending:
    """Whether somebody wants it to end; a second time insists."""

    asked: bool = False

    def __call__(self, *_: Any) -> None:
        """As a handler of signals."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nending after this update; again: at once", file=sys.stderr, flush=True)


def train(
    task: Task,
    run: Run,
    threads: int = 0,
    resume: bool = False,
    device: str = "cpu",
    report: Callable[[int, float], None] | None = None,
) -> bool:
    """Train until the task's steps are done, or until Ctrl-C.

    Args:
        task: what to learn.
        run: its folder.
        threads: of physics and of torch; 0: one for each processor.
        resume: go on from the run's last checkpoint.
        device: of torch.
        report: told the steps and the score of each evaluation; may raise to end it.

    Returns:
        Whether it was finished.

    Raises:
        ConfigError: one line.
    """
    with alone(run) as there, quiet_writers():
        return _train(task, run, threads, resume, device, report, there)


def _train(
    task: Task,
    run: Run,
    threads: int,
    resume: bool,
    device: str,
    report: Callable[[int, float], None] | None,
    there: Callable[[], None],
) -> bool:
    seed_all(task.seed)
    robots = Environment(task, task.ppo.envs, task.seed, threads)
    environment = VectorEnvironment(robots, run.folder / "diverged")
    model = make_ppo(task.ppo, environment, task.seed, device)
    recipe = Recipe(task.ppo, threads)
    watch = Watch(task, run, environment, recipe, threads)
    watch.report, watch.there = report, there
    if resume:
        watch.restore(load_all(run.last, model, environment))
        rewind(run, model.num_timesteps)
    else:
        rewind(run, 0)
        warm_up(model, environment, task.ppo)
    model.set_logger(logger_of(run))
    try:
        with _signals(watch.ending):
            model.learn(
                task.steps - model.num_timesteps,
                callback=[recipe, watch],
                reset_num_timesteps=False,
            )
    except ValueError:  # torch's, of a distribution
        check_networks(model, run)
        raise
    return watch.finished


def check_networks(model: PPO, run: Run) -> None:
    """Nothing goes on from weights that are no numbers.

    Raises:
        ConfigError: one is none; one line.
    """
    if all(bool(torch.isfinite(value).all()) for value in model.policy.state_dict().values()):
        return
    kept = f"; {run.last.name} is from before" if run.last.is_file() else ""
    raise ConfigError(
        f"{run.folder}: weights are not finite after {model.num_timesteps} steps: expected a"
        f" smaller ppo.learning_rate, or smaller rewards{kept}"
    )


@contextmanager
def _signals(ending: Ending) -> Iterator[None]:
    before = {kind: signal.signal(kind, ending) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


class Watch(BaseCallback):
    """Progress, figures of the episodes, evaluations and checkpoints."""

    def __init__(
        self, task: Task, run: Run, environment: VectorEnvironment, recipe: Recipe, threads: int
    ) -> None:
        super().__init__()
        self.ending = Ending()
        self.finished = False  # with all that is asked for
        self.report: Callable[[int, float], None] | None = None
        self.there: Callable[[], None] = lambda: None  # or raises: the run's folder
        self._task, self._run, self._vector = task, run, environment
        self._recipe, self._threads = recipe, threads
        self._due = {"checkpoint": 0, "evaluate": 0}
        self._best = -np.inf
        self._ended: list[dict[str, Any]] = []
        self._counts = dict.fromkeys(COUNTED, 0)
        self._shown = 0.0
        self._left = False  # saved because somebody wants it to end
        self._judge: Environment | None = None

    def restore(self, extra: Any) -> None:
        """From a checkpoint."""
        self._due, self._best, self._counts = extra

    def _on_training_start(self) -> None:
        self._began, self._first = time.monotonic(), self.num_timesteps
        if not self._due["evaluate"]:
            self._due["evaluate"] = self._task.monitoring.evaluate_every
            self._due["checkpoint"] = self._task.monitoring.checkpoint_every

    def _on_step(self) -> bool:
        for robot in np.flatnonzero(self.locals["dones"]):
            self._ended.append(self.locals["infos"][robot])
        return not self._left

    def _on_rollout_start(self) -> None:
        """Between an update and the next rollout: the one moment at which a run can be saved."""
        steps, monitoring = self.model.num_timesteps, self._task.monitoring
        self.there()
        check_networks(self._ppo, self._run)
        if steps >= self._due["evaluate"]:
            self._due["evaluate"] = steps + monitoring.evaluate_every
            self._evaluate()
        if steps >= self._due["checkpoint"] or self.ending.asked:
            self._due["checkpoint"] = steps + monitoring.checkpoint_every
            self._left = self.ending.asked
            self._checkpoint(steps)

    def _checkpoint(self, steps: int) -> None:
        """A full disk costs this checkpoint alone: the one before stays, and training goes on."""
        try:
            self._save()
            save_network(self._run.folder / f"step_{steps:010d}.pt", self._ppo, self._vector)
        except ConfigError as error:
            self.there()
            if self._left:
                raise
            print(f"\n{error}; training goes on", file=sys.stderr, flush=True)

    def _on_training_end(self) -> None:
        if self._left:
            return
        self.there()
        check_networks(self._ppo, self._run)
        self._recipe.finish()
        self._save()
        if self.ending.asked:
            return
        self._evaluate()
        self._save()
        self.finished = True
        self._show(True)
        print(file=sys.stderr)

    @property
    def _ppo(self) -> PPO:
        model: Any = self.model
        return model

    def _save(self) -> None:
        extra = dict(self._due), self._best, dict(self._counts)
        save_all(self._run.last, self._ppo, self._vector, extra)
        summary = {"steps": self.model.num_timesteps, **self._counts}
        write(self._run.folder / "summary.json", json.dumps(summary, indent=1) + "\n")

    # --- figures ----------------------------------------------------------------------------------

    def _on_rollout_end(self) -> None:
        progress = self._vector.environment.starts.progress
        record = self.logger.record
        record("curriculum/level", float(progress.level.mean()))
        record("curriculum/reach", float(progress.reach.mean()))
        rate: Any = self._ppo.learning_rate
        record("train/rate", rate.value)
        self._count()
        if self._ended:
            fell = np.mean([not info["TimeLimit.truncated"] for info in self._ended])
            record("rollout/falls", float(fell))
            record("rollout/diverged", sum(info["diverged"] for info in self._ended))
            for name in self._vector.environment.reward.names:
                mean = np.mean([info["terms"][name] for info in self._ended])
                record(f"reward/{name}", float(mean))
            self._ended.clear()
        self._show()

    def _count(self) -> None:
        """What ended, and numbers of the rollout that are none."""
        seen = self._ppo.rollout_buffer
        arrays = (seen.observations, seen.actions, seen.rewards, seen.values)
        wrong = sum(int(np.count_nonzero(~np.isfinite(array))) for array in arrays)
        found = (
            len(self._ended),
            sum(not info["TimeLimit.truncated"] for info in self._ended),
            sum(info["diverged"] for info in self._ended),
            wrong,
        )
        for name, count in zip(COUNTED, found, strict=True):
            self._counts[name] += count
        self.logger.record("rollout/not_finite", wrong)

    def _show(self, last: bool = False) -> None:
        now = time.monotonic()
        often = 0.5 if sys.stderr.isatty() else 15.0
        if now - self._shown < often and not last:
            return
        self._shown = now
        done, total = self.model.num_timesteps, self._task.steps
        speed = (done - self._first) / max(now - self._began, 1e-9)
        left = max(total - done, 0) / max(speed, 1e-9)
        episodes = self._ppo.ep_info_buffer or ()
        reward = np.mean([e["r"] / e["l"] for e in episodes]) if episodes else np.nan
        progress = self._vector.environment.starts.progress
        line = (
            f"{done / 1e6:7.2f} of {total / 1e6:.2f} M steps  {speed:6.0f}/s  "
            f"{int(left // 60)}:{int(left % 60):02d} left  reward {reward:6.3f}  "
            f"level {progress.level.mean():.2f}  best {self._best:.3f}"
        )
        start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    def _evaluate(self) -> None:
        """On landscapes that training never sees; the same each time."""
        monitoring = self._task.monitoring
        if self._judge is None:
            exam = examination(self._task, monitoring.evaluation_seconds, 99, 2)
            robots = monitoring.evaluation_robots
            self._judge = Environment(exam, robots, 99, self._threads)
            self._judge.starts.fixed_command = spread(self._task, robots)
        self._judge.starts.episode[:] = 0
        episodes = walk(self._judge, answer_of(self._ppo))
        found = {
            "score": score(episodes),
            "falls": float(episodes.fell.mean()),
            "speed_error": speed_error(episodes),
            "tilt_deg": float(np.degrees(np.median(episodes.tilt))),
            "reward": float(episodes.reward.mean()),
            "heading_deg": float(np.degrees(np.median(episodes.heading))),
            "action": float(episodes.action.mean()),
        }
        for name, value in found.items():
            self.logger.record(f"evaluation/{name}", value)
        row = {"steps": self.model.num_timesteps, **found}
        try:
            add_evaluation(self._run, row)
            if found["score"] > self._best:
                save_network(self._run.best, self._ppo, self._vector)
                self._best = found["score"]
        except ConfigError as error:
            self.there()
            print(f"\n{error}; training goes on", file=sys.stderr, flush=True)
        if self.report is not None:
            self.report(self.model.num_timesteps, found["score"])


def spread(task: Task, robots: int) -> FloatArray:
    """Forward commands over the upper part of a task's range, ``(robots, 3)``."""
    low, high = task.commands.forward
    command = np.zeros((robots, 3))
    command[:, 0] = np.linspace(max(low, 0.2 * high), high, robots)
    return command


def answer_of(model: PPO) -> Answer:
    """The mean answer of a learner's actor."""
    policy: Any = model.policy
    actor = Actor(policy).eval()
    return answer_with(actor)


def answer_with(actor: Actor) -> Answer:
    """As a function of arrays."""

    def answer(observation: Observations) -> NDArray[Any]:
        with torch.no_grad():
            seen = torch.as_tensor(observation).to(actor.normaliser.mean.device)
            found: NDArray[Any] = actor(seen).cpu().numpy()
        return found

    return answer


def with_budget(task: Task, steps: int | None, envs: int | None, seed: int | None) -> Task:
    """The task with what the command line says."""
    task = replace(task, steps=steps or task.steps)
    task = task if seed is None else replace(task, seed=seed)
    return task if envs is None else replace(task, ppo=replace(task.ppo, envs=envs))


def folder_of(path: str | Path) -> Run:
    """A run by its folder, checked by its task."""
    run = Run(Path(path))
    run.task()
    return run
