"""Arguments of command lines: one line for each mistake."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection
from typing import Any, NoReturn

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """Answers a mistake with one line and exit status 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # argparse takes -1e9 and -1,1,1 for options; what begins like a number is a value
        self._negative_number_matcher = re.compile(r"^-(\d|\.\d|inf|nan)")

    @property
    def options(self) -> list[argparse.Action]:
        """What was added, for others who take the same options: launch files."""
        return [action for action in self._actions if action.dest != "help"]

    def remove_options(self, names: Collection[str]) -> None:
        """Take options out again, for a command that has most of another's."""
        for action in [each for each in self._actions if each.dest in names]:
            self._remove_action(action)
            for word in action.option_strings:
                del self._option_string_actions[word]
            for group in self._action_groups:
                if action in group._group_actions:
                    group._group_actions.remove(action)

    def error(self, message: str) -> NoReturn:
        """Print and exit."""
        print(f"{self.prog}: {message}; {self.prog} --help shows what there is", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def number(low: float = float("-inf"), high: float = float("inf")) -> Callable[[str], float]:
    """A finite number within limits, for ``type=``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high or value in (float("inf"), float("-inf")):
            between = (
                f" from {low:g} to {high:g}"
                if high < float("inf")
                else (f" of at least {low:g}" if low > float("-inf") else "")
            )
            raise argparse.ArgumentTypeError(f"{text!r}: expected a finite number{between}")
        return value

    return parse


def whole(low: int = 0, high: int = 2**31 - 1) -> Callable[[str], int]:
    """A whole number within limits, for ``type=``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected a whole number from {low} to {high}"
            )
        return value

    return parse
