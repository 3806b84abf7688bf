"""From a run to a policy that robots may load: one ONNX file that carries its contract."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from stride_core.config import ConfigError
from stride_core.contract import Contract, Normaliser, Provenance
from stride_core.policy_file import INPUT, write_contract

from stride_training.checkpoint import load_network, nominal_gait
from stride_training.curves import evaluation_rows
from stride_training.environment import Environment
from stride_training.network import to_onnx
from stride_training.policy import Actor
from stride_training.ppo import make_ppo
from stride_training.runs import Run, write
from stride_training.task import Task
from stride_training.vector import VectorEnvironment

TOLERANCE = 1e-5
"""Between torch and ONNX, on actions within ±1."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A run's actor with what it was trained in."""

    actor: Actor
    steps: int
    task: Task
    environment: Environment
    path: Path


def load_trained(run: Run, checkpoint: str = "") -> Trained:
    """A checkpoint of a run, the best without a name.

    Raises:
        ConfigError: one line.
    """
    task, path = run.task(), run.network(checkpoint)
    one = replace(task, ground=replace(task.ground, levels=1, variants=1, kinds=("flat",)))
    environment = Environment(one, 1, threads=1)
    vector = VectorEnvironment(environment)
    model = make_ppo(replace(task.ppo, n_steps=2, minibatches=1), vector, 0)
    steps = load_network(path, model, vector)
    policy: Any = model.policy
    return Trained(Actor(policy).eval(), steps, task, environment, path)


def export(
    run: Run, out: Path, checkpoint: str = "", int8: bool = False
) -> tuple[Contract, dict[str, float]]:
    """Write the ONNX file with its contract, after comparing it with torch.

    Returns:
        The contract, and what was measured.

    Raises:
        ConfigError: the two differ, or something cannot be read or written; one line.
    """
    trained = load_trained(run, checkpoint)
    if trained.task.truth:
        seen = ", ".join(trained.task.truth)
        raise ConfigError(f"{run.folder}: its actor sees {seen}: no robot could run it")
    if trained.task.without_gait:
        raise ConfigError(f"{run.folder}: trained without the gait, which every robot has")
    model = to_onnx(trained.actor)
    off = difference(model, trained.actor)
    if not off <= TOLERANCE:
        raise ConfigError(f"{out}: ONNX differs from torch by {off:g}: expected {TOLERANCE:g}")
    measured = {"difference": off}
    if int8:
        model = quantised(model)
        measured["difference_int8"] = difference(model, trained.actor)
    contract = contract_of(trained, run)
    write(out, write_contract(model.SerializeToString(), contract))
    measured["bytes"] = float(out.stat().st_size)
    return contract, measured


def difference(model: onnx.ModelProto, actor: Actor, count: int = 1000) -> float:
    """Largest between the answers of both, over observations as wide as those of training."""
    random = torch.Generator().manual_seed(0)
    normaliser = actor.normaliser
    spread = torch.randn((count, len(normaliser.mean)), generator=random)
    seen = normaliser.mean + 2.0 * normaliser.deviation * spread
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (theirs,) = session.run(None, {INPUT: seen.numpy()})
    with torch.no_grad():
        ours = actor(seen).numpy()
    one = np.concatenate([session.run(None, {INPUT: row[None]})[0] for row in seen.numpy()[:50]])
    return float(max(np.abs(theirs - ours).max(), np.abs(one - ours[:50]).max()))


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        return onnx.load(target)


def contract_of(trained: Trained, run: Run) -> Contract:
    """What the policy takes for granted."""
    task, environment, about = trained.task, trained.environment, run.about()
    normaliser = trained.actor.normaliser
    return Contract.of(
        environment.plant.spec,
        environment.observation,
        environment.layout,
        rate_hz=task.plant.rate_hz,
        gait=nominal_gait(environment),
        normaliser=Normaliser(
            tuple(normaliser.mean.tolist()), tuple(normaliser.deviation.tolist()), normaliser.clip
        ),
        provenance=Provenance(
            task=task.name,
            seed=task.seed,
            steps=trained.steps,
            commit=about.get("commit", ""),
            versions=about.get("versions", {}),
            evaluation=evaluation_at(run, trained.steps),
        ),
        weights_sha256="",
    )


def evaluation_at(run: Run, steps: int) -> dict[str, float]:
    """What training's own evaluation found at these steps; empty if there was none.

    Raises:
        ConfigError: see `evaluation_rows`.
    """
    for row in reversed(evaluation_rows(run)):
        if row["steps"] == steps:
            return {name: value for name, value in row.items() if np.isfinite(value)}
    return {}
