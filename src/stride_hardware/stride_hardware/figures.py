"""What loop, bus and motors do: rate held, utilisation, age of readings, latency; heat, supply."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from stride_control.messages import doubles

from stride_hardware.driver import Driver
from stride_hardware.motors import Traffic
from stride_msgs.msg import MotorStates

_KEPT = 200_000


class LoopFigures:
    """Gathers a tick at a time."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._starts: deque[float] = deque(maxlen=_KEPT)
        self._busy: deque[float] = deque(maxlen=_KEPT)
        self._ages: deque[float] = deque(maxlen=_KEPT)
        self._latencies: deque[float] = deque(maxlen=_KEPT)
        self._last_bytes: int | None = None
        self._bytes = 0

    def tick(self, start: float, busy: float, age: float, traffic: Traffic) -> None:
        """One tick.

        Args:
            start: when it began [s].
            busy: how long the bus took [s].
            age: of the oldest position that was published [s].
            traffic: of the bus so far.
        """
        self._starts.append(start)
        self._busy.append(busy)
        self._ages.append(age)
        if self._last_bytes is not None:  # less than before: the port was opened again
            self._bytes += traffic.bytes - min(self._last_bytes, traffic.bytes)
        self._last_bytes = traffic.bytes

    def latency(self, seconds: float) -> None:
        """From joint_states published to its command received."""
        self._latencies.append(seconds)

    def summary(self, baudrate: int, traffic: Traffic) -> dict[str, Any]:
        """Everything so far; None where there is nothing to say."""
        starts = np.array(self._starts)
        if len(starts) < 2:
            return {}
        gaps, span = np.diff(starts), float(starts[-1] - starts[0])
        gap = np.percentile(gaps, (50, 99, 100)) * 1e3
        return {
            "loop": {
                "ticks": len(starts),
                "rate_hz": 1.0 / self._period,
                "rate_held_hz": round((len(starts) - 1) / span, 3),
                "late_ticks": int((gaps > 1.5 * self._period).sum()),
                "period_ms": dict(zip(("p50", "p99", "max"), gap.round(3).tolist(), strict=True)),
            },
            "bus": {
                "baudrate": baudrate,
                "wire_utilisation": round(self._bytes * 10.0 / baudrate / span, 4),
                "busy_share": round(float(np.sum(self._busy)) / span, 4),
                "transactions": traffic.transactions,
                "errors": traffic.errors,
                "read_ms": _spread(self._busy, 1e3),
                "read_age_ms": _spread(self._ages, 1e3),
            },
            "tick_latency_us": _spread(self._latencies, 1e6),
        }


def fill_motors(message: MotorStates, driver: Driver) -> None:
    """What is known of the motors; NaN for a figure that one never said."""
    known = [health or (np.nan, np.nan, np.nan, 0, False) for health in driver.health]
    rows = np.array(known, np.float64)
    message.online = (~driver.missing).tolist()
    message.status = (rows[:, 3].astype(np.int64) | driver.status).tolist()
    for field, column in (("temperature", 0), ("voltage", 1), ("current", 2)):
        setattr(message, field, doubles(np.ascontiguousarray(rows[:, column])))
    message.duty = doubles(driver.duty)
    message.power, message.cause = driver.power.name.lower(), driver.cause


def _spread(values: deque[float], unit: float) -> dict[str, float] | None:
    if not values:
        return None
    finite = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return None
    cut = np.percentile(finite, (50, 99, 99.9)) * unit
    return dict(zip(("p50", "p99", "p99.9"), cut.round(3).tolist(), strict=True))
