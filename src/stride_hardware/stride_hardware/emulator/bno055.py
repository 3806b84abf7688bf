"""An emulated BNO055: its registers, its protocol, and the errors that it answers with."""

from __future__ import annotations

from struct import pack

from stride_hardware import bno055 as part
from stride_hardware.sts.protocol import seconds

_READ_FAIL, _TOO_LONG, _WRONG = 0x02, 0x04, 0x06


class EmulatedBno055:
    """The part; what it measures is set from outside.

    Attributes:
        quaternion: x, y, z, w.
        gyro, accel: [rad/s], [m/s²].
        silent: it answers nothing.
        busy: the next so many requests get "bus overrun".
    """

    def __init__(self) -> None:
        self.quaternion = (0.0, 0.0, 0.0, 1.0)
        self.gyro = self.accel = (0.0, 0.0, 0.0)
        self.silent = False
        self.busy = 0
        self.memory = bytearray(128)
        self.memory[part.CHIP_ID] = part.CHIP
        self.memory[part.UNIT_SEL] = 0x80
        self._buffer = bytearray()

    def answer(self, data: bytes, now: float) -> tuple[bytes, float]:
        """Bytes of the host to bytes of the part, and how long they take [s]."""
        self._buffer += data
        said = b""
        while (request := self._next()) is not None:
            said += self._do(request)
        wait = seconds(len(data) + len(said), part.BAUDRATE)
        return (b"", 0.0) if self.silent else (said, wait)

    def _next(self) -> bytes | None:
        buffer = self._buffer
        start = buffer.find(b"\xaa")
        del buffer[: len(buffer) if start < 0 else start]
        if len(buffer) < 4:
            return None
        end = 4 if buffer[1] == 1 else 4 + buffer[3]
        if len(buffer) < end:
            return None
        request = bytes(buffer[:end])
        del buffer[:end]
        return request

    def _do(self, request: bytes) -> bytes:
        _, kind, register, length = request[:4]
        if self.busy:
            self.busy -= 1
            return bytes([0xEE, 0x07])
        if kind not in (0, 1):
            return bytes([0xEE, _WRONG])
        if not length or register + length > len(self.memory):
            return bytes([0xEE, _TOO_LONG])
        if kind == 0:
            self.memory[register : register + length] = request[4:]
            return bytes([0xEE, 0x01])
        self._measure()
        return bytes([0xBB, length]) + self.memory[register : register + length]

    def _measure(self) -> None:
        """Raw values; the fusion's are zero until it runs."""
        if self.memory[part.OPR_MODE] != part.IMU:
            self.memory[part.DATA : part.DATA + part.DATA_LENGTH] = bytes(part.DATA_LENGTH)
            return
        x, y, z, w = self.quaternion
        values = (
            *(value / part.ACCEL_UNIT for value in self.accel),
            *(0.0, 0.0, 0.0),
            *(value / part.GYRO_UNIT for value in self.gyro),
            *(0.0, 0.0, 0.0),
            *(value / part.QUATERNION_UNIT for value in (w, x, y, z)),
        )
        raw = [max(min(round(value), 32767), -32768) for value in values]
        self.memory[part.DATA : part.DATA + part.DATA_LENGTH] = pack("<16h", *raw)
