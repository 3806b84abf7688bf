"""``python -m stride_training replay FILE``: step again what broke the simulation of a robot."""

from __future__ import annotations

from collections.abc import Sequence

from stride_core.arguments import Parser


def main(arguments: Sequence[str]) -> int:
    """Say where it breaks; 1 if it does."""
    made = Parser(prog="./stride replay", description=__doc__)
    made.add_argument("file", metavar="FILE", help="of RUN/diverged")
    given = made.parse_args(arguments)
    from stride_sim.replay import replay

    found = replay(given.file)
    warned = ", ".join(f"{name} {count}" for name, count in found.warnings.items()) or "none"
    speed, joint = found.fastest
    start = "finite" if found.finite else "not finite"
    print(
        f"{given.file}: {found.survived} of {found.substeps} substeps; {start} at the start;"
        f" warnings: {warned}; fastest {joint} at {speed:.3g}"
    )
    return 0 if found.survived == found.substeps else 1
