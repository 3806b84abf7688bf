"""Between messages and arrays: names become indices once, stamps become integers."""

from __future__ import annotations

import importlib
from array import array
from collections.abc import Sequence
from struct import calcsize, error, unpack_from
from typing import Any, NamedTuple

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from stride_core.arrays import FloatArray

NANOSECONDS = 1_000_000_000

_HEADER = 4
"""Where a CDR message begins, behind its encapsulation; byte 1 of that is odd for little-endian."""


class MessageError(ValueError):
    """Bytes that are no message of their topic's type."""


def stamp_ns(stamp: Time) -> int:
    """Integer nanoseconds of a stamp: what ticks are compared by."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def to_stamp(nanoseconds: int) -> Time:
    """The stamp of an instant in integer nanoseconds."""
    sec, nanosec = divmod(nanoseconds, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def peek_stamp(data: bytes) -> int:
    """Stamp [ns] of a serialised message that begins with a header (CDR), without reading it.

    Raises:
        MessageError: it is too short for one, likewise below; or no second has so many.
    """
    sec, nanosec = _peek(data, "iI", _HEADER)
    if nanosec >= NANOSECONDS:
        raise MessageError(f"a stamp of {nanosec} ns")
    return int(sec) * NANOSECONDS + int(nanosec)


def peek_frame(data: bytes) -> str:
    """Its frame_id."""
    (length,) = _peek(data, "I", _HEADER + 8)
    start = _HEADER + 12
    return data[start : start + length - 1].decode(errors="replace")


def peek_orientation(data: bytes) -> tuple[float, float, float, float]:
    """x, y, z, w of a serialised ``sensor_msgs/Imu``; zeros where it says that it gives none.

    Reading the whole message takes 30 µs; gait and watchdog want no more than this of it.
    """
    *orientation, covariance = peek_behind_header(data, "5d")
    # REP-145: a covariance of -1 says that this IMU gives no orientation
    x, y, z, w = orientation if covariance >= 0.0 else (0.0, 0.0, 0.0, 0.0)
    return x, y, z, w


def peek_behind_header(data: bytes, what: str) -> tuple[Any, ...]:
    """First fields of a serialised message behind its header: bytes or doubles, as for struct."""
    (length,) = _peek(data, "I", _HEADER + 8)
    size = calcsize("=" + what[-1])
    return _peek(data, what, _HEADER + (12 + int(length) + size - 1) // size * size)


def _peek(data: bytes, what: str, start: int) -> tuple[Any, ...]:
    try:
        return unpack_from(("<" if data[1] & 1 else ">") + what, data, start)
    except (error, IndexError):
        raise MessageError(f"{len(data)} bytes are no message") from None


class ImuReading(NamedTuple):
    """What an IMU shows, in its own frame.

    Attributes:
        orientation: x, y, z, w; zeros where it gives none.
        gyro, accel: [rad/s], [m/s²]; None where it gives none.
    """

    orientation: tuple[float, ...]
    gyro: tuple[float, ...] | None
    accel: tuple[float, ...] | None


def peek_imu(data: bytes) -> ImuReading:
    """All of a serialised ``sensor_msgs/Imu`` but its covariances, in a tenth of the time.

    By REP-145 a covariance whose first element is -1 says that its part is not there.
    """
    values = peek_behind_header(data, "37d")
    return ImuReading(
        orientation=values[:4] if values[4] >= 0.0 else (0.0,) * 4,
        gyro=values[13:16] if values[16] >= 0.0 else None,
        accel=values[25:28] if values[28] >= 0.0 else None,
    )


def doubles(values: FloatArray) -> array[float]:
    """A ``float64[]`` field, without a check of each element."""
    return array("d", values.tobytes())


class Rows:
    """Reads the rows of named things in our order, whatever order the sender has.

    The permutation is found at the first message and again only when the names change.
    """

    def __init__(self, what: str, names: Sequence[str]) -> None:
        self._what = what
        self._names = list(names)
        self._seen = list(names)
        self._order: Any = slice(None)

    @property
    def in_order(self) -> bool:
        """Whether the last sender's order was ours."""
        return isinstance(self._order, slice)

    def read(
        self, names: list[str], field: str, values: Sequence[float], width: int = 1
    ) -> FloatArray:
        """Rows of ``width`` values, ``(len(names) * width,)`` flattened in our order.

        Raises:
            ValueError: a name is missing, or the number of values does not match.
        """
        if names != self._seen:
            self._order = self._find(names)
            self._seen = list(names)
        if len(values) != len(names) * width:
            raise ValueError(
                f"{field}: {len(values)} values for {len(names)} {self._what}s,"
                f" expected {len(names) * width}"
            )
        rows = (
            np.frombuffer(values, dtype=np.float64)
            if isinstance(values, array)
            else np.asarray(values)
        )
        if self.in_order:
            return rows
        return rows.reshape(-1, width)[self._order].reshape(-1)

    def _find(self, names: list[str]) -> Any:
        missing = [name for name in self._names if name not in names]
        if missing or len(set(names)) != len(names):
            raise ValueError(f"{self._what}s {names}: expected each of {self._names} once")
        if names == self._names:
            return slice(None)
        return np.array([names.index(name) for name in self._names])


def read_message(data: bytes, kind: type) -> Any:
    """The message of a type that was serialised.

    Raises:
        MessageError: it was none.
    """
    try:
        return deserialize_message(data, kind)
    except RuntimeError:
        raise MessageError(f"{len(data)} bytes are no {kind.__name__}") from None


def message_class(type_name: str) -> Any:
    """Return the Python class of `pkg/msg/Name`.

    Raises:
        LookupError: The type is not installed.
    """
    package, kind, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"message type {type_name} is not installed") from error
