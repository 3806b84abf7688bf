"""Where configuration is: in a bare checkout without ROS, or in an installed workspace."""

from __future__ import annotations

from pathlib import Path

from stride_core.control import parameter_files
from stride_core.robot import RobotSpec


def config_folder() -> Path:
    """The folder ``config``: the checkout's own, else that which stride_bringup installs."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "config" / "training").is_dir():
            return parent / "config"
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory("stride_bringup")) / "config"
    except (ModuleNotFoundError, LookupError, OSError):
        raise ValueError(f"config/training: no such folder above {Path(__file__).parent}") from None


def params_files(robot: RobotSpec, config: str = "") -> list[Path]:
    """The YAMLs of ROS parameters that the nodes read: the robot's, its servo's calibration.

    Raises:
        ValueError: the former is not there; one line.
    """
    return parameter_files(config_folder(), robot, config)


def task_names() -> tuple[str, ...]:
    """Tasks that are there by name."""
    return tuple(sorted(path.stem for path in (config_folder() / "training").glob("*.yaml")))
