"""What the driver asks of a bus of servos, whatever their make (``MotorBus``).

Positions are counts of the servo's encoder here, in its own sense of rotation; the calibration
makes joint angles of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stride_core.arrays import BoolArray, FloatArray, IntArray

from stride_hardware.layouts import Field


class BusError(RuntimeError):
    """The bus as a whole does not work; one line."""


class Sample(NamedTuple):
    """What servos say each tick, ``(servos,)`` in the order asked for.

    Attributes:
        fresh: whether this one answered; what the others' rows hold means nothing.
        counts: of the encoder.
        speed: [rad/s].
        duty: share of the full voltage at the motor, -1 to 1.
        fault: the error byte of the answer.
    """

    fresh: BoolArray
    counts: IntArray
    speed: FloatArray
    duty: FloatArray
    fault: IntArray


class Health(NamedTuple):
    """What one servo says now and then: [°C], [V], [A], status bits, torque enabled."""

    temperature: float
    voltage: float
    current: float
    fault: int
    powered: bool


class Traffic(NamedTuple):
    """Since the bus was opened.

    Attributes:
        bytes: on the wire, requests and answers.
        transactions: that were begun.
        errors: that failed; most are mended by a retry.
    """

    bytes: int
    transactions: int
    errors: int


class MotorBus(Protocol):
    """A bus of servos of one make. Nothing here waits longer than the bus's own timeout a servo."""

    @property
    def resolution(self) -> int:
        """Counts of a turn."""

    @property
    def traffic(self) -> Traffic:
        """What went over it."""

    def models(self, ids: Sequence[int]) -> dict[int, int]:
        """Model number of each servo that answers."""

    def values(self, ids: Sequence[int], fields: Sequence[Field]) -> dict[int, tuple[int, ...]]:
        """What those registers of each servo that answers hold; asked again and again."""

    def store(self, servo: int, field: Field, value: int) -> None:
        """Write a register of one servo, and wait until it says so, for no longer than usual."""

    def put(self, ids: Sequence[int], field: Field, value: int) -> None:
        """Write one value to a register of all; nobody answers."""

    def read(self, ids: Sequence[int], budget: float) -> Sample:
        """Read all; try again those that fail, for no longer than ``budget`` [s].

        Raises:
            BusError: the port itself is gone.
        """

    def health(self, servo: int) -> Health | None:
        """The slow registers of one servo; None when it does not answer."""

    def powered(self, ids: Sequence[int]) -> BoolArray:
        """Whether the torque of each is enabled; False where it does not answer."""

    def unpowered(self, ids: Sequence[int]) -> BoolArray:
        """Whether the torque of each is disabled; False where it does not answer."""

    def write_goals(self, ids: Sequence[int], counts: Sequence[int]) -> None:
        """Where to go; nobody answers."""

    def write_power(self, ids: Sequence[int], on: bool) -> None:
        """Enable or disable the torque; nobody answers."""

    def write_strength(self, ids: Sequence[int], share: Sequence[float]) -> None:
        """Share of the full torque that each may use, 0 to 1; nobody answers."""

    def close(self) -> None:
        """Release the port."""
