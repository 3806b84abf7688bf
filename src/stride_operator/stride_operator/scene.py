"""The robot, the ground and the camera on a viser page.

Everything hangs on `/world`, which is shifted under the camera so that the robot stays in view:
the orbit that a person chose is left alone, and a step of the robot is one message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import trimesh
import viser
from numpy.typing import NDArray

from stride_operator.ground import Ground, mesh
from stride_operator.urdf import Robot, Visual

Pose = tuple[tuple[float, float, float], tuple[float, float, float, float]]  # position, xyzw

BACKGROUND = (2, 2, 2)  # viser's own, when dark, in linear light; the ground fades into it
FOG = 3.0, 9.0  # m from the camera: where it begins, where nothing else is left
TOUCHING = (64, 220, 160)  # colour of a foot that bears weight
TRAIL = (90, 150, 235)
TRAIL_POINTS, TRAIL_STEP = 400, 0.01  # points kept; m between them
FOLLOW = 0.12  # share of the way to the robot that the view goes at each update
# m from the robot, which is left of the middle: the panel is on the right
CAMERA, LOOK_AT = (0.37, -0.48, 0.25), (0.045, 0.03, 0.02)


def wxyz(quaternion: Sequence[float]) -> tuple[float, float, float, float]:
    """As viser has it, of xyzw."""
    x, y, z, w = quaternion
    return w, x, y, z


class Scene:
    """What is drawn. Methods may be called at any rate; each sends only what changed."""

    def __init__(self, server: viser.ViserServer) -> None:
        """Prepare an empty stage: lights, background, camera, a grid for the ground."""
        self._scene = server.scene
        self._server = server
        self._frames: dict[str, Any] = {}
        self._placed: dict[str, tuple[Any, Any]] = {}
        self._feet: dict[str, list[tuple[Any, tuple[int, int, int]]]] = {}
        self._touching: dict[str, bool] = {}
        self._trail: deque[tuple[float, float, float]] = deque(maxlen=TRAIL_POINTS)
        self._trail_handle: Any = None
        self._view = np.zeros(3)
        self._shown = np.zeros(3)
        self.following = True
        self._scene.configure_default_lights(enabled=False)
        self._scene.add_light_hemisphere(
            "/lights/sky", sky_color=(225, 235, 255), ground_color=(70, 66, 60), intensity=1.6
        )
        self._scene.add_light_directional(
            "/lights/sun", color=(255, 244, 225), intensity=2.6, position=(0.5, -0.7, 1.6),
            cast_shadow=True,
        )  # fmt: skip
        self._scene.configure_fog(*FOG, color=BACKGROUND)
        self._world = self._scene.add_frame("/world", show_axes=False)
        self._grid: Any = None
        self._ground: Any = None
        self.set_ground(None)
        self.reset_camera()

    def reset_camera(self) -> None:
        """Look at the robot from the front right, on all pages."""
        camera = self._server.initial_camera
        camera.fov, camera.position, camera.look_at = 0.75, CAMERA, LOOK_AT
        for client in self._server.get_clients().values():
            client.camera.position, client.camera.look_at = CAMERA, LOOK_AT

    def set_robot(self, robot: Robot, feet: Sequence[str] = ()) -> None:
        """Draw another robot; `feet` are links that light up when they touch the ground."""
        for root in [*self._frames.values()][:1]:
            root.remove()  # and what hangs on it
        self._placed.clear()
        self._touching.clear()
        self._feet = {name: [] for name in feet}
        paths = {robot.root: f"/world/{robot.root}"}
        self._frames = {robot.root: self._scene.add_frame(paths[robot.root], show_axes=False)}
        for child, joint in robot.joints.items():
            paths[child] = f"{paths[joint.parent]}/{child}"
            self._frames[child] = self._scene.add_frame(
                paths[child], show_axes=False, position=joint.position, wxyz=wxyz(joint.quaternion)
            )
        for number, visual in enumerate(robot.visuals):
            handle = self._add_visual(f"{paths[visual.link]}/visual_{number}", visual)
            if visual.link in self._feet:
                self._feet[visual.link].append((handle, _rgb(visual)))

    def _add_visual(self, name: str, visual: Visual) -> Any:
        common: dict[str, Any] = {
            "color": _rgb(visual),
            "position": visual.position,
            "wxyz": wxyz(visual.quaternion),
        }
        if visual.shape == "box":
            return self._scene.add_box(name, dimensions=visual.size, **common)
        if visual.shape == "cylinder":
            radius, length = visual.size
            return self._scene.add_cylinder(name, radius, length, radial_segments=20, **common)
        return self._scene.add_icosphere(name, visual.size[0], subdivisions=2, **common)

    def set_ground(self, ground: Ground | None) -> None:
        """Draw another ground; a grid for a flat one or None."""
        for handle in (self._grid, self._ground):
            if handle is not None:
                handle.remove()
        self._grid = self._ground = None
        if ground is None or ground.flat:
            height = 0.0 if ground is None else float(ground.heights[0, 0])
            self._grid = self._scene.add_grid(
                "/world/grid", 20.0, 20.0, position=(0, 0, height), infinite_grid=True,
                cell_size=0.1, cell_color=(52, 60, 72), cell_thickness=0.8,
                section_size=0.5, section_color=(84, 98, 118), section_thickness=1.1,
                fade_distance=4.0, fade_strength=1.5, shadow_opacity=0.35,
                plane_color=(28, 33, 41), plane_opacity=1.0,
            )  # fmt: skip
            return
        found = mesh(ground)
        shape = trimesh.Trimesh(
            found.vertices, found.faces, vertex_colors=found.colours, process=False
        )
        self._ground = self._scene.add_mesh_trimesh("/world/ground", shape, cast_shadow=False)

    def set_poses(self, poses: Mapping[str, Pose]) -> None:
        """Place links, each in the frame of its parent (the root in the world)."""
        for link, (position, quaternion) in poses.items():
            frame = self._frames.get(link)
            if frame is None:
                continue
            # Most joints only turn: what did not change to a hundredth of a millimetre stays.
            before = self._placed.get(link, (None, None))
            place = tuple(round(part, 5) for part in position)
            turn = tuple(round(part, 5) for part in wxyz(quaternion))
            if place != before[0]:
                frame.position = place
            if turn != before[1]:
                frame.wxyz = turn
            self._placed[link] = place, turn

    def set_contacts(self, touching: Mapping[str, bool]) -> None:
        """Light up the feet that touch, by link."""
        for link, touches in touching.items():
            if self._touching.get(link) == touches:
                continue
            self._touching[link] = touches
            for handle, colour in self._feet.get(link, ()):
                handle.color = TOUCHING if touches else colour

    def look_at(self, position: NDArray[np.float64]) -> None:
        """Follow the robot, now at `position` (3,) [m] in the world, when following is on."""
        if not self.following:
            return
        far = np.linalg.norm(position - self._view) > 1.0  # it was put elsewhere
        self._view = position if far else self._view + FOLLOW * (position - self._view)
        shift = -self._view * (1, 1, 0)
        if np.abs(shift - self._shown).max() > 1e-4:
            self._shown = shift
            self._world.position = shift

    def add_trail(self, point: tuple[float, float, float]) -> bool:
        """Note where the trunk was [m]; tell whether it moved on."""
        if self._trail:
            step = float(np.hypot(point[0] - self._trail[-1][0], point[1] - self._trail[-1][1]))
            if step < TRAIL_STEP:
                return False
            if step > 0.5:  # it was put elsewhere
                self._trail.clear()
        self._trail.append(point)
        return True

    def draw_trail(self, visible: bool) -> None:
        """Draw where the robot has been."""
        if self._trail_handle is not None:
            self._trail_handle.remove()
            self._trail_handle = None
        if visible and len(self._trail) > 1:
            segments = np.array(list(pairwise(self._trail)), dtype=np.float32)
            self._trail_handle = self._scene.add_line_segments(
                "/world/trail", segments, colors=TRAIL, line_width=3.0
            )


def _rgb(visual: Visual) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in visual.colour)
    return red, green, blue
