"""Packets of Feetech's STS bus, which are those of Dynamixel's protocol 1.0.

    FF FF id length instruction parameters… checksum        length = parameters + 2
    FF FF id length error parameters… checksum              the answer

checksum = ~(id + length + instruction + parameters) & 0xFF. A sync read (0x82) asks several servos
at once; each answers with a packet of its own, in the order asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

BROADCAST = 0xFE
HEADER = b"\xff\xff"
_SHORTEST = 2  # length of a packet without parameters
_LONGEST = 250
BITS_A_BYTE = 10
"""8N1: a start bit, eight of data, a stop bit."""


class Instruction(IntEnum):
    """What is asked of a servo."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Fault(IntFlag):
    """The error byte of an answer, and the servo's status register."""

    VOLTAGE = 1
    ENCODER = 2
    TEMPERATURE = 4
    CURRENT = 8
    OVERLOAD = 32


@dataclass(frozen=True)
class Packet:
    """One packet; ``code`` is the instruction, or the error byte of an answer."""

    servo: int
    code: int
    parameters: bytes = b""

    def encode(self) -> bytes:
        """As it goes over the wire."""
        body = bytes([self.servo, len(self.parameters) + _SHORTEST, self.code]) + self.parameters
        return HEADER + body + bytes([checksum(body)])


def checksum(body: bytes) -> int:
    """Of id, length, code and parameters."""
    return ~sum(body) & 0xFF


def write(servo: int, address: int, data: bytes) -> Packet:
    """Write registers of one servo, or of all (``BROADCAST``), which then do not answer."""
    return Packet(servo, Instruction.WRITE, bytes([address]) + data)


def sync_write(address: int, data: Mapping[int, bytes]) -> Packet:
    """Write the same registers of several servos; nobody answers."""
    (size,) = {len(one) for one in data.values()}
    rows = b"".join(bytes([servo]) + one for servo, one in data.items())
    return Packet(BROADCAST, Instruction.SYNC_WRITE, bytes([address, size]) + rows)


def sync_read(address: int, size: int, servos: Sequence[int]) -> Packet:
    """Ask several servos for the same registers."""
    return Packet(BROADCAST, Instruction.SYNC_READ, bytes([address, size, *servos]))


def seconds(count: int, baudrate: int) -> float:
    """How long bytes take on the wire."""
    return count * BITS_A_BYTE / baudrate


class Decoder:
    """Finds packets in a stream that may lose, gain and change bytes.

    Attributes:
        discarded: bytes that belonged to no valid packet.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Take what came; yield each packet that is complete and whose checksum is right."""
        self._buffer += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        buffer = self._buffer
        while True:
            start = buffer.find(HEADER)
            self._drop(len(buffer) - buffer.endswith(b"\xff") if start < 0 else start)
            if len(buffer) < 4:
                return None
            servo, length = buffer[2], buffer[3]
            if servo == 0xFF or not _SHORTEST <= length <= _LONGEST:
                self._drop(1)
                continue
            end = 4 + length
            if len(buffer) < end:
                return None
            body = bytes(buffer[2 : end - 1])
            if checksum(body) != buffer[end - 1]:
                self._drop(1)
                continue
            del buffer[:end]
            return Packet(servo, body[2], body[3:])

    def _drop(self, count: int) -> None:
        self.discarded += count
        del self._buffer[:count]

    def reset(self) -> None:
        """Forget half a packet: the line was silent too long for it to go on."""
        self._drop(len(self._buffer))
