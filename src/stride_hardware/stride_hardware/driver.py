"""The driver's decisions, without ROS: when the motors get torque, how much, and when not any more.

    OFF ──powered command──► STARTING ──soft_start_time──► FOLLOWING
     ▲                            │                            │
     └──command without positions─┴── RAMPING ◄──silence, fault┘
                                       │
                                  damping_time
                                       ▼
                                     LOCKED ──command without positions──► OFF

It trusts nobody upstream: after it has stopped by itself (LOCKED) it wants to hear the watchdog
say "no torque" once before it obeys a powered command again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import param
from stride_core.robot import RobotSpec

from stride_hardware import settings
from stride_hardware.calibration import Calibration
from stride_hardware.motors import Health, MotorBus
from stride_hardware.settings import Wanted

_TICKS_OF_SILENCE = 3
"""A driver that was itself held up must not blame the others: what they said waits to be heard."""

_OFF_REPEAT = 20
"""Nobody answers a sync write: torque off is written so many ticks in a row, then now and then."""

_RETRY_EVERY = 10
"""Ticks between two tries of a missing servo, which may cost a timeout each."""

_FUTURE_S = 0.05
"""Clocks of one machine do not differ by more."""


class Power(IntEnum):
    """What the motors do."""

    LOCKED = 0
    OFF = 1
    STARTING = 2
    FOLLOWING = 3
    RAMPING = 4


@dataclass(frozen=True)
class DriverConfig:
    """Times and limits of the driver."""

    command_timeout: float = param(
        0.2, doc="this long without a command ends the torque", unit="s", min=0.01, max=5.0
    )
    damping_time: float = param(
        0.3, doc="over which the torque then falls to nothing", unit="s", min=0.0, max=5.0
    )
    soft_start_time: float = param(
        1.0, doc="over which the torque rises when the motors come on", unit="s", min=0.0, max=10.0
    )
    soft_start_share: float = param(
        0.3, doc="of the full torque, at the start of it", min=0.05, max=1.0
    )
    missing_after: int = param(
        5, doc="ticks in a row without an answer make a servo missing", min=1, max=1000
    )
    read_budget: float = param(
        0.006, doc="for reading all, retries included", unit="s", min=0.001, max=1.0
    )
    health_per_tick: int = param(1, doc="servos whose slow registers a tick reads", min=1, max=64)


def untimely(age: float, behind: bool, timeout: float) -> str:
    """Why a command of that age [s] is not obeyed; empty: it is.

    Args:
        age: since its stamp [s].
        behind: a later one was obeyed already.
        timeout: the driver's own [s].
    """
    if behind:
        return "came out of order"
    if age > timeout:
        return f"is {1e3 * age:.0f} ms old"
    if age < -_FUTURE_S:
        return f"is stamped {-1e3 * age:.0f} ms in the future"
    return ""


class Reading(NamedTuple):
    """What the joints do, ``(joints,)``; NaN for a servo that is missing.

    Attributes:
        position, velocity, effort: [rad], [rad/s], [N·m] at the output, before friction.
        duty: of the motors, -1 to 1.
        age: since each was last read [s].
        fresh: whether this tick read it.
    """

    position: FloatArray
    velocity: FloatArray
    effort: FloatArray
    duty: FloatArray
    age: FloatArray
    fresh: BoolArray


class Driver:
    """A robot's servos.

    Attributes:
        power: the state.
        cause: why the driver stopped by itself; empty while it did not.
        missing: (joints,) servos that do not answer.
        status: (joints,) error bits of the newest answers.
        health: the slow figures of each; None for one that did not say them for long.
        refused: commands that were not obeyed.
        forbidden: why nobody is obeyed, whatever he says; empty: the watchdog is.
    """

    def __init__(
        self,
        bus: MotorBus,
        calibration: Calibration,
        robot: RobotSpec,
        config: DriverConfig,
        wants: Sequence[Wanted] = (),
    ) -> None:
        """Take the settings that the servos must have, ``wants``, too."""
        self._settings = wants
        self.bus, self.calibration, self.robot, self.config = bus, calibration, robot, config
        self.power = Power.LOCKED
        self.cause = "start"
        joints = len(robot.joints)
        self._ids = calibration.ids
        lower, upper = calibration.limits
        self._lower = np.maximum(lower, robot.joint_lower)
        self._upper = np.minimum(upper, robot.joint_upper)
        self._last = np.full((4, joints), np.nan)  # position, velocity, effort, duty
        self._read_at = np.full(joints, -np.inf)
        self._failures = np.zeros(joints, np.int64)
        self.missing = np.zeros(joints, bool)
        self.status = np.zeros(joints, np.int64)
        self.refused = 0
        self.forbidden = ""
        self._goal = np.full(joints, np.nan)
        self._share = np.ones(joints)
        self._since = -np.inf
        self._commanded_at = -np.inf
        self._confirmed = False
        self._off_ticks = self._silent_ticks = 0
        self._turn = self._reads = 0
        self.health: list[Health | None] = [None] * joints
        self._unheard = np.zeros(joints, np.int64)

    @property
    def duty(self) -> FloatArray:
        """(joints,) of the motors when they were last read, -1 to 1."""
        duty: FloatArray = self._last[3].copy()
        return duty

    @property
    def powered(self) -> bool:
        """Whether any torque may be on."""
        return self.power >= Power.STARTING

    # --- the tick -------------------------------------------------------------------------------

    def read(self, now: float) -> Reading:
        """Read all servos but those that are missing, of which one is tried now and then.

        Raises:
            BusError: the port is gone.
        """
        config, tried = self.config, ~self.missing
        lost = np.flatnonzero(self.missing)
        self._reads += 1
        if self.missing.all():  # the line was cut: when it is back, all are
            tried[:] = True
        elif len(lost) and self._reads % _RETRY_EVERY == 0:
            tried[lost[self._reads // _RETRY_EVERY % len(lost)]] = True
        rows = np.flatnonzero(tried)
        sample = self.bus.read([self._ids[row] for row in rows], config.read_budget)
        fresh = np.zeros(len(self._ids), bool)
        fresh[rows] = sample.fresh
        good = rows[sample.fresh]
        calibration, servo = self.calibration, self.robot.servo
        counts, speed, duty = (np.zeros(len(self._ids)) for _ in range(3))
        counts[rows], speed[rows], duty[rows] = sample.counts, sample.speed, sample.duty
        speed, duty = calibration.speeds(speed), calibration.speeds(duty)
        effort = duty * servo.stall_torque - speed * servo.damping
        now_read = np.stack([calibration.angles(counts), speed, effort, duty])
        self._last[:, good] = now_read[:, good]
        self.status[rows[sample.fresh]] = sample.fault[sample.fresh]
        self._read_at[good] = now
        self._failures = np.where(fresh, 0, self._failures + tried)
        self.missing = self._failures >= config.missing_after
        position, velocity, effort, duty = np.where(self.missing, np.nan, self._last)
        return Reading(position, velocity, effort, duty, now - self._read_at, fresh)

    def command(
        self, now: float, position: FloatArray | None, share: FloatArray | None = None
    ) -> None:
        """Obey the watchdog.

        Args:
            now: [s].
            position: (joints,) [rad]; None: no torque. It is clipped to the joints' limits; one
                that is not finite is refused, and the silence counts.
            share: (joints,) of the full torque that may be used; None: all.
        """
        if position is None:
            self._commanded_at = now
            self._switch(Power.LOCKED if self.forbidden else Power.OFF, now)
            self.cause = self.forbidden
            return
        deaf = self.forbidden or self.power in (Power.LOCKED, Power.RAMPING)
        if deaf or not np.isfinite(position).all():
            self.refused += 1
            return
        if self.power == Power.OFF and not self._start(now):
            return
        self._commanded_at, self._silent_ticks = now, 0
        self._goal = np.minimum(np.maximum(position, self._lower), self._upper)
        wanted = np.ones(len(self._ids)) if share is None else np.clip(share, 0.0, 1.0)
        if not np.array_equal(wanted, self._share):
            self._share = wanted
            if self.power == Power.FOLLOWING:
                self._write_strength(1.0)
        self.bus.write_goals(self._ids, self.calibration.counts(self._goal).tolist())

    def _start(self, now: float) -> bool:
        """Torque on where the joints are now; False while that is not known."""
        here = self._last[0]
        if self.missing.any() or not (now - self._read_at < self.config.command_timeout).all():
            self.refused += 1
            return False
        self._switch(Power.STARTING, now)
        self._confirmed = False
        settings.impose(self.bus, self._ids, self._settings)  # a servo may have restarted
        self._write_strength(self.config.soft_start_share)
        held = np.minimum(np.maximum(here, self._lower), self._upper)
        self.bus.write_goals(self._ids, self.calibration.counts(held).tolist())
        self.bus.write_power(self._ids, True)
        return True

    def step(self, now: float) -> None:
        """What time brings: the soft start, the timeout, the ramp."""
        config, since = self.config, now - self._since
        if self.power in (Power.STARTING, Power.FOLLOWING):
            silence = now - self._commanded_at
            self._silent_ticks += 1
            if silence > config.command_timeout and self._silent_ticks > _TICKS_OF_SILENCE:
                self.stop(now, f"no command for {1e3 * silence:.0f} ms")
                return
        if self.power == Power.STARTING:
            if not self._confirmed:
                self._confirm()
            share = since / config.soft_start_time if config.soft_start_time else 1.0
            begin = config.soft_start_share
            self._write_strength(min(begin + (1.0 - begin) * share, 1.0))
            if share >= 1.0:
                self._switch(Power.FOLLOWING, now)
        elif self.power == Power.RAMPING:
            left = 1.0 - since / config.damping_time if config.damping_time else 0.0
            if left <= 0.0:
                self._switch(Power.LOCKED, now)
            else:
                self._write_strength(left)
        elif not self.powered:
            self._off_ticks += 1
            if self._off_ticks < _OFF_REPEAT or self._off_ticks % 10 == 0:
                self.bus.write_power(self._ids, False)

    def stop(self, now: float, cause: str) -> None:
        """Let the torque fall over the damping time, and obey nobody until told "no torque"."""
        if self.powered and self.power != Power.RAMPING:
            self.cause = cause
            self._switch(Power.RAMPING, now)

    def forbid(self, now: float, cause: str) -> None:
        """Obey nobody as long as there is a cause; the torque falls, as in ``stop``."""
        if cause:
            self.stop(now, cause)
        if cause and not self.powered:
            self.power, self.cause = Power.LOCKED, cause
        self.forbidden = cause

    def off(self) -> None:
        """No torque, at once."""
        self.power = Power.LOCKED
        for _ in range(3):
            self.bus.write_power(self._ids, False)

    def _switch(self, power: Power, now: float) -> None:
        if power == self.power:
            return
        self.power, self._since = power, now
        if not self.powered:
            self._off_ticks = 0
            self._goal = np.full(len(self._ids), np.nan)
            self.bus.write_power(self._ids, False)

    def _confirm(self) -> None:
        """A sync write may be lost: see that every motor is on, and tell those that are not."""
        on = self.bus.powered(self._ids)
        self._confirmed = bool(on.all())
        if not self._confirmed:
            self.bus.write_power([i for i, one in zip(self._ids, on, strict=True) if not one], True)

    def _write_strength(self, share: float) -> None:
        self.bus.write_strength(self._ids, (share * self._share).tolist())

    # --- slow registers -------------------------------------------------------------------------

    def read_health(self, now: float) -> bool:
        """Read the slow registers of the next servo or servos; True when a round is complete."""
        complete = False
        for _ in range(self.config.health_per_tick):
            row = self._turn % len(self._ids)
            self._turn += 1
            if not self.missing[row]:
                found = self.bus.health(self._ids[row])
                self._unheard[row] = 0 if found else self._unheard[row] + 1
                if found is None:
                    if self._unheard[row] >= self.config.missing_after:
                        self.health[row] = None  # what was true then need not be true now
                else:
                    self.health[row] = found
                    if not found.powered and self.power == Power.FOLLOWING:
                        joint = self.robot.joints[row]
                        self.stop(now, f"servo {self._ids[row]} ({joint}) restarted: no torque")
            complete |= self._turn % len(self._ids) == 0
        return complete

    # --- before the start -----------------------------------------------------------------------

    def check(self, models: tuple[int, ...] = ()) -> None:
        """See that the bus has the servos of the calibration, set right, in the joints' limits.

        Raises:
            ValueError: one line.
        """
        self.bus.write_power(self._ids, False)
        found = self.bus.models(self._ids)
        names = dict(zip(self._ids, self.robot.joints, strict=True))
        lost = [f"{servo} ({names[servo]})" for servo in self._ids if servo not in found]
        if lost:
            raise ValueError(
                f"servo {', '.join(lost)}: no answer: expected {len(self._ids)} servos; check the"
                " cable, the power, and that no id is there twice"
            )
        for servo, model in found.items():
            if models and model not in models:
                raise ValueError(
                    f"servo {servo} ({names[servo]}): model {model}: expected"
                    f" {' or '.join(map(str, models))}"
                )
        settings.check(self.bus, names, self._settings)
        self._check_positions()

    def _check_positions(self) -> None:
        reading = self.read(0.0)
        for _ in range(3):
            if reading.fresh.all():
                break
            reading = self.read(0.0)
        if not reading.fresh.all():
            rows = np.flatnonzero(~reading.fresh)
            silent = ", ".join(f"{self._ids[row]} ({self.robot.joints[row]})" for row in rows)
            raise ValueError(
                f"servo {silent}: tells its model and not its position: expected both; is its id"
                " there twice? if not, check the cable and the power"
            )
        slack = 0.1
        lower, upper = self.robot.joint_lower, self.robot.joint_upper
        for joint, angle, low, high in zip(
            self.robot.joints, reading.position, lower, upper, strict=True
        ):
            if not low - slack <= angle <= high + slack:
                raise ValueError(
                    f"{joint}: {angle:.2f} rad: expected from {low:.2f} to {high:.2f}: move it by"
                    " hand, or calibrate again"
                )
