"""The hot path's messages, without the cost of their Python objects.

From tick to tick a message differs from the last one in its stamp and some numbers. The names of
twelve joints are none of them, but making and reading them takes most of a message's 30 µs. So a
message is serialised whole once, by ROS, and after that numbers go to and from their places in
those bytes. Whatever is not as it was is read whole, by ROS.
"""

from __future__ import annotations

from array import array
from copy import deepcopy
from struct import pack_into
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from stride_core.arrays import FloatArray

from stride_control.cdr import canonical
from stride_control.messages import NANOSECONDS, Rows, message_class

Message = TypeVar("Message")

_STAMP = 4
_BEHIND_STAMP = 12
_LITTLE_ENDIAN = 1
_OTHER = np.frombuffer(b"\x11" * 8)[0]
"""A number all of whose bytes differ from those of 0.0."""

_NONE = np.empty(0)


class Stencil(Generic[Message]):
    """A message that begins with a header, with holes for its stamp and some fields of numbers."""

    def __init__(self, message: Message, *fields: str) -> None:
        """Each field is a ``float64[]`` or ``bool[]``, as long as it is in ``message``, or a
        message of ``float64`` alone.
        """
        self._bytes = bytearray(_image(message))
        self._places = [_place(message, field) for field in fields]

    def fill(self, stamp: int, *values: NDArray[Any]) -> bytes:
        """The serialised message.

        Args:
            stamp: [ns].
            values: of each field, float64 or bool, as many as there are places.
        """
        data = self._bytes
        pack_into("<iI", data, _STAMP, *divmod(stamp, NANOSECONDS))
        for place, value in zip(self._places, values, strict=True):
            data[place] = value.tobytes()
        return bytes(data)


class Reader:
    """Reads named rows of one ``float64[]`` field out of serialised messages."""

    def __init__(
        self, kind: type, rows: Rows, names: str, field: str, width: int = 1, optional: bool = False
    ) -> None:
        """Args are of the message and its fields.

        Args:
            kind: of message; it begins with a header.
            rows: what puts them in our order.
            names: field with the names of the rows.
            field: that with their values, ``width`` of each.
            optional: whether no values at all are fine, too.
        """
        self._kind, self._rows, self._names, self._field = kind, rows, names, field
        self._width, self._optional = width, optional
        self._head = b""
        self._start = self._end = self._size = 0

    def read(self, data: bytes, topic: str) -> FloatArray:
        """``(rows * width,)`` in our order, or none.

        Raises:
            ValueError: it does not fit; one line that names the topic.
        """
        if len(data) == self._size and data[_BEHIND_STAMP : self._start] == self._head:
            return np.frombuffer(data[self._start : self._end])
        message: Any = deserialize_message(data, self._kind)
        names, values = getattr(message, self._names), getattr(message, self._field)
        if self._optional and not values:
            return _NONE
        read = self._rows.read(names, f"{topic}.{self._field}", values, self._width)
        self._size = 0
        if self._rows.in_order:
            self._remember(data, _place(message, self._field), read)
        return read

    def _remember(self, data: bytes, place: slice, read: FloatArray) -> None:
        """Where the numbers are, if the sender serialises as we do."""
        if data[1] == _LITTLE_ENDIAN and data[place] == read.tobytes():
            self._start, self._end, self._size = place.start, place.stop, len(data)
            self._head = data[_BEHIND_STAMP : place.start]


def _image(message: Any) -> bytes:
    return canonical(serialize_message(message), type(message), message_class)


def _place(message: Any, field: str) -> slice:
    """Which bytes of the serialised message are a field's values: those that change with them."""
    message = deepcopy(message)
    images, size = [], 0
    for flag, number in ((False, 0.0), (True, _OTHER)):
        size = _set_all(message, field, flag, number)
        images.append(np.frombuffer(_image(message), np.uint8))
    changed = np.flatnonzero(images[0] != images[1])
    place = slice(int(changed[0]), int(changed[-1]) + 1) if size else slice(0, 0)
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
