"""The command `test`: linters and type checker first, then pytest, whose closing line ends it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

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
        program = [str(places.venv / "bin" / check[0]), *check[1:]]
        if subprocess.run(program, cwd=places.root, env=dict(env), check=False).returncode:
            failed.append(name)
    if failed:
        say(f"failed: {', '.join(failed)}; the tests run all the same")
    program = [str(places.python), "-m", "pytest", *arguments]
    status = subprocess.run(program, cwd=places.root, env=dict(env), check=False).returncode
    return status or (1 if failed else 0)
