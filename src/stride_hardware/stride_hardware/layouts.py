"""Makes of servos as data: which registers the driver reads and writes, and what they mean.

Feetech STS3215: ``sts.registers``. Dynamixel X series (XL430, XC430, XM430
and others of protocol 2): ROBOTIS e-manual, control table of XL430-W250.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from stride_core.arrays import IntArray

from stride_hardware.sts import registers as sts


@dataclass(frozen=True)
class Field:
    """A little-endian number of a block.

    Attributes:
        address, size: in the table [bytes].
        sign: bit of the sign in sign and magnitude; None: two's complement.
        signed: False for those that are never negative.
    """

    address: int
    size: int
    sign: int | None = None
    signed: bool = True

    def of(self, block: IntArray, start: int) -> IntArray:
        """Its values in blocks ``(servos, bytes)`` read from address ``start``."""
        at = self.address - start
        raw = np.zeros(len(block), np.int64)
        for byte in range(self.size):
            raw |= block[:, at + byte] << (8 * byte)
        if not self.signed:
            return raw
        if self.sign is None:
            return raw - ((raw >> (8 * self.size - 1)) << (8 * self.size))
        magnitude = raw & ((1 << self.sign) - 1)
        return np.where(raw >> self.sign & 1, -magnitude, magnitude)

    def bytes_of(self, value: int) -> list[int]:
        """A value as the bytes to write."""
        if self.sign is not None and value < 0:
            value = -value | (1 << self.sign)
        return list((value & ((1 << (8 * self.size)) - 1)).to_bytes(self.size, "little"))


@dataclass(frozen=True)
class Setting:
    """What a register must hold before the motors come on, besides those that the driver writes.

    Attributes:
        name: for people; that of a field of ``ServoSettings`` where ``value`` is None.
        value: None: as the robot's description has it.
        kept: it outlives the power. ``calibrate servos`` writes it; the others, the driver does.
    """

    name: str
    field: Field
    value: int | None
    kept: bool = True


@dataclass(frozen=True)
class Layout:
    """One make.

    Attributes:
        controller: class of rustypot that speaks its protocol.
        models: model numbers that have this table; empty for any.
        header: bytes of a packet around its parameters.
        speed_unit, duty_unit, voltage_unit, current_unit: [rad/s], [1], [V], [A] a count.
        strength_most: of ``strength``, the full torque.
        settings: see ``Setting``.
        lock: 0 while those that are kept may be written, else 1; None: there is none.
    """

    controller: str
    models: tuple[int, ...]
    header: int
    resolution: int
    model: Field
    position: Field
    speed: Field
    duty: Field
    temperature: Field
    voltage: Field
    current: Field
    status: Field | None
    power: Field
    goal: Field
    strength: Field
    speed_unit: float
    duty_unit: float
    voltage_unit: float
    current_unit: float
    strength_most: int
    settings: tuple[Setting, ...]
    lock: Field | None

    @property
    def fast(self) -> tuple[int, int]:
        """Address and size of the block that holds position, speed and duty."""
        return block_of(self.position, self.speed, self.duty)

    @property
    def slow(self) -> tuple[int, int]:
        """Address and size of the block that holds power, temperature, voltage and the rest."""
        fields = [self.power, self.temperature, self.voltage]
        if self.status is not None:
            fields += [self.status, self.current]
        return block_of(*fields)


def block_of(*fields: Field) -> tuple[int, int]:
    """Address and size of the block that holds them all."""
    start = min(field.address for field in fields)
    return start, max(field.address + field.size for field in fields) - start


def _of(register: sts.Register) -> Field:
    return Field(register.address, register.size, register.sign, register.sign is not None)


_FEETECH = (
    Setting("return_delay_time", _of(sts.RETURN_DELAY), 0),
    Setting("min_position_limit", _of(sts.MIN_ANGLE), 0),
    Setting("max_position_limit", _of(sts.MAX_ANGLE), sts.COUNTS - 1),
    Setting("max_temperature_limit", _of(sts.MAX_TEMPERATURE), sts.MAX_TEMPERATURE.default),
    Setting("max_torque_limit", _of(sts.MAX_TORQUE), 1000),
    Setting("unloading_condition", _of(sts.UNLOAD_CONDITIONS), sts.UNLOAD_CONDITIONS.default),
    Setting("position_gain", _of(sts.P_GAIN), None),
    Setting("derivative_gain", _of(sts.D_GAIN), None),
    Setting("integral_gain", _of(sts.I_GAIN), 0),
    Setting("protection_current", _of(sts.OVER_CURRENT), sts.OVER_CURRENT.default),
    Setting("mode", _of(sts.MODE), 0),  # positions within a turn
    Setting("protective_torque", _of(sts.PROTECTIVE_TORQUE), sts.PROTECTIVE_TORQUE.default),
    Setting("protection_time", _of(sts.PROTECTION_TIME), sts.PROTECTION_TIME.default),
    Setting("overload_torque", _of(sts.OVERLOAD_TORQUE), sts.OVERLOAD_TORQUE.default),
    # 0: as fast as it can (with the phase, register 18, as shipped)
    Setting("acceleration", _of(sts.ACCELERATION), 0, kept=False),
    Setting("goal_time", _of(sts.GOAL_TIME), 0, kept=False),
    Setting("goal_velocity", _of(sts.GOAL_SPEED), 0, kept=False),
    Setting("lock", _of(sts.LOCK), 1, kept=False),
)
"""As shipped, where no gain is meant; protections that an emulated servo has too."""

_DYNAMIXEL = (
    Setting("return_delay_time", Field(9, 1, signed=False), 0),
    Setting("drive_mode", Field(10, 1, signed=False), 0),
    Setting("operating_mode", Field(11, 1, signed=False), 3),  # positions within a turn
    Setting("pwm_limit", Field(36, 2, signed=False), 885),
    Setting("max_position_limit", Field(48, 4, signed=False), 4095),
    Setting("min_position_limit", Field(52, 4, signed=False), 0),
    Setting("derivative_gain", Field(80, 2, signed=False), None, kept=False),
    Setting("integral_gain", Field(82, 2, signed=False), 0, kept=False),
    Setting("position_gain", Field(84, 2, signed=False), None, kept=False),
    Setting("profile_acceleration", Field(108, 4, signed=False), 0, kept=False),
    Setting("profile_velocity", Field(112, 4, signed=False), 0, kept=False),
)

LAYOUTS = {
    "feetech": Layout(
        controller="Sts3215PyController",
        models=(sts.MODEL,),
        header=6,
        resolution=sts.COUNTS,
        model=_of(sts.MODEL_NUMBER),
        position=_of(sts.PRESENT_POSITION),
        speed=_of(sts.PRESENT_SPEED),
        duty=_of(sts.PRESENT_LOAD),
        temperature=_of(sts.PRESENT_TEMPERATURE),
        voltage=_of(sts.PRESENT_VOLTAGE),
        current=_of(sts.PRESENT_CURRENT),
        status=_of(sts.STATUS),
        power=_of(sts.TORQUE_ENABLE),
        goal=_of(sts.GOAL_POSITION),
        strength=_of(sts.TORQUE_LIMIT),
        speed_unit=2.0 * math.pi / sts.COUNTS,
        duty_unit=sts.LOAD_UNIT,
        voltage_unit=sts.VOLTAGE_UNIT,
        current_unit=sts.CURRENT_UNIT,
        strength_most=1000,
        settings=_FEETECH,
        lock=_of(sts.LOCK),
    ),
    "dynamixel": Layout(
        controller="Xl430PyController",
        models=(),
        header=11,
        resolution=4096,
        model=Field(0, 2, signed=False),
        position=Field(132, 4),
        speed=Field(128, 4),
        duty=Field(124, 2),
        temperature=Field(146, 1, signed=False),
        voltage=Field(144, 2, signed=False),
        current=Field(126, 2),
        status=None,
        power=Field(64, 1, signed=False),
        goal=Field(116, 4),
        strength=Field(100, 2),
        speed_unit=0.229 * 2.0 * math.pi / 60.0,
        duty_unit=1.0 / 885.0,
        voltage_unit=0.1,
        current_unit=0.00269,
        strength_most=885,
        settings=_DYNAMIXEL,
        lock=None,
    ),
}
"""By the name of the backend."""
