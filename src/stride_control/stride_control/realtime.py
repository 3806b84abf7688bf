"""Real-time priority and locked memory for processes that must not wait."""

from __future__ import annotations

import ctypes
import errno
import os
import resource

_MCL_CURRENT_AND_FUTURE = 3
_SPINNING_US = (200_000, 400_000)
"""Of processor time without a wait: a signal, then the end."""


def claim(priority: int) -> str:
    """Ask the kernel for SCHED_FIFO at ``priority`` (1 to 99) and for memory that is never paged.

    Only the calling thread has the priority: what it starts has the usual one. Should it ever spin
    without waiting, as on a lock whose owner gets no processor, the kernel ends the process rather
    than the machine; the guard and the driver's timeout are there for that.

    Returns:
        One line about what was not permitted; empty when both were, or when ``priority`` is 0.
    """
    if not priority:
        return ""
    refused = []
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, _SPINNING_US)
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except (OSError, ValueError, AttributeError) as error:
        refused.append(f"real-time priority {priority} (rtprio in limits.conf): {_text(error)}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT_AND_FUTURE):
        why = os.strerror(ctypes.get_errno() or errno.EPERM)
        refused.append(f"locked memory (memlock in limits.conf): {why}")
    return f"not permitted: {'; '.join(refused)}" if refused else ""


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
