"""Clears the padding of serialised messages, so that equal messages are equal bytes.

The middleware leaves in the gaps between fields whatever its buffer held before, which depends on
the timing of earlier messages. The format is plain CDR (OMG Common Data Representation, as in
DDS-XTypes 1.3 section 7.4.1): 4 bytes of encapsulation, then the fields, each primitive aligned
to its size, counted from the end of the encapsulation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from struct import Struct, error
from typing import Any, NamedTuple

ENCAPSULATION = 4  # bytes
LARGE = 1 << 16  # bytes from which on a message is walked each time, rather than masked whole
LAYOUTS = 64  # remembered for one type

SIZES = {"boolean": 1, "octet": 1, "char": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2}
SIZES |= {"uint32": 4, "int32": 4, "float": 4, "uint64": 8, "int64": 8, "double": 8}

_LENGTH = Struct("<I")
_SEQUENCE = re.compile(r"sequence<([^,]+)(, \d+)?>")
_ARRAY = re.compile(r"(.+)\[(\d+)\]")

FieldTypes = Mapping[str, str]  # field name to type, as get_fields_and_field_types gives them


@dataclass
class Cursor:
    """A walk over one message: where it is, the gaps and the length fields it met."""

    data: bytes
    offset: int = ENCAPSULATION
    gaps: list[tuple[int, int]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def skip(self, size: int, count: int = 1) -> None:
        """Pass `count` primitives of `size` bytes each."""
        gap = (ENCAPSULATION - self.offset) % size
        if gap:
            self.gaps.append((self.offset, self.offset + gap))
        self.offset += gap + size * count

    def length(self) -> int:
        """Pass the length of a string or sequence and return it."""
        self.skip(4)
        self.lengths.append(self.offset - 4)
        return int(_LENGTH.unpack_from(self.data, self.offset - 4)[0])


Step = Callable[[Cursor], None]


def message_step(fields: FieldTypes, fields_of: Callable[[str], FieldTypes]) -> Step:
    """Return the walk over a message; `fields_of` gives the fields of a type `pkg/Name`.

    Raises:
        ValueError: A field's type is not one of those that are walked here (wide strings).
    """
    steps = [_step(kind, fields_of) for kind in fields.values()]

    def walk(cursor: Cursor) -> None:
        for step in steps:
            step(cursor)

    return walk


def _step(kind: str, fields_of: Callable[[str], FieldTypes]) -> Step:
    if kind in SIZES:
        size = SIZES[kind]
        return lambda cursor: cursor.skip(size)
    if kind == "string" or kind.startswith("string<"):
        return _pass_string
    if found := _SEQUENCE.fullmatch(kind):
        several = _several(found[1], fields_of)
        return lambda cursor: several(cursor, cursor.length())
    if found := _ARRAY.fullmatch(kind):
        several, count = _several(found[1], fields_of), int(found[2])
        return lambda cursor: several(cursor, count)
    if "/" in kind:
        return message_step(fields_of(kind), fields_of)
    raise ValueError(f"type {kind} is not walked")


def _several(kind: str, fields_of: Callable[[str], FieldTypes]) -> Callable[[Cursor, int], None]:
    if kind in SIZES:
        size = SIZES[kind]
        return lambda cursor, count: cursor.skip(size, count) if count else None
    step = _step(kind, fields_of)

    def each(cursor: Cursor, count: int) -> None:
        for _ in range(count):
            step(cursor)

    return each


def _pass_string(cursor: Cursor) -> None:
    length = cursor.length()
    cursor.offset += length


class Layout(NamedTuple):
    """Masks of all messages with the same lengths inside; the bytes taken as one integer."""

    lengths: int  # ones where the length fields are
    expected: int  # their values
    keep: int  # ones but in the gaps


class PaddingFilter:
    """Clears the gaps in messages of one type. A layout is walked once and then recognised."""

    def __init__(self, fields: FieldTypes, fields_of: Callable[[str], FieldTypes]) -> None:
        """Raise ValueError for a type that cannot be walked."""
        self._walk = message_step(fields, fields_of)
        self._layouts: dict[int, Layout] = {}

    def __call__(self, data: bytes) -> bytes:
        """Return `data` with zeros in its gaps; as it is where it does not follow its type."""
        size = len(data)
        if size >= LARGE:
            return self._clear(data)
        layout = self._layouts.get(size)
        number = int.from_bytes(data, "little")
        if layout is None or number & layout.lengths != layout.expected:
            layout = self._learn(data, number)
            if layout is None:
                return data
        return (number & layout.keep).to_bytes(size, "little")

    def _gaps(self, data: bytes) -> Cursor | None:
        if data[1:2] != b"\1":  # little-endian plain CDR alone
            return None
        cursor = Cursor(data)
        try:
            self._walk(cursor)
        except error:
            return None
        return cursor if cursor.offset == len(data) else None

    def _clear(self, data: bytes) -> bytes:
        cursor = self._gaps(data)
        if cursor is None or not cursor.gaps:
            return data
        cleared = bytearray(data)
        for start, end in cursor.gaps:
            cleared[start:end] = bytes(end - start)
        return bytes(cleared)

    def _learn(self, data: bytes, number: int) -> Layout | None:
        cursor = self._gaps(data)
        if cursor is None:
            return None
        lengths = sum(0xFFFFFFFF << 8 * offset for offset in cursor.lengths)
        gaps = sum(((1 << 8 * (end - start)) - 1) << 8 * start for start, end in cursor.gaps)
        layout = Layout(lengths, number & lengths, ~gaps)
        if len(self._layouts) >= LAYOUTS:
            self._layouts.clear()
        self._layouts[len(data)] = layout
        return layout


def canonical(data: bytes, cls: Any, message_class: Callable[[str], Any]) -> bytes:
    """What a publisher would send: without the bytes that rclpy's ``serialize_message`` leaves
    behind the last field, and with zeros in the gaps.

    Raises:
        ValueError: a type that cannot be walked.
    """
    return padding_filter(cls, message_class)(data[: _walk(data, cls, message_class).offset])


def gaps(data: bytes, cls: Any, message_class: Callable[[str], Any]) -> list[slice]:
    """Where a message, little-endian, has no meaning.

    Raises:
        ValueError: a type that cannot be walked.
    """
    return [slice(*gap) for gap in _walk(data, cls, message_class).gaps]


def _walk(data: bytes, cls: Any, message_class: Callable[[str], Any]) -> Cursor:
    cursor = Cursor(data)
    message_step(cls.get_fields_and_field_types(), _fields_of(message_class))(cursor)
    return cursor


def padding_filter(cls: Any, message_class: Callable[[str], Any]) -> Callable[[bytes], bytes]:
    """Return the filter of a message class; one that changes nothing if it cannot be walked.

    `message_class` gives the class of a type `pkg/msg/Name`.
    """
    try:
        return PaddingFilter(cls.get_fields_and_field_types(), _fields_of(message_class))
    except (ValueError, LookupError):
        return lambda data: data


def _fields_of(message_class: Callable[[str], Any]) -> Callable[[str], FieldTypes]:
    def fields_of(kind: str) -> FieldTypes:
        package, name = kind.split("/")
        fields: FieldTypes = message_class(f"{package}/msg/{name}").get_fields_and_field_types()
        return fields

    return fields_of
