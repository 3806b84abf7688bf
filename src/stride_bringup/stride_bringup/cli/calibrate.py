"""``./stride calibrate gait``: measure how fast the gait really goes, and write it down.

``./stride calibrate servos`` has options of its own: see ``./stride calibrate servos --help``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from stride_bringup.cli.arguments import USAGE_ERROR, Parser


def parser() -> Parser:
    """All options of ``calibrate``."""
    made = Parser(prog="./stride calibrate", description=__doc__)
    made.add_argument("what", choices=("gait", "servos"))
    made.add_argument("--robot", default="fivebar")
    made.add_argument("--servo", default="")
    made.add_argument("--config", default="", metavar="FILE", help="instead of config/<robot>.yaml")
    made.add_argument("--out", default="", metavar="FILE", help="instead of config/calibration/…")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure all patterns; a minute or two."""
    if arguments and arguments[0] == "servos":
        from stride_bringup.cli import calibrate_servos

        return calibrate_servos.main(arguments[1:])
    given = parser().parse_args(arguments)
    import mujoco
    from stride_core.control import load_controller
    from stride_core.gait import PATTERNS
    from stride_core.robot import load_robot
    from stride_sim.calibration import as_parameters, calibrate

    from stride_bringup.options import calibration_file, config_file

    try:
        robot = load_robot(given.robot, given.servo or None)
        controller = load_controller(robot, given.config or config_file(robot.name))
        found = {}
        for pattern in PATTERNS:
            found[pattern] = calibrate(controller, pattern)
            fastest = found[pattern].forward.speed[-1]
            print(f"{pattern:<6} forward up to {fastest:.3f} m/s", file=sys.stderr)
        out = Path(given.out) if given.out else calibration_file(robot)
        header = (
            f"# Made by ./stride calibrate gait --robot {given.robot} --servo {robot.servo.name}\n"
            f"# on {date.today()} with MuJoCo {mujoco.__version__}, flat ground, no noise. Speeds"
            " in m/s, turn in rad/s.\n\n"
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(header + as_parameters(found), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"./stride calibrate: {error}", file=sys.stderr)
        return USAGE_ERROR
    print(out)
    return 0
