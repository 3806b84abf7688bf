"""What the watchdog makes of messages, without a graph: what is not there is unknown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu
from stride_control.vigilance import Vigilance
from tests.control.surroundings import SPEC

from stride_msgs.msg import MotorStates

JOINTS = len(SPEC.joints)


def vigilance() -> Vigilance:
    return Vigilance(SPEC, motors=True, nodes=())


def figures(**changes: Any) -> MotorStates:
    """Motors that are well, in another order than the robot's."""
    fine: dict[str, Any] = {
        "name": list(reversed(SPEC.joints)), "online": [True] * JOINTS, "status": [0] * JOINTS,
        "temperature": [30.0] * JOINTS, "voltage": [7.4] * JOINTS, "power": "following",
    }  # fmt: skip
    return MotorStates(**(fine | changes))


def test_the_worst_motor_that_answers_counts() -> None:
    heard = vigilance()
    heard.motors(
        figures(
            online=[False] + [True] * (JOINTS - 1), status=[2, 0, 8] + [0] * (JOINTS - 3),
            temperature=[99.0, 41.0, 40.0] + [30.0] * (JOINTS - 3),
            voltage=[np.nan, 7.0, 8.0] + [7.4] * (JOINTS - 3), power="ramping",
        )
    )  # fmt: skip
    found = heard.inputs().motors
    assert found is not None
    assert [found.missing, found.fault, found.locked] == [1, 10, 1]
    assert [found.temperature, found.voltage_low, found.voltage_high] == [41.0, 7.0, 8.0]
    heard.motors(figures(temperature=[np.nan] + [30.0] * (JOINTS - 1)))
    heard.motors(figures(online=[False] * JOINTS))
    found = heard.inputs().motors
    assert found is not None and found.missing == JOINTS and np.isnan(found.temperature)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": [f"x{name}" for name in SPEC.joints]}, "expected each of"),
        ({field: [0] * 3 for field in ("online", "status")} | {"name": list(SPEC.joints[:3])},
         "expected each of"),
        ({"status": []}, "motor_states.status: 0 values for 12 motors"),
        ({"temperature": [30.0]}, "motor_states.temperature: 1 values for 12 motors"),
        ({"online": [True]}, "motor_states.online: 1 values for 12 motors"),
    ],
)  # fmt: skip
def test_figures_of_other_motors_or_of_too_few_are_refused(
    change: dict[str, Any], said: str
) -> None:
    heard = vigilance()
    with pytest.raises(ValueError, match=re.escape(said)):
        heard.motors(figures(**change))
    found = heard.inputs().motors
    assert found is not None and np.isnan(found.time)


def test_a_part_that_an_imu_never_had_is_not_checked_and_one_that_it_lost_is_unknown() -> None:
    heard, full, bare = vigilance(), Imu(), Imu()
    for message in (full, bare):
        message.orientation.w = 1.0
    full.linear_acceleration.z = 9.81
    bare.angular_velocity_covariance[0] = -1.0
    heard.imu(serialize_message(bare))
    assert heard.inputs().gyro is None and heard.inputs().accel is None
    heard.imu(serialize_message(full))
    np.testing.assert_array_equal(heard.inputs().accel, [0.0, 0.0, 9.81])
    heard.imu(serialize_message(bare))
    for lost in (heard.inputs().gyro, heard.inputs().accel):
        assert lost is not None and np.isnan(lost).all()
