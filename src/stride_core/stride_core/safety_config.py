"""What the watchdog checks: threshold, persistence, action and reason of each, as configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, IntArray, readonly
from stride_core.config import param
from stride_core.robot import ServoSpec
from stride_core.safety_rules import Action, Mode, Reason

Answer = Literal["warn", "limit", "hold", "sit", "damp", "stop"]


@dataclass(frozen=True)
class Check:
    """One check: it fails where its value is over the limit, or is unknown."""

    limit: float = param(doc="largest value allowed", min=-1e6, max=1e6, dynamic=True)
    action: Answer = param("damp", doc="what follows", dynamic=True)
    persistence: float = param(
        0.0, doc="how long it must fail", unit="s", min=0.0, max=60.0, dynamic=True
    )
    damp_after: float = param(
        0.0, doc="failing this long damps, whatever the action; 0: never", unit="s", min=0.0,
        max=600.0, dynamic=True,
    )  # fmt: skip


def declare(doc: str, unit: str, limit: float, action: Answer = "damp", *times: float) -> Check:
    """Declare a check: its meaning, and its default limit, action, persistence, damp_after."""
    made: Check = field(
        default_factory=lambda: Check(limit, action, *times), metadata={"doc": doc, "unit": unit}
    )
    return made


@dataclass(frozen=True)
class Checks:
    """All of them, the strictest first; a field's name in capitals is its reason.

    Those before ``target_not_finite`` judge the robot, and block the way to STANDBY; the rest judge
    what it is told.
    """

    emergency_stop: Check = declare("somebody asked for it", "", 0.5, "stop")
    clock_jump: Check = declare("between two decisions, either way", "s", 0.5)
    state_stale: Check = declare("age of the joints' state", "s", 0.1)
    imu_stale: Check = declare("age of the IMU's reading", "s", 0.1)
    state_not_finite: Check = declare("numbers of the state that are none", "", 0.5)
    tilt: Check = declare("trunk's z from the vertical", "rad", 1.0472)
    fall: Check = declare("the same, but for a while", "rad", 0.7854, "damp", 0.3)
    tilt_rate: Check = declare("turn about x and y", "rad/s", 10.0, "damp", 0.05)
    free_fall: Check = declare("share of gravity that is not felt", "", 0.8, "damp", 0.15)
    state_jump: Check = declare("further than any motor turns", "rad", 0.3, "hold", 0.0, 0.1)
    joint_hard_limit: Check = declare("measured beyond a joint's limit", "rad", 0.2, "damp", 0.05)
    joint_soft_limit: Check = declare("the same", "rad", 0.05, "warn", 0.1)
    joint_speed: Check = declare("measured, of any joint", "rad/s", 15.0, "damp", 0.05)
    torque: Check = declare("square of a motor's share of stall, mean", "", 0.6, "sit", 1.0, 4.0)
    motors_stale: Check = declare("age of the motors' figures", "s", 1.5, "sit", 0.0, 4.0)
    motor_missing: Check = declare("motors that do not answer", "", 0.5)
    motor_fault: Check = declare("error bits of any motor", "", 0.5, "damp", 0.2)
    motors_locked: Check = declare("their driver has taken the torque off", "", 0.5)
    temperature: Check = declare("of the hottest motor", "°C", 67.0, "sit", 0.5, 4.0)
    temperature_high: Check = declare("the same: less torque from here on", "°C", 58.0, "limit")
    voltage_low: Check = declare("minus the supply", "V", -6.0, "sit", 1.0, 5.0)
    voltage_high: Check = declare("of the supply", "V", 8.8, "sit", 0.5, 5.0)
    node_lost: Check = declare("nodes that give no sign of life", "", 0.5, "sit", 0.0, 4.0)
    tick_overrun: Check = declare("between two decisions", "s", 0.05, "warn")
    standing_timeout: Check = declare("of standing up", "s", 8.0)
    target_not_finite: Check = declare("numbers of the target that are none", "", 0.5, "hold")
    target_stale: Check = declare("age of the last usable target", "s", 0.2)
    target_late: Check = declare("the same", "s", 0.05, "warn")
    command_stale: Check = declare("age of cmd_vel", "s", 1.0, "warn")


NAMES = tuple(one.name for one in fields(Checks))
AT = {name: index for index, name in enumerate(NAMES)}
TARGETS = AT["target_not_finite"]
"""Columns from here on judge what the robot is told."""
DERIVED = slice(AT["tilt"], AT["joint_speed"] + 1)
"""Columns that mean nothing while the state is stale or not finite."""

MOTORS = slice(AT["motor_missing"], AT["voltage_high"] + 1)
"""Columns that mean nothing while the motors' figures are stale."""

_SHOCKS = ("tilt_rate", "free_fall", "joint_speed")
"""A touch is enough for one tick of these: they count when they last, with torque or without."""

_BOUNDS = {
    "clock_jump": (1e-3, 10.0),
    "state_stale": (1e-3, 10.0),
    "imu_stale": (1e-3, 10.0),
    "state_not_finite": (0.0, 0.999),
    "tilt": (0.1, 1.6),
    "target_stale": (1e-3, 10.0),
    "motors_locked": (0.0, 0.999),
}
"""Least and largest limit of the checks that other checks rely on: they damp, and soon."""

_LONGEST = 1.0
"""Persistence of those [s]."""
_FASTER_THAN_IT_CAN = 1.25


class Table(NamedTuple):
    """The checks as arrays, a column each."""

    limit: FloatArray
    persistence: FloatArray
    level: IntArray
    damp_after: FloatArray
    bit: IntArray
    to_start: IntArray  # level that counts before the motors come on, however short it fails
    counts: BoolArray  # (modes, checks)
    target_age: float  # [s]
    derating: tuple[float, float]  # from [°C], over [°C]
    never: FloatArray  # no check fails since any time


@dataclass(frozen=True)
class SafetyConfig:
    """Thresholds."""

    max_joint_speed: float = param(
        doc="fastest change of a commanded joint", unit="rad/s", min=0.1, max=100.0, dynamic=True
    )
    standing_speed: float = param(
        1.5, doc="the same while standing up", unit="rad/s", min=0.05, max=100.0, dynamic=True
    )
    standing_tolerance: float = param(
        0.15, doc="standing up ends this close to the target", unit="rad", min=0.005, max=1.0
    )
    derated_torque: float = param(
        0.5, doc="share of the torque that is left just below the temperature's limit", min=0.1,
        max=1.0,
    )  # fmt: skip
    checks: Checks = field(default_factory=Checks)

    def __post_init__(self) -> None:
        """Refuse what would open a hole: later checks rely on the earlier ones.

        Raises:
            ValueError: one line.
        """
        for name, (least, most) in _BOUNDS.items():
            check: Check = getattr(self.checks, name)
            if Action[check.action.upper()] < Action.DAMP:
                raise ValueError(f"checks.{name}.action: {check.action!r}: expected damp or stop")
            for what, value, low, high in (
                ("limit", check.limit, least, most),
                ("persistence", check.persistence, 0.0, _LONGEST),
            ):
                if not low <= value <= high:
                    raise ValueError(
                        f"checks.{name}.{what}: {value:g}: expected {low:g} to {high:g}"
                    )
        asked = self.checks.emergency_stop
        if asked.action != "stop":
            raise ValueError(f"checks.emergency_stop.action: {asked.action!r}: expected stop")
        if not 0.0 <= asked.limit < 1.0:  # 1 is what it measures when somebody asks
            raise ValueError(f"checks.emergency_stop.limit: {asked.limit:g}: expected 0 to below 1")
        if self.checks.temperature_high.limit >= self.checks.temperature.limit:
            raise ValueError(
                f"checks.temperature_high.limit: {self.checks.temperature_high.limit:g}: expected"
                f" below checks.temperature.limit, {self.checks.temperature.limit:g}"
            )

    @cached_property
    def table(self) -> Table:
        """The checks as arrays."""
        every = [getattr(self.checks, name) for name in NAMES]
        warm = self.checks.temperature_high
        counts = np.ones((len(Mode), len(NAMES)), bool)
        before = [Mode.BOOT, Mode.STANDBY]
        counts[before, TARGETS:] = False  # that no target comes is no fault before the motors
        counts[before, AT["standing_timeout"]] = False
        for name in ("clock_jump", "tick_overrun", "state_jump"):  # they need a tick before
            counts[Mode.BOOT, AT[name]] = False
        to_start = np.array([Action[one.action.upper()] for one in every], np.int64)
        to_start[[AT[name] for name in _SHOCKS]] = Action.PASS
        return Table(
            limit=np.array([one.limit for one in every]),
            persistence=np.array([one.persistence for one in every]),
            level=np.array([Action[one.action.upper()] for one in every], np.int64),
            damp_after=np.array([one.damp_after or np.inf for one in every]),
            bit=np.array([Reason[name.upper()] for name in NAMES], np.int64),
            to_start=to_start,
            counts=counts,
            target_age=self.checks.target_stale.limit,
            derating=(warm.limit, self.checks.temperature.limit - warm.limit),
            never=readonly(np.full(len(NAMES), np.inf)),
        )

    def for_servo(self, servo: ServoSpec) -> SafetyConfig:
        """The same, but no joint may turn faster than its servo could, and a quarter more."""
        check = self.checks.joint_speed
        most = min(check.limit, _FASTER_THAN_IT_CAN * servo.no_load_speed)
        checks = replace(self.checks, joint_speed=replace(check, limit=most))
        return replace(self, checks=checks)


def described(checks: Checks) -> str:
    """The checks as a Markdown table, for the documentation."""
    lines = [
        "| reason | measures | limit | action | fails for at least | damps after |",
        "|---|---|---:|---|---:|---:|",
    ]
    for one in fields(Checks):
        check, meta = getattr(checks, one.name), one.metadata
        limit = f"{check.limit:g} {meta['unit']}".strip()
        later = f"{check.damp_after:g} s" if check.damp_after else ""
        longer = f"{check.persistence:g} s" if check.persistence else "at once"
        cells = (f"`{one.name.upper()}`", meta["doc"], limit, check.action, longer, later)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
