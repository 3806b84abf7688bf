"""Policies of random weights, and the same networks in plain numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from stride_core.action import ActionConfig, ActionLayout
from stride_core.arrays import FloatArray
from stride_core.contract import Contract, NominalGait, Normaliser, Provenance
from stride_core.observation import DEPLOYABLE, Observation
from stride_core.policy_file import write_contract
from stride_core.robot import RobotSpec, load_robot

ROBOT = load_robot("fivebar")
OPSET, IR_VERSION = 17, 8
HIDDEN = (256, 128, 64)


@dataclass(frozen=True)
class Mlp:
    """Layers of weights ``(out, in)`` and biases, ELU between them, behind a normaliser."""

    normaliser: Normaliser
    layers: tuple[tuple[FloatArray, FloatArray], ...]

    @classmethod
    def random(
        cls, normaliser: Normaliser, actions: int, seed: int, gain: float, hidden: Sequence[int]
    ) -> Mlp:
        """Weights of a spread that keeps the signal's; the last layer's times ``gain``."""
        draw = np.random.default_rng(seed)
        sizes = [len(normaliser.mean), *hidden, actions]
        weights = [
            draw.standard_normal((out, into)) / np.sqrt(into) for into, out in pairwise(sizes)
        ]
        weights[-1] *= gain
        return cls(normaliser, tuple((w, np.zeros(len(w))) for w in weights))

    def __call__(self, observation: FloatArray) -> FloatArray:
        """The answer in float64, ``(..., actions)``: what onnxruntime is compared with."""
        norm = self.normaliser
        x = np.clip((observation - norm.mean) / norm.std, -norm.clip, norm.clip)
        for index, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            if index < len(self.layers) - 1:
                x = np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))
        return np.asarray(x)

    def model(self) -> onnx.ModelProto:
        """As ONNX, float32."""
        norm = self.normaliser
        values = {"mean": norm.mean, "std": norm.std, "low": -norm.clip, "high": norm.clip}
        nodes = [
            helper.make_node("Sub", ["observation", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "std"], ["scaled"]),
            helper.make_node("Clip", ["scaled", "low", "high"], ["x0"]),
        ]
        last = len(self.layers) - 1
        for i, (weight, bias) in enumerate(self.layers):
            values |= {f"weight{i}": weight, f"bias{i}": bias}
            out = "action" if i == last else f"y{i}"
            inputs = [f"x{i}", f"weight{i}", f"bias{i}"]
            nodes.append(helper.make_node("Gemm", inputs, [out], transB=1))
            if i < last:
                nodes.append(helper.make_node("Elu", [out], [f"x{i + 1}"]))
        return model_of(nodes, values, len(norm.mean), len(self.layers[-1][1]))


def model_of(
    nodes: Sequence[Any],
    values: dict[str, Any],
    observations: int,
    actions: int,
    opset: int = OPSET,
    **names: str,
) -> onnx.ModelProto:
    """A model from nodes and constants, with a policy's input and output."""
    tensors = [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in values.items()]
    graph = helper.make_graph(
        nodes,
        "policy",
        [_value(names.get("input", "observation"), observations)],
        [_value(names.get("output", "action"), actions)],
        tensors,
    )
    domains = {node.domain for node in nodes} - {""}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def _value(name: str, size: int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])


def contract_of(
    normaliser: Normaliser | None = None,
    robot: RobotSpec = ROBOT,
    action: ActionConfig | None = None,
    names: Sequence[str] = DEPLOYABLE,
    **changes: Any,
) -> Contract:
    """A contract for the robot at 100 Hz; ``changes`` are other fields."""
    layout = ActionLayout(robot, action or ActionConfig())
    observation = Observation(robot, names, layout.size)
    contract = Contract.of(
        robot,
        observation,
        layout,
        rate_hz=100.0,
        gait=NominalGait("trot"),
        normaliser=normaliser or wide(observation.size),
        provenance=Provenance("test", seed=0, steps=0),
        weights_sha256="",
    )
    return dataclasses.replace(contract, **changes)


def wide(size: int) -> Normaliser:
    """To which nothing is strange."""
    return Normaliser((0.0,) * size, (10.0,) * size)


def policy_bytes(
    seed: int = 1,
    gain: float = 0.1,
    hidden: Sequence[int] = (16,),
    model: onnx.ModelProto | None = None,
    **contract: Any,
) -> bytes:
    """A policy's file: random weights, or the model given, with a contract."""
    made = contract_of(**contract)
    if model is None:
        actions = len(made.action_names)
        model = Mlp.random(made.normaliser, actions, seed, gain, hidden).model()
    return write_contract(model.SerializeToString(), made)


def write_policy(path: Path, **how: Any) -> Path:
    """``policy_bytes`` in a file, whole at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_bytes(policy_bytes(**how))
    return beside.replace(path)
