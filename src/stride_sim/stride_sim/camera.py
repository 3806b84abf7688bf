"""Pictures of the simulation without a screen."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from stride_sim.errors import RenderError
from stride_sim.film import Film
from stride_sim.opengl import choose_backend, make_context
from stride_sim.plant import Plant

__all__ = ["Camera", "Film", "View"]

Image = NDArray[np.uint8]

_SMOOTH = 0.15  # share of the way that the camera's height follows the robot's in one picture
_ABOVE_GROUND = 0.04  # least height of the camera [m]


@dataclass(frozen=True)
class View:
    """Whence the camera looks: angles in the world, the robot amid the picture."""

    azimuth: float = 128.0  # degrees; 0 looks along +x, 90 along +y
    elevation: float = -20.0  # degrees; negative looks down
    distance: float = 0.62  # [m]


class Camera(AbstractContextManager["Camera"]):
    """A camera that follows one robot of a plant.

    OpenGL ties it to the thread which made it. Close it, or use it in a `with`.
    """

    def __init__(
        self,
        plant: Plant,
        size: tuple[int, int] = (640, 480),
        robot: int = 0,
        view: View | None = None,
        samples: int = 4,
        backend: str | None = None,
    ) -> None:
        """Prepare pictures of `size`, width and height in pixels.

        Args:
            plant: what to look at; after its `set_terrain`, make another camera.
            size: width, height.
            robot: the one to follow.
            view: from where.
            samples: per pixel, against jagged edges; 0 halves the time of a software rendering.
            backend: egl or osmesa; None takes what MUJOCO_GL says, or else what works here.

        Raises:
            RenderError: neither EGL nor OSMesa works here; one line that names what to install.
        """
        width, height = size
        if not (16 <= width <= 4096 and 16 <= height <= 4096):
            raise RenderError(f"picture of {width} x {height}: expected 16 to 4096 pixels each")
        self._plant, self._robot, self._view = plant, robot, view or View()
        self._gl: Any = make_context(
            backend or choose_backend(os.environ.get("MUJOCO_GL")), width, height
        )
        model = plant.robot_model(robot)
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.quality.offsamples = samples
        self._model, self._data = model, mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, 1000)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._flipped = np.empty((height, width, 3), np.uint8)
        self._eye_level: float | None = None

    def render(self) -> Image:
        """Return a picture of the present moment, (height, width, 3), RGB, an array of its own."""
        self._gl.make_current()
        data = self._plant.robot_data(self._robot, self._data)
        mujoco.mj_forward(self._model, data)
        self._aim(data)
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        mujoco.mjr_readPixels(self._flipped, None, self._viewport, self._context)
        return np.ascontiguousarray(self._flipped[::-1])  # OpenGL's first row is the lowest

    def _aim(self, data: mujoco.MjData) -> None:
        """Look at the robot, from above the ground whatever the ground is."""
        camera, view = self._camera, self._view
        x, y, z = data.xpos[self._plant.index.base]
        last = z if self._eye_level is None else self._eye_level
        self._eye_level = last + _SMOOTH * (z - last)  # a bob of the trunk is not one of the camera
        camera.lookat[:] = x, y, self._eye_level - 0.025
        camera.azimuth, camera.distance = view.azimuth, view.distance
        ground = self._plant.ground_of(self._robot)
        for elevation in np.arange(view.elevation, -90.0, -5.0):
            camera.elevation = elevation
            low, turn = np.radians(elevation), np.radians(view.azimuth)
            back = view.distance * np.cos(low)
            eye_x, eye_y = x - back * np.cos(turn), y - back * np.sin(turn)
            eye_z = camera.lookat[2] - view.distance * np.sin(low)
            if eye_z > ground.height_at(eye_x, eye_y) + _ABOVE_GROUND:
                break

    def close(self) -> None:
        """Free what OpenGL holds; more than once is harmless."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
