"""Feetech's and Dynamixel's servos through rustypot; ``layouts`` says where everything is."""

from __future__ import annotations

import errno
import grp
import os
import re
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

import numpy as np
from stride_core.arrays import BoolArray, FloatArray, IntArray

from stride_hardware.layouts import LAYOUTS, Field, block_of
from stride_hardware.motors import BusError, Health, Sample, Traffic

_TRIES = 10
"""To find a servo, before anything moves: on a busy machine many an answer is not waited for."""
_NAMED = re.compile(r"motor (\d+):")
_GONE = re.compile(r"I/O error|Input/output|[Bb]roken pipe|No such device|is closed|\(os error ")
"""rustypot says everything as a RuntimeError: these are the port's own end, and no servo's."""


class RustypotBus:
    """A ``MotorBus`` on a serial port."""

    def __init__(
        self, backend: str, port: str, baudrate: int, timeout: float, controller: Any = None
    ) -> None:
        """Open the port.

        Args:
            backend: one of ``LAYOUTS``.
            port: path of the serial device.
            baudrate: of the bus.
            timeout: for the first byte of an answer [s].
            controller: one of rustypot's, already made, for tests.

        Raises:
            BusError: it cannot be opened; one line that says what to do.
        """
        self._layout = LAYOUTS[backend]
        self._open = (port, baudrate, timeout)
        self._bytes = self._transactions = self._errors = 0
        self._doubtful: list[int] = []
        self._io = controller or self._connect()

    def _connect(self) -> Any:
        import rustypot  # late: the mock needs none of it

        port, baudrate, timeout = self._open
        check_port(port)
        try:
            return getattr(rustypot, self._layout.controller)(port, baudrate, timeout)
        except (OSError, RuntimeError, ValueError) as error:
            raise BusError(f"port {port}: {_why(error)}") from None

    @property
    def resolution(self) -> int:
        """Counts of a turn."""
        return self._layout.resolution

    @property
    def traffic(self) -> Traffic:
        """What went over it."""
        return Traffic(self._bytes, self._transactions, self._errors)

    def models(self, ids: Sequence[int]) -> dict[int, int]:
        """Model number of each servo that answers."""
        return {servo: model for servo, (model,) in self.values(ids, [self._layout.model]).items()}

    def values(self, ids: Sequence[int], fields: Sequence[Field]) -> dict[int, tuple[int, ...]]:
        """What registers of every servo that answers hold; asked again and again."""
        start, size = block_of(*fields)
        found: dict[int, tuple[int, ...]] = {}
        for _ in range(_TRIES):  # one lost byte is no missing servo
            for servo in ids:
                if servo in found:
                    continue
                answer = self._one(servo, start, size)
                if answer is None:
                    sleep(self._open[2])  # a late answer must not be the next question's
                else:
                    block = np.array([answer[0]], np.int64)
                    found[servo] = tuple(int(field.of(block, start)[0]) for field in fields)
        return found

    def store(self, servo: int, field: Field, value: int) -> None:
        """Write a register of one servo; whether it took it is for the caller to read."""
        self._count(1, field.size)
        try:
            self._io.write_raw_data(servo, field.address, field.bytes_of(value))
        except RuntimeError as error:
            self._failed(error)
            sleep(self._open[2])

    def put(self, ids: Sequence[int], field: Field, value: int) -> None:
        """Write one value to a register of all."""
        self._write(ids, field.address, field.size, [field.bytes_of(value)] * len(ids))

    def read(self, ids: Sequence[int], budget: float) -> Sample:
        """Read all; those that fail are left out of the next try, and then tried alone.

        So are those that failed to the end of the last time: where half a chain is cut off, each
        of them costs a timeout, and the budget would not last for the others.
        """
        blocks, faults, fresh = self._sync(ids, *self._layout.fast, monotonic() + budget)
        layout, start = self._layout, self._layout.fast[0]
        speed: FloatArray = layout.speed.of(blocks, start).astype(np.float64) * layout.speed_unit
        duty: FloatArray = layout.duty.of(blocks, start).astype(np.float64) * layout.duty_unit
        return Sample(
            fresh=fresh,
            counts=layout.position.of(blocks, start),
            speed=speed,
            duty=duty,
            fault=faults,
        )

    def _sync(
        self, ids: Sequence[int], address: int, size: int, deadline: float
    ) -> tuple[IntArray, IntArray, BoolArray]:
        blocks = np.zeros((len(ids), size), np.int64)
        faults, fresh = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        suspects = [servo for servo in self._doubtful if servo in ids]
        rest = [servo for servo in ids if servo not in suspects]
        if not rest:
            rest, suspects = list(ids), []
        while rest:
            self._count(len(rest), size)
            try:
                answers = self._io.sync_read_raw_data_with_error(rest, address, size)
            except RuntimeError as error:
                self._failed(error)
                named = _NAMED.search(str(error))
                suspect = int(named[1]) if named else rest[0]
                if suspect in rest:
                    rest.remove(suspect)
                    suspects.append(suspect)
                if monotonic() >= deadline:
                    break
                continue
            for servo, (block, fault) in zip(rest, answers, strict=True):
                row = ids.index(servo)
                if len(block) == size:
                    blocks[row], faults[row], fresh[row] = block, fault, True
                else:
                    self._errors += 1  # a late answer to another question
            break
        failed = []
        while suspects and monotonic() < deadline and fresh.any():
            servo = suspects.pop(0)
            answer = self._one(servo, address, size)
            if answer is None:
                failed.append(servo)
            else:
                row = ids.index(servo)
                (blocks[row], faults[row]), fresh[row] = answer, True
        others = [servo for servo in self._doubtful if servo not in ids]
        self._doubtful = [*suspects, *failed, *others]  # who had no turn has the next
        return blocks, faults, fresh

    def _one(self, servo: int, address: int, size: int) -> tuple[Any, int] | None:
        self._count(1, size)
        try:
            block, fault = self._io.read_raw_data_with_error(servo, address, size)
            if len(block) == size:
                return block, fault
            self._errors += 1  # a late answer to another question
            return None
        except RuntimeError as error:
            self._failed(error)
            return None

    def _failed(self, error: RuntimeError) -> None:
        """Count what a retry may mend.

        Raises:
            BusError: it is the port itself that is gone.
        """
        self._errors += 1
        if _GONE.search(str(error)):
            raise BusError(f"port {self._open[0]}: {_why(error)}") from None

    def _count(self, servos: int, size: int) -> None:
        self._transactions += 1
        self._bytes += 2 + self._layout.header + servos + servos * (self._layout.header + size)

    def health(self, servo: int) -> Health | None:
        """The slow registers of one servo."""
        layout = self._layout
        start, size = layout.slow
        answer = self._one(servo, start, size)
        if answer is None:
            return None
        block = np.array([answer[0]], np.int64)
        status = answer[1] if layout.status is None else int(layout.status.of(block, start)[0])
        inside = layout.current.address >= start
        return Health(
            temperature=float(layout.temperature.of(block, start)[0]),
            voltage=float(layout.voltage.of(block, start)[0]) * layout.voltage_unit,
            current=float(layout.current.of(block, start)[0]) * layout.current_unit
            if inside
            else float("nan"),
            fault=status,
            powered=int(layout.power.of(block, start)[0]) == 1,
        )

    def powered(self, ids: Sequence[int]) -> BoolArray:
        """Whether the torque of each is enabled."""
        value, fresh = self._power(ids)
        on: BoolArray = (value == 1) & fresh
        return on

    def unpowered(self, ids: Sequence[int]) -> BoolArray:
        """Whether each says that its torque is off."""
        value, fresh = self._power(ids)
        off: BoolArray = (value != 1) & fresh
        return off

    def _power(self, ids: Sequence[int]) -> tuple[IntArray, BoolArray]:
        field = self._layout.power
        blocks, _, fresh = self._sync(ids, field.address, field.size, monotonic() + 0.01)
        return field.of(blocks, field.address), fresh

    def write_goals(self, ids: Sequence[int], counts: Sequence[int]) -> None:
        """Where to go."""
        goal = self._layout.goal
        self._write(ids, goal.address, goal.size, [goal.bytes_of(int(one)) for one in counts])

    def write_power(self, ids: Sequence[int], on: bool) -> None:
        """Enable or disable the torque.

        Off is said to all, then to each by itself: the shorter packet passes where the line's noise
        breaks every long one.
        """
        power = self._layout.power
        self._write(ids, power.address, power.size, [[int(on)]] * len(ids))
        if not on and len(ids) > 1:
            for one in ids:
                self._write([one], power.address, power.size, [[0]])

    def write_strength(self, ids: Sequence[int], share: Sequence[float]) -> None:
        """Share of the full torque that each may use."""
        field, most = self._layout.strength, self._layout.strength_most
        values = [field.bytes_of(round(min(max(one, 0.0), 1.0) * most)) for one in share]
        self._write(ids, field.address, field.size, values)

    def _write(self, ids: Sequence[int], address: int, size: int, rows: list[list[int]]) -> None:
        if not ids:
            return
        self._transactions += 1
        self._bytes += 2 + self._layout.header + len(ids) * (1 + size)
        try:
            self._io.sync_write_raw_data(list(ids), address, rows)
        except RuntimeError as error:
            self._failed(error)

    def close(self) -> None:
        """Release the port."""
        self._io.close()


def check_port(port: str) -> None:
    """See that a serial device can be opened at all.

    Raises:
        BusError: it is not there, is none, or may not be opened; says what to do.
    """
    try:
        opened = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        serial = os.isatty(opened)
        os.close(opened)
    except OSError as error:
        if error.errno == errno.EACCES:
            group = _group(port)
            raise BusError(
                f"port {port}: no permission: join the group {group} (sudo usermod -aG {group}"
                " $USER), then log in again"
            ) from None
        raise BusError(f"port {port}: {_why(error)}") from None
    if not serial:
        raise BusError(f"port {port}: expected a serial device")


def _group(port: str) -> str:
    number = os.stat(port).st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # of another machine or container
        return str(number)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return "no such device: is the adapter plugged in?"
    text = " ".join(
        str(error.strerror if isinstance(error, OSError) and error.strerror else error).split()
    )
    if "exclusive lock" in text or "busy" in text.lower():
        return "busy: another program has opened it"
    return text
