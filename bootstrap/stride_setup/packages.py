"""The virtual environment, what pip installs into it, and the repair of the ROS 2 wheels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stride_setup.console import SetupError
from stride_setup.integrity import remove_damaged
from stride_setup.places import Places
from stride_setup.steps import Step, digest
from stride_setup.tools import run_logged

# The CMake files of the wheels name folders of the machine on which they were built.
FOREIGN_PYTHON = re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+")
FOREIGN_NUMPY = re.compile(
    r"/opt/python/cp3\d+-cp3\d+/lib/python3\.\d+/site-packages/numpy/_core/include"
)
# A system's ROS 2 messages were compiled against the system's own numpy: that one stays.
SYSTEMS_OWN = ("numpy", "pyyaml")
WHEELS_READY = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"  # set: the wheels do not start Python anew
MISLEADING = ("PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", WHEELS_READY)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead pip or CMake astray."""
    return {name: value for name, value in os.environ.items() if name not in MISLEADING}


def venv_step(places: Places) -> Step:
    """Return the step that makes the virtual environment. It cannot be moved: its path counts."""

    def act() -> None:
        python = Path(sys.executable)
        if python.is_relative_to(places.root):  # it goes next; what it links to stays
            python = python.resolve()
        shutil.rmtree(places.venv, ignore_errors=True)
        options = ["--system-site-packages"] if places.sourced else []
        command: list[str | Path] = [python, "-m", "venv", *options, places.venv]
        run_logged(command, places.log, places.root, clean_environment(), "python -m venv")

    def intact() -> bool:
        return places.python.exists() and (places.venv / "pyvenv.cfg").exists()

    stamp = places.venv / ".stride" / "venv"
    title = f"virtual environment {places.venv.name}"
    return Step(title, stamp, digest(str(places.venv)), act, intact)


def pip_step(places: Places, title: str, names: tuple[str, ...], repair: bool = False) -> Step:
    """Return the step that installs requirements/<name>.txt for every name, under the lock.

    With `repair` the CMake files of the ROS 2 wheels are repaired afterwards.
    """
    folder = places.root / "requirements"
    files = [folder / f"{name}.txt" for name in names]
    lock = folder / "lock.txt"

    def act() -> None:
        chosen, constraints = files, lock
        if places.sourced:
            scratch = places.venv / ".stride"
            chosen = [relaxed(file, scratch) for file in files]
            constraints = relaxed(lock, scratch)
        command: list[str | Path] = [places.python, "-m", "pip", "install", "--no-input"]
        command += ["--disable-pip-version-check", "--progress-bar", "off", "-c", constraints]
        for file in chosen:
            command += ["-r", file]
        run_logged(command, places.log, places.root, clean_environment(), f"pip install ({title})")
        if repair:
            repair_wheels(places)

    def mend(since: float) -> None:
        for folder in places.venv.glob("lib/python3*/site-packages"):
            remove_damaged(folder, since)

    stamp = places.venv / ".stride" / "-".join(names)
    mark = digest(str(repair), files=[*files, lock, Path(__file__)])
    return Step(title, stamp, mark, act, mend=mend)


def relaxed(file: Path, folder: Path) -> Path:
    """Write a copy of a requirements file which leaves the system its own packages; return it."""
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        name, pinned, _ = line.partition("==")
        own = bool(pinned) and name.strip().lower() in SYSTEMS_OWN
        kept.append(name.strip() if own else line)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / file.name
    copy.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return copy


def repair_wheels(places: Places) -> None:
    """Point the CMake files of the ROS 2 wheels to this machine's Python and numpy headers."""
    query = (
        "import sysconfig, numpy; "
        "print(sysconfig.get_paths()['include']); print(numpy.get_include())"
    )
    answer = subprocess.run(
        [places.python, "-c", query], capture_output=True, text=True, env=clean_environment()
    )
    if answer.returncode:
        raise SetupError(f"numpy cannot be imported: {answer.stderr.strip().splitlines()[-1]}")
    python_include, numpy_include = answer.stdout.split("\n")[:2]
    for file in sorted(places.venv.glob("share/*/cmake/*.cmake")):
        text = file.read_text(encoding="utf-8")
        repaired = FOREIGN_NUMPY.sub(lambda _: numpy_include, text)
        repaired = FOREIGN_PYTHON.sub(lambda _: python_include, repaired)
        if repaired != text:
            file.write_text(repaired, encoding="utf-8")
