"""Padding: found where CDR has it, cleared, and nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_control.cdr import LARGE, PaddingFilter, padding_filter
from stride_control.messages import message_class

HEAD = b"\0\1\0\0"
DTYPES: dict[str, Any] = {"boolean": bool, "double": float, "octet": "uint8"}
TYPES = {
    "a/Point": {"label": "string", "x": "double"},
    "a/Top": {
        "flag": "boolean",
        "count": "uint32",
        "points": "sequence<a/Point>",
        "bytes": "sequence<uint8, 7>",
        "pair": "int16[2]",
        "end": "double",
    },
}


def filter_of(name: str) -> PaddingFilter:
    return PaddingFilter(TYPES[name], TYPES.__getitem__)


def top(gap: bytes, label: bytes = b"hi\0") -> bytes:
    """An a/Top by hand, with its gaps filled from `gap`; offsets from the encapsulation."""
    body = b"\1" + 3 * gap + (9).to_bytes(4, "little")  # 0: flag, 4: count
    body += (1).to_bytes(4, "little")  # 8: one point
    body += len(label).to_bytes(4, "little") + label  # 12: label, from 16
    body += -len(body) % 8 * gap + b"EIGHT_BY"  # x
    body += (3).to_bytes(4, "little") + b"abc"
    body += -len(body) % 2 * gap + b"\1\2\3\4"
    body += -len(body) % 8 * gap + b"THE_LAST"
    return HEAD + body


@pytest.mark.parametrize("label", [b"\0", b"hi\0", b"abcdefg\0", b"much longer than that\0"])
def test_gaps_become_zero_and_nothing_else_changes(label: bytes) -> None:
    clear = filter_of("a/Top")
    assert top(b"\xff", label) != top(b"\0", label)
    for _ in range(2):  # walked, then recognised
        assert clear(top(b"\xff", label)) == top(b"\0", label)


def test_layouts_of_one_size_are_told_apart() -> None:
    clear = filter_of("a/Point")

    def point(text: bytes, gap: bytes) -> bytes:
        body = len(text).to_bytes(4, "little") + text
        return HEAD + body + -len(body) % 8 * gap + b"EIGHT_BY"

    for _ in range(2):
        for text in (b"\xee\xee\xee\0", b"\xee\xee\0", b"\xee\0"):  # all 20 bytes
            assert clear(point(text, b"\xff")) == point(text, b"\0")


def test_an_empty_sequence_has_no_gap_before_elements_that_are_not_there() -> None:
    clear = PaddingFilter({"values": "sequence<double>", "n": "uint32"}, TYPES.__getitem__)
    data = HEAD + bytes(4) + b"\7\7\7\7"
    assert clear(data) == data


@given(st.binary(max_size=80))
def test_bytes_that_do_not_follow_the_type_pass_unchanged_in_size(data: bytes) -> None:
    assert len(filter_of("a/Top")(HEAD + data)) == len(HEAD + data)
    assert filter_of("a/Top")(data[:3]) == data[:3]


def test_big_endian_and_unwalked_types_pass_as_they_are() -> None:
    data = b"\0\0" + top(b"\xff")[2:]
    assert filter_of("a/Top")(data) == data
    with pytest.raises(ValueError, match="wstring"):
        PaddingFilter({"w": "wstring"}, TYPES.__getitem__)


def test_a_large_message_is_cleared_too() -> None:
    clear = PaddingFilter({"flag": "boolean", "pixels": "sequence<uint8>"}, TYPES.__getitem__)
    pixels = LARGE.to_bytes(4, "little") + b"\xab" * LARGE
    assert clear(HEAD + b"\1\xff\xff\xff" + pixels) == HEAD + b"\1\0\0\0" + pixels


@pytest.mark.parametrize(
    "name",
    [
        "sensor_msgs/msg/JointState",
        "nav_msgs/msg/Odometry",
        "diagnostic_msgs/msg/DiagnosticArray",
        "tf2_msgs/msg/TFMessage",
        "rcl_interfaces/msg/ParameterEvent",
        "stride_msgs/msg/SafetyStatus",
        "stride_msgs/msg/FootTargets",
    ],
)
def test_a_real_message_reads_the_same_when_its_gaps_are_cleared(name: str) -> None:
    pytest.importorskip("rclpy")
    rosbags = pytest.importorskip("rosbags.typesys")
    from rclpy.serialization import deserialize_message
    from stride_operator.message_definitions import definition, installed

    store = rosbags.get_typestore(rosbags.Stores.EMPTY)
    store.register(rosbags.get_types_from_msg(definition(name, installed), name))
    cls = message_class(name)
    message = filled(cls, "x")
    # rosbags writes zeros into the gaps: an independent serialiser.
    data = bytes(store.serialize_cdr(rebuilt(message, name, store), name))
    clear = padding_filter(cls, message_class)
    assert clear(data) == data
    noisy = bytes(a | b for a, b in zip(data, gap_mask(cls, data), strict=True))
    assert noisy != data
    assert deserialize_message(noisy, cls) == message
    assert clear(noisy) == data


def filled(cls: Any, text: str) -> Any:
    """A message with something in every string and sequence, sizes unlike each other."""
    message = cls()
    for number, (name, kind) in enumerate(cls.get_fields_and_field_types().items()):
        if kind == "string":
            setattr(message, name, text * (number + 1))
        elif kind == "sequence<string>":
            setattr(message, name, [text * (k + 2) for k in range(3)])
        elif kind == "sequence<double>":
            setattr(message, name, [0.5, -2.0])
        elif kind == "sequence<boolean>":
            setattr(message, name, [True, False, True])
        elif kind.startswith("sequence<") and "/" in kind:
            package, element = kind[9:-1].split("/")
            inner = message_class(f"{package}/msg/{element}")
            setattr(message, name, [filled(inner, text * 2), filled(inner, text * 3)])
        elif "/" in kind and "[" not in kind:
            package, element = kind.split("/")
            setattr(message, name, filled(message_class(f"{package}/msg/{element}"), text))
    return message


def rebuilt(message: Any, name: str, store: Any) -> Any:
    """The same message as a rosbags one."""
    import numpy as np

    values = {}
    for field, kind in message.get_fields_and_field_types().items():
        value = getattr(message, field)
        base = kind.removeprefix("sequence<").split("[")[0].removesuffix(">")
        if "/" in base:
            full = "/msg/".join(base.split("/"))
            several = kind != base
            value = (
                [rebuilt(item, full, store) for item in value]
                if several
                else rebuilt(value, full, store)
            )
        elif kind != base and "string" not in base:
            value = np.asarray(value, dtype=DTYPES.get(base, base))
        elif isinstance(value, bytes):  # octet
            value = value[0]
        values[field] = value
    return store.types[name](**values)


def gap_mask(cls: Any, data: bytes) -> bytes:
    """Bits which can be set without changing what ROS reads: the gaps, found by trying.

    The zero that ends a string is as free, but is no gap: it follows an x.
    """
    from rclpy.serialization import deserialize_message

    message = deserialize_message(data, cls)
    mask = bytearray(len(data))
    for offset in range(4, len(data)):
        if data[offset] or data[offset - 1] == ord("x"):
            continue
        trial = bytearray(data)
        trial[offset] = 0x5A
        try:
            if deserialize_message(bytes(trial), cls) == message:
                mask[offset] = 0x5A
        except Exception:  # a length that runs off the end
            continue
    return bytes(mask)
