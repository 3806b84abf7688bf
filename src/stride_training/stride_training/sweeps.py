"""One condition at a time, from mild to hard: where a policy breaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stride_core.config import ConfigError
from stride_sim.plant import RandomisationConfig

from stride_training.evaluation import COLUMNS, Examination, Result, cell, examine, figures
from stride_training.policies import Policy
from stride_training.task import Task, with_settings

_RANGED = "plant.randomisation."
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
        if not equals or not numbers:
            raise ConfigError(f"--sweep {text!r}: expected key=value,value,…")
        return cls(key.strip(), numbers)

    def tasks(self, task: Task) -> list[tuple[float, Task]]:
        """The task at each value: nothing else is randomised, and a range has no width.

        Raises:
            ConfigError: no such key, or a value out of its range; one line.
        """
        calm = replace(task, plant=replace(task.plant, randomisation=RandomisationConfig()))
        return [(v, with_settings(calm, [f"{self.key}={self._written(v)}"])) for v in self.values]

    def _written(self, value: float) -> str:
        whole = int(value) if value == int(value) else value
        if self.key == "ground.difficulty":
            return f"[0.0, {whole}]"
        single = self.key.endswith(("duration",))
        return f"[{whole}, {whole}]" if self.key.startswith(_RANGED) and not single else str(whole)


def run(
    sweep: Sweep, policies: Sequence[Policy], task: Task, exam: Examination, threads: int
) -> list[tuple[float, list[Result]]]:
    """Every policy at every value, on the same episodes."""
    exact = replace(exam, randomised=True)  # what is left of the randomisation is the sweep's own
    return [
        (value, [examine(policy, changed, exact, threads) for policy in policies])
        for value, changed in sweep.tasks(task)
    ]


def as_markdown(sweep: Sweep, found: Sequence[tuple[float, Sequence[Result]]]) -> str:
    """A row for each value and policy, over all speeds."""
    head = [sweep.key, "policy", *(COLUMNS[name] for name in _SHOWN)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for value, results in found:
        for result in results:
            row = figures(result.episodes)
            cells = [cell(name, row[name]) for name in _SHOWN]
            lines.append("| " + " | ".join([f"{value:g}", result.policy, *cells]) + " |")
    return "\n".join(lines) + "\n"


def as_json(sweep: Sweep, found: Sequence[tuple[float, Sequence[Result]]]) -> str:
    """All figures."""
    rows = [
        {"value": value, "policy": result.policy, **_plain(figures(result.episodes))}
        for value, results in found
        for result in results
    ]
    return json.dumps({"key": sweep.key, "rows": rows}, indent=1) + "\n"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure._asdict() for name, figure in row.items()}


def draw(sweep: Sweep, found: Sequence[tuple[float, Sequence[Result]]], out: Path) -> None:
    """Success against the value, with its interval.

    Raises:
        ConfigError: the picture cannot be written; one line.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for number in range(len(found[0][1])):
        results = [results[number] for _, results in found]
        shares = [figures(result.episodes)["success"] for result in results]
        values = [value for value, _ in found]
        axis.plot(values, [s.value for s in shares], marker="o", label=results[0].policy)
        axis.fill_between(values, [s.low for s in shares], [s.high for s in shares], alpha=0.2)
    axis.set(xlabel=sweep.key, ylabel="episodes without a fall", ylim=(-0.02, 1.02))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)
