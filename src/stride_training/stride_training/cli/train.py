"""``./stride train TASK``: learn a residual policy by PPO.

Ctrl-C ends after the present update and leaves a run to go on from; a second one ends at once.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from stride_core.arguments import USAGE_ERROR, Parser, whole

from stride_training.task import load_task


def parser() -> Parser:
    """All options of ``train``."""
    made = Parser(prog="./stride train", description=__doc__)
    made.add_argument("task", nargs="?", default="", metavar="TASK", help="name, or a YAML's path")
    made.add_argument("--config", action="append", default=[], metavar="FILE", help="over the task")
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="such as ppo.envs=256"
    )
    made.add_argument("--steps", type=whole(1, 10**12), help="of all robots together, in all")
    made.add_argument("--envs", type=whole(1, 100_000), help="robots")
    made.add_argument("--seed", type=whole())
    made.add_argument("--threads", type=whole(0, 1024), default=0, help="0: one a processor")
    made.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="of the networks")
    made.add_argument("--run", default="", metavar="FOLDER", help="instead of runs/TASK-SEED-DATE")
    made.add_argument("--resume", default="", metavar="RUN", help="go on from its last checkpoint")
    return made


def main(arguments: Sequence[str]) -> int:
    """Train; 130 if it was ended early."""
    given = parser().parse_args(arguments)
    if bool(given.task) == bool(given.resume):
        print("./stride train: expected either a TASK or --resume RUN", file=sys.stderr)
        return USAGE_ERROR
    import torch

    from stride_training.environment import check
    from stride_training.runs import new_run
    from stride_training.train import folder_of, train, with_budget

    if given.device == "cuda" and not torch.cuda.is_available():
        print("./stride train: --device cuda: torch finds none here", file=sys.stderr)
        return USAGE_ERROR
    if given.resume:
        others = (given.config, given.set, given.run, given.envs, given.seed)
        if any(other not in (None, "", []) for other in others):
            allowed = "--steps, --threads and --device"
            print(f"./stride train: --resume takes {allowed} alone", file=sys.stderr)
            return USAGE_ERROR
        run = folder_of(given.resume)
        task = with_budget(run.task(), given.steps, None, None)
    else:
        task = load_task(given.task, given.config, given.set)
        task = with_budget(task, given.steps, given.envs, given.seed)
        check(task)
        run = new_run(task, given.run)
    print(f"{run.folder}: {task.name}, {task.steps:,} steps of {task.ppo.envs} robots")
    finished = train(task, run, given.threads, bool(given.resume), given.device)
    again = shlex.join(["./stride", "train", "--resume", str(run.folder)])
    if given.resume and given.steps:
        again += f" --steps {given.steps}"
    print(run.folder if finished else f"{run.folder}: to go on: {again}")
    return 0 if finished else 130
