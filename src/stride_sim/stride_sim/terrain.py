"""Terrains by name, difficulty and seed, or from a picture: numpy only, deterministic.

A terrain is a `Heightfield`: heights on a regular grid whose middle is the world's origin. Every named terrain is a unit
pattern (fixed by the seed) times an amplitude (fixed by the difficulty), so that difficulty 0 is level, every height
grows monotonically with it, and two difficulties of one seed are the same landscape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stride_sim.errors import TerrainError

Array = NDArray[np.float64]

# What lies beyond the edge of a heightfield: a plane this far [m] below its lowest point, so that it never touches a
# foot that stands on the field itself.
SKIRT = 0.005


@dataclass(frozen=True)
class TerrainConfig:
    """Which ground the robots walk on.

    Attributes:
        name: one of `names()`, or the path of a .png whose grey levels are heights (its top row lies at +y).
        difficulty: 0 (level) to 1; a picture ignores it.
        seed: of the random terrains (rough, steps, waves); the others ignore it.
        size: extent in x, extent in y, and height of white [m]; of a picture, which needs it, and of nothing else.
    """

    name: str = "flat"
    difficulty: float = 0.5
    seed: int = 0
    size: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Heightfield:
    """Heights [m] of the ground on a grid that is centred on the world's origin.

    Attributes:
        heights: (rows, cols), at least 2 × 2; row along +y, column along +x, the outermost points on the edge.
        size_x: extent in x [m].
        size_y: extent in y [m].
    """

    heights: Array
    size_x: float
    size_y: float

    @cached_property
    def is_flat(self) -> bool:
        """Whether all is level at height 0; then the ground is an endless plane."""
        return not self.heights.any()

    @cached_property
    def outside(self) -> float:
        """Height of the ground beyond the edge [m]."""
        return 0.0 if self.is_flat else float(self.heights.min()) - SKIRT

    def height_at(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Height of the ground [m] at world positions x, y [m], which broadcast; the shape is theirs.

        Each cell is two triangles that share the diagonal from its (−x, −y) to its (+x, +y) corner, as in MuJoCo's
        heightfield collision. Beyond the edge it is `outside`.
        """
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        if self.is_flat:
            return np.zeros(x.shape)
        rows, cols = self.heights.shape
        u = (x / self.size_x + 0.5) * (cols - 1)
        v = (y / self.size_y + 0.5) * (rows - 1)
        inside = (u >= 0) & (u <= cols - 1) & (v >= 0) & (v <= rows - 1)
        u, v = np.where(inside, u, 0.0), np.where(inside, v, 0.0)  # also keeps NaN out of the indices
        i = np.minimum(u.astype(np.intp), cols - 2)
        j = np.minimum(v.astype(np.intp), rows - 2)
        u -= i
        v -= j
        base = j * cols + i
        flat = self.heights.reshape(-1)
        low, high = flat[base], flat[base + cols + 1]
        corner = np.where(u >= v, flat[base + 1], flat[base + cols])  # the third corner of this triangle
        major, minor = np.maximum(u, v), np.minimum(u, v)
        return np.where(inside, low + major * (corner - low) + minor * (high - corner), self.outside)

    def support_at(self, x: ArrayLike, y: ArrayLike, radius: float) -> Array:
        """Lowest height [m] of a sphere's centre above x, y [m] at which it rests on the ground.

        The ground below the sphere is sampled on rings; what a ring misses is below 2 % of the radius on faces up to
        60° steep.
        """
        x, y = np.asarray(x, float), np.asarray(y, float)
        if self.is_flat:
            return np.full(np.broadcast_shapes(x.shape, y.shape), radius)
        points, rise = _footprint(radius)
        ground = self.height_at(x[..., None] + points[:, 0], y[..., None] + points[:, 1])
        return (ground + rise).max(axis=-1)


def _footprint(radius: float) -> tuple[Array, Array]:
    """Points (n, 2) below a sphere [m] and the height (n,) of its centre above the surface there [m]."""
    polar = np.repeat(np.radians(np.arange(0.0, 91.0, 10.0)), 24)
    around = np.tile(np.arange(24) * (2 * np.pi / 24), 10)
    points = radius * np.sin(polar)[:, None] * np.stack([np.cos(around), np.sin(around)], axis=-1)
    return points, radius * np.cos(polar)


def generate(config: TerrainConfig) -> Heightfield:
    """The heights of a terrain.

    Raises:
        TerrainError: a ValueError; one line that names what is wrong with the configuration.
    """
    if str(config.name).lower().endswith(".png"):
        return _from_picture(config)
    if config.name not in _PATTERNS:
        raise TerrainError(
            f"terrain '{config.name}' is unknown: expected one of {', '.join(names())}, or the path of a .png"
        )
    if config.size is not None:
        raise TerrainError(f"terrain '{config.name}' has a size of its own: a size is expected of a .png only")
    difficulty = config.difficulty
    if isinstance(difficulty, bool) or not isinstance(difficulty, (int, float)) or not 0 <= difficulty <= 1:
        raise TerrainError(f"terrain difficulty is {difficulty}: expected a number from 0 to 1")
    if isinstance(config.seed, bool) or not isinstance(config.seed, (int, np.integer)) or config.seed < 0:
        raise TerrainError(f"terrain seed is {config.seed}: expected a whole number from 0")
    return _PATTERNS[config.name](float(difficulty), np.random.default_rng(config.seed))


def names() -> tuple[str, ...]:
    """The terrains that `generate` knows by name."""
    return tuple(_PATTERNS)


def _flat(difficulty: float, rng: np.random.Generator) -> Heightfield:
    return Heightfield(np.zeros((2, 2)), 20.0, 20.0)


def _rough(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """256 × 256 points over 14.2 × 18.6 m, each by itself uniform in 0 to 25 mm: the public thesis' terrain.

    Neighbours differ by 25/3 = 8.3 mm on average and by 25 (1 − √0.05) = 19.4 mm at the 95th percentile.
    """
    return Heightfield(0.025 * difficulty * rng.random((256, 256)), 14.2, 18.6)


def _slope(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """An even incline along +x, up to 20° (grade 0.364; friction 0.6 would hold up to 31°)."""
    grade = difficulty * math.tan(math.radians(20.0))
    x = np.linspace(0.0, 12.0, 25)
    return Heightfield(np.tile(grade * x, (25, 1)), 12.0, 12.0)


def _stairs(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """Stairs that rise along +x: treads of 0.2 m, risers of up to 30 mm, each 10 mm deep (the grid's pitch)."""
    points = 1201
    tread = (np.arange(points) - 10) // 20  # the origin lies amid a tread
    return Heightfield(np.tile(0.030 * difficulty * (tread + 1.0), (49, 1)), 12.0, 12.0)


def _steps(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """Discrete blocks of 0.2 × 0.2 m, each by itself at one of four heights from 0 to 40 mm."""
    level = rng.integers(0, 4, (60, 60)) / 3.0
    fine = np.kron(level, np.ones((10, 10)))  # pitch 20 mm: the faces are 20 mm deep
    return Heightfield(0.040 * difficulty * fine, 12.0, 12.0)


def _waves(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """Smooth waves, 60 mm from trough to crest: a sine of 1.0 m along x and one of 1.3 m along y, phases by the seed."""
    x = np.linspace(0.0, 12.0, 241)
    phase = rng.random(2) * 2 * np.pi
    along_x = np.sin(2 * np.pi * x / 1.0 + phase[0])[None, :]
    along_y = np.sin(2 * np.pi * x / 1.3 + phase[1])[:, None]
    return Heightfield(0.015 * difficulty * (2.0 + along_x + along_y), 12.0, 12.0)


_PATTERNS: dict[str, Callable[[float, np.random.Generator], Heightfield]] = {
    "flat": _flat,
    "rough": _rough,
    "slope": _slope,
    "stairs": _stairs,
    "steps": _steps,
    "waves": _waves,
}


def _from_picture(config: TerrainConfig) -> Heightfield:
    """Heights from the grey levels of a picture: black is 0, white is `size[2]`, the top row lies at +y."""
    path = Path(config.name).expanduser()
    if config.size is None:
        raise TerrainError(f"terrain {path}: its size is missing: expected x, y and height of white in metres")
    size = tuple(config.size)
    if len(size) != 3 or not all(isinstance(s, (int, float)) and math.isfinite(s) and s > 0 for s in size):
        raise TerrainError(f"terrain {path}: size is {config.size}: expected three positive numbers x, y, z in metres")
    if not path.is_file():
        raise TerrainError(f"terrain {path}: no such file")
    grey = _read_grey(path)
    if min(grey.shape) < 2:
        raise TerrainError(f"terrain {path}: is {grey.shape[1]} × {grey.shape[0]} pixels: expected at least 2 × 2")
    return Heightfield(np.ascontiguousarray(grey[::-1]) * size[2], float(size[0]), float(size[1]))


def _read_grey(path: Path) -> Array:
    """Grey levels (rows, cols) in [0, 1] of a picture of 8 or 16 bits."""
    from PIL import Image, UnidentifiedImageError  # here, since no other terrain needs it

    try:
        with Image.open(path) as image:
            wide = image.mode.startswith(("I", "F"))
            pixels = np.asarray(image if wide else image.convert("L"), float)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise TerrainError(f"terrain {path}: is not a picture that can be read ({error})") from error
    return pixels / (65535.0 if wide else 255.0)
