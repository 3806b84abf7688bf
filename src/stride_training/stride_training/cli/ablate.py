"""``./stride ablate STUDY``: what each part of the recipe is worth, on one budget.

Trains and examines every condition with every seed; started again, it does what is left. With
--rows it draws and tabulates what was measured before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stride_core.arguments import Parser, whole


def parser() -> Parser:
    """All options of ``ablate``."""
    made = Parser(prog="./stride ablate", description=__doc__)
    made.add_argument(
        "study", nargs="?", default="ablations", help="a name under config/studies, or a YAML"
    )
    made.add_argument("--folder", default="", help="instead of runs/STUDY")
    made.add_argument("--rows", default="", metavar="FILE", help="of before: train nothing")
    made.add_argument("--threads", type=whole(0, 1024), default=0, help="0: one a processor")
    made.add_argument("--json", default="", metavar="FILE", help="a row for each run")
    made.add_argument("--markdown", default="", metavar="FILE", help="the table")
    made.add_argument("--figure", default="", metavar="FILE", help=".png or .svg")
    return made


def main(arguments: Sequence[str]) -> int:
    """Carry it out and print the table."""
    given = parser().parse_args(arguments)
    from stride_training import ablations
    from stride_training.runs import write

    if given.rows:
        rows = ablations.read_rows(Path(given.rows))
    else:
        study = ablations.load_study(given.study)
        folder = Path(given.folder or f"runs/{Path(given.study).stem}")
        rows = ablations.carry_out(study, folder, given.threads)
    text = ablations.as_markdown(rows)
    print(text, end="")
    for path, content in ((given.markdown, text), (given.json, json.dumps(rows, indent=1) + "\n")):
        if path:
            write(Path(path), content)
    if given.figure:
        ablations.draw(rows, Path(given.figure))
    return 0
