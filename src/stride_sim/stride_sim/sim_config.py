"""Parameters of the simulation node."""

from __future__ import annotations

from dataclasses import dataclass, field

from stride_control.config import RobotChoice
from stride_core.config import param

from stride_sim.plant import PlantConfig


@dataclass(frozen=True)
class SimConfig(RobotChoice):
    """The simulation node; ``plant`` is what training uses too."""

    plant: PlantConfig = field(default_factory=PlantConfig)
    terrain: str = param("flat", doc="name of a terrain, or path of a .png heightfield")
    difficulty: float = param(0.5, doc="of the terrain", min=0.0, max=1.0)
    terrain_seed: int = param(0, doc="of random terrains", min=0, max=2**31 - 1)
    terrain_size: tuple[float, ...] = param(
        (), doc="x, y, height of white; of a .png, and of nothing else", unit="m"
    )
    seed: int = param(0, doc="of sensor noise", min=0, max=2**31 - 1)
    pose: tuple[float, float, float] = param((0.0, 0.0, 0.0), doc="x, y, yaw", unit="m, m, rad")
    lockstep: bool = param(
        False, doc="wait for the command that bears a tick's stamp; true when as fast as possible"
    )
    realtime_factor: float = param(
        1.0,
        doc="simulated seconds a wall second; 0: as fast as the graph answers",
        min=0.0,
        max=1000.0,
    )
    stop_after: float = param(0.0, doc="end the run; 0: never", unit="s", min=0.0)
    command_timeout: float = param(
        0.5,
        doc="motors off this long after the last command (real time)",
        unit="s",
        min=0.01,
        max=60.0,
    )
    wait_for: tuple[str, ...] = param(
        (), doc="before the first tick, topics that must be heard, as topic=subscribers"
    )
    transform_rate: float = param(50.0, doc="of tf", unit="Hz", min=0.1, max=1000.0)
    camera_rate: float = param(
        0.0, doc="of camera/image_raw; 0: none", unit="Hz", min=0.0, max=120.0
    )
    film: str = param("", doc="write a film of the run to this .mp4 or .gif")
    window: bool = param(False, doc="show MuJoCo's own window")
    live: bool = param(False, doc="a line of figures on the terminal while running")
    summary: str = param("", doc="write the run's figures to this .json at the end")

    @property
    def waits(self) -> bool:
        """Whether a tick lasts until its command has come."""
        return self.lockstep or self.realtime_factor == 0.0

    @property
    def size(self) -> tuple[float, float, float] | None:
        """``terrain_size``, or None when left out."""
        if not self.terrain_size:
            return None
        x, y, z = self.terrain_size
        return x, y, z

    def __post_init__(self) -> None:
        if self.terrain_size and len(self.terrain_size) != 3:
            raise ValueError(f"terrain_size: {self.terrain_size}: expected x, y, height of white")
