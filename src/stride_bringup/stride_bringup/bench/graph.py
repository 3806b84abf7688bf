"""Latency of a tick and real-time factor of the graph, beside the floor of its hops."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np

from stride_bringup.bench.hops import HOPS

_RATE = 50.0
_SECONDS = 20.0
_TRIPS = 1000
_ROUNDS = 3


def measure() -> dict[str, Any]:
    """Alternate graph and floor for some rounds; the median of each figure."""
    rounds = [
        {
            "composed": graph(()),
            "composed_floor": _floor_composed(),
            "processes": graph(("--processes",)),
            "processes_floor": _floor_processes(),
        }
        for _ in range(_ROUNDS)
    ]
    result: dict[str, Any] = {"rate_hz": _RATE, "hops": len(HOPS)}
    for case in rounds[0]:
        result[case] = {key: median(each[case][key] for each in rounds) for key in rounds[0][case]}
    for case in ("composed", "processes"):
        result[f"{case}_ratio_p50"] = result[case]["p50"] / result[f"{case}_floor"]["p50"]
    return result


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"tick latency at {result['rate_hz']:g} Hz, lockstep, {result['hops']} hops [µs]"]
    lines.append(f"{'':<22}{'p50':>9}{'p99':>9}{'p99.9':>9}")
    for case in ("composed", "composed_floor", "processes", "processes_floor"):
        row = result[case]
        lines.append(f"{case:<22}{row['p50']:>9.0f}{row['p99']:>9.0f}{row['p99.9']:>9.0f}")
    for case in ("composed", "processes"):
        lines.append(
            f"{case}: {result[f'{case}_ratio_p50']:.2f} times the floor,"
            f" {result[case]['realtime_factor']:.1f} times real time"
        )
    return "\n".join(lines)


def graph(options: Sequence[str], rate: float = _RATE) -> dict[str, float]:
    """Latency of a tick [µs] and real-time factor of a walk in lockstep.

    Raises:
        ValueError: it did not walk to its end; one line.
    """
    command = [
        *(sys.executable, "-m", "stride_bringup.cli", "sim", "--headless", "--json"),
        *("--vx", "0.15", "--rate", str(rate), "--seconds", str(_SECONDS)),
        *("--realtime-factor", "max", *options),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = run.stderr.strip().splitlines()[-1:] or ["no reason given"]
        walk = " ".join(("sim", *options))
        raise ValueError(f"the walk that is measured: {walk}: status {run.returncode}: {said[0]}")
    report = json.loads(run.stdout.splitlines()[-1])
    return {**report["tick_latency_us"], "realtime_factor": report["realtime_factor"]}


def _floor_composed() -> dict[str, float]:
    return percentiles(_hops("chain", _TRIPS))


def _floor_processes() -> dict[str, float]:
    with _relays():
        return percentiles(_hops("source", _TRIPS))


def _hops(role: str, number: int) -> list[float]:
    command = [sys.executable, "-m", "stride_bringup.bench.hops", role, str(number)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
    return list(json.loads(run.stdout))


@contextmanager
def _relays() -> Iterator[None]:
    module = (sys.executable, "-m", "stride_bringup.bench.hops", "relay")
    relays = [subprocess.Popen([*module, str(i)]) for i in range(1, len(HOPS))]
    try:
        yield
    finally:
        for relay in relays:
            relay.terminate()
        for relay in relays:
            relay.wait()


def percentiles(times: list[float]) -> dict[str, float]:
    """Median, p99 and p99.9, by name."""
    p50, p99, p999 = np.percentile(times, (50, 99, 99.9)).tolist()
    return {"p50": p50, "p99": p99, "p99.9": p999}
