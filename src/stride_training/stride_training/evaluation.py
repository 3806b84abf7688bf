"""Evaluation: the same episodes for every policy, and tables of what became of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import ConfigError
from stride_sim.plant import RandomisationConfig

from stride_training.environment import Environment
from stride_training.episodes import Episodes, examination, walk
from stride_training.intervals import Interval, mean, share
from stride_training.policies import Policy
from stride_training.task import Task

COLUMNS = {
    "success": "no fall",
    "speed": "speed m/s",
    "speed_error": "speed error m/s",
    "velocity_error": "velocity error m/s",
    "tilt_p99": "roll, pitch p99 °",
    "height_share": "height ±2 cm",
    "violations": "limit violations",
    "heading": "heading error °",
    "heading_share": "heading < 15°",
    "distance": "distance m",
    "far_share": "≥ 10 m",
    "power": "power W",
    "action": "mean action",
}


_SLOWEST, _FASTEST, _ASKS = 0.1, 1.6, 16
"""Commands at which the gait alone is tried, as shares of the fastest speed."""

_TRIED, _TRIAL, _ELSEWHERE = 20, 10.0, 1000
"""Episodes of each, their seconds, and by how much their seed differs."""


@dataclass(frozen=True)
class Examination:
    """The conditions.

    Attributes:
        speeds: forward [m/s].
        episodes: at each speed.
        seconds: of each.
        seed: of landscapes, starts and noise.
        variants: landscapes of each kind.
        randomised: with the task's randomisation; else the robot is as described, with noise.
        told: what the gait alone is told at each speed, as `calibrated` finds it; the speeds
            themselves if empty.
    """

    speeds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    episodes: int = 100
    seconds: float = 20.0
    seed: int = 1
    variants: int = 10
    randomised: bool = False
    told: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """Of one policy: its episodes, speed by speed."""

    policy: str
    speeds: tuple[float, ...]
    episodes: Episodes

    def at(self, speed: float) -> Episodes:
        """Those at one speed."""
        return chosen(self.episodes, np.isclose(self.episodes.asked, speed))


def examine(policy: Policy, task: Task, exam: Examination, threads: int = 0) -> Result:
    """Let a policy walk all episodes at once.

    Raises:
        ConfigError: policy and task do not fit; one line.
    """
    fitted = examination(policy.fitted(task), exam.seconds, exam.seed, exam.variants)
    if not exam.randomised:
        plain = replace(fitted.plant, randomisation=RandomisationConfig())
        fitted = replace(fitted, plant=plain)
    robots = exam.episodes * len(exam.speeds)
    environment = Environment(fitted, robots, exam.seed, threads)
    wanted = np.repeat(np.array(exam.speeds, np.float64), exam.episodes)
    command = np.zeros((robots, 3))
    command[:, 0] = wanted
    alone = policy.answer is None
    if alone and exam.told:
        command[:, 0] = np.repeat(exam.told, exam.episodes)
    environment.starts.fixed_command = command
    episodes = walk(environment, policy.answer)
    if alone and exam.told:  # an error against what it was told says nothing
        nothing = np.full(robots, np.nan)
        episodes = replace(episodes, asked=wanted, error=nothing)
    return Result(policy.name, exam.speeds, episodes)


def calibrated(task: Task, exam: Examination, threads: int = 0) -> tuple[float, ...]:
    """What to tell the gait alone on a task's ground, so that it goes the speeds of an examination.

    Measured on other landscapes than the examination's. A speed that it does not reach there is
    told as the fastest that it does.

    Raises:
        ConfigError: the task is wrong; one line.
    """
    if min(exam.speeds) < 0.0:
        raise ConfigError(f"speeds: {min(exam.speeds):g}: expected none below 0 to calibrate for")
    asks = np.linspace(_SLOWEST, _FASTEST, _ASKS) * max(exam.speeds)
    trial = Examination(
        tuple(asks), min(exam.episodes, _TRIED), _TRIAL, exam.seed + _ELSEWHERE, exam.variants
    )
    result = examine(Policy("none"), task, trial, threads)
    reached = np.array([_reached(result.at(ask).speed) for ask in asks])
    upto = int(reached.argmax()) + 1
    rising, told = np.append(0.0, np.maximum.accumulate(reached[:upto])), np.append(0.0, asks)
    return tuple(np.interp(exam.speeds, rising, told[: upto + 1]).round(4).tolist())


def _reached(speed: FloatArray) -> float:
    """Mean of those who walked long enough to have a speed; 0 if none did."""
    walked = speed[~np.isnan(speed)]
    return float(walked.mean()) if len(walked) else 0.0


def chosen(episodes: Episodes, which: BoolArray) -> Episodes:
    """Some of them."""
    parts = {name: values[which] for name, values in vars(episodes).items()}
    return Episodes(**parts)


def figures(episodes: Episodes) -> dict[str, Interval]:
    """What a row of the table holds."""
    n, up = len(episodes.fell), ~episodes.fell
    heading = np.degrees(episodes.heading)
    return {
        "success": share(int(up.sum()), n),
        "speed": mean(episodes.speed),
        "speed_error": mean(np.abs(episodes.speed - episodes.asked)),
        "velocity_error": mean(episodes.error),
        "tilt_p99": mean(np.degrees(episodes.tilt)),
        "height_share": mean(episodes.height),
        "violations": mean(episodes.violations),
        "heading": mean(heading),
        "heading_share": share(int((up & (heading < 15.0)).sum()), n),
        "distance": mean(episodes.distance),
        "far_share": share(int((up & (episodes.distance >= 10.0)).sum()), n),
        "power": mean(episodes.power),
        "action": mean(episodes.action),
    }


def as_json(results: Sequence[Result], exam: Examination, task: Task) -> str:
    """All figures, and each episode's own."""
    policies = [
        {
            "policy": result.policy,
            "rows": [
                {
                    "asked": speed,
                    **{k: v._asdict() for k, v in figures(result.at(speed)).items()},
                }
                for speed in result.speeds
            ],
            "episodes": {name: values.tolist() for name, values in vars(result.episodes).items()},
        }
        for result in results
    ]
    content = {"task": task.name, "exam": dataclasses.asdict(exam), "policies": policies}
    return json.dumps(_finite(content), indent=1) + "\n"


def _finite(value: object) -> object:
    """NaN as null: JSON has no other word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_markdown(results: Sequence[Result]) -> str:
    """A table with 95 % intervals, a row for each speed and policy."""
    head = ["asked m/s", "policy", *COLUMNS.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for speed in results[0].speeds:
        for result in results:
            row = figures(result.at(speed))
            cells = [cell(name, row[name]) for name in COLUMNS]
            lines.append("| " + " | ".join([f"{speed:g}", result.policy, *cells]) + " |")
    return "\n".join(lines) + "\n"


_SHARES = ("success", "height_share", "heading_share", "far_share")
_DIGITS = {"tilt_p99": 1, "heading": 1, "distance": 2, "power": 1, "violations": 2, "action": 2}


def cell(name: str, figure: Interval) -> str:
    """A figure of ``COLUMNS`` with its interval."""
    if name in _SHARES:
        value, low, high = (100.0 * part for part in figure)
        return f"{value:.0f} % ({low:.0f}–{high:.0f})"
    digits = _DIGITS.get(name, 3)
    value, low, high = figure
    return f"{value:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def paired(first: Result, second: Result) -> str:
    """A table of differences, second less first, episode by episode."""
    lines = [
        f"| asked m/s | {second.policy} less {first.policy}: successes | speed error m/s |"
        " roll, pitch p99 ° | heading error ° |",
        "|---|---|---|---|---|",
    ]
    for speed in first.speeds:
        a, b = first.at(speed), second.at(speed)
        differences = (
            100.0 * (a.fell.astype(np.float64) - b.fell),
            np.abs(b.speed - b.asked) - np.abs(a.speed - a.asked),
            np.degrees(b.tilt - a.tilt),
            np.degrees(b.heading - a.heading),
        )
        cells = [_difference(values) for values in differences]
        lines.append("| " + " | ".join([f"{speed:g}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def _difference(values: FloatArray) -> str:
    value, low, high = mean(values)
    return f"{value:+.3g} ({low:+.3g} to {high:+.3g})"
