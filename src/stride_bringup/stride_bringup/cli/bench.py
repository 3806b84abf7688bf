"""``./stride bench``: figures beside their floors, measured in one run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from stride_bringup.cli.arguments import USAGE_ERROR, Parser


def parser() -> Parser:
    """All options of ``bench``."""
    made = Parser(prog="./stride bench", description=__doc__)
    made.add_argument(
        "what",
        choices=("graph", "policy", "safety", "training"),
        help="graph: latency of a tick, real-time factor; policy: of an answer, and of its node;"
        " safety: of the watchdog's step, and of its node; training: steps/s beside the physics'",
    )
    made.add_argument(
        "--policy", default="untrained", metavar="NAME|PATH", help="of policy; a name or a path"
    )
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    if arguments and arguments[0] == "training":
        from stride_training.cli import main as training

        return training(["bench", *arguments])
    given = parser().parse_args(arguments)
    if given.what == "graph":
        from stride_bringup.bench.graph import measure, table

        result = measure()
        print(json.dumps(result) if given.json else table(result))
        return 0
    if given.what == "safety":
        from stride_bringup.bench import safety

        result = safety.measure()
        print(json.dumps(result) if given.json else safety.table(result))
        return 0
    from stride_bringup.bench import policy

    try:
        result = policy.measure(given.policy)
    except (ValueError, OSError) as error:
        print(f"./stride bench: {error}", file=sys.stderr)
        return USAGE_ERROR
    print(json.dumps(result) if given.json else policy.table(result))
    return 0
