"""A policy's contract: read back as it was written, and refused wherever it does not fit."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.action import ActionConfig, ActionLayout
from stride_core.contract import Contract, ContractError, NominalGait, Normaliser, Provenance
from stride_core.observation import DEPLOYABLE, Observation
from stride_core.robot import load_robot

SPEC = load_robot("fivebar")
ACTION = ActionLayout(SPEC, ActionConfig())
LAYOUT = Observation(SPEC, DEPLOYABLE, ACTION.size)


def contract(**changes: Any) -> Contract:
    rng = np.random.default_rng(0)
    rest: dict[str, Any] = {
        "rate_hz": 50.0,
        "gait": NominalGait("trot", {"cycle_time": 0.45}),
        "normaliser": Normaliser(
            tuple(rng.normal(size=LAYOUT.size).tolist()),
            tuple(rng.uniform(0.1, 2.0, LAYOUT.size).tolist()),
        ),
        "provenance": Provenance("rough", 1, 1000, evaluation={"falls": 0.0}),
        "weights_sha256": "0" * 64,
    }
    return dataclasses.replace(Contract.of(SPEC, LAYOUT, ACTION, **rest), **changes)


def test_it_fits_the_robot_it_was_made_for():
    observation, action = contract().check(SPEC, 50.0)
    assert observation.terms == LAYOUT.terms
    assert action.names == ACTION.names


@given(mean=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_come_back_to_the_last_bit(mean):
    normaliser = Normaliser(tuple(mean), (1.0,) * len(mean))
    written = contract(normaliser=normaliser)
    assert Contract.from_json(written.to_json()) == written


def test_a_gait_is_this_one_within_a_twentieth():
    gait = NominalGait("trot", {"cycle_time": 0.4, "stance_length": 0.0})
    shape = np.array([0.085, 0.03, 0.4, 0.0, 0.0, 1.0])  # height ... stride
    assert gait.differs("trot", shape) == ""
    assert gait.differs("pace", shape) == "it is for the gait trot, not pace"
    for part, at_most, beyond in ((2, 0.419, 0.421), (3, -0.0019, -0.0021), (0, 0.05, None)):
        shape_now = shape.copy()
        shape_now[part] = at_most
        assert gait.differs("trot", shape_now) == ""
        if beyond is not None:
            shape_now[part] = beyond
            assert "it is for" in gait.differs("trot", shape_now)
    shape[2] = np.nan
    assert "not nan" in gait.differs("trot", shape)
    with pytest.raises(ValueError, match="pattern: 'hop': expected one of trot"):
        NominalGait("hop")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"robot": "go2"}, "robot: go2: expected fivebar"),
        ({"robot_digest": "ab"}, "robot_digest: ab: expected"),
        ({"servo": "sts3215_345"}, "servo: sts3215_345: expected sts3215_147"),
        ({"joints": SPEC.joints[::-1]}, "joints: RR_shoulder_R, .*: expected FL_tilt"),
        ({"legs": ("FR", "FL", "RL", "RR")}, "legs: FR, FL, RL, RR: expected FL, FR"),
        ({"rate_hz": 100.0}, "rate_hz: 100.0: expected 50.0"),
        ({"action_names": ACTION.names[:-1]}, "action_names: "),
        ({"observation": LAYOUT.terms[:-1]}, "normaliser: "),
        (
            {
                "observation": (
                    dataclasses.replace(LAYOUT.terms[0], frame="world"),
                    *LAYOUT.terms[1:],
                )
            },
            "observation.gravity: gravity 3 1 world: expected gravity 3 1 trunk",
        ),
        (
            {
                "observation": (
                    dataclasses.replace(LAYOUT.terms[0], name="height"),
                    *LAYOUT.terms[1:],
                )
            },
            "'height': expected one of",
        ),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(changes, told):
    with pytest.raises(ContractError, match=told) as refused:
        contract(**changes).check(SPEC, 50.0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda d: d.pop("joints"), "joints: missing"),
        (lambda d: d.update(colour=1), "'colour': unknown key"),
        (lambda d: d.update(format=1), "format: 1: expected 2"),
        (lambda d: d.update(rate_hz="50"), "rate_hz: '50': expected a number"),
        (lambda d: d["normaliser"]["std"].pop(), "std: 59 values for 60 of mean"),
        (lambda d: d["normaliser"].update(std=[0.0] * 60), "std: 0: expected positive"),
        (lambda d: d["action"].update(modulation={"speed": 1.0}), "'speed': expected one of"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(damage, told):
    data = json.loads(contract().to_json())
    damage(data)
    with pytest.raises(ContractError, match=told) as refused:
        Contract.from_json(json.dumps(data))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\x00"])
def test_what_is_no_record_is_refused_in_one_line(text):
    with pytest.raises(ContractError, match="contract: "):
        Contract.from_json(text)
