"""One condition at a time, from mild to hard: where a policy breaks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stride_core.config import ConfigError
from stride_sim.plant import RandomisationConfig

from stride_training.episodes import examination
from stride_training.evaluation import COLUMNS, Examination, Result, cell, examine, figures
from stride_training.intervals import Interval
from stride_training.policies import Policy
from stride_training.task import Task, with_settings

_RANGED = "plant.randomisation."
_BESIDE = {
    f"{_RANGED}push_duration": f"{_RANGED}push_force=[10.0, 10.0]",
    f"{_RANGED}motor_off_duration": f"{_RANGED}motor_off_interval=[4.0, 6.0]",
}
"""What must happen at all for how long it lasts to mean anything."""

_SHOWN = ("success", "speed_error", "tilt_p99", "heading_share", "distance")


@dataclass(frozen=True)
class Sweep:
    """A key of the task and its values."""

    key: str
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """Of ``key=value,value,…``, as in ``plant.randomisation.push_force=5,10,15``.

        Raises:
            ConfigError: it is none; one line.
        """
        key, equals, values = text.partition("=")
        try:
            numbers = tuple(float(value) for value in values.split(","))
        except ValueError:
            numbers = ()
        if not equals or not key.strip() or not numbers or not all(map(math.isfinite, numbers)):
            raise ConfigError(f"--sweep {text!r}: expected key=value,value,… of finite numbers")
        return cls(key.strip(), numbers)

    def tasks(self, task: Task) -> list[tuple[float, Task]]:
        """The task at each value: nothing else is randomised, and a range has no width.

        Raises:
            ConfigError: no such key, or a value out of its range; one line.
        """
        calm = replace(task, plant=replace(task.plant, randomisation=RandomisationConfig()))
        beside = [_BESIDE[self.key]] if self.key in _BESIDE else []
        return [
            (value, with_settings(calm, [*beside, f"{self.key}={self._written(value)}"]))
            for value in self.values
        ]

    def check(self, policies: Sequence[Policy], task: Task) -> None:
        """See that it changes something for somebody.

        Raises:
            ConfigError: it does not, or a policy and a value do not fit; one line.
        """
        changed = [task for _, task in self.tasks(task)]
        walks = [[examination(p.fitted(each), _ANY_S, 1, 1) for p in policies] for each in changed]
        if len(walks) > 1 and all(walk == walks[0] for walk in walks):
            raise ConfigError(
                f"--sweep {self.key}: a policy's own, or the examination's: nothing would change"
            )

    def _written(self, value: float) -> str:
        whole = int(value) if value == int(value) else value
        if self.key == "ground.difficulty":
            return f"[0.0, {whole}]"
        single = self.key.endswith(("duration",))
        return f"[{whole}, {whole}]" if self.key.startswith(_RANGED) and not single else str(whole)


_ANY_S = 10.0

Found = Sequence[tuple[float, Sequence[Result]]]
"""Of each value, the results of all policies."""


def run(
    sweep: Sweep, policies: Sequence[Policy], task: Task, exam: Examination, threads: int
) -> list[tuple[float, list[Result]]]:
    """Every policy at every value, on the same episodes."""
    exact = replace(exam, randomised=True)  # what is left of the randomisation is the sweep's own
    return [
        (value, [examine(policy, changed, exact, threads) for policy in policies])
        for value, changed in sweep.tasks(task)
    ]


def rows(sweep: Sweep, found: Found) -> list[dict[str, Any]]:
    """Figures over all speeds, for each value and policy."""
    return [
        {
            "key": sweep.key,
            "value": value,
            "policy": result.policy,
            "figures": {name: list(f) for name, f in figures(result.episodes).items()},
        }
        for value, results in found
        for result in results
    ]


def as_markdown(measured: Sequence[Mapping[str, Any]]) -> str:
    """A table for each key: a row for each value and policy."""
    tables = []
    for key in dict.fromkeys(row["key"] for row in measured):
        head = [key, "policy", *(COLUMNS[name] for name in _SHOWN)]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for row in measured:
            if row["key"] == key:
                cells = [cell(name, Interval(*row["figures"][name])) for name in _SHOWN]
                lines.append("| " + " | ".join([f"{row['value']:g}", row["policy"], *cells]) + " |")
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def as_json(measured: Sequence[Mapping[str, Any]]) -> str:
    """All figures."""
    return json.dumps(measured, indent=1) + "\n"


def draw(measured: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Success against the value, with its interval: a panel for each key.

    Raises:
        ConfigError: the picture cannot be written; one line.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    keys = list(dict.fromkeys(row["key"] for row in measured))
    columns = min(len(keys), _COLUMNS)
    lines = -(-len(keys) // columns)
    figure, axes = pyplot.subplots(
        lines, columns, figsize=(4.5 * columns, 3.2 * lines), layout="constrained", squeeze=False
    )
    for axis, key in zip(axes.flat, keys, strict=False):
        for policy in dict.fromkeys(row["policy"] for row in measured):
            mine = [r for r in measured if (r["key"], r["policy"]) == (key, policy)]
            values = [row["value"] for row in mine]
            shares = [Interval(*row["figures"]["success"]) for row in mine]
            axis.plot(values, [s.value for s in shares], marker="o", label=policy)
            axis.fill_between(values, [s.low for s in shares], [s.high for s in shares], alpha=0.2)
        axis.set(xlabel=key.removeprefix(_RANGED), ylabel="no fall", ylim=(-0.02, 1.02))
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(keys) :]:
        axis.set_axis_off()
    axes[0][0].legend(fontsize=8)
    try:
        figure.savefig(out, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)


_COLUMNS = 3
