"""What a URDF looks like: the shapes of its links, and which link hangs on which."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from stride_core.frames import quat_from_rpy

GREY = (0.6, 0.6, 0.6)


class UrdfError(ValueError):
    """A URDF cannot be drawn; one line."""


@dataclass(frozen=True)
class Visual:
    """A shape on a link.

    Attributes:
        shape: "box", "cylinder" (along z) or "sphere".
        size: box (x, y, z); cylinder (radius, length); sphere (radius,) [m].
        position: of its middle in the link's frame [m].
        quaternion: xyzw, in the link's frame.
        colour: red, green, blue in 0 to 1.
    """

    link: str
    shape: str
    size: tuple[float, ...]
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Joint:
    """How a link hangs on its parent when the joint is at zero; fields as of `Visual`."""

    parent: str
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]


@dataclass(frozen=True)
class Robot:
    """A robot to draw. `joints` by child link; the root has none; parents come before children.

    `left_out` counts the shapes that are not drawn (meshes).
    """

    name: str
    root: str
    joints: Mapping[str, Joint]
    visuals: tuple[Visual, ...]
    left_out: int


def read_urdf(text: str) -> Robot:
    """Read the visual part of a URDF.

    Raises:
        UrdfError: It is no URDF, or not a tree with one root.
    """
    try:
        robot = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UrdfError(f"robot_description: not XML: {error}") from error
    if robot.tag != "robot":
        raise UrdfError(f"robot_description: <{robot.tag}>, expected <robot>")
    colours = {m.get("name"): _colour(m) for m in robot.iterfind("material")}
    joints: dict[str, Joint] = {}
    for element in robot.iterfind("joint"):
        position, quaternion = _origin(element.find("origin"))
        joints[_link(element, "child")] = Joint(_link(element, "parent"), position, quaternion)
    links = [link.get("name", "") for link in robot.iterfind("link")]
    roots = [link for link in links if link not in joints]
    if len(roots) != 1:
        raise UrdfError(f"robot_description: roots {roots}, expected one link without a parent")
    visuals = [v for link in robot.iterfind("link") for v in _visuals(link, colours)]
    shapes = sum(1 for _ in robot.iterfind("link/visual"))
    return Robot(
        name=robot.get("name", "robot"),
        root=roots[0],
        joints=_ordered(roots[0], joints),
        visuals=tuple(visuals),
        left_out=shapes - len(visuals),
    )


def _ordered(root: str, joints: Mapping[str, Joint]) -> dict[str, Joint]:
    """Put parents before children.

    Raises:
        UrdfError: Some hang on no link that hangs on the root.
    """
    ordered: dict[str, Joint] = {}
    left = dict(joints)
    while left:
        ready = [c for c, joint in left.items() if joint.parent == root or joint.parent in ordered]
        if not ready:
            raise UrdfError(f"robot_description: {', '.join(left)} do not hang on {root}")
        ordered |= {child: left.pop(child) for child in ready}
    return ordered


def _visuals(link: Element, colours: Mapping[str | None, tuple[float, ...]]) -> Iterator[Visual]:
    for visual in link.iterfind("visual"):
        geometry = visual.find("geometry")
        shape = next(iter(geometry), None) if geometry is not None else None
        size = _size(shape) if shape is not None else None
        if shape is None or size is None:
            continue
        material = visual.find("material")
        colour: tuple[float, ...] = GREY
        if material is not None:
            named = colours.get(material.get("name"), GREY)
            colour = _colour(material) if material.find("color") is not None else named
        position, quaternion = _origin(visual.find("origin"))
        rgb = (colour[0], colour[1], colour[2])
        yield Visual(link.get("name", ""), shape.tag, size, position, quaternion, rgb)


def _size(shape: Element) -> tuple[float, ...] | None:
    if shape.tag == "box":
        return _numbers(shape.get("size", ""), 3)
    if shape.tag == "cylinder":
        return _numbers(f"{shape.get('radius', '')} {shape.get('length', '')}", 2)
    if shape.tag == "sphere":
        return _numbers(shape.get("radius", ""), 1)
    return None


def _colour(material: Element) -> tuple[float, ...]:
    colour = material.find("color")
    return GREY if colour is None else _numbers(colour.get("rgba", ""), 4)[:3]


def _link(joint: Element, end: str) -> str:
    element = joint.find(end)
    name = None if element is None else element.get("link")
    if name is None:
        raise UrdfError(f"robot_description: joint {joint.get('name')} has no {end} link")
    return name


def _origin(
    element: Element | None,
) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    attributes = {} if element is None else element.attrib
    x, y, z = _numbers(attributes.get("xyz", "0 0 0"), 3)
    rpy = _numbers(attributes.get("rpy", "0 0 0"), 3)
    qx, qy, qz, qw = map(float, quat_from_rpy(np.array(rpy)))
    return (x, y, z), (qx, qy, qz, qw)


def _numbers(text: str, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UrdfError(f"robot_description: '{text}', expected {count} numbers")
    return numbers
