"""The driver's last state on disk: what an operator reads after the fact. Written whole or not."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def record(path: Path, state: str, cause: str, **details: Any) -> str:
    """Write state and cause; what the file then says.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    content = {"time": now, "state": state, "cause": cause, **details}
    fresh = path.with_suffix(f".{os.getpid()}.new")
    text = json.dumps(content, indent=2) + "\n"
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    return text
