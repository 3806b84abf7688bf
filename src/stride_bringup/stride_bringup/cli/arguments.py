"""Arguments: one line for each mistake."""

from __future__ import annotations

import argparse

from stride_core.arguments import USAGE_ERROR, Parser, number, whole

__all__ = ["USAGE_ERROR", "Parser", "number", "realtime_factor", "size", "whole"]


def realtime_factor(text: str) -> float:
    """``max`` is 0: lockstep."""
    return 0.0 if text == "max" else number(0.001, 1000.0)(text)


def size(text: str) -> tuple[float, ...]:
    """``X,Y,Z`` in metres."""
    parts = text.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r}: expected X,Y,Z in metres")
    return tuple(number(1e-6, 1e4)(part) for part in parts)
