"""The emulated bus: servos on one wire, with its timing and with what can go wrong on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stride_hardware.emulator.servo import EmulatedServo
from stride_hardware.sts.protocol import (
    BROADCAST,
    Decoder,
    Instruction,
    Packet,
    seconds,
)

_SILENCE_S = 0.005
"""Half a packet older than this is given up."""


@dataclass
class WireFaults:
    """What is wrong with the wire; may change at any time.

    Attributes:
        corrupt: chance of each byte to have a bit flipped, either way.
        drop: chance of each byte to be lost, either way.
        delay: added to every answer [s].
        pulled: nothing comes through.
    """

    corrupt: float = 0.0
    drop: float = 0.0
    delay: float = 0.0
    pulled: bool = False


@dataclass(frozen=True)
class Answer:
    """Bytes on their way to the host.

    Attributes:
        wait: from the arrival of the request until the last of them is through [s].
    """

    data: bytes
    wait: float


class EmulatedBus:
    """Servos on a half-duplex wire.

    Attributes:
        servos: on it; two of the same id both answer, as real ones do, and spoil it.
        faults: of the wire.
        packets: that were understood.
        bytes_in, bytes_out: seen by the wire.
    """

    def __init__(
        self, servos: Sequence[EmulatedServo], baudrate: int = 1_000_000, seed: int = 0
    ) -> None:
        self.servos = list(servos)
        self.baudrate = baudrate
        self.faults = WireFaults()
        self.packets = self.bytes_in = self.bytes_out = 0
        self._decoder = Decoder()
        self._random = np.random.default_rng(seed)
        self._heard = 0.0

    def request(self, data: bytes, now: float) -> Answer:
        """Take bytes of the host at ``now`` [s]; say what it hears, and when."""
        self.bytes_in += len(data)
        if now - self._heard > _SILENCE_S:
            self._decoder.reset()
        self._heard = now
        if self.faults.pulled:
            return Answer(b"", 0.0)
        said, wait = bytearray(), seconds(len(data), self.baudrate)
        for packet in self._decoder.feed(self._spoil(data)):
            self.packets += 1
            for answer, delay in self._answers(packet):
                said += answer
                wait += delay + seconds(len(answer), self.baudrate)
        self.bytes_out += len(said)
        return Answer(self._spoil(bytes(said)), wait + self.faults.delay if said else 0.0)

    def _answers(self, packet: Packet) -> list[tuple[bytes, float]]:
        """Bytes of each servo that answers, and the pause before them [s]."""
        parameters = packet.parameters
        found: list[tuple[EmulatedServo, bytes | None]]
        awake = [servo for servo in self.servos if not servo.silent]
        if packet.code == Instruction.SYNC_READ and len(parameters) >= 2:
            address, size, *ids = parameters
            found = [
                (servo, servo.read(address, size)) for i in ids for servo in awake if servo.id == i
            ]
        elif packet.code == Instruction.SYNC_WRITE and len(parameters) >= 2:
            address, size = parameters[:2]
            for start in range(2, len(parameters) - size, size + 1):
                row = parameters[start : start + size + 1]
                for servo in awake:
                    if servo.id == row[0]:
                        servo.write(address, row[1:])
            return []
        else:
            meant = [servo for servo in awake if packet.servo in (servo.id, BROADCAST)]
            found = [(servo, self._do(servo, packet)) for servo in meant]
            if packet.servo == BROADCAST and packet.code != Instruction.PING:
                return []
        said: dict[int, tuple[bytes, float]] = {}
        for servo, data in found:
            if data is None:
                continue
            answer = Packet(servo.id, int(servo.fault), data).encode()
            if servo.id in said:  # both drive the wire at once: a 0 wins
                answer = bytes(a & b for a, b in zip(answer, said[servo.id][0], strict=True))
            said[servo.id] = answer, servo.return_delay
        return list(said.values())

    def _do(self, servo: EmulatedServo, packet: Packet) -> bytes | None:
        """One instruction to one servo; the parameters of its answer, or None for silence."""
        parameters, code = packet.parameters, packet.code
        if code == Instruction.PING:
            return b""
        if code == Instruction.READ and len(parameters) == 2:
            return servo.read(parameters[0], parameters[1])
        if code in (Instruction.WRITE, Instruction.REG_WRITE) and len(parameters) >= 2:
            act = servo.write if code == Instruction.WRITE else servo.prepare
            act(parameters[0], parameters[1:])
            return b""
        if code == Instruction.ACTION:
            servo.act()
            return b""
        return None

    def _spoil(self, data: bytes) -> bytes:
        """What the wire makes of bytes."""
        faults = self.faults
        if not data or not (faults.corrupt or faults.drop):
            return data
        array = np.frombuffer(data, np.uint8).copy()
        flip = self._random.random(len(array)) < faults.corrupt
        array[flip] ^= (1 << self._random.integers(0, 8, int(flip.sum()))).astype(np.uint8)
        return array[self._random.random(len(array)) >= faults.drop].tobytes()
