"""One plant for a domain and namespace: a second would fight over the same topics."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import TextIO


def hold(namespace: str) -> TextIO:
    """Take the lock of this user's domain and namespace; it goes with the process, however it ends.

    Raises:
        ValueError: another process holds it; one line.
    """
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    key = namespace.strip("/").replace("/", ".") or "root"
    path = Path(tempfile.gettempdir(), f"stride-{os.getuid()}-domain-{domain}-{key}.lock")
    # no link is followed: the name can be foreseen, and the folder is everybody's
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.fdopen(os.open(path, flags, 0o600), "r+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise ValueError(
            f"a plant already runs (process {owner}) in namespace {namespace} of ROS_DOMAIN_ID"
            f" {domain}: stop it, or choose another --namespace or ROS_DOMAIN_ID"
        ) from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle
