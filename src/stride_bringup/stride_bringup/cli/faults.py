"""``./stride faults``: inject faults into the real processes, and say what came of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from stride_bringup.cli.arguments import USAGE_ERROR, Parser


def parser() -> Parser:
    """All options of ``faults``."""
    made = Parser(prog="./stride faults", description=__doc__)
    made.add_argument("words", nargs="*", metavar="WORD", help="only cases with one of these")
    made.add_argument("--list", action="store_true", help="name the cases, run none")
    made.add_argument("--out", default="", metavar="FILE", help="write the table as Markdown")
    made.add_argument(
        "--patient",
        action="store_true",
        help="a twin's longer timeouts, for a busy machine: what comes of a fault, not how soon",
    )
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the cases; 0 when each ended as the table promises, and in time, else 1."""
    given = parser().parse_args(arguments)
    from stride_bringup.faults.cases import CASES

    chosen = [
        case
        for case in CASES
        if not given.words or any(word in f"{case.group}: {case.name}" for word in given.words)
    ]
    if not chosen:
        print(f"./stride faults: {given.words}: no such case; see --list", file=sys.stderr)
        return USAGE_ERROR
    if given.list:
        print("\n".join(f"{case.group}: {case.name}" for case in chosen))
        return 0
    from stride_bringup.faults.run import as_dicts, run, summary, table, to_stderr

    outcomes = run(chosen, to_stderr, strict=not given.patient)
    text = table(outcomes, {(case.group, case.name): case.within for case in chosen})
    if given.out:
        Path(given.out).write_text(text + "\n", encoding="utf-8")
    figures = summary(outcomes, len(chosen))
    print(json.dumps({**figures, "outcomes": as_dicts(outcomes)}) if given.json else text)
    print(", ".join(f"{name} {value}" for name, value in figures.items()), file=sys.stderr)
    late = figures["late"] and not given.patient
    return 1 if late or figures["as_promised"] < figures["cases"] else 0
