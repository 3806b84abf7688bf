"""The hot path's messages, without the cost of their Python objects.

From tick to tick a message differs from the last one in its stamp and some numbers. The names of
twelve joints are none of them, but making and reading them takes most of a message's 30 µs. So a
message is serialised whole once, by ROS, and after that numbers go to and from their places in
those bytes. Whatever is not as it was is read whole, by ROS.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Mapping, Sequence
from copy import deepcopy
from struct import pack_into
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message

from stride_control.cdr import canonical, gaps
from stride_control.messages import NANOSECONDS, Rows, message_class, read_message

Message = TypeVar("Message")

_STAMP = slice(4, 12)
_LITTLE_ENDIAN = 1
_OTHER = np.frombuffer(b"\x11" * 8)[0]
"""A number all of whose bytes differ from those of 0.0."""

_NONE = np.empty(0)


class Stencil(Generic[Message]):
    """A message that begins with its stamp, with holes for that and for some fields of numbers."""

    def __init__(self, message: Message, *fields: str) -> None:
        """Each field is a ``float64[]`` or ``bool[]``, as long as it is in ``message``, or a
        message of ``float64`` alone.
        """
        self._bytes = memoryview(bytearray(_image(message)))
        self._places = [_place(message, field) for field in fields]

    def fill(self, stamp: int, *values: NDArray[Any]) -> bytes:
        """The serialised message.

        Args:
            stamp: [ns].
            values: of each field, float64 or bool, as many as there are places.

        Raises:
            ValueError: they are not.
        """
        data = self._bytes
        pack_into("<iI", data, _STAMP.start, *divmod(stamp, NANOSECONDS))
        for place, value in zip(self._places, values, strict=True):
            data[place] = value.tobytes()
        return bytes(data)


class Reader:
    """Reads named rows of numbers out of serialised messages that begin with a header.

    Attributes:
        message: the last one that was read whole; its texts are those of the last one read.
    """

    message: Any = None

    def __init__(
        self,
        kind: type,
        rows: Rows,
        names: str,
        fields: Mapping[str, int],
        optional: Container[str] = (),
        plain: Mapping[str, int] | None = None,
    ) -> None:
        """Args are of the message and its fields, those of numbers in the order of the message.

        Args:
            kind: of message.
            rows: what puts them in our order.
            names: field with the names of the rows.
            fields: ``float64[]`` or ``bool[]`` each, with the number of values that a row has.
            optional: those of them that may be empty.
            plain: further ``float64[]``, behind those, that have no rows, with their number of
                values.
        """
        self._kind, self._rows, self._names = kind, rows, names
        self._fields, self._optional, self._plain = dict(fields), optional, dict(plain or {})
        self._places: list[slice] = []
        self._types: list[np.dtype[Any]] = []
        self._size = self._mask = self._expected = 0

    def read(self, data: bytes, topic: str) -> list[NDArray[Any]]:
        """Of each field ``(rows * width,)`` in our order, or nothing; then the plain ones.

        Raises:
            ValueError: it does not fit; one line that names the topic.
        """
        if len(data) == self._size and self._compared(data) == self._expected:
            pairs = zip(self._places, self._types, strict=True)
            return [np.frombuffer(data[place], kind) for place, kind in pairs]
        message = read_message(data, self._kind)
        names = getattr(message, self._names)
        found: list[NDArray[Any]] = []
        for field, width in self._fields.items():
            values = getattr(message, field)
            empty = field in self._optional and not values
            read = self._rows.read(names, f"{topic}.{field}", values, width) if not empty else _NONE
            found.append(read)
        for field, size in self._plain.items():
            read = np.asarray(getattr(message, field))
            if read.size != size:
                raise ValueError(f"{topic}.{field}: {read.size} values: expected {size}")
            found.append(read)
        self._size, self.message = 0, message
        if self._rows.in_order:
            self._remember(data, message, found)
        return found

    def _compared(self, data: bytes) -> int:
        """All that must be as it was for the numbers to be where they were."""
        return int.from_bytes(data[: self._places[-1].start], "little") & self._mask

    def _remember(self, data: bytes, message: Any, found: Sequence[NDArray[Any]]) -> None:
        """Where the numbers are, if the sender serialises as we do."""
        places = [_place(message, field) for field in (*self._fields, *self._plain)]
        as_ours = all(data[at] == read.tobytes() for at, read in zip(places, found, strict=True))
        if data[1] != _LITTLE_ENDIAN or not as_ours:
            return
        ignored = [_STAMP, *places, *gaps(data, self._kind, message_class)]
        self._mask = (1 << 8 * len(data)) - 1
        for at in ignored:
            self._mask &= ~(((1 << 8 * (at.stop - at.start)) - 1) << 8 * at.start)
        self._places, self._size = places, len(data)
        self._types = [read.dtype for read in found]
        self._expected = self._compared(data)


def _image(message: Any) -> bytes:
    return canonical(serialize_message(message), type(message), message_class)


def _place(message: Any, field: str) -> slice:
    """Which bytes of the serialised message are a field's values: those that change with them.

    A field without values has its place behind the message.
    """
    message = deepcopy(message)
    images, size = [], 0
    for flag, number in ((False, 0.0), (True, _OTHER)):
        size = _set_all(message, field, flag, number)
        images.append(np.frombuffer(_image(message), np.uint8))
    changed = np.flatnonzero(images[0] != images[1])
    end = len(images[0])
    place = slice(int(changed[0]), int(changed[-1]) + 1) if size else slice(end, end)
    if place.stop - place.start != size:
        raise ValueError(f"{field}: expected numbers or flags in {type(message).__name__}")
    return place


def _set_all(message: Any, field: str, flag: bool, number: float) -> int:
    """Set all values of a field; the bytes that they take."""
    now = getattr(message, field)
    if isinstance(now, list):
        setattr(message, field, [flag] * len(now))
        return len(now)
    if isinstance(now, array | np.ndarray):
        other = np.full(len(now), number)
        setattr(message, field, array("d", other) if isinstance(now, array) else other)
        return 8 * len(now)
    parts = now.get_fields_and_field_types()
    for part in parts:
        setattr(now, part, number)
    return 8 * len(parts)
