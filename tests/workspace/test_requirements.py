"""The pinned sets: exact, complete, in agreement with one another, and no torch on the robot."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "requirements"
SETS = sorted(path.stem for path in FOLDER.glob("*.txt"))
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[a-z,]+\])?==([0-9][A-Za-z0-9.+]*)")


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lines(name: str) -> list[str]:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    matches = [PIN.fullmatch(line) for line in lines(name)]
    return {normal(match[1]): match[2] for match in matches if match}


def needs(name: str, seen: set[str]) -> set[str]:
    """Add to `seen` a distribution and all that it requires here, as far as it is installed."""
    if name in seen:
        return seen
    seen.add(name)
    try:
        required = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return seen
    for line in required:
        if "extra ==" not in line:
            needs(normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]), seen)
    return seen


def test_the_sets_are_those_that_are_documented() -> None:
    assert {"ros", "build", "robot", "runtime", "dev", "training", "lock"} == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_every_pin_is_exact(name: str) -> None:
    assert [line for line in lines(name) if not PIN.fullmatch(line)] == []
    assert len(pins(name)) == len(lines(name)), "a name is pinned twice"


@pytest.mark.parametrize("name", [name for name in SETS if name != "lock"])
def test_the_lock_holds_every_pin(name: str) -> None:
    assert pins(name).items() <= pins("lock").items()


def test_the_robots_set_is_part_of_the_runtime_set() -> None:
    assert pins("robot").items() < pins("runtime").items()


@pytest.mark.parametrize("name", ["robot", "runtime", "ros", "build"])
def test_nothing_that_runs_on_the_robot_needs_torch(name: str) -> None:
    closure: set[str] = set()
    for pinned in pins(name):
        needs(pinned, closure)
    assert "numpy" in closure
    assert closure.isdisjoint({"torch", "stable-baselines3", "gymnasium"})
    assert "mujoco" not in closure or name == "runtime"


@pytest.mark.parametrize("name", ["robot", "runtime", "dev"])
def test_the_lock_names_whatever_the_sets_bring_along(name: str) -> None:
    closure: set[str] = set()
    for pinned in pins(name):
        needs(pinned, closure)
    installed = {normal(d.metadata["Name"]) for d in importlib.metadata.distributions()}
    assert closure & installed <= set(pins("lock"))
