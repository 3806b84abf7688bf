"""Guided calibration of the servos: the robot is moved by hand, with its motors off.

Which servo moves which joint, and in which sense, is found by moving each joint to its two ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from stride_core.arrays import IntArray
from stride_core.robot import RobotSpec

from stride_hardware.calibration import Backend, Calibration, ServoMount, check
from stride_hardware.motors import MotorBus

Ask = Callable[[str], None]
"""Shows a line, and returns when the person has done it."""

_MOVED = 0.25
"""A joint at its end has turned by at least this [rad]."""
_STILL = 0.5
"""No other servo may have turned by more than this share of it."""
_BUDGET = 0.5


class CalibrationError(ValueError):
    """What was done makes no sense; one line."""


class Guide:
    """Asks a person to move the robot, and reads the servos."""

    def __init__(self, bus: MotorBus, robot: RobotSpec, ask: Ask) -> None:
        self._bus, self._robot, self._ask = bus, robot, ask
        self._turn = 2.0 * math.pi / bus.resolution

    def find(self, ids: Sequence[int]) -> list[int]:
        """Servos that answer.

        Raises:
            CalibrationError: there are not as many as joints; one line.
        """
        found = sorted(self._bus.models(ids))
        joints = len(self._robot.joints)
        if len(found) != joints:
            raise CalibrationError(
                f"{len(found)} servos answer ({', '.join(map(str, found)) or 'none'}): expected"
                f" {joints}; two of the same id count as none"
            )
        return found

    def calibrate(self, backend: Backend, baudrate: int, ids: Sequence[int]) -> Calibration:
        """The whole of it.

        Args:
            backend: make of the servos.
            baudrate: of the bus.
            ids: on it.

        Raises:
            CalibrationError, ConfigError: nonsense; one line. Nothing was written.
        """
        self._bus.write_power(ids, False)
        self._ask("put every joint at its zero: arms straight down, no tilt; hold it there")
        zero = self._read(ids)
        servos: dict[str, ServoMount] = {}
        rest = list(ids)
        for joint in self._robot.joints:
            servo, side_up, upper = self._end(joint, "upper", ids, zero, rest)
            other, side_down, lower = self._end(joint, "lower", ids, zero, rest)
            if other != servo:
                raise CalibrationError(f"{joint}: servo {servo} at one end, {other} at the other")
            if side_down == side_up:
                raise CalibrationError(f"{joint}: both ends are on the same side of zero")
            rest.remove(servo)
            centre = int(zero[list(ids).index(servo)])
            servos[joint] = ServoMount(servo, centre, side_up, -round(lower, 4), round(upper, 4))
        made = Calibration(
            self._robot.name, backend, baudrate, self._bus.resolution,
            f"{date.today()}, ./stride calibrate servos", servos=servos,
        )  # fmt: skip
        return check(made, self._robot, "calibration")

    def _end(
        self, joint: str, which: str, ids: Sequence[int], zero: IntArray, rest: Sequence[int]
    ) -> tuple[int, int, float]:
        """Servo, side and angle of a joint at one of its ends."""
        self._ask(f"{joint}: turn it to its {which} end, leave the others where they are")
        half = self._bus.resolution // 2
        moved = np.mod(self._read(ids) - zero + half, self._bus.resolution) - half
        angles = np.abs(moved) * self._turn
        order = np.argsort(angles)
        most, next_most = float(angles[order[-1]]), float(angles[order[-2]])
        servo = ids[int(order[-1])]
        if most < _MOVED:
            raise CalibrationError(f"{joint}: no servo turned: {most:.2f} rad at most")
        if next_most > _STILL * most:
            raise CalibrationError(
                f"{joint}: servos {servo} and {ids[int(order[-2])]} turned: expected one"
            )
        if servo not in rest:
            raise CalibrationError(f"{joint}: servo {servo} turned, which moves another joint")
        return servo, 1 if moved[order[-1]] > 0 else -1, most

    def _read(self, ids: Sequence[int]) -> IntArray:
        sample = self._bus.read(ids, _BUDGET)
        if not sample.fresh.all():
            lost = [str(i) for i, on in zip(ids, sample.fresh, strict=True) if not on]
            raise CalibrationError(f"servo {', '.join(lost)}: no answer")
        return sample.counts
