"""The command `test`: linters and type checker first, then pytest, whose closing line ends it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType

from stride_setup.console import say
from stride_setup.places import Places

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)


def run_tests(places: Places, arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run every check and pytest; return pytest's status, or 1 where only a check failed."""
    failed = []
    for check in CHECKS:
        name = " ".join(check)
        say(name)
        if run_child([str(places.venv / "bin" / check[0]), *check[1:]], places, env):
            failed.append(name)
    if failed:
        say(f"failed: {', '.join(failed)}; the tests run all the same")
    status = run_child([str(places.python), "-m", "pytest", *arguments], places, env)
    return status or (1 if failed else 0)


def run_child(command: Sequence[str], places: Places, env: Mapping[str, str]) -> int:
    """Run a program and return its status; being interrupted, and cleaning up, is left to it."""
    children: list[subprocess.Popen[bytes]] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        for child in children if number == signal.SIGTERM else ():  # Ctrl-C reaches it by itself
            child.send_signal(signal.SIGINT)

    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        children.append(subprocess.Popen(command, cwd=places.root, env=dict(env)))
        return children[0].wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
