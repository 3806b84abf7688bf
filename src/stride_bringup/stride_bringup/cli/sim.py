"""``./stride sim``: the simulated robot walks."""

from __future__ import annotations

import json
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from typing import Any

from stride_bringup.cli.arguments import USAGE_ERROR, Parser, number, realtime_factor, size, whole

FELL = 3
FAILED = 1

EXAMPLES = """examples:
  ./stride sim                                      watch it in a browser, and drive it by cmd_vel
  ./stride sim --vx 0.15 --terrain rough            rough ground
  ./stride sim --headless --seconds 20 --vx 0.2 --realtime-factor max --json
  ./stride sim --vx 0.15 --record bags/first        a rosbag2 folder of every topic
  ./stride sim --headless --seconds 8 --vx 0.2 --film walk.mp4
"""


def parser() -> Parser:
    """All options of ``sim``."""
    from argparse import RawDescriptionHelpFormatter

    made = Parser(
        argument_default=SUPPRESS,  # what is not given is the YAML's to say
        prog="./stride sim",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--robot", help="name, or path of a robot.yaml")
    add("--servo", help="one of the robot's servos instead of its default")
    add(
        "--terrain",
        metavar="NAME|FILE.png",
        help="flat rough slope stairs steps waves",
    )
    add("--terrain-size", type=size, metavar="X,Y,Z", help="of a FILE.png [m]")
    add("--difficulty", type=number(0, 1), metavar="D", help="of the terrain, 0 to 1")
    add("--terrain-seed", type=whole(), metavar="N", help="of the ground's shape")
    add("--seed", type=whole(), metavar="N", help="of the sensors' noise")
    add("--vx", type=number(), help="forward [m/s]; until the first cmd_vel")
    add("--vy", type=number(), help="left [m/s]")
    add("--wz", type=number(), help="turn left [rad/s]")
    add(
        "--gait",
        metavar="NAME",
        help="trot walk pace bound; the robot's own if left out",
    )
    add("--policy", metavar="NAME|PATH", help="or default: the robot's; or none")
    add(
        "--seconds",
        type=number(0.01, 1e7),
        metavar="S",
        help="until Ctrl-C if left out",
    )
    add("--rate", type=number(1, 2000), metavar="HZ", help="of control")
    add(
        "--realtime-factor",
        type=realtime_factor,
        metavar="X|max",
        help="max: lockstep, as fast as the graph answers",
    )
    add("--headless", action="store_true", help="no page in the browser")
    add("--window", action="store_true", help="MuJoCo's own window instead of the page")
    add("--film", metavar="FILE", help="write an .mp4 or .gif")
    add("--processes", action="store_true", help="a process for each node")
    add("--record", metavar="DIR", help="write a rosbag2 folder (MCAP)")
    add("--namespace", metavar="NS", help="of all nodes: two robots side by side")
    add("--remap", action="append", default=[], metavar="TOPIC:=NAME", help="may be repeated")
    add("--config", metavar="FILE", help="ROS parameters instead of config/<robot>.yaml")
    add("--json", action="store_true", help="figures as one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run; 0 when the robot stayed up, 3 when it fell, 2 for what cannot run, 1 for a failure."""
    given = parser().parse_args(arguments)
    from stride_bringup.options import Options

    try:
        options = Options(**fields_of(given))
    except (ValueError, OSError) as error:
        print(f"./stride sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    return carry_out(options, "processes" in given, "json" in given)


def carry_out(
    options: Any, processes: bool = False, as_json: bool = False, command: str = "./stride sim"
) -> int:
    """Run, and print the figures; the exit status of ``main``."""
    from stride_bringup.run import run

    try:
        result = run(options, processes)
    except (ValueError, OSError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return USAGE_ERROR
    if result.refused:  # the node that did has said why
        return USAGE_ERROR
    if result.figures is None:
        print(f"{command}: {result.failure or 'stopped before the first tick'}", file=sys.stderr)
        return FAILED if result.failure else 0
    report = _report(options, result.figures, result.recorded or {})
    print(json.dumps(report) if as_json else table(report))
    if result.failure:
        return FAILED
    return FELL if report["falls"] else 0


def fields_of(given: Namespace) -> dict[str, Any]:
    """What was given, as fields of ``Options``."""
    fields = vars(given).copy()
    twist = [fields.pop(name, None) for name in ("vx", "vy", "wz")]
    if twist != [None] * 3:
        fields["command"] = tuple(part or 0.0 for part in twist)
    fields["remap"] = tuple(fields["remap"])
    fields.pop("processes", None)
    fields["live"] = not fields.pop("json", False)
    return {**fields, "given": frozenset(fields)}


def _report(options: Any, figures: dict[str, Any], recorded: dict[str, int]) -> dict[str, Any]:
    """What ran, and how it went; what the plant says of itself is so, whoever told it."""
    return {
        "robot": options.robot,
        "servo": options.servo_name,
        "terrain": options.terrain,
        "difficulty": options.difficulty,
        "gait": options.gait_name,
        "policy": options.policy_name,
        "rate_hz": options.rate_hz,
        **figures,
        "bag": options.record or None,
        "bag_messages": recorded.get("messages"),
        "bag_lost": recorded.get("lost"),
    }


def table(report: dict[str, Any]) -> str:
    """A line for each figure."""
    rows = []
    for name, value in report.items():
        if value is None:
            continue
        if isinstance(value, dict):
            known = {key: "-" if item is None else f"{item:.0f}" for key, item in value.items()}
            value = "  ".join(f"{key} {item}" for key, item in known.items())
        elif isinstance(value, float):
            value = f"{value:.3f}"
        rows.append(f"  {name:<20} {value}")
    return "\n".join(rows)
