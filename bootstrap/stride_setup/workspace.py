"""The colcon workspace: what its build depends on, the build, and the variables it wants set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from stride_setup.console import SetupError
from stride_setup.packages import WHEELS_READY, clean_environment
from stride_setup.places import Places
from stride_setup.steps import Step, digest, write_atomically
from stride_setup.tools import run_logged

MANIFESTS = {"package.xml", "setup.py", "setup.cfg", "CMakeLists.txt"}
INTERFACES = {".msg", ".srv", ".action"}
SHARED = ("launch", "config", "policies")  # installed by stride_bringup
SEARCH_PATHS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
REST = "the-rest"  # stands for a variable's former value while the workspace's own part is recorded


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
        write_atomically(places.environment, json.dumps(record_variables(places), indent=1))

    files = [file for file in contents if file.exists()]
    mark = digest(origin, wheels, files=files, names=names)
    stamp = places.install / ".stride_built"
    return Step("building the workspace", stamp, mark, act, places.environment.exists)


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


def record_variables(places: Places) -> dict[str, list[str]]:
    """Return what the workspace's local_setup.bash puts before each search path."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COLCON_")}
    env |= dict.fromkeys(SEARCH_PATHS, REST)
    env["PATH"] = f"{REST}:{os.environ.get('PATH', os.defpath)}"
    env["COLCON_PYTHON_EXECUTABLE"] = str(places.python)
    script = 'source "$1" && exec env -0'
    bash = shutil.which("bash")
    if bash is None:
        raise SetupError("missing on this system: bash", 2)
    setup = places.install / "local_setup.bash"
    answer = subprocess.run([bash, "-c", script, "bash", setup], env=env, capture_output=True)
    if answer.returncode:
        raise SetupError(f"{setup} fails: {answer.stderr.decode(errors='replace').strip()}")
    lines = os.fsdecode(answer.stdout).split("\0")
    after = dict(line.split("=", 1) for line in lines if "=" in line)
    recorded = {}
    for name in SEARCH_PATHS:
        parts = after.get(name, REST).split(":")
        recorded[name] = [part for part in parts[: parts.index(REST)] if part]
    return recorded


def base_environment(places: Places, env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with the virtual environment put first, and its ROS 2 where it has one."""
    own: dict[str, list[str]] = {"PATH": [str(places.venv / "bin")]}
    result = dict(env)
    result["VIRTUAL_ENV"] = str(places.venv)
    if not places.sourced:
        own |= {"AMENT_PREFIX_PATH": [str(places.venv)], "CMAKE_PREFIX_PATH": [str(places.venv)]}
        bundled = sorted(places.venv.glob("lib/python3*/site-packages/ros_*.libs"))
        own["LD_LIBRARY_PATH"] = [str(places.venv / "lib"), *map(str, bundled)]
        result[WHEELS_READY] = "1"
    return prepend(result, own)


def run_environment(places: Places, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the built workspace runs."""
    recorded = json.loads(places.environment.read_text(encoding="utf-8"))
    result = prepend(base_environment(places, env), recorded)
    result.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return result


def prepend(env: Mapping[str, str], parts: Mapping[str, list[str]]) -> dict[str, str]:
    """Return `env` with the parts put before its search paths, each folder once."""
    result = dict(env)
    for name, new in parts.items():
        old = [part for part in result.get(name, "").split(":") if part]
        if merged := [*new, *(part for part in old if part not in new)]:
            result[name] = ":".join(merged)
    return result
