"""Where the robots are: one folder each beside this file, with robot.yaml, MJCF and URDF."""

from __future__ import annotations

import difflib
from pathlib import Path

ROBOTS = Path(__file__).resolve().parent / "robots"


def robot_names() -> tuple[str, ...]:
    """Return the names of the robots that are installed, sorted."""
    return tuple(sorted(path.parent.name for path in ROBOTS.glob("*/robot.yaml")))


def robot_file(name: str) -> Path:
    """Return the path of a robot's robot.yaml.

    Raises:
        ValueError: no robot of that name; one line with the names there are.
    """
    names = robot_names()
    if name in names:
        return ROBOTS / name / "robot.yaml"
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    known = ", ".join(names)
    raise ValueError(f"robot {name!r}: unknown{hint}; expected one of {known}, or a path")
