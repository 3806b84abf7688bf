"""A policy's file: its contract, and proof that it is whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stride_core.contract import METADATA_KEY, ContractError, Provenance
from stride_core.policy_file import (
    LARGEST_CONTRACT,
    TEXT_DIGEST_KEY,
    read_contract,
    write_contract,
)
from tests.policy.models import Mlp, contract_of, policy_bytes, wide

from stride_core import policy_file

CONTRACT = contract_of(rate_hz=1.0 / 3.0 * 300.0)
MODEL = Mlp.random(CONTRACT.normaliser, 12, 0, 0.1, (4,)).model()
WHOLE = write_contract(MODEL.SerializeToString(), CONTRACT)


def test_a_contract_comes_back_with_every_digit_and_the_weights_digest() -> None:
    assert read_contract(WHOLE) == dataclasses.replace(
        CONTRACT, weights_sha256=read_contract(WHOLE).weights_sha256
    )
    assert len(read_contract(WHOLE).weights_sha256) == 64


def test_onnx_itself_reads_the_same_model_and_finds_the_contract_in_its_metadata() -> None:
    model = onnx.load_model_from_string(WHOLE)
    onnx.checker.check_model(model)
    assert model.graph == MODEL.graph
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found.keys() == {METADATA_KEY, TEXT_DIGEST_KEY}
    assert found[METADATA_KEY] == read_contract(WHOLE).to_json()


def test_a_contract_that_would_hold_up_a_tick_is_neither_written_nor_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = {"talk": "x" * LARGEST_CONTRACT}
    long = dataclasses.replace(CONTRACT, provenance=Provenance("test", 0, 0, versions=talk))
    with pytest.raises(ContractError, match="characters: expected at most 200000"):
        write_contract(MODEL.SerializeToString(), long)
    with monkeypatch.context() as patch:
        patch.setattr(policy_file, "LARGEST_CONTRACT", 2 * LARGEST_CONTRACT)
        data = write_contract(MODEL.SerializeToString(), long)
        assert read_contract(data).provenance.versions == talk
    with pytest.raises(ContractError, match="characters: expected at most 200000"):
        read_contract(data)


def test_a_model_keeps_its_other_metadata_and_gets_one_contract() -> None:
    model = onnx.ModelProto.FromString(WHOLE)
    model.metadata_props.add(key="author", value="somebody")
    again = write_contract(model.SerializeToString(), contract_of(rate_hz=50.0))
    assert read_contract(again).rate_hz == 50.0
    keys = [entry.key for entry in onnx.ModelProto.FromString(again).metadata_props]
    assert sorted(keys) == sorted(["author", METADATA_KEY, TEXT_DIGEST_KEY])


def test_the_digest_is_of_the_weights_and_not_of_the_words() -> None:
    other = write_contract(MODEL.SerializeToString(), contract_of(rate_hz=50.0))
    assert read_contract(other).weights_sha256 == read_contract(WHOLE).weights_sha256
    assert (
        read_contract(policy_bytes(2)).weights_sha256
        != read_contract(policy_bytes(3)).weights_sha256
    )


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), change=st.integers(1, 255))
def test_a_changed_byte_is_found_wherever_it_is(place: int, change: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= change
    with pytest.raises(ContractError) as caught:
        read_contract(bytes(damaged))
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_file_cut_short_is_found(length: int) -> None:
    with pytest.raises(ContractError):
        read_contract(WHOLE[:length])


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError, match=r"not an ONNX file|no contract|damaged"):
        read_contract(data)


@pytest.mark.parametrize("data", [b"", b"=\x00\x00\x00\x00", b":\x05abc", b"<html>"])
def test_a_contract_is_not_written_into_what_has_no_graph(data: bytes) -> None:
    with pytest.raises(ContractError, match="not an ONNX file"):
        write_contract(data, CONTRACT)


def test_a_model_without_a_contract_is_refused() -> None:
    with pytest.raises(ContractError, match=f"no contract: expected '{METADATA_KEY}'"):
        read_contract(MODEL.SerializeToString())


def test_another_version_of_the_contract_is_refused() -> None:
    later = write_contract(MODEL.SerializeToString(), dataclasses.replace(CONTRACT, format=3))
    with pytest.raises(ContractError, match="format: 3: expected 2"):
        read_contract(later)


def test_statistics_of_any_float_survive() -> None:
    odd = np.nextafter(0.1, 1.0)
    contract = contract_of(dataclasses.replace(wide(60), mean=(float(odd),) * 60))
    data = write_contract(MODEL.SerializeToString(), contract)
    assert read_contract(data).normaliser.mean[0] == odd
