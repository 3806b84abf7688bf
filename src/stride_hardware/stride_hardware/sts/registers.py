"""Registers of the Feetech STS3215: where they are, what they hold.

Figures: the STS memory table as third parties publish it; they agree on what is used here.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTS = 4096
"""Of a turn."""
MODEL = 777
CURRENT_UNIT = 0.0065  # A
VOLTAGE_UNIT = 0.1  # V
LOAD_UNIT = 0.001  # of full duty
TORQUE_UNIT = 0.001  # of full torque
EEPROM_END = 40
"""Registers below it survive a power cycle, and refuse writes while ``LOCK`` is 1."""


@dataclass(frozen=True)
class Register:
    """One register, little-endian.

    Attributes:
        sign: the bit that says negative; None for unsigned ones.
        low, high: what a write may hold; None for read-only ones.
    """

    address: int
    size: int = 1
    default: int = 0
    sign: int | None = None
    low: int | None = 0
    high: int | None = 255

    def encode(self, value: int) -> bytes:
        """Value as bytes.

        Raises:
            ValueError: it does not fit.
        """
        raw = value
        if self.sign is not None and value < 0:
            raw = -value | (1 << self.sign)
        most = 1 << (8 * self.size if self.sign is None else self.sign)
        if abs(value) >= most or (self.sign is None and value < 0):
            raise ValueError(f"register {self.address}: {value}: expected less than {most}")
        return raw.to_bytes(self.size, "little")

    def decode(self, data: bytes) -> int:
        """Bytes as a value."""
        raw = int.from_bytes(data[: self.size], "little")
        if self.sign is not None and raw & (1 << self.sign):
            return -(raw & ~(1 << self.sign))
        return raw


def _status(address: int, size: int = 1, default: int = 0, sign: int | None = None) -> Register:
    return Register(address, size, default, sign, None, None)


MODEL_NUMBER = _status(3, 2, MODEL)
ID = Register(5, default=1, high=253)
BAUD_RATE = Register(6, high=7)
RETURN_DELAY = Register(7)  # 2 µs
MIN_ANGLE = Register(9, 2, high=COUNTS - 1)
MAX_ANGLE = Register(11, 2, COUNTS - 1, high=COUNTS - 1)
MAX_TEMPERATURE = Register(13, default=70, high=100)
MAX_VOLTAGE = Register(14, default=80, high=254)
MIN_VOLTAGE = Register(15, default=40, high=254)
MAX_TORQUE = Register(16, 2, 1000, high=1000)
UNLOAD_CONDITIONS = Register(19, default=44)
P_GAIN = Register(21, default=32, high=254)
D_GAIN = Register(22, default=32, high=254)
I_GAIN = Register(23, high=254)
OFFSET = Register(31, 2, sign=11, low=-2047, high=2047)
MODE = Register(33, high=3)
PROTECTIVE_TORQUE = Register(34, default=20, high=100)  # % after an overload
PROTECTION_TIME = Register(35, default=200, high=254)  # 10 ms
OVERLOAD_TORQUE = Register(36, default=80, high=100)  # %
OVER_CURRENT = Register(28, 2, 500, high=511)
OVER_CURRENT_TIME = Register(38, default=200, high=254)  # 10 ms
TORQUE_ENABLE = Register(40, high=128)
ACCELERATION = Register(41, high=254)
GOAL_POSITION = Register(42, 2, sign=15, low=-32767, high=32767)
GOAL_TIME = Register(44, 2, high=65535)
GOAL_SPEED = Register(46, 2, sign=15, low=-32767, high=32767)
TORQUE_LIMIT = Register(48, 2, 1000, high=1000)
LOCK = Register(55, default=1, high=1)
PRESENT_POSITION = _status(56, 2, sign=15)
PRESENT_SPEED = _status(58, 2, sign=15)
PRESENT_LOAD = _status(60, 2, sign=10)
PRESENT_VOLTAGE = _status(62)
PRESENT_TEMPERATURE = _status(63)
STATUS = _status(65)
MOVING = _status(66)
PRESENT_CURRENT = _status(69, 2, sign=15)
MEMORY = 128
"""Bytes of the table."""

TABLE = tuple(value for value in list(globals().values()) if isinstance(value, Register))
"""All of them."""
