"""The visual part of a URDF."""

from __future__ import annotations

import pytest
from stride_operator.urdf import UrdfError, read_urdf

SMALL = """
<robot name="toy">
  <material name="red"><color rgba="1 0 0 1"/></material>
  <link name="foot"><visual><geometry><sphere radius="0.01"/></geometry></visual></link>
  <link name="base">
    <visual>
      <origin xyz="0 0 0.1" rpy="0 0 1.5707963267948966"/>
      <geometry><box size="0.3 0.2 0.1"/></geometry>
      <material name="red"/>
    </visual>
    <visual><geometry><mesh filename="x.stl"/></geometry></visual>
    <collision><geometry><box size="9 9 9"/></geometry></collision>
  </link>
  <link name="leg">
    <visual>
      <geometry><cylinder radius="0.02" length="0.4"/></geometry>
      <material name="own"><color rgba="0 1 0 1"/></material>
    </visual>
  </link>
  <joint name="ankle" type="fixed"><parent link="leg"/><child link="foot"/>
    <origin xyz="0 0 -0.4"/></joint>
  <joint name="hip" type="revolute"><parent link="base"/><child link="leg"/></joint>
</robot>
"""


def test_shapes_have_their_links_sizes_places_and_colours() -> None:
    robot = read_urdf(SMALL)
    by_link = {v.link: v for v in robot.visuals}
    base, leg, foot = by_link["base"], by_link["leg"], by_link["foot"]
    assert (robot.name, robot.root, robot.left_out) == ("toy", "base", 1)
    assert (base.shape, base.size, base.position) == ("box", (0.3, 0.2, 0.1), (0.0, 0.0, 0.1))
    assert base.quaternion == pytest.approx((0, 0, 0.5**0.5, 0.5**0.5))
    assert base.colour == (1.0, 0.0, 0.0)
    assert (leg.shape, leg.size, leg.colour) == ("cylinder", (0.02, 0.4), (0.0, 1.0, 0.0))
    assert (foot.shape, foot.size) == ("sphere", (0.01,))


def test_parents_come_before_children() -> None:
    robot = read_urdf(SMALL)
    assert list(robot.joints) == ["leg", "foot"]
    assert robot.joints["foot"].parent == "leg"
    assert robot.joints["foot"].position == (0.0, 0.0, -0.4)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<robot", "not XML"),
        ("<sdf/>", "<sdf>, expected <robot>"),
        ("<robot><link name='a'/><link name='b'/></robot>", "roots .'a', 'b'., expected one"),
        (SMALL.replace("0.3 0.2 0.1", "0.3 0.2"), "'0.3 0.2', expected 3 numbers"),
        (SMALL.replace("0.3 0.2 0.1", "0.3 0.2 nan"), "expected 3 numbers"),
        (SMALL.replace('<child link="foot"/>', ""), "joint ankle has no child link"),
        (SMALL.replace('<parent link="base"/>', '<parent link="foot"/>'), "do not hang on base"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(text: str, line: str) -> None:
    with pytest.raises(UrdfError, match=line) as caught:
        read_urdf(text)
    assert "\n" not in str(caught.value)
