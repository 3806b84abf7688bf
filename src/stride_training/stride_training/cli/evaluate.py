"""``./stride evaluate POLICY``: a policy's figures over many episodes; none is the gait alone."""

from __future__ import annotations

from collections.abc import Sequence

from stride_training.cli.compare import measure, parser


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table."""
    return measure(parser("./stride evaluate", many=False), arguments)
