"""Files of policies that must not run, one for each way to be wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from stride_core.action import ActionConfig
from stride_core.contract import NominalGait, Normaliser
from stride_core.observation import DEPLOYABLE, Term
from stride_core.policy_file import write_contract
from tests.policy.models import OPSET, ROBOT, Mlp, contract_of, model_of, policy_bytes, wide

SIZE = 60
UP = 2
"""Column of an observation that holds gravity's z: -1 for a robot that stands."""


def constant(node_inputs: list[str], op: str, domain: str = "", **values: Any) -> onnx.ModelProto:
    """A model whose answer is 0 times one operator's output."""
    nodes = [
        helper.make_node("Gemm", ["observation", "zero"], ["still"]),
        helper.make_node(op, node_inputs, ["made"], domain=domain),
        helper.make_node("Add", ["still", "made"], ["action"]),
    ]
    return model_of(nodes, {"zero": np.zeros((SIZE, 12)), **values}, SIZE, 12)


def nan_where_it_stands() -> bytes:
    """The square root of gravity's z: well around its mean of training, NaN on a real robot."""
    mean, std = [0.0] * SIZE, [1.0] * SIZE
    mean[UP], std[UP] = 5.0, 0.01
    pick = np.zeros((SIZE, 12))
    pick[UP] = 1.0
    nodes = [
        helper.make_node("Gemm", ["observation", "pick"], ["up"]),
        helper.make_node("Sqrt", ["up"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["action"]),
    ]
    model = model_of(nodes, {"pick": pick, "zero": np.zeros(12)}, SIZE, 12)
    return policy_bytes(model=model, normaliser=Normaliser(tuple(mean), tuple(std)))


def slow() -> bytes:
    """Some 60 million multiplications."""
    width, depth = 1000, 60
    names = ["first", *[f"x{i}" for i in range(depth)]]
    nodes = [helper.make_node("Gemm", ["observation", "into"], ["first"])]
    for before, after in pairwise(names):
        nodes.append(helper.make_node("Gemm", [before, "within"], [after]))
    nodes.append(helper.make_node("Gemm", [names[-1], "out"], ["action"]))
    shapes = {"into": (SIZE, width), "within": (width, width), "out": (width, 12)}
    model = model_of(nodes, {name: np.zeros(shape) for name, shape in shapes.items()}, SIZE, 12)
    return policy_bytes(model=model)


def body(*inputs: Any) -> onnx.GraphProto:
    """Of a loop: the condition and what it carries go on as they are."""
    again = helper.make_tensor_value_info("again", onnx.TensorProto.BOOL, [])
    same = helper.make_tensor_value_info("same", onnx.TensorProto.FLOAT, ["batch", SIZE])
    steps = [
        helper.make_node("Identity", ["on"], ["again"]),
        helper.make_node("Identity", ["seen"], ["same"]),
    ]
    return helper.make_graph(steps, "body", inputs, [again, same])


def loop() -> onnx.NodeProto:
    """As long as what is seen has a value beyond 1e3: for ever, on the day that one has."""
    on = helper.make_tensor_value_info("on", onnx.TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("count", onnx.TensorProto.INT64, [])
    seen = helper.make_tensor_value_info("seen", onnx.TensorProto.FLOAT, ["batch", SIZE])
    return helper.make_node(
        "Loop", ["", "huge", "observation"], ["after"], body=body(count, on, seen)
    )


def looping() -> bytes:
    """A network that ends in its warm-up, and may not end on a robot."""
    nodes = [
        helper.make_node("ReduceMax", ["observation"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "limit"], ["huge"]),
        loop(),
        helper.make_node("Gemm", ["after", "zero"], ["action"]),
    ]
    values = {"zero": np.zeros((SIZE, 12)), "limit": np.array(1e3)}
    return policy_bytes(model=model_of(nodes, values, SIZE, 12))


def looping_within() -> bytes:
    """The same in a function of the model's own."""
    opset = [helper.make_opsetid("", OPSET)]
    parts = [
        helper.make_node("ReduceMax", ["observation"], ["most"], keepdims=0),
        helper.make_node("Constant", [], ["limit"], value_float=1e3),
        helper.make_node("Greater", ["most", "limit"], ["huge"]),
        loop(),
    ]
    own = helper.make_function("own", "Hidden", ["observation"], ["after"], parts, opset)
    nodes = [
        helper.make_node("Hidden", ["observation"], ["after"], domain="own"),
        helper.make_node("Gemm", ["after", "zero"], ["action"]),
    ]
    model = model_of(nodes, {"zero": np.zeros((SIZE, 12))}, SIZE, 12)
    model.functions.append(own)
    return policy_bytes(model=model)


def outside(folder: Path) -> bytes:
    """Weights in another file, where no checksum reaches."""
    model = Mlp.random(wide(SIZE), 12, 0, 0.1, (32,)).model()
    onnx.save_model(
        model, folder / "outside.part", save_as_external_data=True, location="weights.bin",
        size_threshold=0,
    )  # fmt: skip
    return write_contract((folder / "outside.part").read_bytes(), contract_of())


def swapped_terms() -> bytes:
    """The right terms in the right order, but a size that this robot's cannot have."""
    terms = list(contract_of().observation)
    terms[2] = Term("joint_position", 11, "rad", "")
    return policy_bytes(observation=tuple(terms))


def flipped(data: bytes, place: int) -> bytes:
    """One bit of the file is another."""
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


GOOD = policy_bytes()
JOINTS = ROBOT.joints


def _with(**changes: Any) -> Callable[[], bytes]:
    return lambda: write_contract(
        Mlp.random(wide(SIZE), 12, 1, 0.1, (16,)).model().SerializeToString(),
        dataclasses.replace(contract_of(), **changes),
    )


def _of_gait(field: str, value: object) -> Callable[[], bytes]:
    """What the exporter would refuse to write."""
    gait = NominalGait("trot")
    object.__setattr__(gait, field, value)
    return _with(gait=gait)


def _without(term: str) -> Callable[[], bytes]:
    """The contract leaves a term out; the network keeps its size."""
    names = [name for name in DEPLOYABLE if name != term]
    fitting = contract_of(names=names, normaliser=wide(SIZE - 3))
    return _with(observation=fitting.observation, normaliser=fitting.normaliser)


BROKEN: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "robot": (_with(robot="go2"), ("robot: go2: expected fivebar",)),
    "digest": (_with(robot_digest="ab" * 32), ("robot_digest: abab", "expected")),
    "servo": (_with(servo="sts3215_345"), ("servo: sts3215_345: expected sts3215_147",)),
    "joints": (
        _with(joints=(JOINTS[1], JOINTS[0], *JOINTS[2:])),
        ("joints: FL_shoulder_L, FL_tilt,", "expected FL_tilt, FL_shoulder_L,"),
    ),
    "missing observation": (
        _without("gyro"),
        ("the network's observation: 60 values: expected 57",),
    ),
    "extra observation": (
        _with(observation=(*contract_of().observation, Term("height", 1, "m", "world"))),
        ("observation: 'height': expected one of gravity, gyro",),
    ),
    "size of an observation": (swapped_terms, ("observation.joint_position", "11", "expected")),
    "action": (_with(action_names=("x",) * 12), ("action_names: x, x", "expected FL_x, FL_y")),
    "statistics": (_with(normaliser=wide(59)), ("normaliser: 59: expected 60",)),
    "rate": (_with(rate_hz=50.0), ("rate_hz: 50.0: expected 100.0",)),
    "gait": (_of_gait("pattern", "hop"), ("gait: pattern: 'hop': expected one of trot",)),
    "shape": (_of_gait("shape", {"hop": 1.0}), ("gait: shape: 'hop': expected one of height",)),
    "version": (_with(format=99), ("format: 99: expected 2",)),
    "damaged weights": (lambda: flipped(GOOD, 500), ("damaged: SHA-256 of the weights",)),
    "damaged contract": (
        lambda: GOOD.replace(b'"rate_hz": 100.0', b'"rate_hz": 100.5'),
        ("damaged: SHA-256 of the contract",),
    ),
    "truncated": (lambda: GOOD[: len(GOOD) // 2], ("not an ONNX file, or cut short",)),
    "empty": (lambda: b"", ("not an ONNX file", "no graph")),
    "no ONNX": (lambda: b"# a text, not a network\n", ("not an ONNX file",)),
    "no contract": (
        lambda: Mlp.random(wide(SIZE), 12, 1, 0.1, (16,)).model().SerializeToString(),
        ("no contract: expected 'stride.contract'",),
    ),
    "operator": (
        lambda: policy_bytes(model=constant(["observation"], "Levitate", "org.example")),
        ("onnxruntime cannot run it", "Levitate"),
    ),
    "a loop": (looping, ("operator Loop: expected a network without control flow",)),
    "a hidden loop": (looping_within, ("operator Loop: expected",)),
    "too bold": (
        _with(action=ActionConfig(residual=0.05)),
        ("action.residual: 0.05: expected at most ik's residual_limit, 0.02 m",),
    ),
    "input": (
        lambda: policy_bytes(
            model=model_of(
                [helper.make_node("Gemm", ["obs", "zero"], ["action"])],
                {"zero": np.zeros((SIZE, 12))}, SIZE, 12, input="obs",
            )
        ),
        ("input: obs", "expected observation"),
    ),
    "too few actions": (
        lambda: policy_bytes(model=Mlp.random(wide(SIZE), 11, 1, 0.1, (16,)).model()),
        ("the network's action: 11 values: expected 12",),
    ),
    "huge answers": (
        lambda: policy_bytes(gain=1e6),
        ("warm-up: action", "expected finite numbers within 100"),
    ),
    "slow": (slow, ("too slow: expected at most 2 ms",)),
}  # fmt: skip
