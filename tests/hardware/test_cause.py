"""The cause on disk: whoever took the torque off first is named."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from stride_hardware.cause import Cause

from stride_msgs.msg import SafetyStatus


def damping(*reasons: str, value: float = 1.25) -> SafetyStatus:
    n = len(reasons)
    return SafetyStatus(
        state=SafetyStatus.DAMPING, reasons=list(reasons), values=[value] * n, limits=[1.0] * n
    )


def test_the_watchdogs_reason_is_named_until_the_motors_have_torque_again() -> None:
    cause = Cause()
    assert cause.of("", powered=True) == ""
    cause.hear(damping("TILT", "FALL"))
    assert cause.of("", powered=False) == "watchdog: TILT (1.25, limit 1), FALL (1.25, limit 1)"
    cause.hear(damping("TILT", "FALL", value=2.0))  # it goes on; this is how it began
    assert cause.of("", powered=False) == "watchdog: TILT (1.25, limit 1), FALL (1.25, limit 1)"
    cause.hear(SafetyStatus(state=SafetyStatus.STANDBY))
    assert cause.of("", powered=False) == ""


def test_the_drivers_own_reason_outlives_the_watchdogs_hearsay() -> None:
    cause = Cause()
    assert cause.of("no command for 210 ms", powered=True) == "no command for 210 ms"
    cause.hear(damping("MOTORS_LOCKED"))
    assert cause.of("", powered=False) == "no command for 210 ms"
    cause.of("", powered=True)
    assert cause.of("", powered=False) == "watchdog: MOTORS_LOCKED (1.25, limit 1)"


def test_a_robot_that_sits_is_said_to() -> None:
    cause = Cause()
    status = damping("TORQUE")
    status.state, status.action = SafetyStatus.ACTIVE, SafetyStatus.SIT
    cause.hear(status)
    assert cause.sits == "sitting down; watchdog: TORQUE (1.25, limit 1)"
    assert cause.of("the time is up", powered=True) == "the time is up"
    cause.hear(SafetyStatus(state=SafetyStatus.ACTIVE))
    assert cause.sits == ""
