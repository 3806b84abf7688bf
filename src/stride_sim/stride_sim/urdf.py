"""The robot's URDF as the simulation publishes it, checked before it goes out."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from stride_core.robot import RobotSpec

from stride_sim.errors import SimError


@dataclass(frozen=True)
class FixedJoint:
    """A joint that does not move: links by name, place [m] and roll, pitch, yaw [rad]."""

    parent: str
    child: str
    xyz: tuple[float, ...]
    rpy: tuple[float, ...]


@dataclass(frozen=True)
class Urdf:
    """A description: the file's text, and the joints of it that no joint state moves."""

    text: str
    fixed: tuple[FixedJoint, ...]


def read_urdf(robot: RobotSpec) -> Urdf:
    """Read a robot's URDF.

    Raises:
        SimError: it cannot be read, is no URDF, or lacks one of the robot's joints; one line.
    """
    where = f"robot {robot.name!r}: {robot.urdf}"
    try:
        text = robot.urdf.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
    except OSError as error:
        raise SimError(f"{where}: {error.strerror}") from None
    except (ValueError, ElementTree.ParseError) as error:
        raise SimError(f"{where}: not a URDF: {error}") from None
    if root.tag != "robot":
        raise SimError(f"{where}: <{root.tag}>: expected <robot>, a URDF")
    joints = {joint.get("name", ""): joint for joint in root.iterfind("joint")}
    for name in robot.joints:
        if name not in joints:
            raise SimError(f"{where}: joint {name}: missing")
    fixed = [joint for joint in joints.values() if joint.get("type") == "fixed"]
    return Urdf(text, tuple(_fixed(joint, where) for joint in fixed))


def _fixed(joint: ElementTree.Element, where: str) -> FixedJoint:
    where = f"{where}: joint {joint.get('name')}"
    links = []
    for kind in ("parent", "child"):
        found = joint.find(kind)
        links.append("" if found is None else found.get("link", ""))
        if not links[-1]:
            raise SimError(f"{where}: {kind}: missing; expected a link")
    origin = joint.find("origin")
    given = {} if origin is None else origin.attrib
    xyz, rpy = (_triple(given.get(key, "0 0 0"), f"{where}: {key}") for key in ("xyz", "rpy"))
    return FixedJoint(links[0], links[1], xyz, rpy)


def _triple(text: str, where: str) -> tuple[float, ...]:
    try:
        values = tuple(map(float, text.split()))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise SimError(f"{where}: {text!r}: expected three finite numbers")
    return values
