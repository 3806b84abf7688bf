"""``./stride tune TASK``: search hyperparameters; several machines can share one storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stride_core.arguments import Parser, whole


def parser() -> Parser:
    """All options of ``tune``."""
    made = Parser(prog="./stride tune", description=__doc__)
    made.add_argument("task", metavar="TASK")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="held")
    made.add_argument("--trials", type=whole(1, 100_000), default=20, help="of this process")
    made.add_argument("--steps", type=whole(1, 10**12), help="of each trial")
    made.add_argument("--threads", type=whole(0, 1024), default=0, help="0: one a processor")
    made.add_argument("--folder", default="", help="instead of runs/tune-TASK")
    made.add_argument(
        "--storage", default="", metavar="URL|FILE", help="a database, or a file on a shared disk"
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Search and say what is best so far; 130 if it was ended early."""
    given = parser().parse_args(arguments)
    from stride_training.tune import report, tune

    folder = Path(given.folder or f"runs/tune-{given.task}")
    study, finished = tune(
        given.task, given.set, folder, given.trials, given.storage, given.threads, given.steps
    )
    print(report(study, given.set))
    return 0 if finished else 130
