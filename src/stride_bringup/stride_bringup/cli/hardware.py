"""``./stride hardware``: the robot walks, or its twin on an emulated servo bus."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from stride_bringup.cli import sim
from stride_bringup.cli.arguments import USAGE_ERROR, Parser

EXAMPLES = """examples:
  ./stride hardware --twin --vx 0.15                the hardware graph without hardware
  ./stride hardware --twin --headless --seconds 30 --vx 0.15 --json
  ./stride hardware --port /dev/ttyACM0 --imu bno055 --imu-port /dev/ttyUSB0
"""
_NOT_HERE = ("film", "window", "realtime_factor", "processes")


def parser() -> Parser:
    """The options of ``sim``, less those that need a simulation, and the motors' own."""
    made = sim.parser()
    made.prog, made.description, made.epilog = "./stride hardware", __doc__, EXAMPLES
    made.remove_options(_NOT_HERE)
    add = made.add_argument
    add("--port", metavar="PORT", help="serial device of the servo bus")
    add("--twin", action="store_true", help="emulated servos, and a simulated robot behind them")
    add("--calibration", metavar="FILE", help="of the servos; its usual place if left")
    add(
        "--no-realtime",
        dest="realtime",
        action="store_false",
        help="no real-time priority and no locked memory, even where permitted",
    )
    add(
        "--strict",
        action="store_true",
        help="the robot's own timeouts for its twin, too: on a busy machine it stops",
    )
    add("--imu", metavar="PART", help="bno055, or none if another node has imu")
    add("--imu-port", metavar="PORT", help="serial device of the IMU")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run; 0 when it ended well, 3 when it fell, 2 for what cannot run, 1 for a failure."""
    given = parser().parse_args(arguments)
    as_json = getattr(given, "json", False)
    from stride_hardware.motors import BusError

    from stride_bringup.hardware import HardwareOptions
    from stride_bringup.run_hardware import run

    try:
        options = HardwareOptions(**sim.fields_of(given))
        result = run(options)
    except (ValueError, OSError, BusError) as error:
        print(f"./stride hardware: {error}", file=sys.stderr)
        return USAGE_ERROR
    if result.refused:
        return USAGE_ERROR
    if result.figures is None:
        print(f"./stride hardware: {result.failure or 'stopped early'}", file=sys.stderr)
        return sim.FAILED if result.failure else 0
    report = {"robot": options.robot, "servo": options.servo_name, "twin": options.twin}
    report |= {"gait": options.gait_name, "policy": options.policy_name, **result.figures}
    report["bag"] = options.record or None
    print(json.dumps(report) if as_json else sim.table(flat(report)))
    if result.failure:
        return sim.FAILED
    return sim.FELL if report.get("falls") else 0


def flat(report: dict[str, Any]) -> dict[str, Any]:
    """Nested figures as ``bus read_age_ms``, for the table."""
    rows: dict[str, Any] = {}
    for name, value in report.items():
        nested = isinstance(value, dict) and name in ("loop", "bus")
        rows |= {f"{name} {key}": one for key, one in value.items()} if nested else {name: value}
    return rows
