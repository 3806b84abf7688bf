"""Figures of a run, from the plant's ground truth: what ``./stride sim --json`` prints."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.frames import roll_pitch_yaw, tilt_angle

_RECENT = 100
_LATENCIES = 200_000


@dataclass(frozen=True)
class Summary:
    """Of a run. Speeds are in the trunk's heading frame, averaged over simulated time."""

    sim_seconds: float
    wall_seconds: float
    realtime_factor: float
    distance_m: float
    mean_vx_mps: float
    mean_vy_mps: float
    mean_wz_rps: float
    lateral_drift_m: float
    max_abs_roll_deg: float
    max_abs_pitch_deg: float
    height_mean_m: float
    height_std_m: float
    falls: int
    ticks: int
    missed_ticks: int
    tick_latency_us: dict[str, float | None]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class RunStatistics:
    """Gathers a tick at a time; ``add`` is cheap, ``summary`` is asked for once."""

    def __init__(self, period: float) -> None:
        self._period = period
        self.reset()

    def reset(self) -> None:
        """Start anew, as after a reset of the simulation."""
        self.ticks = 0
        self.missed = 0
        self.falls = 0
        self.tilt = 0.0
        self.speed = 0.0
        self.latest_latency = math.nan
        self.down = False
        self._yaw = 0.0
        self._last_yaw = 0.0
        self._start: FloatArray | None = None
        self._end = np.zeros(3)
        self._start_yaw = 0.0
        self._moved = np.zeros(2)
        self._peak = np.zeros(2)
        self._height = 0.0
        self._height_square = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._latency_us: deque[float] = deque(maxlen=_LATENCIES)

    def add(
        self, position: FloatArray, quaternion: FloatArray, height: float, down: bool = False
    ) -> None:
        """One tick of ground truth.

        Args:
            position: ``(3,)`` of the trunk in the world [m].
            quaternion: ``(4,)`` xyzw.
            height: of the trunk above the ground under it [m].
            down: whether the robot has fallen; it counts once, until the robot is up again.
        """
        roll, pitch, yaw = roll_pitch_yaw(quaternion).tolist()
        self.tilt = float(tilt_angle(quaternion))
        if self._start is None:
            self._start, self._start_yaw, self._last_yaw = position.copy(), yaw, yaw
            self._end = position.copy()
        step = position - self._end
        cos, sin = math.cos(yaw), math.sin(yaw)
        forward = cos * step[0] + sin * step[1]
        self._moved += (forward, cos * step[1] - sin * step[0])
        self._yaw += math.remainder(yaw - self._last_yaw, math.tau)
        self._end, self._last_yaw = position.copy(), yaw
        self._peak = np.maximum(self._peak, (abs(roll), abs(pitch)))
        self._height += height
        self._height_square += height * height
        self._recent.append(forward)
        self.speed = sum(self._recent) / (len(self._recent) * self._period)
        self.falls += down and not self.down
        self.down = down
        self.ticks += 1

    def add_latency(self, microseconds: float) -> None:
        """From the state published to its command received."""
        self.latest_latency = microseconds
        self._latency_us.append(microseconds)

    def latency(self) -> dict[str, float | None]:
        """Percentiles [µs]; None before the first tick, since JSON has no NaN."""
        if not self._latency_us:
            return {"p50": None, "p99": None, "p99.9": None}
        p50, p99, p999 = np.percentile(self._latency_us, (50, 99, 99.9)).tolist()
        return {"p50": p50, "p99": p99, "p99.9": p999}

    def summary(self, wall_seconds: float) -> Summary:
        """Everything so far."""
        elapsed = max(self.ticks - 1, 1) * self._period
        start = self._end if self._start is None else self._start
        travelled = (self._end - start)[:2]
        left = np.array([-math.sin(self._start_yaw), math.cos(self._start_yaw)])
        ticks = max(self.ticks, 1)
        mean = self._height / ticks
        return Summary(
            sim_seconds=self.ticks * self._period,
            wall_seconds=wall_seconds,
            realtime_factor=self.ticks * self._period / max(wall_seconds, 1e-9),
            distance_m=float(np.hypot(*travelled)),
            mean_vx_mps=float(self._moved[0] / elapsed),
            mean_vy_mps=float(self._moved[1] / elapsed),
            mean_wz_rps=self._yaw / elapsed,
            lateral_drift_m=float(travelled @ left),
            max_abs_roll_deg=math.degrees(self._peak[0]),
            max_abs_pitch_deg=math.degrees(self._peak[1]),
            height_mean_m=mean,
            height_std_m=math.sqrt(max(self._height_square / ticks - mean * mean, 0.0)),
            falls=self.falls,
            ticks=self.ticks,
            missed_ticks=self.missed,
            tick_latency_us=self.latency(),
        )
