"""The colcon workspace: what its build depends on, and the build."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from stride_setup.environment import base_environment, record_variables
from stride_setup.packages import clean_environment
from stride_setup.places import Places
from stride_setup.steps import Step, digest, write_atomically
from stride_setup.tools import run_logged

MANIFESTS = {"package.xml", "setup.py", "setup.cfg", "CMakeLists.txt"}
INTERFACES = {".msg", ".srv", ".action"}
SHARED = ("launch", "config")  # installed by stride_bringup; policies too, but found by a link
SHEBANG_LIMIT = 127  # bytes that every Linux reads of a script's first line
STAND_IN = b"""#!/bin/sh
'''exec' "%s" "$0" "$@"
' '''
"""  # to Python a string, to sh a command


def sources(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the files under `root` whose content, and those whose mere name, ask for a new build.

    Python modules are in neither list: --symlink-install shows them, and new ones, as they are.
    """
    contents: list[Path] = []
    names: list[Path] = []
    for file in _walk(root / "src"):
        if file.name in MANIFESTS or file.suffix in INTERFACES or file.name == "COLCON_IGNORE":
            contents.append(file)
        elif "robots" in file.parts:
            names.append(file)
    for folder in SHARED:
        names += _walk(root / folder)
    contents.append(root / "colcon.meta")
    return contents, names


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        yield from (Path(parent, name) for name in files)


def build_step(places: Places, wheels: str) -> Step:
    """Return the step that builds the workspace with colcon and records its variables.

    `wheels` is the digest of the installed ROS 2, or empty where one of the system is used.
    """
    contents, names = sources(places.root)
    origin = digest(str(places.python), str(places.ros), str(places.compat))

    def act() -> None:
        forget_other_origin(places, origin)
        colcon_build(places)
        remove_dangling_links(places.install)
        mend_scripts(places.install)
        write_atomically(places.environment, json.dumps(record_variables(places), indent=1))

    files = [file for file in contents if file.exists()]
    files += [Path(__file__), Path(__file__).with_name("environment.py")]  # they shape the build
    mark = digest(origin, wheels, files=files, names=names)

    def intact() -> bool:
        return places.environment.exists() and places.build.exists()

    def mend(_: float) -> None:
        shutil.rmtree(places.build, ignore_errors=True)  # it may hold half an object file

    return Step("building the workspace", places.built, mark, act, intact, mend)


def forget_other_origin(places: Places, origin: str) -> None:
    """Remove build and install folders of another Python or place: CMake would refuse them."""
    mark = places.build / ".stride_origin"
    known = mark.read_text(encoding="utf-8") if mark.exists() else ""
    if known != origin:
        for folder in (places.build, places.install):
            shutil.rmtree(folder, ignore_errors=True)
    write_atomically(mark, origin)


def colcon_build(places: Places) -> None:
    """Run colcon over src/ and the needed packages of src/compat."""
    env = base_environment(places, clean_environment())
    compat = places.root / "src" / "compat"
    bases = [places.root / "src", *(compat / name for name in places.compat)]
    command: list[str | Path] = [places.python, "-m", "colcon", "--log-base", places.root / "log"]
    command += ["build", "--symlink-install", "--base-paths", *bases]
    command += ["--event-handlers", "console_direct+", "--metas", places.root / "colcon.meta"]
    command += ["--cmake-args", f"-DPython3_EXECUTABLE={places.python}"]
    run_logged(command, places.log, places.root, env, "colcon build")


def remove_dangling_links(folder: Path) -> None:
    """Remove the links to files that exist no more."""
    for parent, _, files in os.walk(folder):
        for file in (Path(parent, name) for name in files):
            if file.is_symlink() and not file.exists():
                file.unlink()


def mend_scripts(install: Path) -> None:
    """Make the nodes' scripts start where the system cannot read their first line.

    It cannot where the interpreter's path holds a space or is long; /bin/sh then stands in.
    """
    for script in install.glob("*/lib/*/*"):
        if script.is_symlink() or not script.is_file():
            continue
        first, _, rest = script.read_bytes().partition(b"\n")
        interpreter = first[2:].strip(b' "')
        if first[:2] == b"#!" and (first[2:3] == b'"' or len(first) > SHEBANG_LIMIT):
            script.write_bytes(STAND_IN % interpreter + rest)
