"""Bosch BNO055 over UART: orientation, angular velocity and acceleration, fused on the part.

Register map and protocol: Bosch, BST-BNO055-DS000 (2021), sections 3.3, 3.6, 4.2 to 4.3 and 4.7.

    read    AA 01 register length            → BB length data…, or EE status
    write   AA 00 register length data…      → EE 01, or EE status
"""

from __future__ import annotations

import math
import termios
import time
from struct import unpack
from typing import NamedTuple, Protocol

from stride_hardware.motors import BusError
from stride_hardware.rustypot_bus import check_port

BAUDRATE = 115_200
CHIP_ID, CHIP = 0x00, 0xA0
DATA = 0x08  # accelerometer, magnetometer, gyroscope, Euler angles, quaternion
DATA_LENGTH = 32
STATUS = 0x39
ERROR = 0x3A
UNIT_SEL = 0x3B
OPR_MODE = 0x3D
CONFIG, IMU = 0x00, 0x08  # IMU: fusion without the magnetometer, which motors disturb
UNITS = 0x02  # m/s², rad/s; Android's orientation bit off
ACCEL_UNIT = 0.01  # m/s²
GYRO_UNIT = 1.0 / 900.0  # rad/s
QUATERNION_UNIT = 2.0**-14
_SWITCH_S = 0.03  # 19 ms to CONFIG, 7 ms back (section 3.3)
_OVERRUN = 0x07
"""The part was asked too soon: ask again."""
_RETRIES = 3


class Serial(Protocol):
    """What of ``serial.Serial`` is used."""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer after the timeout."""

    def write(self, data: bytes) -> int | None:
        """Send."""

    def reset_input_buffer(self) -> None:
        """Forget what came."""

    def close(self) -> None:
        """Release the port."""


class Reading(NamedTuple):
    """One reading, in the part's own frame.

    Attributes:
        quaternion: x, y, z, w of the part in the world.
        gyro: [rad/s].
        accel: specific force [m/s²].
    """

    quaternion: tuple[float, float, float, float]
    gyro: tuple[float, float, float]
    accel: tuple[float, float, float]


class Bno055:
    """The part on a serial port.

    Attributes:
        errors: answers that were missing or wrong.
    """

    def __init__(self, port: str, timeout: float = 0.02, line: Serial | None = None) -> None:
        """Open it, check that it is one, and start its fusion.

        Raises:
            BusError: no port, or no such part at it; one line.
        """
        self.errors = 0
        self._port = port
        self._line = line or _open(port, timeout)
        chip = self._ask(CHIP_ID, 1)
        if chip is None or chip[0] != CHIP:
            found = "no answer" if chip is None else f"chip 0x{chip[0]:02x}"
            self._line.close()
            raise BusError(f"imu {port}: {found}: expected a BNO055 (chip 0xa0); is PS1 high?")
        self._set(OPR_MODE, CONFIG)
        time.sleep(_SWITCH_S)
        self._set(UNIT_SEL, UNITS)
        self._set(OPR_MODE, IMU)
        time.sleep(_SWITCH_S)

    def read(self) -> Reading | None:
        """The newest reading; None when the part did not answer, or fuses nothing yet.

        Raises:
            BusError: the port is gone.
        """
        data = self._ask(DATA, DATA_LENGTH, tries=1)
        if data is None:
            return None
        values = unpack("<16h", data)
        w, x, y, z = (value * QUATERNION_UNIT for value in values[12:16])
        if abs(math.sqrt(x * x + y * y + z * z + w * w) - 1.0) > 0.02:
            return None  # all zeros until the fusion runs
        accel, gyro = values[0:3], values[6:9]
        return Reading(
            (x, y, z, w),
            (gyro[0] * GYRO_UNIT, gyro[1] * GYRO_UNIT, gyro[2] * GYRO_UNIT),
            (accel[0] * ACCEL_UNIT, accel[1] * ACCEL_UNIT, accel[2] * ACCEL_UNIT),
        )

    def close(self) -> None:
        """Release the port."""
        self._line.close()

    def _set(self, register: int, value: int) -> None:
        for _ in range(_RETRIES):
            if self._say(bytes([0xAA, 0x00, register, 1, value])) == b"\xee\x01":
                return
            self.errors += 1
        raise BusError(f"imu {self._port}: register 0x{register:02x} is not written")

    def _ask(self, register: int, length: int, tries: int = _RETRIES) -> bytes | None:
        for _ in range(tries):
            said = self._say(bytes([0xAA, 0x01, register, length]), length)
            if said[:2] == bytes([0xBB, length]) and len(said) == 2 + length:
                return said[2:]
            self.errors += 1
        return None

    def _say(self, request: bytes, length: int = 0) -> bytes:
        """The answer: two bytes, and ``length`` more if they announce them."""
        try:
            self._line.reset_input_buffer()
            self._line.write(request)
            head = self._line.read(2)
            return head + self._line.read(length) if head == bytes([0xBB, length]) else head
        except (OSError, termios.error) as error:
            raise BusError(f"imu {self._port}: {' '.join(str(error).split())}") from None


def _open(port: str, timeout: float) -> Serial:
    import serial

    check_port(port)
    try:
        line: Serial = serial.Serial(port, BAUDRATE, timeout=timeout, exclusive=True)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise BusError(f"imu {port}: {text}") from None
    return line
