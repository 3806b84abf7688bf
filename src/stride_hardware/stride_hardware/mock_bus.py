"""Servos without a bus: each is at once where it shall be. For trying nodes, and for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from stride_core.arrays import BoolArray

from stride_hardware.layouts import Field
from stride_hardware.motors import Health, Sample, Traffic


class MockBus:
    """A ``MotorBus`` that obeys.

    Attributes:
        at: counts by id.
        on: whose torque is enabled.
        strength: by id.
        silent: those that do not answer.
        temperature: of all [°C].
        registers: others that were written, by id and address.
        log: names of the calls that wrote, in order.
    """

    resolution = 4096

    def __init__(self, at: dict[int, int], model: int = 777) -> None:
        self.at = dict(at)
        self.on = dict.fromkeys(at, False)
        self.strength = dict.fromkeys(at, 1.0)
        self.silent: set[int] = set()
        self.temperature = 30.0
        self.registers: dict[tuple[int, int], int] = {}
        self.log: list[str] = []
        self._model = model

    @property
    def traffic(self) -> Traffic:
        """There is none."""
        return Traffic(0, 0, 0)

    def models(self, ids: Sequence[int]) -> dict[int, int]:
        """Model number of each servo that answers."""
        return {i: self._model for i in ids if i in self.at and i not in self.silent}

    def values(self, ids: Sequence[int], fields: Sequence[Field]) -> dict[int, tuple[int, ...]]:
        """What was written there, else 0."""
        return {
            servo: tuple(self.registers.get((servo, one.address), 0) for one in fields)
            for servo in self.models(ids)
        }

    def store(self, servo: int, field: Field, value: int) -> None:
        """Write a register of one servo."""
        self.put([servo], field, value)

    def put(self, ids: Sequence[int], field: Field, value: int) -> None:
        """Write a register of all."""
        self.log.append("register")
        self.registers |= {(servo, field.address): value for servo in self.models(ids)}

    def read(self, ids: Sequence[int], budget: float) -> Sample:
        """Where each is."""
        zeros = np.zeros(len(ids))
        return Sample(
            fresh=np.array([i not in self.silent for i in ids]),
            counts=np.array([self.at[i] for i in ids], np.int64),
            speed=zeros,
            duty=zeros,
            fault=np.zeros(len(ids), np.int64),
        )

    def health(self, servo: int) -> Health | None:
        """As new."""
        return (
            None if servo in self.silent else Health(self.temperature, 7.4, 0.0, 0, self.on[servo])
        )

    def powered(self, ids: Sequence[int]) -> BoolArray:
        """Whether the torque of each is enabled."""
        return np.array([self.on[i] and i not in self.silent for i in ids])

    def unpowered(self, ids: Sequence[int]) -> BoolArray:
        """Whether the torque of each is disabled."""
        return np.array([not self.on[i] and i not in self.silent for i in ids])

    def write_goals(self, ids: Sequence[int], counts: Sequence[int]) -> None:
        """Go there, if powered."""
        self.log.append("goals")
        for servo, count in zip(ids, counts, strict=True):
            if self.on[servo] and servo not in self.silent:
                self.at[servo] = int(count)

    def write_power(self, ids: Sequence[int], on: bool) -> None:
        """Enable or disable the torque."""
        self.log.append("on" if on else "off")
        self.on |= {i: on for i in ids if i not in self.silent}

    def write_strength(self, ids: Sequence[int], share: Sequence[float]) -> None:
        """Share of the full torque."""
        self.log.append("strength")
        self.strength |= dict(zip(ids, share, strict=True))

    def close(self) -> None:
        """Nothing to release."""
