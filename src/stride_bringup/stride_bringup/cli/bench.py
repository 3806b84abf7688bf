"""``./stride bench``: figures beside their floors, measured in one run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from stride_bringup.cli.arguments import USAGE_ERROR, Parser


def parser() -> Parser:
    """All options of ``bench``."""
    made = Parser(prog="./stride bench", description=__doc__)
    made.add_argument(
        "what",
        choices=("graph", "policy", "swaps", "safety", "training"),
        help="graph: latency of a tick, real-time factor; policy: of an answer, and of its node;"
        " swaps: ticks missed while policies change in real time; safety: of the watchdog's step,"
        " and of its node; training: steps/s beside the physics'",
    )
    made.add_argument(
        "--policy",
        default="untrained",
        metavar="NAME|PATH",
        help="of policy and swaps; a name or a path",
    )
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    if arguments and arguments[0] == "training":
        from stride_training.cli import main as training

        return training(["bench", *arguments])
    given = parser().parse_args(arguments)
    try:
        result, table = _MEASURE[given.what](given.policy)
    except (ValueError, OSError) as error:
        print(f"./stride bench: {error}", file=sys.stderr)
        return USAGE_ERROR
    print(json.dumps(result) if given.json else table)
    return 0


def _graph(_policy: str) -> tuple[dict[str, Any], str]:
    from stride_bringup.bench import graph

    result = graph.measure()
    return result, graph.table(result)


def _safety(_policy: str) -> tuple[dict[str, Any], str]:
    from stride_bringup.bench import safety

    result = safety.measure()
    return result, safety.table(result)


def _policy(name: str) -> tuple[dict[str, Any], str]:
    from stride_bringup.bench import policy

    result = policy.measure(name)
    return result, policy.table(result)


def _swaps(name: str) -> tuple[dict[str, Any], str]:
    from stride_bringup.bench import swaps

    result = swaps.measure(name)
    return result, swaps.table(result)


_MEASURE = {"swaps": _swaps, "graph": _graph, "safety": _safety, "policy": _policy}
