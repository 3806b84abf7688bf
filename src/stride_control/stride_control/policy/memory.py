"""Who is in charge for good, on disk: a process that is started again goes on with that policy.

Its arguments are those of the start, and the user may have said none since.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def recall(file: str) -> str:
    """Path of the policy that was in charge, or none; empty if nothing is known."""
    with suppress(OSError, ValueError):
        return Path(file).read_text("utf-8") if file else ""
    return ""


def remember(file: str, name: str) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    if file:
        whole = Path(f"{file}.new")
        whole.write_text(name, "utf-8")
        whole.replace(file)
