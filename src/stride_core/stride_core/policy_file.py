"""A policy's file: an ONNX model that carries its contract, and can prove that it is whole.

    data = write_contract(model, contract)      the exporter, after training
    contract = read_contract(data)              the loader, before it trusts anything in the file

Both work on the bytes of the file (protobuf's wire format), so that neither needs the onnx package.
The contract is metadata of the model (ModelProto, onnx.proto3: ``metadata_props``, field 14). Its
``weights_sha256`` is the SHA-256 of all other fields of the model as they stand in the file: graph,
weights and operator sets. A second entry holds the SHA-256 of the contract's own text.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

from stride_core.contract import METADATA_KEY, Contract, ContractError

INPUT, OUTPUT = "observation", "action"
"""Names of the network's only input and output, float32 ``(batch, size)``; batch is free, or 1."""

LARGEST_FILE = 50_000_000
"""No policy file is larger than this [bytes]."""

LARGEST_CONTRACT = 200_000
"""No contract is longer [characters]: for as long as JSON is read, 2 to 6 ms, nothing else runs."""

TEXT_DIGEST_KEY = f"{METADATA_KEY}.sha256"

_GRAPH, _METADATA, _FUNCTION = 7, 14, 25  # of ModelProto
_GRAPH_NODE, _FUNCTION_NODE = 1, 7  # of GraphProto, of FunctionProto
_OPERATOR, _ATTRIBUTE = 4, 5  # of NodeProto
_SUBGRAPHS = (6, 11)  # of AttributeProto
_KEY, _VALUE = 1, 2  # of StringStringEntryProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def write_contract(model: bytes, contract: Contract) -> bytes:
    """Return the model with the contract in it; whatever contract it had goes.

    Args:
        model: a serialised ONNX model, its weights inside.
        contract: its ``weights_sha256`` is computed here.

    Raises:
        ContractError: the bytes are no ONNX model, or the contract is too long; one line.
    """
    rest = [
        field
        for number, content, field in _fields(model)
        if number != _METADATA or _entry(content)[0] not in (METADATA_KEY, TEXT_DIGEST_KEY)
    ]
    sealed = dataclasses.replace(contract, weights_sha256=_digest(model))
    text = _short(sealed.to_json())
    digest = hashlib.sha256(text.encode()).hexdigest()
    entries = [_metadata(METADATA_KEY, text), _metadata(TEXT_DIGEST_KEY, digest)]
    return b"".join([*rest, *entries])


def read_contract(data: bytes) -> Contract:
    """Return the contract of a policy's file whose every byte is as it was written.

    Raises:
        ContractError: not an ONNX file, cut short, without a contract or with one that is too
            long, changed since it was written, or of another version; one line.
    """
    properties = dict(
        _entry(content) for number, content, _ in _fields(data) if number == _METADATA
    )
    text = properties.get(METADATA_KEY)
    if text is None:
        raise ContractError(f"no contract: expected {METADATA_KEY!r} in the ONNX file's metadata")
    digest = hashlib.sha256(_short(text).encode()).hexdigest()
    if properties.get(TEXT_DIGEST_KEY) != digest:
        raise ContractError(f"damaged: SHA-256 of the contract is {digest[:12]}…, not as written")
    contract = Contract.from_json(text)
    found = _digest(data)
    if contract.weights_sha256 != found:
        raise ContractError(
            f"damaged: SHA-256 of the weights is {found[:12]}…:"
            f" expected {contract.weights_sha256[:12]}…"
        )
    return contract


def _short(text: str) -> str:
    if len(text) > LARGEST_CONTRACT:
        raise ContractError(
            f"contract: {len(text)} characters: expected at most {LARGEST_CONTRACT}"
        )
    return text


def control_flow(model: bytes) -> list[str]:
    """Operators that hold a graph of their own, as Loop, If and Scan do: how often and whether it
    runs depends on the data.

    Raises:
        ContractError: the bytes are no ONNX model; one line.
    """
    nodes = [
        node
        for number, content, _ in _fields(model)
        if number in (_GRAPH, _FUNCTION)
        for node in _parts(content, _GRAPH_NODE if number == _GRAPH else _FUNCTION_NODE)
    ]
    found = [
        _parts(node, _OPERATOR)[0].decode(errors="replace")
        for node in nodes
        if any(
            _parts(attribute, field)
            for attribute in _parts(node, _ATTRIBUTE)
            for field in _SUBGRAPHS
        )
    ]
    return list(dict.fromkeys(found))


def _parts(message: bytes, field: int) -> list[bytes]:
    """All values of a field that has a length."""
    try:
        return [content for number, content, _ in _parse(message) if number == field]
    except ValueError as error:
        raise ContractError(f"not an ONNX file, or cut short: {error}") from None


def _digest(model: bytes) -> str:
    """SHA-256 of all fields of a model but its metadata."""
    total = hashlib.sha256()
    for number, _, field in _fields(model):
        if number != _METADATA:
            total.update(field)
    return total.hexdigest()


def _fields(model: bytes) -> list[tuple[int, bytes, bytes]]:
    """Fields of a model: number, content (of those that have a length), the field's own bytes."""
    try:
        found = list(_parse(model))
    except ValueError as error:
        raise ContractError(f"not an ONNX file, or cut short: {error}") from None
    if not any(number == _GRAPH and field[0] & 7 == _BYTES for number, _, field in found):
        raise ContractError("not an ONNX file, or cut short: it holds no graph")
    return found


def _parse(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    place = 0
    while place < len(message):
        start = place
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        content = place
        if kind == _VARINT:
            _, place = _varint(message, place)
        elif kind == _BYTES:
            size, content = _varint(message, place)
            place = content + size
        elif kind in (_FIXED32, _FIXED64):
            place += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"byte {start} begins no field of protobuf")
        if place > len(message):
            raise ValueError(
                f"a field of {place - start} bytes begins at {start} of {len(message)}"
            )
        yield number, message[content:place], message[start:place]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number in base 128 and the place behind it."""
    value = 0
    for shift in range(0, 64, 7):
        if place >= len(message):
            raise ValueError(f"it ends within a number, after {len(message)} bytes")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError(f"byte {place} is within a number that does not end")


def _entry(content: bytes) -> tuple[str, str]:
    """Key and value of one entry of the metadata."""
    try:
        parts = {number: part.decode() for number, part, _ in _parse(content)}
    except ValueError as error:  # of UTF-8, too
        raise ContractError(f"damaged: metadata: {error}") from None
    return parts.get(_KEY, ""), parts.get(_VALUE, "")


def _metadata(key: str, value: str) -> bytes:
    return encode(_METADATA, encode(_KEY, key.encode()) + encode(_VALUE, value.encode()))


def encode(number: int, content: bytes | int) -> bytes:
    """A field of protobuf: its number, and bytes or a whole number that is not negative."""
    if isinstance(content, int):
        return _number(number << 3 | _VARINT) + _number(content)
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
