"""How long a policy takes to answer, beside a network that does nothing; and what its node adds."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np
from stride_control.policy.library import find_policy, read_policy
from stride_control.policy.network import Network
from stride_core.arrays import FloatArray
from stride_core.contract import Contract
from stride_core.policy_file import INPUT, OUTPUT, encode

from stride_bringup.bench.graph import graph, percentiles
from stride_bringup.options import policy_folder

_CALLS = 5000
_ROUNDS = 5
_WARM_UP = 200
_WALKS = 3


def measure(name: str, walks: int = _WALKS) -> dict[str, Any]:
    """All figures of a policy, in µs.

    Args:
        name: of the policy, or a path; an int8.onnx beside it is measured, too.
        walks: of 20 s, with the policy and without, to see what its node adds; the median counts.

    Raises:
        ValueError: there is no such policy, or its robot does not walk with it; one line.
    """
    file = find_policy(name, policy_folder())
    data, contract = read_policy(file)
    networks = {"empty": Network(empty_model(len(contract.normaliser.mean))), "fp32": Network(data)}
    eight = file.with_name("int8.onnx")
    if eight.is_file() and eight != file:
        networks["int8"] = Network(read_policy(eight)[0])
    observation = np.array(contract.normaliser.mean)
    result: dict[str, Any] = {"policy": name, "rate_hz": contract.rate_hz}
    result["inference_us"] = _alternate(networks, observation)
    result["tick_us"] = _walks(file, contract, walks) if walks else {}
    return result


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{result['policy']}: an answer [µs]", f"{'':<22}{'p50':>9}{'p99':>9}{'p99.9':>9}"]
    for case, row in result["inference_us"].items():
        lines.append(f"{case:<22}" + "".join(f"{row[key]:>9.1f}" for key in row))
    lines.append(f"a tick of the composed graph at {result['rate_hz']:g} Hz, lockstep [µs]")
    for case, row in result["tick_us"].items():
        lines.append(f"{case:<22}" + "".join(f"{row[key]:>9.0f}" for key in row))
    return "\n".join(lines)


def empty_model(size: int) -> bytes:
    """An ONNX model that hands its input through: what a call costs by itself."""
    shape = encode(1, encode(2, b"batch")) + encode(1, encode(1, size))
    tensor = encode(1, encode(1, 1) + encode(2, shape))  # float

    def value(name: str) -> bytes:
        return encode(1, name.encode()) + encode(2, tensor)

    node = encode(1, INPUT.encode()) + encode(2, OUTPUT.encode()) + encode(4, b"Identity")
    parts = encode(1, node) + encode(2, b"empty")
    parts += encode(11, value(INPUT)) + encode(12, value(OUTPUT))
    return encode(1, 8) + encode(7, parts) + encode(8, encode(2, 17))


def _alternate(networks: dict[str, Network], observation: FloatArray) -> dict[str, Any]:
    """Percentiles of each; in turns, so that a busy machine is busy for all."""
    spent: dict[str, list[float]] = {case: [] for case in networks}
    for _ in range(_ROUNDS):
        for case, network in networks.items():
            for call in range(_WARM_UP + _CALLS):
                start = perf_counter_ns()
                network(observation)
                if call >= _WARM_UP:
                    spent[case].append((perf_counter_ns() - start) * 1e-3)
    return {case: percentiles(times) for case, times in spent.items()}


def _walks(file: Path, contract: Contract, walks: int) -> dict[str, Any]:
    """Latency of a tick without a policy and with it, and the difference of their medians."""
    robot = ("--robot", contract.robot, "--servo", contract.servo)
    cases = {"none": robot, "policy": (*robot, "--policy", str(file))}
    rounds = [
        {case: graph(options, contract.rate_hz) for case, options in cases.items()}
        for _ in range(walks)
    ]
    keys = ("p50", "p99", "p99.9")
    found = {
        case: {key: median(each[case][key] for each in rounds) for key in keys}
        for case in rounds[0]
    }
    added = {key: found["policy"][key] - found["none"][key] for key in keys}
    return {**found, "added": added}
