"""Write a robot's URDF from its robot.yaml: `python -m stride_description.urdf fivebar`.

URDF is a tree, so a five-bar leg is cut at the foot: the foot hangs on lower_L, and the end of
lower_R meets it when the passive elbows stand at the angles of the kinematics' `passive`.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from stride_description.find import robot_file

Vector = Sequence[float]

COLOURS = {
    "shell": "0.93 0.92 0.88 1",
    "graphite": "0.16 0.17 0.19 1",
    "accent": "0.95 0.42 0.10 1",
}
ZERO = (0.0, 0.0, 0.0)


def box(mass: float, size: Vector) -> tuple[ET.Element, Vector]:
    """A box's geometry and the moments of inertia about its centre."""
    x, y, z = (mass / 12.0 * edge * edge for edge in size)
    return ET.Element("box", size=_text(size)), (y + z, x + z, x + y)


def cylinder(mass: float, radius: float, length: float) -> tuple[ET.Element, Vector]:
    """A cylinder along z: geometry, and the moments of inertia about its centre."""
    across = mass * (3.0 * radius**2 + length**2) / 12.0
    shape = ET.Element("cylinder", radius=_text([radius]), length=_text([length]))
    return shape, (across, across, 0.5 * mass * radius**2)


def sphere(mass: float, radius: float) -> tuple[ET.Element, Vector]:
    """A sphere's geometry and moments of inertia."""
    return ET.Element("sphere", radius=_text([radius])), [0.4 * mass * radius**2] * 3


def _text(numbers: Vector) -> str:
    return " ".join(f"{number + 0.0:.9g}" for number in numbers)


def _link(
    name: str, mass: float, shape: tuple[ET.Element, Vector], centre: Vector, colour: str
) -> ET.Element:
    geometry, moments = shape
    link = ET.Element("link", name=name)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=_text(centre), rpy=_text(ZERO))
    ET.SubElement(inertial, "mass", value=_text([mass]))
    tensor = {"ixx": moments[0], "iyy": moments[1], "izz": moments[2]}
    tensor |= dict.fromkeys(("ixy", "ixz", "iyz"), 0.0)
    ET.SubElement(inertial, "inertia", {key: _text([value]) for key, value in tensor.items()})
    for tag in ("visual", "collision"):
        part = ET.SubElement(link, tag)
        ET.SubElement(part, "origin", xyz=_text(centre), rpy=_text(ZERO))
        ET.SubElement(part, "geometry").append(geometry)
        if tag == "visual":
            ET.SubElement(part, "material", name=colour)
    return link


def _joint(
    name: str,
    kind: str,
    parent: str,
    child: str,
    xyz: Vector,
    axis: Vector | None = None,
    limit: dict[str, float] | None = None,
    rpy: Vector = ZERO,
) -> ET.Element:
    joint = ET.Element("joint", name=name, type=kind)
    ET.SubElement(joint, "origin", xyz=_text(xyz), rpy=_text(rpy))
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    if axis is not None:
        ET.SubElement(joint, "axis", xyz=_text(axis))
    if limit is not None:
        ET.SubElement(joint, "limit", {key: _text([value]) for key, value in limit.items()})
    return joint


def _fivebar_leg(robot: dict[str, Any], leg: str) -> Iterator[ET.Element]:
    """Links and joints of one leg, from the trunk to the foot."""
    geometry, masses, shapes = robot["geometry"], robot["masses"], robot["shapes"]
    servo = robot["servos"][robot["servo"]]
    rating = {"effort": servo["stall_torque"], "velocity": servo["no_load_speed"]}
    hip = robot["hips"][leg]
    side = -1.0 if hip[1] < 0.0 else 1.0
    x, y, z = shapes["hub_centre"]

    def limit(joint: str) -> dict[str, float]:
        return {**robot["joints"][joint], **rating}

    def bar(link: str, part: str, colour: str) -> ET.Element:
        mass, length = masses[part], geometry[part]
        shape = cylinder(mass, shapes[f"{part}_radius"], length)
        return _link(link, mass, shape, (0.0, 0.0, -0.5 * length), colour)

    hub = box(masses["hub"], shapes["hub"])
    yield _link(f"{leg}_hip", masses["hub"], hub, (x, side * y, z), "graphite")
    yield _joint(
        f"{leg}_tilt", "revolute", "base_link", f"{leg}_hip", hip, (1.0, 0.0, 0.0), limit("tilt")
    )
    for arm, forward in (("L", 0.5), ("R", -0.5)):
        upper, lower = f"{leg}_upper_{arm}", f"{leg}_lower_{arm}"
        pivot = (
            forward * geometry["pivot_spacing"],
            side * geometry["plane_offset"],
            -geometry["pivot_drop"],
        )
        elbow = (0.0, 0.0, -geometry["upper"])
        about_y = (0.0, 1.0, 0.0)
        shoulder = f"shoulder_{arm}"
        yield bar(upper, "upper", "shell")
        yield _joint(
            f"{leg}_{shoulder}", "revolute", f"{leg}_hip", upper, pivot, about_y, limit(shoulder)
        )
        yield bar(lower, "lower", "graphite")
        yield _joint(f"{leg}_elbow_{arm}", "continuous", upper, lower, elbow, about_y)
    foot, tip = f"{leg}_foot", (0.0, 0.0, -geometry["lower"])
    ball = sphere(masses["foot"], shapes["foot_radius"])
    yield _link(foot, masses["foot"], ball, ZERO, "accent")
    yield _joint(f"{leg}_tip", "fixed", f"{leg}_lower_L", foot, tip)


_LEGS: dict[str, Callable[[dict[str, Any], str], Iterator[ET.Element]]] = {"fivebar": _fivebar_leg}
"""How a leg is drawn, by the kind of its kinematics."""


def make_urdf(robot: dict[str, Any]) -> str:
    """Return the URDF of a robot.yaml that `stride_core.robot.load_robot` accepts."""
    root = ET.Element("robot", name=robot["name"])
    root.append(ET.Comment(" Made from robot.yaml by python -m stride_description.urdf. "))
    for name, rgba in COLOURS.items():
        ET.SubElement(ET.SubElement(root, "material", name=name), "color", rgba=rgba)
    trunk = robot["masses"]["trunk"]
    root.append(_link("base_link", trunk, box(trunk, robot["shapes"]["trunk"]), ZERO, "shell"))
    ET.SubElement(root, "link", name="imu_link")
    imu = robot["imu"]
    root.append(_joint("imu", "fixed", "base_link", "imu_link", imu["position"], rpy=imu["rpy"]))
    for leg in robot["legs"]:
        root.extend(_LEGS[robot["kinematics"]](robot, leg))
    ET.indent(root)
    return '<?xml version="1.0"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def main(names: Sequence[str]) -> int:
    """Write the URDF of each robot named; returns the exit status."""
    if not names:
        print("usage: python -m stride_description.urdf ROBOT...", file=sys.stderr)
        return 2
    for name in names:
        try:
            source = robot_file(name)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        robot = yaml.safe_load(source.read_text(encoding="utf-8"))
        target: Path = source.parent / robot["urdf"]
        target.write_text(make_urdf(robot), encoding="utf-8")
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
