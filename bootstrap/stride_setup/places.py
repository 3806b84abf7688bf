"""Where things are: the repository's folders, and the ROS 2 that is used."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stride_setup.console import SetupError

DISTRO = "jazzy"
COMPAT = ("tf2_msgs",)  # interfaces that the wheels lack and every full ROS 2 has


@dataclass(frozen=True)
class Places:
    """The folders of one clone, and the prefix of the sourced ROS 2; None: it comes from wheels."""

    root: Path
    ros: Path | None = None
    compat: tuple[str, ...] = ()  # the packages of src/compat to be built

    @property
    def sourced(self) -> bool:
        """Tell whether a ROS 2 of the system is used."""
        return self.ros is not None

    @property
    def venv(self) -> Path:
        """Return the virtual environment, one for each kind of ROS 2."""
        return self.root / (".venv-ros" if self.sourced else ".venv")

    @property
    def python(self) -> Path:
        """Return the interpreter that runs everything."""
        return self.venv / "bin" / "python"

    @property
    def install(self) -> Path:
        """Return colcon's install folder."""
        return self.root / "install"

    @property
    def build(self) -> Path:
        """Return colcon's build folder."""
        return self.root / "build"

    @property
    def log(self) -> Path:
        """Return the file which gets the output of pip, CMake and colcon."""
        return self.root / ".stride" / "setup.log"

    @property
    def lock(self) -> Path:
        """Return the file which is locked while a set-up runs."""
        return self.root / ".stride" / "lock"

    @property
    def built(self) -> Path:
        """Return the stamp of the built workspace."""
        return self.root / ".stride" / "built"

    @property
    def environment(self) -> Path:
        """Return the file with the variables that the built workspace needs."""
        return self.install / "stride_environment.json"


def find_places(root: Path, env: Mapping[str, str]) -> Places:
    """Return the places of the clone at `root`, with the ROS 2 that `env` has sourced, if any.

    Raises:
        SetupError: another distribution than Jazzy is sourced, or there are no wheels for here.
    """
    if ":" in str(root):
        raise SetupError(f"'{root}' has a colon in its path, which no search path can hold", 2)
    prefixes = [Path(p) for p in env.get("AMENT_PREFIX_PATH", "").split(":") if p]
    prefixes = [p for p in prefixes if not p.is_relative_to(root)]
    distro = env.get("ROS_DISTRO", "")
    ros = next((prefix for prefix in prefixes if has_package("rclpy", [prefix])), None)
    if not distro or ros is None:
        if platform.system() != "Linux" or platform.machine() != "x86_64":
            raise SetupError(
                f"there are no ROS 2 wheels for {platform.system()} on {platform.machine()}: "
                "source a ROS 2 Jazzy (setup.bash) and try again",
                2,
            )
        return Places(root, compat=COMPAT)
    if distro != DISTRO:
        raise SetupError(
            f"ROS 2 '{distro}' is sourced, stride needs '{DISTRO}'; in a shell without "
            "it, ./stride installs one of its own",
            2,
        )
    return Places(root, ros, tuple(name for name in COMPAT if not has_package(name, prefixes)))


def has_package(name: str, prefixes: list[Path]) -> bool:
    """Tell whether one of the ament prefixes holds a package."""
    index = Path("share", "ament_index", "resource_index", "packages", name)
    return any(os.path.exists(prefix / index) for prefix in prefixes)
