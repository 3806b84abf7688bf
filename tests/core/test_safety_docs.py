"""The documentation of the watchdog is made from its tables."""

from __future__ import annotations

from pathlib import Path

from stride_core.safety import Checks
from stride_core.safety_config import described
from stride_core.safety_rules import drawing

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "safety.md").read_text("utf-8")


def test_the_drawing_is_that_of_the_table() -> None:
    assert f"```mermaid\n{drawing()}\n```" in TEXT


def test_the_checks_are_those_of_the_defaults() -> None:
    assert described(Checks()) in TEXT
