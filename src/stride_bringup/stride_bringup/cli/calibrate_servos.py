"""``./stride calibrate servos``: which servo moves which joint, where its zero is, its settings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stride_hardware.calibration import LARGEST_ID

from stride_bringup.cli.arguments import USAGE_ERROR, Parser, whole

if TYPE_CHECKING:
    from stride_core.robot import RobotSpec
    from stride_hardware.calibration import Calibration
    from stride_hardware.motors import MotorBus

_NAME = "./stride calibrate servos"
_BUS_TIMEOUT_S = 0.01


def parser() -> Parser:
    """All options of ``calibrate servos``."""
    made = Parser(prog=_NAME, description=__doc__)
    made.add_argument("--port", required=True, metavar="PORT", help="serial device of the bus")
    made.add_argument("--robot", default="fivebar")
    made.add_argument("--servo", help="one of the robot's servos instead of its default")
    made.add_argument("--backend", default="feetech", choices=("feetech", "dynamixel"))
    made.add_argument("--baudrate", type=whole(9600, 4_500_000), default=1_000_000)
    made.add_argument(
        "--last-id", type=whole(0, LARGEST_ID), default=40, help="look for servos up to this id"
    )
    made.add_argument("--out", default="", metavar="FILE", help="instead of its usual place")
    made.add_argument(
        "--settings",
        action="store_true",
        help="nothing but the servos' settings, with the ids of that file as it is",
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Guide, check, write the file; then write and check the settings of the servos."""
    given = parser().parse_args(arguments)
    from stride_core.robot import load_robot
    from stride_hardware.actuator_config import calibration_path
    from stride_hardware.motors import BusError

    stopped = "nothing was written"
    try:
        robot = load_robot(given.robot, given.servo)
        path = Path(given.out or calibration_path(robot.name))
        made, bus = _known(given, robot, path) if given.settings else _guided(given, robot, path)
        stopped = "the servos' settings are not all written: run it again with --settings"
        try:
            _settle(bus, made, robot)
        finally:
            bus.close()
    except (ValueError, BusError, OSError) as error:
        print(f"{_NAME}: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (KeyboardInterrupt, EOFError):
        print(f"{_NAME}: stopped; {stopped}", file=sys.stderr)
        return USAGE_ERROR
    print(path)
    return 0


def _known(given: argparse.Namespace, robot: RobotSpec, path: Path) -> tuple[Calibration, MotorBus]:
    from stride_hardware.calibration import load
    from stride_hardware.rustypot_bus import RustypotBus

    made = load(path, robot)
    return made, RustypotBus(made.backend, given.port, made.baudrate, _BUS_TIMEOUT_S)


def _guided(
    given: argparse.Namespace, robot: RobotSpec, path: Path
) -> tuple[Calibration, MotorBus]:
    from stride_hardware.calibration import save
    from stride_hardware.guide import Guide
    from stride_hardware.rustypot_bus import RustypotBus

    bus = RustypotBus(given.backend, given.port, given.baudrate, _BUS_TIMEOUT_S)
    guide = Guide(bus, robot, _ask)
    ids = guide.find(range(given.last_id + 1))
    made = guide.calibrate(given.backend, given.baudrate, ids)
    save(made, path)
    return made, bus


def _settle(bus: MotorBus, made: Calibration, robot: RobotSpec) -> None:
    """Set the servos right, and say of each what was changed."""
    from stride_hardware.settings import store, wanted

    wants = wanted(made.backend, robot.servo)
    bus.write_power(made.ids, False)  # such a memory is written without torque
    for joint, mount in made.servos.items():
        before = store(bus, made.backend, mount.id, joint, wants)
        changes = [f"{one.wanted.setting.name} {one.found} -> {one.wanted.value}" for one in before]
        print(f"servo {mount.id} ({joint}): {', '.join(changes) or 'set as it shall be'}")


def _ask(line: str) -> None:
    input(f"{line}; then Enter ")
