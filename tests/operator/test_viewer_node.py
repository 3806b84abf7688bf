"""The live page: served on loopback, drawn in a real browser, robust to who comes and goes."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import urllib.request
from array import array
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("viser")

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from stride_operator.page import PageError, free_port
from stride_operator.viewer_node import RealTimeFactor, ViewerNode, first_child
from tf2_msgs.msg import TFMessage

from stride_msgs.msg import FootContacts, FootTargets, HeightField, SafetyStatus

VIEWER = "from stride_operator.viewer_node import main; main()"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ROBOT = """
<robot name="toy">
  <link name="base_link"><visual><geometry><box size="0.2 0.1 0.05"/></geometry>
    <material name="white"><color rgba="1 1 1 1"/></material></visual></link>
  <link name="FL_foot"><visual><geometry><sphere radius="0.02"/></geometry>
    <material name="orange"><color rgba="1 0.4 0 1"/></material></visual></link>
  <joint name="leg" type="fixed"><parent link="base_link"/><child link="FL_foot"/>
    <origin xyz="0.12 -0.06 -0.05"/></joint>
</robot>
"""


def browser_module() -> Any:
    """The helper beside this file."""
    spec = spec_from_file_location("browser", Path(__file__).with_name("browser.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeRobot(Node):
    """Publishes what the viewer shows."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("fake_robot", **arguments)
        make = self.create_publisher
        self.description = make(String, "robot_description", LATCHED)
        self.terrain = make(HeightField, "terrain", LATCHED)
        self.tick = 0
        types = {"odom": Odometry, "/tf": TFMessage, "foot_targets": FootTargets}
        types |= {"foot_contacts": FootContacts, "safety_status": SafetyStatus}
        self.outputs = {name: make(cls, name, 10) for name, cls in types.items()}

    def appear(self) -> None:
        """Tell what the robot looks like."""
        self.description.publish(String(data=ROBOT))

    def publish(self, x: float = 0.0) -> None:
        """One tick, the robot at `x` [m]."""
        self.tick += 1
        odom = Odometry()
        odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(self.tick * 10_000_000, 10**9)
        odom.twist.twist.linear.x, odom.pose.pose.position.z = 0.25, 0.08
        frame = TransformStamped(header=odom.header, child_frame_id="base_link")
        frame.header.frame_id = "odom"
        frame.transform.translation.x, frame.transform.translation.z = x, 0.08
        targets = FootTargets(header=odom.header, legs=["FL"])
        targets.command = [0.31, 0.0, 0.0]
        contacts = FootContacts(header=odom.header, legs=["FL"], contact=[True], force=[2.0])
        safety = SafetyStatus(header=odom.header, state=SafetyStatus.ACTIVE)
        messages = [odom, TFMessage(transforms=[frame]), targets, contacts, safety]
        for publisher, message in zip(self.outputs.values(), messages, strict=True):
            publisher.publish(message)


@pytest.fixture
def address(start: Callable[..., subprocess.Popen[str]], domain: int) -> Iterator[str]:
    """Where a viewer, in a process of its own, serves its page."""
    process = start(
        sys.executable, "-c", VIEWER, "--ros-args", "-p", "port:=18080", stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
    assert found
    yield found[0]
    process.terminate()
    assert process.wait(timeout=20) == 0


def test_the_page_is_served(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
        assert b"<html" in answer.read()


def picture(tab: Any) -> np.ndarray:
    """What the browser shows, (height, width, 3)."""
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(tab.screenshot())).convert("RGB")).astype(int)


def white(pixels: np.ndarray) -> int:
    """Pixels of the toy's trunk: bright, without a colour; the panel is on the right."""
    left = pixels[150:, :560]
    return int(((left.min(axis=-1) > 150) & (np.ptp(left, axis=-1) < 25)).sum())


def green(pixels: np.ndarray) -> int:
    """Pixels of a foot that is lit up."""
    left = pixels[150:, :560]
    return int(((left[..., 1] > 120) & (left[..., 1] - left[..., 0] > 50)).sum())


CLICK = """[...document.querySelectorAll('button')]
    .find(one => one.innerText.includes('%s')).click()"""
KEY = {"key": "x", "code": "KeyX", "windowsVirtualKeyCode": 88, "text": "x"}


def stopped_from(tab: Any, graph: Any) -> None:
    """Hit the button, then the key; each says ``estop`` once."""
    heard: list[bool] = []
    ears = graph.add(Node, "ears")
    ears.create_subscription(Bool, "estop", lambda message: heard.append(message.data), 10)
    graph.until(lambda: ears.count_publishers("estop"))
    tab.evaluate(CLICK % "Stop: motors off")
    graph.until(lambda: heard == [True])
    tab.call("Input.dispatchKeyEvent", type="keyDown", **KEY)
    tab.call("Input.dispatchKeyEvent", type="keyUp", **KEY)
    graph.until(lambda: heard == [True, True])
    resets: list[str] = []

    def on_reset(_request: Any, response: Any) -> Any:
        resets.append("reset")
        return response

    ears.create_service(Trigger, "safety/reset", on_reset)

    def asked() -> bool:
        tab.evaluate(CLICK % "Reset the watchdog")
        return bool(resets)

    graph.until(asked)


def test_a_browser_shows_the_robot_its_ground_and_its_figures(
    graph: Any, address: str, tmp_path: Path
) -> None:
    browser = browser_module()
    if browser.found() is None:
        pytest.skip("no Chromium here: the page is not looked at")
    robot = graph.add(FakeRobot)
    with browser.browser(tmp_path, (900, 600)) as tab:
        tab.open(address)

        def words() -> str:
            robot.publish()
            return str(tab.evaluate("document.body.innerText"))

        graph.until(lambda: "Waiting for a robot" in words())
        assert "0.25" in graph.until(lambda: "ACTIVE" in words() and words())
        stopped_from(tab, graph)
        empty = picture(tab)
        assert white(empty) < 50 and green(empty) < 20
        robot.appear()
        graph.until(lambda: "toy" in words())
        seen = empty

        def drawn() -> bool:
            nonlocal seen
            robot.publish()
            seen = picture(tab)
            return white(seen) > 2000

        graph.until(drawn)
        assert green(seen) > 30
        assert "told 0.31" in words() and "80mm" in words().replace(" ", "")
        hills = 0.02 * np.random.default_rng(1).random((40, 40))
        robot.terrain.publish(hill_message(hills))
        graph.until(lambda: robot.publish() or changed(picture(tab), seen) > 0.3)
        asked = [url for url in tab.requests if url.startswith("http")]
        assert asked and all(url.startswith(address) for url in asked)


def hill_message(heights: np.ndarray) -> HeightField:
    """A terrain of 4 m by 4 m."""
    rows, cols = heights.shape
    message = HeightField(rows=rows, cols=cols, size_x=4.0, size_y=4.0)
    message.height = array("f", heights.ravel().tolist())
    return message


def changed(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the lower left part that differs clearly."""
    part = (slice(300, None), slice(None, 450))
    return float((np.abs(one[part] - other[part]).max(axis=-1) > 8).mean())


def test_a_taken_port_gives_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) <= port + 99


def test_an_address_of_another_machine_is_refused_in_one_line() -> None:
    with pytest.raises(PageError, match=r"host: 203\.0\.113\.1: "):
        free_port("203.0.113.1", 8080)


def test_it_listens_on_loopback_alone(graph: Any) -> None:
    viewer = graph.add(ViewerNode, port=0)
    port = int(viewer.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_nonsense_on_its_topics_is_one_line_each_and_it_goes_on(
    graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = graph.add(ViewerNode, port=0)
    lines: list[str] = []
    monkeypatch.setattr(viewer.get_logger(), "warning", lines.append, raising=False)
    robot = graph.add(FakeRobot)
    robot.description.publish(String(data="<nonsense/>"))
    robot.terrain.publish(HeightField(rows=3, cols=3, height=[0.0]))
    graph.until(lambda: len(lines) == 2)
    assert any("expected <robot>" in line for line in lines)
    assert any("terrain" in line for line in lines)
    robot.appear()
    graph.until(lambda: viewer.robot == "toy")


def test_the_first_child_of_serialised_frames_is_found() -> None:
    frames = TFMessage(transforms=[TransformStamped(child_frame_id="a/base"), TransformStamped()])
    for parent in ("", "o", "odom", "odom_"):
        frames.transforms[0].header.frame_id = parent
        assert first_child(serialize_message(frames)) == b"a/base\0"
    assert first_child(serialize_message(TFMessage())) == b""


def test_the_real_time_factor_is_taken_over_the_last_seconds() -> None:
    factor = RealTimeFactor()
    assert factor.value is None
    for step in range(100):
        factor.add(0.1 * step, 0.05 * step)
    for step in range(100):
        factor.add(10 + 0.1 * step, 5 + 0.3 * step)
    assert factor.value == pytest.approx(3.0)
    assert factor.latest == pytest.approx(34.7)
    factor.add(20.0, 0.0)  # the run began anew
    assert factor.value is None
