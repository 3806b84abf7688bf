"""Options that evaluate, compare and play share: the conditions under which policies walk."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stride_core.arguments import Parser, number, whole
from stride_core.config import ConfigError

from stride_training.task import Task, load_task


def add_conditions(made: Parser) -> None:
    """Add them."""
    made.add_argument("--task", default="rough", help="its robot, ground, plant; default rough")
    made.add_argument("--config", action="append", default=[], metavar="FILE", help="over the task")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    made.add_argument("--servo", default="", help="one of the robot's")
    made.add_argument("--terrain", default="", metavar="NAMES", help="instead of the task's")
    made.add_argument("--difficulty", type=number(0.0, 1.0), help="instead of the task's greatest")
    made.add_argument("--seed", type=whole(), default=1, help="of landscapes, starts and noise")
    made.add_argument("--threads", type=whole(0, 1024), default=0, help="0: one a processor")
    made.add_argument(
        "--randomised", action="store_true", help="with the task's randomisation and pushes"
    )


def add_amount(made: Parser) -> None:
    """Add how much is measured."""
    made.add_argument("--speeds", type=speeds(), default=(0.1, 0.2, 0.3, 0.4, 0.5), metavar="A,B")
    made.add_argument("--episodes", type=whole(1, 100_000), default=100, help="at each speed")
    made.add_argument("--seconds", type=number(3.0, 3600.0), default=20.0)
    made.add_argument("--json", default="", metavar="FILE", help="all figures and episodes")
    made.add_argument("--markdown", default="", metavar="FILE", help="the table")


def speeds() -> Callable[[str], tuple[float, ...]]:
    """For ``type=``: numbers with commas."""
    one = number(-10.0, 10.0)

    def parse(text: str) -> tuple[float, ...]:
        found = tuple(one(part) for part in text.split(","))
        if len(set(found)) != len(found):
            raise argparse.ArgumentTypeError(f"{text!r}: a speed is there twice")
        return found

    return parse


def refuse_unwritable(given: argparse.Namespace) -> None:
    """Look at where results shall be written before hours are spent on them.

    Raises:
        ConfigError: not there; one line.
    """
    for option in ("json", "markdown", "figure"):
        if not getattr(given, option):
            continue
        path = Path(getattr(given, option))
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigError(f"--{option} {path}: cannot be written")


def conditions(given: argparse.Namespace) -> Task:
    """The task as the options have it."""
    task = load_task(given.task, given.config, given.set)
    ground = task.ground
    if given.terrain:
        ground = replace(ground, kinds=tuple(given.terrain.split(",")))
    if given.difficulty is not None:
        ground = replace(
            ground, difficulty=(min(ground.difficulty[0], given.difficulty), given.difficulty)
        )
    return replace(task, ground=ground, servo=given.servo or task.servo)
