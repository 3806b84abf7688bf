"""Makes policies/untrained: random weights of a fixed seed, with statistics of a walking robot.

    ./stride exec python -m tests.policy.untrained

It is for tests and for timing. Nobody trained it: it moves the feet by some millimetres, to no end.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import quantize_dynamic
from stride_core.action import ActionConfig, ActionLayout
from stride_core.contract import Contract, Normaliser, Provenance
from stride_core.policy_file import write_contract
from tests.policy.models import HIDDEN, ROBOT, Mlp, contract_of
from tests.policy.walks import observations

FOLDER = Path(__file__).parents[2] / "policies" / "untrained"
SEED = 1
GAIN = 0.05
LEAST_STD = 0.01
RECORDED = 1000


def statistics() -> Normaliser:
    """Of 160 s on flat and rough ground, to four digits."""
    seen = observations(robots=16, ticks=1000, seed=SEED).reshape(-1, 60)
    mean, std = seen.mean(axis=0), np.maximum(seen.std(axis=0), LEAST_STD)
    mean, std = (tuple(float(f"{v:.4g}") for v in values) for values in (mean, std))
    return Normaliser(mean, std)


def network(normaliser: Normaliser) -> Mlp:
    """The network of the fixed seed."""
    actions = ActionLayout(ROBOT, ActionConfig()).size
    return Mlp.random(normaliser, actions, SEED, GAIN, HIDDEN)


def contract(normaliser: Normaliser) -> Contract:
    """What it says of itself."""
    return contract_of(normaliser, provenance=Provenance("untrained", seed=SEED, steps=0))


def eight_bits(model: bytes) -> bytes:
    """The model with weights of eight bits, activations quantised as they come."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(model)
        quantize_dynamic(source, target)
        return target.read_bytes()


def main() -> int:
    """Write all files."""
    normaliser = statistics()
    mlp, terms = network(normaliser), contract(normaliser)
    model = mlp.model().SerializeToString()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "policy.onnx").write_bytes(write_contract(model, terms))
    (FOLDER / "int8.onnx").write_bytes(write_contract(eight_bits(model), terms))
    seen = observations(robots=8, ticks=RECORDED // 8, seed=SEED + 1).reshape(-1, 60)
    np.savez_compressed(
        FOLDER / "recorded.npz",
        observation=seen.astype(np.float32),
        action=mlp(seen.astype(np.float32).astype(np.float64)).astype(np.float32),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
