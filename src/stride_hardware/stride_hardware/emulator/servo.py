"""One emulated STS3215: its registers, its protections, the heat of its motor.

The joint that it turns is somebody else's (``Measured``): here it is counts, duty, torque share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from stride_hardware.settings import Wanted
from stride_hardware.sts import registers as reg
from stride_hardware.sts.protocol import Fault
from stride_hardware.sts.registers import Register

_BY_ADDRESS = {register.address: register for register in reg.TABLE}
CENTRE = reg.COUNTS // 2
_TICK = 0.01  # s, the unit of the protection times


@dataclass(frozen=True)
class Thermal:
    """Heat of a motor and its supply: a plausible model, fitted to nothing.

    At full duty it settles 90 K above the room, half of it within two minutes.

    Attributes:
        room: temperature around [°C].
        rise: above it at full duty, in the end [K].
        time: constant of the exponential [s].
        stall_current: at full duty [A].
        resistance: of battery and leads, for all servos together [Ω].
    """

    room: float = 25.0
    rise: float = 90.0
    time: float = 170.0
    stall_current: float = 2.5
    resistance: float = 0.02


@dataclass
class Measured:
    """What the joint does now, in the servo's own sense of rotation.

    Attributes:
        counts: of the encoder, before ``OFFSET``; not wrapped.
        speed: counts/s.
        duty: share of the full voltage, -1 to 1.
    """

    counts: float = float(CENTRE)
    speed: float = 0.0
    duty: float = 0.0


class Spent(NamedTuple):
    """Duty of a motor over some time.

    Attributes:
        mean_square: of it, which heats.
        least: magnitude: the firmware's protections want it high without a break.
    """

    mean_square: float
    least: float


class EmulatedServo:
    """Registers and protections of one servo.

    Attributes:
        id: on the bus; follows its register.
        silent: it answers nothing, as if its cable were pulled.
        delay: added to its return delay [s].
        temperature: of the motor [°C].
        measured: of the joint, set from outside.
        fault: bits that it reports.
    """

    def __init__(self, servo_id: int, thermal: Thermal | None = None) -> None:
        self.thermal = thermal or Thermal()
        self._memory = bytearray(reg.MEMORY)
        for register in reg.TABLE:
            self._put(register, register.default)
        self._put(reg.ID, servo_id)
        self.silent = False
        self.delay = 0.0
        self.temperature = self.thermal.room
        self.voltage = 7.4
        self.measured = Measured()
        self.fault = Fault(0)
        self.forced = Fault(0)
        self._pending: tuple[int, bytes] | None = None
        self._overload_s = 0.0
        self._over_current_s = 0.0
        self._tripped = False

    @property
    def id(self) -> int:
        """On the bus."""
        return self._memory[reg.ID.address]

    @property
    def return_delay(self) -> float:
        """Between the request's last byte and the answer's first [s]."""
        return 2e-6 * self.get(reg.RETURN_DELAY) + self.delay

    @property
    def powered(self) -> bool:
        """Whether the motor pushes: torque enabled, and not unloaded for heat or voltage."""
        return self.get(reg.TORQUE_ENABLE) == 1 and not self.fault & self._unloading

    @property
    def _unloading(self) -> Fault:
        return Fault(self.get(reg.UNLOAD_CONDITIONS)) & (Fault.TEMPERATURE | Fault.VOLTAGE)

    @property
    def goal(self) -> float:
        """Where it wants to be, in counts of the encoder."""
        low, high = self.get(reg.MIN_ANGLE), self.get(reg.MAX_ANGLE)
        wanted = self.get(reg.GOAL_POSITION)
        return float(min(max(wanted, low), high) + self.get(reg.OFFSET))

    @property
    def strength(self) -> float:
        """Share of the stall torque that it may use."""
        share = min(self.get(reg.TORQUE_LIMIT), self.get(reg.MAX_TORQUE)) * reg.TORQUE_UNIT
        if self._tripped:
            share = min(share, 0.01 * self.get(reg.PROTECTIVE_TORQUE))
        return share if self.powered else 0.0

    def set_up(self, wants: Iterable[Wanted]) -> None:
        """Hold what it keeps without power, as ``calibrate servos`` leaves it."""
        self._put(reg.LOCK, 0)
        for setting, value in wants:
            if setting.kept:
                self.write(setting.field.address, bytes(setting.field.bytes_of(value)))
        self._put(reg.LOCK, 1)

    def restart(self) -> None:
        """The power was gone: what is not EEPROM begins anew."""
        for register in reg.TABLE:
            if register.address >= reg.EEPROM_END:
                self._put(register, register.default)
        self._tripped, self._pending = False, None

    # --- registers ------------------------------------------------------------------------------

    def get(self, register: Register) -> int:
        """Value of a register."""
        return register.decode(bytes(self._memory[register.address :][: register.size]))

    def _put(self, register: Register, value: int) -> None:
        at = register.address
        self._memory[at : at + register.size] = register.encode(value)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the table; beyond its end, zeros."""
        self._refresh()
        return bytes(self._memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write registers; what is read-only, locked or out of range stays as it is."""
        locked = self.get(reg.LOCK) == 1
        for at in range(len(data)):
            register = _BY_ADDRESS.get(address + at)
            if register is None or at + register.size > len(data):
                continue
            if register.low is None or register.high is None:
                continue
            if register.address < reg.EEPROM_END and locked:
                continue
            value = register.decode(data[at : at + register.size])
            if register.low <= value <= register.high:
                before = self.get(register)
                self._put(register, value)
                if register is reg.TORQUE_ENABLE and value != before:
                    self._switch(value)

    def _switch(self, value: int) -> None:
        """Torque was switched; 128 makes here the middle from now on."""
        if value == 1:
            self._tripped, self._overload_s = False, 0.0
        elif value == 128:
            offset = round(self.measured.counts) - CENTRE
            self._put(reg.OFFSET, max(min(offset, 2047), -2047))
            self._put(reg.TORQUE_ENABLE, 0)

    def prepare(self, address: int, data: bytes) -> None:
        """Keep a write for ``act`` (reg-write)."""
        self._pending = (address, data)

    def act(self) -> None:
        """Do what was kept."""
        if self._pending is not None:
            self.write(*self._pending)
            self._pending = None

    def _refresh(self) -> None:
        now = self.measured
        position = round(now.counts) - self.get(reg.OFFSET)
        self._put(reg.PRESENT_POSITION, position % reg.COUNTS)
        self._put(reg.PRESENT_SPEED, max(min(round(now.speed), 32767), -32767))
        self._put(reg.PRESENT_LOAD, max(min(round(1000 * now.duty), 1000), -1000))
        self._put(reg.PRESENT_VOLTAGE, max(min(round(10 * self.voltage), 255), 0))
        self._put(reg.PRESENT_TEMPERATURE, max(min(round(self.temperature), 255), 0))
        self._put(reg.STATUS, int(self.fault))
        self._put(reg.MOVING, int(abs(now.speed) > 10.0))
        current = abs(now.duty) * self.thermal.stall_current / reg.CURRENT_UNIT
        self._put(reg.PRESENT_CURRENT, round(current))

    # --- time -----------------------------------------------------------------------------------

    def advance(self, dt: float, supply: float, spent: Spent | None = None) -> None:
        """Heat up, and trip where the firmware would.

        Args:
            dt: since the last call [s].
            supply: voltage at the servo [V].
            spent: duty since then; None: it was what it is now.
        """
        self.voltage = supply
        spent = spent or Spent(self.measured.duty**2, abs(self.measured.duty))
        heat = self.thermal.rise * spent.mean_square
        goal = self.thermal.room + heat
        self.temperature += (goal - self.temperature) * min(dt / self.thermal.time, 1.0)
        duty = spent.least
        self._overload_s = self._overload_s + dt if duty >= self._share(reg.OVERLOAD_TORQUE) else 0
        amperes = duty * self.thermal.stall_current
        over = amperes > self.get(reg.OVER_CURRENT) * reg.CURRENT_UNIT
        self._over_current_s = self._over_current_s + dt if over else 0.0
        if self._overload_s > _TICK * self.get(reg.PROTECTION_TIME):
            self._tripped = True
        fault = self.forced
        if self._tripped:
            fault |= Fault.OVERLOAD
        if self._over_current_s > _TICK * self.get(reg.OVER_CURRENT_TIME):
            fault |= Fault.CURRENT
        if self.temperature > self.get(reg.MAX_TEMPERATURE):
            fault |= Fault.TEMPERATURE
        low, high = self.get(reg.MIN_VOLTAGE), self.get(reg.MAX_VOLTAGE)
        if not low <= 10.0 * supply <= high:
            fault |= Fault.VOLTAGE
        self.fault = fault

    def _share(self, register: Register) -> float:
        return 0.01 * self.get(register)
