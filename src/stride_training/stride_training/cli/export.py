"""``./stride export RUN``: write a run's policy as ONNX with its contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stride_core.arguments import Parser


def parser() -> Parser:
    """All options of ``export``."""
    made = Parser(prog="./stride export", description=__doc__)
    made.add_argument("run", metavar="RUN", help="folder of a run")
    made.add_argument(
        "--out", default="", metavar="FILE", help="instead of RUN/policy.onnx or RUN/int8.onnx"
    )
    made.add_argument("--checkpoint", default="", metavar="NAME", help="such as step_0001000000")
    made.add_argument("--int8", action="store_true", help="weights in 8 bits")
    return made


def main(arguments: Sequence[str]) -> int:
    """Export and say how exact it is."""
    given = parser().parse_args(arguments)
    from stride_training.export import export
    from stride_training.train import folder_of

    run = folder_of(given.run)
    out = Path(given.out or run.folder / ("int8.onnx" if given.int8 else "policy.onnx"))
    contract, measured = export(run, out, given.checkpoint, given.int8)
    made = contract.provenance
    print(
        f"{out}: {contract.robot} with {contract.servo}, {len(contract.action_names)} actions, task"
        f" {made.task}, {made.steps:,} steps, {measured['bytes'] / 1e3:.0f} kB;"
        f" ONNX against torch {measured['difference']:.1e}"
    )
    if given.int8:
        print(f"8-bit weights against torch {measured['difference_int8']:.1e}")
    return 0
