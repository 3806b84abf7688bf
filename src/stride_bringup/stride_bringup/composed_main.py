"""The executable ``composed``: the nodes of a run in one process.

    ros2 run stride_bringup composed --terrain rough --vx 0.15 --seconds 20

It takes the launch arguments that describe the run, and ``--ros-args`` for all of its nodes. Nodes
that the list keeps alone (the viewer) are not started: the launch file does that.
"""

from __future__ import annotations

import sys

from stride_control.executor import run

from stride_bringup.cli.arguments import USAGE_ERROR, Parser
from stride_bringup.composed import make_nodes
from stride_bringup.graph import sim_nodes
from stride_bringup.launch_support import flag, read, run_arguments


def parser() -> Parser:
    """All launch arguments of the run; their values are read later."""
    made = Parser(prog="composed", description=__doc__)
    for each in run_arguments():
        made.add_argument(flag(each.name), default=each.typed, help=each.description)
    return made


def main() -> int:
    """Run until the time is up or a signal comes; 2 for what cannot run."""
    words = sys.argv[1:]
    own = words[: words.index("--ros-args")] if "--ros-args" in words else words
    try:
        options = read(vars(parser().parse_args(own))).options
    except (ValueError, OSError) as error:
        print(f"composed: {error}", file=sys.stderr)
        return USAGE_ERROR
    specs = [spec for spec in sim_nodes(options) if not spec.alone]
    return run(lambda: make_nodes(specs, options))


if __name__ == "__main__":
    sys.exit(main())
