"""``./stride launch FILE [name:=value ...]``: ``ros2 launch``, or the same nodes without it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from stride_bringup.cli.arguments import USAGE_ERROR
from stride_bringup.cli.sim import carry_out

PROGRAM = "./stride launch"
PACKAGE = "stride_bringup"
SUFFIX = ".launch.py"
USAGE = f"""\
usage: {PROGRAM} FILE [name:=value ...]

Runs `ros2 launch {PACKAGE} FILE{SUFFIX}`. Where there is no ros2 launch, as in the ROS 2
wheels, the nodes of `{PROGRAM} sim` run as they do with ./stride sim.

files:    {{files}}
example:  {PROGRAM} sim terrain:=rough vx:=0.15
arguments of sim, and their defaults:
{{arguments}}
"""
HELP = ("-h", "--help", "-s", "--show-args", "--show-arguments")


def main(arguments: Sequence[str]) -> int:
    """Launch; the exit status is that of ``ros2 launch``, or of ``./stride sim``."""
    from stride_bringup.launch_support import described, share

    paths = sorted((share() / "launch").glob(f"*{SUFFIX}"))
    files = {path.name.removesuffix(SUFFIX): path for path in paths}
    if not arguments or arguments[0] in HELP:
        print(USAGE.format(files=" ".join(files), arguments=described()), end="")
        return 0 if arguments else USAGE_ERROR
    name, *rest = arguments
    path = files.get(Path(name).name.removesuffix(SUFFIX))
    if path is None:
        print(f"{PROGRAM}: {name!r}: expected one of {', '.join(files)}", file=sys.stderr)
        return USAGE_ERROR
    if has_launch():
        _ros2_launch(path, rest)
    return _without_launch(path, rest)


def has_launch() -> bool:
    """Tell whether this ROS 2 can launch; its wheels cannot."""
    # `launch` alone says nothing: a folder of that name beside us would look like a package
    return find_spec("launch_ros") is not None and shutil.which("ros2") is not None


def _ros2_launch(path: Path, arguments: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvp("ros2", ["ros2", "launch", PACKAGE, path.name, *arguments])


def _without_launch(path: Path, arguments: Sequence[str]) -> int:
    from stride_bringup import launch_support

    if path.name != f"sim{SUFFIX}":
        print(
            f"{PROGRAM}: {path.name} needs `ros2 launch`, which the ROS 2 wheels lack: source a "
            "ROS 2 Jazzy first",
            file=sys.stderr,
        )
        return USAGE_ERROR
    if any(argument in HELP for argument in arguments):
        print(launch_support.described())
        return 0
    try:
        asked = launch_support.read(launch_support.split(arguments))
    except (ValueError, OSError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return USAGE_ERROR
    print(
        f"{PROGRAM}: there is no ros2 launch here: the same nodes run as they do with ./stride sim",
        file=sys.stderr,
    )
    return carry_out(replace(asked.options, live=True), not asked.composed, command=PROGRAM)
