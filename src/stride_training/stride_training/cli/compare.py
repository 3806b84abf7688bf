"""``./stride compare A B …``: several policies on the same episodes.

A policy is none (the gait alone), a run's folder (RUN@step_0001000000 for another checkpoint than
the best), an ONNX file, or the name of a shipped policy.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stride_core.arguments import Parser
from stride_core.config import ConfigError

from stride_training.cli.conditions import (
    add_amount,
    add_conditions,
    conditions,
    refuse_unwritable,
)

if TYPE_CHECKING:
    from stride_training.evaluation import Examination
    from stride_training.policies import Policy
    from stride_training.task import Task


def parser(prog: str = "./stride compare", many: bool = True) -> Parser:
    """All options of ``compare`` and ``evaluate``."""
    made = Parser(prog=prog, description=__doc__)
    made.add_argument("policies", nargs="+" if many else 1, metavar="POLICY")
    add_conditions(made)
    add_amount(made)
    made.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="KEY=A,B",
        help="one condition alone, such as plant.randomisation.push_force=5,10,15; repeat for more",
    )
    made.add_argument(
        "--calibrate",
        action="store_true",
        help="tell the gait alone what brings it to each speed on this ground",
    )
    made.add_argument("--figure", default="", metavar="FILE", help="of a sweep: .png or .svg")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure all and print the tables."""
    return measure(parser(), arguments)


def measure(options: Parser, arguments: Sequence[str]) -> int:
    """Of ``compare`` and ``evaluate``."""
    given = options.parse_args(arguments)
    from stride_training.evaluation import (
        Examination,
        as_json,
        as_markdown,
        calibrated,
        examine,
        paired,
    )
    from stride_training.policies import find, on_one_servo
    from stride_training.runs import write

    refuse_unwritable(given)
    if given.figure and not given.sweep:
        raise ConfigError("--figure: of a sweep: expected --sweep too")
    policies = [find(name) for name in given.policies]
    task = on_one_servo(policies, conditions(given))  # refuse before the first has walked
    exam = Examination(
        given.speeds, given.episodes, given.seconds, given.seed, randomised=given.randomised
    )
    if given.calibrate:
        exam = replace(exam, told=calibrated(task, exam, given.threads))
        told = ", ".join(f"{speed:g}" for speed in exam.told)
        print(f"the gait alone is told {told} m/s", file=sys.stderr)
    if given.sweep:
        return _sweep(given, policies, task, exam)
    results = []
    for policy in policies:
        began = time.monotonic()
        results.append(examine(policy, task, exam, given.threads))
        took = time.monotonic() - began
        print(f"{policy.name}: {took:.0f} s", file=sys.stderr)
    text = as_markdown(results)
    for other in results[1:]:
        text += "\n" + paired(results[0], other)
    if given.json:
        write(Path(given.json), as_json(results, exam, task))
    if given.markdown:
        write(Path(given.markdown), text)
    print(text, end="")
    return 0


def _sweep(
    given: argparse.Namespace, policies: Sequence[Policy], task: Task, exam: Examination
) -> int:
    from stride_training import sweeps
    from stride_training.runs import write

    chosen = [sweeps.Sweep.parse(text) for text in given.sweep]
    for sweep in chosen:
        sweep.check(policies, task)  # refuse before the first has walked
    measured = []
    for sweep in chosen:
        measured += sweeps.rows(sweep, sweeps.run(sweep, policies, task, exam, given.threads))
        print(sweep.key, file=sys.stderr, flush=True)
    text = sweeps.as_markdown(measured)
    for path, content in ((given.markdown, text), (given.json, sweeps.as_json(measured))):
        if path:
            write(Path(path), content)
    if given.figure:
        sweeps.draw(measured, Path(given.figure))
    print(text, end="")
    return 0
