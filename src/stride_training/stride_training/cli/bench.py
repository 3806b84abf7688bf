"""``./stride bench training``: the speed of training beside its floor, the physics alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stride_core.arguments import Parser, whole

from stride_training.task import load_task
from stride_training.train import with_budget

_ROBOTS = 512


def parser() -> Parser:
    """All options."""
    made = Parser(prog="./stride bench training", description=__doc__)
    made.add_argument("what", choices=("training",))
    made.add_argument("--task", default="rough")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    made.add_argument("--envs", type=whole(1, 100_000), help="robots; 512 if not said")
    made.add_argument("--threads", type=whole(0, 1024), default=0, help="0: one a processor")
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    given = parser().parse_args(arguments)
    from stride_training.bench import as_record, measure, table

    said = any(setting.startswith("ppo.envs=") for setting in given.set)
    # more than learn best on a small budget: with fewer numpy's calls are too short for their cost
    robots = given.envs or (None if said else _ROBOTS)
    task = with_budget(load_task(given.task, (), given.set), None, robots, None)
    result = measure(task, given.threads)
    print(json.dumps(as_record(result)) if given.json else table(result))
    return 0
