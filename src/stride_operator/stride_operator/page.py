"""The page: a viser server with the scene and the panel."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping

import numpy as np
import rich
import viser

from stride_operator.panel import Panel, Status
from stride_operator.scene import Pose, Scene

PORTS = 100  # tried one after the other
PANEL_EVERY, CHART_EVERY = 4, 8  # updates of the scene to one of the panel, of the chart


class PageError(ValueError):
    """The page cannot be served; one line."""


def free_port(host: str, port: int) -> int:
    """Return `port` or the next one on which `host` can be served; 0 stands for any.

    Raises:
        PageError: None is free, or `host` is not an address of this machine.
    """
    for candidate in range(port, min(port + PORTS, 65536)):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
                return candidate
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise PageError(f"host: {host}: {error.strerror}") from error
    raise PageError(f"port: {port} and the {PORTS - 1} after it are taken")


class Page:
    """Serves the scene and the panel, to any number of viewers or none."""

    def __init__(self, host: str, port: int) -> None:
        """Start to serve, in threads of viser's own.

        Raises:
            PageError: It cannot be served at `host` and `port`.
        """
        rich.reconfigure(quiet=True)  # viser prints a box about itself with it
        self._server = viser.ViserServer(host, free_port(host, port), verbose=False)
        self._host = host
        with self._server.atomic():
            self.scene = Scene(self._server)
            self.panel = Panel(self._server)
        self._updates = 0
        self._trail_grew = False
        self.panel.reset.on_click(lambda _: self.scene.reset_camera())
        self.panel.trail.on_update(lambda _: self.scene.draw_trail(self.panel.trail.value))

    def when_asked(self, stop: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call, from threads of viser's own, when somebody asks for an emergency stop or for its
        end."""
        self.panel.stop.on_click(lambda _: stop())
        self.panel.stop_key.on_trigger(lambda _: stop())
        self.panel.resume.on_click(lambda _: resume())

    @property
    def port(self) -> int:
        """Where it is served."""
        return int(self._server.get_port())

    @property
    def url(self) -> str:
        """What to open in a browser."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def watched(self) -> bool:
        """Whether somebody has the page open."""
        return bool(self._server.get_clients())

    def update(
        self,
        poses: Mapping[str, Pose],
        trunk: tuple[float, float, float] | None,
        status: Status,
    ) -> None:
        """Show one instant.

        Args:
            poses: of links in their parents' frames, those that moved.
            trunk: position in the world [m], None while unknown.
            status: figures.
        """
        self._updates += 1
        with self._server.atomic():
            self.scene.following = self.panel.follow.value
            self.scene.set_poses(poses)
            self.scene.set_contacts({f"{leg}_foot": touches for leg, touches, _ in status.feet})
            if trunk is not None:
                self.scene.look_at(np.array(trunk))
                self._trail_grew |= self.scene.add_trail(trunk)
            if self._updates % PANEL_EVERY == 0:
                self.panel.show(status)
            if self._updates % CHART_EVERY == 0:
                self.panel.draw_chart()
                if self._trail_grew:
                    self.scene.draw_trail(self.panel.trail.value)
                    self._trail_grew = False

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()
