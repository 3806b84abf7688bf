"""The environment variables that the built workspace runs with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping

from stride_setup.console import SetupError
from stride_setup.packages import WHEELS_READY
from stride_setup.places import Places

SEARCH_PATHS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
EXPORT = re.compile(r'^export (\w+)="([^"]+?)(?::\$\1)?"$', re.MULTILINE)


def record_variables(places: Places) -> dict[str, list[str]]:
    """Return what the built packages put before each search path, the foremost first.

    It asks the program behind install/local_setup.bash, not that file, which fails in a folder
    with a space in its name.
    """
    program = places.install / "_local_setup_util_sh.py"
    command = [str(places.python), "-I", "-S", str(program), "sh", "bash"]
    env = {name: value for name, value in os.environ.items() if name not in SEARCH_PATHS}
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SetupError(f"{program} fails: {answer.stderr.strip()}")
    return parse_exports(answer.stdout)


def parse_exports(text: str) -> dict[str, list[str]]:
    """Return the folders that lines such as `export PATH="/folder:$PATH"` prepend, by variable."""
    recorded: dict[str, list[str]] = {name: [] for name in SEARCH_PATHS}
    for name, folder in EXPORT.findall(text):
        if name in recorded and folder not in recorded[name]:
            recorded[name].insert(0, folder)
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
    """Return the environment in which the built workspace runs.

    ROS 2 stays on this machine (loopback) unless `env` says otherwise.
    """
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
