"""``./stride calibrate servos``: which servo moves which joint, and where its zero is; guided."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stride_hardware.calibration import LARGEST_ID

from stride_bringup.cli.arguments import USAGE_ERROR, Parser, whole


def parser() -> Parser:
    """All options of ``calibrate servos``."""
    made = Parser(prog="./stride calibrate servos", description=__doc__)
    made.add_argument("--port", required=True, metavar="PORT", help="serial device of the bus")
    made.add_argument("--robot", default="fivebar")
    made.add_argument("--backend", default="feetech", choices=("feetech", "dynamixel"))
    made.add_argument("--baudrate", type=whole(9600, 4_500_000), default=1_000_000)
    made.add_argument(
        "--last-id", type=whole(0, LARGEST_ID), default=40, help="look for servos up to this id"
    )
    made.add_argument("--out", default="", metavar="FILE", help="instead of its usual place")
    return made


def main(arguments: Sequence[str]) -> int:
    """Guide, check, write."""
    given = parser().parse_args(arguments)
    from stride_core.robot import load_robot
    from stride_hardware.actuator_config import calibration_path
    from stride_hardware.calibration import save
    from stride_hardware.guide import Guide
    from stride_hardware.motors import BusError
    from stride_hardware.rustypot_bus import RustypotBus

    try:
        robot = load_robot(given.robot)
        bus = RustypotBus(given.backend, given.port, given.baudrate, 0.01)
        guide = Guide(bus, robot, _ask)
        ids = guide.find(range(given.last_id + 1))
        made = guide.calibrate(given.backend, given.baudrate, ids)
        path = given.out or calibration_path(robot.name)
        save(made, path)
    except (ValueError, BusError, OSError) as error:
        print(f"./stride calibrate servos: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (KeyboardInterrupt, EOFError):
        print("./stride calibrate servos: stopped; nothing was written", file=sys.stderr)
        return USAGE_ERROR
    print(path)
    return 0


def _ask(line: str) -> None:
    input(f"{line}; then Enter ")
