"""imu: reads an IMU at a serial port and publishes sensor_msgs/Imu; any other driver may do so."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal

from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import Imu
from stride_control.config import RobotChoice
from stride_control.executor import run
from stride_control.node import TICK_QOS, StrideNode
from stride_core.config import param

from stride_hardware.bno055 import Bno055
from stride_hardware.motors import BusError

Part = Literal["bno055"]


@dataclass(frozen=True)
class ImuConfig(RobotChoice):
    """The IMU's driver."""

    port: str = param("/dev/ttyUSB0", doc="serial device of the IMU")
    part: Part = param("bno055", doc="which it is")
    rate: float = param(100.0, doc="of imu", unit="Hz", min=1.0, max=200.0)
    timeout: float = param(0.02, doc="for an answer", unit="s", min=0.001, max=1.0)


class ImuNode(StrideNode[ImuConfig]):
    """Wires a ``Bno055`` to the topic."""

    def __init__(self, **kwargs: Any) -> None:
        """Open the port.

        Raises:
            ValueError, BusError: a parameter is wrong, or there is no such part; one line.
        """
        super().__init__("imu", ImuConfig, **kwargs)
        self._part: Bno055 | None = self._open()
        self._message = Imu()
        self._message.header.frame_id = self.frame("imu_link")
        self._publisher = self.create_publisher(Imu, "imu", TICK_QOS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / self.config.rate, self._on_timer, clock=steady)

    def apply(self, config: ImuConfig) -> None:
        """Nothing here changes while running."""

    def _open(self) -> Bno055:
        return Bno055(self.config.port, self.config.timeout)

    def _on_timer(self) -> None:
        stamp = self.get_clock().now().to_msg()
        try:
            self._part = self._part or self._open()
            reading = self._part.read()
        except BusError as error:  # a cable that was pulled may be back
            self.warn_once("port", f"{error}: trying again")
            self._close()
            return
        if reading is None:  # what is not new is not said: the watchdog sees the age
            self.warn_once("imu", "the IMU does not answer")
            return
        message = self._message
        message.header.stamp = stamp
        q, w, a = message.orientation, message.angular_velocity, message.linear_acceleration
        q.x, q.y, q.z, q.w = reading.quaternion
        w.x, w.y, w.z = reading.gyro
        a.x, a.y, a.z = reading.accel
        self._publisher.publish(message)

    def diagnose(self) -> dict[str, str]:
        """Errors of the line."""
        return {"errors": str(self._part.errors) if self._part else "no port"}

    def _close(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None

    def destroy_node(self) -> None:
        """Release the port."""
        self._close()
        super().destroy_node()


def main() -> int:
    """Entry point of the ``imu_node`` executable."""
    return run(lambda: [ImuNode()])


if __name__ == "__main__":
    sys.exit(main())
