"""``./stride plot RUN …``: draw learning curves, of one run or of several together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stride_core.arguments import Parser
from stride_core.config import ConfigError


def parser() -> Parser:
    """All options of ``plot``."""
    made = Parser(prog="./stride plot", description=__doc__)
    made.add_argument("runs", nargs="+", metavar="RUN")
    made.add_argument(
        "--out",
        default="",
        metavar="FILE",
        help=".png or .svg, or a folder; default RUN/curves.png",
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Draw."""
    given = parser().parse_args(arguments)
    from stride_training.curves import draw
    from stride_training.train import folder_of

    runs = [folder_of(path) for path in given.runs]
    out = Path(given.out) if given.out else runs[0].folder
    if out.is_dir():
        out /= "curves.png"
    elif not out.suffix:
        raise ConfigError(f"--out {out}: expected a folder, or a name such as {out}.png")
    draw(runs, out)
    print(out)
    return 0
