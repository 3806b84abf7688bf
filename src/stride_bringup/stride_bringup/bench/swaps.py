"""What swapping policies costs a walk in real time: ticks missed, and latency, beside none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from stride_control.policy.library import find_policy, read_policy

from stride_bringup.options import policy_folder

SWAPS = 50
_SECONDS = 45.0
_GETS_UP_S = 3.0
_PATIENCE_S = 30.0


def measure(name: str) -> dict[str, Any]:
    """A walk of each kind, in turns, twice.

    Args:
        name: of the policy; it is swapped with its int8 variant, or with itself.

    Raises:
        ValueError: there is no such policy, the walk ended early, or a swap was refused; one line.
    """
    file = find_policy(name, policy_folder())
    eight = file.with_name("int8.onnx")
    pair = (str(eight if eight.is_file() else file), str(file))
    rate = read_policy(file)[1].rate_hz
    result: dict[str, Any] = {"policy": name, "rate_hz": rate, "swaps": SWAPS}
    for number in range(2):
        result[f"none {number + 1}"] = _walk(pair[1], rate, lambda: None)
        result[f"swaps {number + 1}"] = _walk(pair[1], rate, lambda: _swap(pair))
    return result


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{SWAPS} swaps of {result['policy']} at {result['rate_hz']:g} Hz, real time"]
    lines.append(f"{'':<12}{'ticks':>8}{'missed':>8}{'p50':>9}{'p99':>9}{'p99.9':>9} µs")
    for case, row in result.items():
        if isinstance(row, dict):
            us = row["tick_latency_us"]
            figures = "".join(f"{us[key]:>9.0f}" for key in ("p50", "p99", "p99.9"))
            lines.append(f"{case:<12}{row['ticks']:>8}{row['missed_ticks']:>8}{figures}")
    return "\n".join(lines)


def _walk(policy: str, rate: float, meanwhile: Callable[[], None]) -> dict[str, Any]:
    command = [
        *(sys.executable, "-m", "stride_bringup.cli", "sim", "--headless", "--json"),
        *("--vx", "0.15", "--rate", str(rate), "--realtime-factor", "1"),
        *("--policy", policy, "--seconds", str(_SECONDS)),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as run:
        try:
            meanwhile()
            out, _ = run.communicate(timeout=_PATIENCE_S + _SECONDS)
        finally:
            run.terminate()
    if run.returncode:
        raise ValueError(f"the walk that is measured ended with status {run.returncode}")
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    if report["falls"]:
        raise ValueError("the robot fell")
    return {key: report[key] for key in ("ticks", "missed_ticks", "tick_latency_us")}


def _swap(pair: tuple[str, str]) -> None:
    import rclpy
    from rclpy.node import Node

    from stride_msgs.srv import SwapPolicy

    rclpy.init()
    node = Node("swaps")
    try:
        client = node.create_client(SwapPolicy, "policy/swap")
        if not client.wait_for_service(_PATIENCE_S):
            raise ValueError("policy/swap: nobody serves it")
        sleep(_GETS_UP_S)
        end = monotonic() + _SECONDS
        for number in range(SWAPS):
            asked = client.call_async(SwapPolicy.Request(policy=pair[number % 2], wait=True))
            rclpy.spin_until_future_complete(node, asked, timeout_sec=max(end - monotonic(), 0.0))
            answer = asked.result()
            if answer is None or not answer.success:
                why = answer.message if answer is not None else "no answer in time"
                raise ValueError(f"swap {number + 1}: {why}")
    finally:
        node.destroy_node()
        rclpy.shutdown()
