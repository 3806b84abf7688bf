"""``./stride compare A B …``: several policies on the same episodes.

A policy is none (the gait alone), a run's folder (RUN@step_0001000000 for another checkpoint than
the best), an ONNX file, or the name of a shipped policy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from stride_core.arguments import Parser

from stride_training.cli.conditions import add_amount, add_conditions, conditions


def parser(prog: str = "./stride compare", many: bool = True) -> Parser:
    """All options of ``compare`` and ``evaluate``."""
    made = Parser(prog=prog, description=__doc__)
    made.add_argument("policies", nargs="+" if many else 1, metavar="POLICY")
    add_conditions(made)
    add_amount(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure all and print the tables."""
    return measure(parser(), arguments)


def measure(options: Parser, arguments: Sequence[str]) -> int:
    """Of ``compare`` and ``evaluate``."""
    given = options.parse_args(arguments)
    from stride_training.evaluation import Examination, as_json, as_markdown, examine, paired
    from stride_training.policies import find
    from stride_training.runs import write

    task = conditions(given)
    policies = [find(name) for name in given.policies]
    for policy in policies:
        policy.fitted(task)  # refuse before the first has walked
    exam = Examination(
        given.speeds, given.episodes, given.seconds, given.seed, randomised=given.randomised
    )
    results = []
    for policy in policies:
        began = time.monotonic()
        results.append(examine(policy, task, exam, given.threads))
        took = time.monotonic() - began
        print(f"{policy.name}: {took:.0f} s", file=sys.stderr)
    text = as_markdown(results)
    for other in results[1:]:
        text += "\n" + paired(results[0], other)
    print(text, end="")
    if given.json:
        write(Path(given.json), as_json(results, exam, task))
    if given.markdown:
        write(Path(given.markdown), text)
    return 0
