"""The exported network: the actor as an ONNX graph, written node by node.

``observation`` (n, size) → normalise and clip → dense layers → clip → ``action`` (n, actions).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from stride_core.policy_file import INPUT, OUTPUT
from torch import Tensor, nn

from stride_training.policy import Actor

_OPSET, _IR = 17, 8  # of 2022: every onnxruntime of this project's Pythons reads them
_OPERATORS = {nn.ELU: "Elu", nn.ReLU: "Relu", nn.Tanh: "Tanh"}


def to_onnx(actor: Actor) -> onnx.ModelProto:
    """Of an actor in evaluation."""
    graph = _Graph()
    normaliser = actor.normaliser
    at = graph.add("Sub", INPUT, graph.constant("mean", normaliser.mean))
    at = graph.add("Div", at, graph.constant("deviation", normaliser.deviation))
    at = graph.clip(at, normaliser.clip)
    for layer in [*actor.layers, actor.head]:
        if isinstance(layer, nn.Linear):
            at = graph.dense(at, layer)
        else:
            at = graph.add(_OPERATORS[type(layer)], at)
    graph.clip(at, 1.0, OUTPUT)
    sizes = len(normaliser.mean), actor.head.out_features
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in zip((INPUT, OUTPUT), sizes, strict=True)
    ]
    made = helper.make_graph(graph.nodes, "actor", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="stride",
        ir_version=_IR,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Tensor | NDArray[Any]) -> str:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        self.constants.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def clip(self, at: str, most: float, output: str = "") -> str:
        low = self.constant(f"low_{len(self.nodes)}", np.float32(-most))
        high = self.constant(f"high_{len(self.nodes)}", np.float32(most))
        return self.add("Clip", at, low, high, output=output)

    def dense(self, at: str, layer: nn.Linear) -> str:
        number = len(self.nodes)
        weight = self.constant(f"weight_{number}", layer.weight)
        bias = self.constant(f"bias_{number}", layer.bias)
        return self.add("Gemm", at, weight, bias, transB=1)
