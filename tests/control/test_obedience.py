"""What the gait does about the watchdog's word."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import serialize_message
from stride_control.messages import to_stamp
from stride_control.obedience import Obedience

from stride_msgs.msg import SafetyStatus

MS = 1_000_000
WAIT = 50 * MS


def said(at: int, state: int, action: int = SafetyStatus.PASS, frame: str = "") -> bytes:
    message = SafetyStatus(state=state, action=action, reasons=["WHATEVER"])
    message.header.stamp, message.header.frame_id = to_stamp(at), frame
    return serialize_message(message)


def test_without_a_watchdog_it_walks() -> None:
    assert Obedience().may_walk(10**12) and Obedience().may_stand(10**12)


@pytest.mark.parametrize("frame", ["", "left/base_link"])
@pytest.mark.parametrize(
    "state", [SafetyStatus.BOOT, SafetyStatus.STANDBY, SafetyStatus.STANDING,
              SafetyStatus.DAMPING, SafetyStatus.ESTOP],
)  # fmt: skip
def test_it_does_not_walk_unless_active_from_a_moment_on(state: int, frame: str) -> None:
    heard = Obedience()
    start = 7_300_000_001
    heard.hear(said(start, SafetyStatus.ACTIVE, frame=frame))
    for tick in range(10):
        heard.hear(said(start + tick * 10 * MS, state, frame=frame))
    assert heard.may_walk(start + WAIT - 1)
    assert not heard.may_walk(start + WAIT)
    assert heard.may_stand(start + WAIT)
    heard.hear(said(start + 200 * MS, SafetyStatus.ACTIVE, frame=frame))
    assert heard.may_walk(start + 300 * MS)


def test_it_sits_when_it_is_told_to_and_only_while_it_has_torque() -> None:
    heard = Obedience()
    heard.hear(said(0, SafetyStatus.ACTIVE, SafetyStatus.SIT))
    assert heard.may_stand(WAIT - 1) and not heard.may_stand(WAIT)
    assert not heard.may_walk(WAIT)
    heard.hear(said(0, SafetyStatus.STANDBY, SafetyStatus.SIT))
    assert heard.may_stand(WAIT)


def test_a_clock_that_was_set_back_does_not_free_it() -> None:
    heard = Obedience()
    heard.hear(said(10**12, SafetyStatus.DAMPING))
    assert not heard.may_walk(0)
