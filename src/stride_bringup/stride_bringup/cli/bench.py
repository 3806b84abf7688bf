"""``./stride bench``: figures beside their floors, measured in one run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stride_bringup.cli.arguments import Parser


def parser() -> Parser:
    """All options of ``bench``."""
    made = Parser(prog="./stride bench", description=__doc__)
    made.add_argument("what", choices=("graph",), help="graph: latency of a tick, real-time factor")
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    given = parser().parse_args(arguments)
    from stride_bringup.bench.graph import measure, table

    result = measure()
    print(json.dumps(result) if given.json else table(result))
    return 0
