"""Whoever watches a run from inside the simulation: film, camera topic, window, terminal."""

from __future__ import annotations

import math
import sys
import warnings
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import mujoco
from rclpy.node import Node
from sensor_msgs.msg import Image
from stride_control.messages import NANOSECONDS, to_stamp

from stride_sim.errors import SimError
from stride_sim.plant import Plant
from stride_sim.sim_config import SimConfig
from stride_sim.statistics import RunStatistics

_FILM = {".gif": (15, (480, 270)), ".mp4": (30, (1280, 720))}
"""Pictures a second, width and height, by the film's ending: a GIF is for a README."""

_LIVE_S = 0.5
_LOGGED_S = 5.0
_WINDOW_HZ = 60
_REST = 9.0


class Onlooker(Protocol):
    """Something that looks at the plant once a tick."""

    def look(self, now_ns: int, statistics: RunStatistics) -> None:
        """At the tick stamped ``now_ns``."""

    def close(self) -> None:
        """End of the run."""


class Onlookers:
    """Those that the configuration asks for."""

    def __init__(self, node: Node, config: SimConfig, plant: Plant) -> None:
        self._node, self._config = node, config
        self._all: list[Onlooker] = []
        self._make(plant)

    def _make(self, plant: Plant) -> None:
        config = self._config
        if config.film:
            self._all.append(Filmer(config.film, plant))
        if config.camera_rate:
            self._all.append(CameraTopic(self._node, plant, config.camera_rate))
        if config.window:
            self._all.append(Window(plant))
        if config.live:
            self._all.append(LiveLine(sys.stderr))

    def look(self, now_ns: int, statistics: RunStatistics) -> None:
        """Let each of them look; one that fails says so and leaves, and the walk goes on."""
        for onlooker in tuple(self._all):
            try:
                onlooker.look(now_ns, statistics)
            except (SimError, OSError) as error:
                self._node.get_logger().error(str(error))
                self._all.remove(onlooker)

    def change_ground(self) -> None:
        """The plant has another model now; a film goes on."""
        for onlooker in self._all:
            if isinstance(onlooker, PlantOnlooker):
                onlooker.open()

    def close(self) -> None:
        """Each finishes what it wrote."""
        for onlooker in self._all:
            onlooker.close()
        self._all.clear()


class PlantOnlooker:
    """Looks at the plant at a rate of simulated time."""

    def __init__(self, plant: Plant, rate: float) -> None:
        self._plant = plant
        self._rate = rate
        self._seen = 0
        self.open()

    def open(self) -> None:
        """Prepare for the plant's present model."""
        raise NotImplementedError

    def shoot(self, now_ns: int) -> None:
        """Take one look."""
        raise NotImplementedError

    def look(self, now_ns: int, _statistics: RunStatistics) -> None:
        """Shoot when the next frame is due."""
        due = math.floor(now_ns * self._rate / NANOSECONDS) + 1
        if due > self._seen:
            self._seen = due
            self.shoot(now_ns)

    def close(self) -> None:
        """Nothing to finish."""


class Filmer(PlantOnlooker):
    """Writes a film."""

    def __init__(self, path: str, plant: Plant) -> None:
        from stride_sim.camera import Film  # late: rendering loads Mesa and an encoder

        fps, self._size = _FILM.get(Path(path).suffix, _FILM[".mp4"])
        self._film = Film(path, fps, self._size)
        self._camera: Any = None
        super().__init__(plant, fps)

    def open(self) -> None:
        """Aim the camera."""
        self._camera = _aim(self._camera, self._plant, self._size)

    def shoot(self, now_ns: int) -> None:
        """One frame."""
        self._film.add(self._camera.render())

    def close(self) -> None:
        """Finish the file."""
        self._film.close()
        self._camera.close()


class CameraTopic(PlantOnlooker):
    """Publishes camera/image_raw."""

    def __init__(self, node: Node, plant: Plant, rate: float) -> None:
        self._publisher = node.create_publisher(Image, "camera/image_raw", 2)
        self._camera: Any = None
        super().__init__(plant, rate)

    def open(self) -> None:
        """Aim the camera."""
        self._camera = _aim(self._camera, self._plant, (640, 480), samples=0)

    def shoot(self, now_ns: int) -> None:
        """One image, if anybody listens."""
        if not self._publisher.get_subscription_count():
            return
        picture = self._camera.render()
        height, width, _ = picture.shape
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        message.header.stamp = to_stamp(now_ns)
        message.header.frame_id = "camera"
        message.data.frombytes(picture.tobytes())
        self._publisher.publish(message)

    def close(self) -> None:
        """Free the renderer."""
        self._camera.close()


def _aim(previous: Any, plant: Plant, size: tuple[int, int], samples: int = 4) -> Any:
    """A camera on the plant's present model, in place of the previous one."""
    from stride_sim.camera import Camera

    if previous is not None:
        previous.close()
    return Camera(plant, size=size, samples=samples)


class Window(PlantOnlooker):
    """MuJoCo's own window."""

    def __init__(self, plant: Plant) -> None:
        self._viewer: Any = None
        self._rest_until = 0.0
        super().__init__(plant, _WINDOW_HZ)

    def open(self) -> None:
        """Open the window on a copy of the plant's state, the robot amid it."""
        import mujoco.viewer

        from stride_sim.camera import View

        self.close()
        _check_screen()
        self._data = self._plant.robot_data()
        self._viewer = mujoco.viewer.launch_passive(
            self._plant.model, self._data, show_left_ui=False, show_right_ui=False
        )
        view, camera = View(), self._viewer.cam
        with self._viewer.lock():
            camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            camera.trackbodyid = self._plant.index.base
            camera.azimuth, camera.elevation = view.azimuth, view.elevation
            camera.distance = view.distance

    def shoot(self, now_ns: int) -> None:
        """Show the present state; a window closed by hand stays closed.

        Where drawing is slow it costs at most a tenth of the wall's time: the walk goes first.
        """
        began = monotonic()
        if began < self._rest_until or self._viewer is None or not self._viewer.is_running():
            return
        with self._viewer.lock():
            self._plant.robot_data(data=self._data)
            mujoco.mj_forward(self._plant.model, self._data)
        self._viewer.sync()
        ended = monotonic()
        self._rest_until = ended + _REST * (ended - began)

    def close(self) -> None:
        """Close the window."""
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None


def _check_screen() -> None:
    """MuJoCo itself would end the process without a word.

    Raises:
        SimError: no window can be opened here; one line.
    """
    import glfw  # MuJoCo's own

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if glfw.init():
            return
    why = " ".join(str(said[-1].message).split()) if said else "GLFW does not start"
    raise SimError(f"window: {why}: no screen here? leave --window out")


class LiveLine:
    """One line, rewritten twice a second on a terminal; in a log a new one each 5 s."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._every = _LIVE_S if stream.isatty() else _LOGGED_S
        self._written = monotonic()
        self._began: float | None = None

    def look(self, now_ns: int, statistics: RunStatistics) -> None:
        """Rewrite the line when it is time."""
        wall = monotonic()
        if self._began is None:
            self._began = wall
        if wall - self._written < self._every:
            return
        self._written = wall
        seconds = now_ns / NANOSECONDS
        text = (
            f"{seconds:8.1f} s   {statistics.speed:+.3f} m/s   "
            f"tilt {math.degrees(statistics.tilt):4.1f}°   "
            f"tick {statistics.latest_latency:5.0f} µs   missed {statistics.missed}   "
            f"x{seconds / max(wall - self._began, 1e-9):.2f}"
        )
        end = "\r" if self._stream.isatty() else "\n"
        self._stream.write(f"{text}{end}")
        self._stream.flush()

    def close(self) -> None:
        """Leave the last figures standing."""
        if self._stream.isatty():
            self._stream.write("\n")
