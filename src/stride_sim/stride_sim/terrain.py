"""Terrains by name, difficulty and seed, or from a picture: numpy only, deterministic.

A terrain is a `Heightfield`: heights on a regular grid whose middle is the world's origin. Every
named terrain is a unit pattern (fixed by the seed) times an amplitude (fixed by the difficulty), so
that difficulty 0 is level, every height grows monotonically with it, and two difficulties of one
seed are the same landscape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from stride_core.arrays import FloatArray

from stride_sim.errors import TerrainError

SKIRT = 0.005
"""The plane beyond a heightfield's edge lies this far below its lowest point [m]: deep enough that
no foot which stands on the field touches it too."""


@dataclass(frozen=True)
class TerrainConfig:
    """Which ground the robots walk on.

    Attributes:
        name: one of `names()`, or the path of a .png whose grey levels are heights (its top row
            lies at +y).
        difficulty: 0 (level) to 1; a picture ignores it.
        seed: of the random terrains (rough, steps, waves); the others ignore it.
        size: of a picture, which needs it: extent in x, in y, and the height of white [m].
    """

    name: str = "flat"
    difficulty: float = 0.5
    seed: int = 0
    size: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Heightfield:
    """Heights [m] of the ground on a grid that is centred on the world's origin.

    Attributes:
        heights: (rows, cols), at least 2 × 2, none below 0; row along +y, column along +x, the
            outermost points on the edge.
        size_x: extent in x [m].
        size_y: extent in y [m].
    """

    heights: FloatArray
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

    def height_at(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Height of the ground [m] at world positions x, y [m], which broadcast.

        Each cell is two triangles that share the diagonal from its (−x, −y) to its (+x, +y) corner,
        as in MuJoCo's heightfields. Beyond the edge it is `outside`.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        if self.is_flat:
            return np.zeros(x.shape)
        rows, cols = self.heights.shape
        u = (x / self.size_x + 0.5) * (cols - 1)
        v = (y / self.size_y + 0.5) * (rows - 1)
        inside = (u >= 0) & (u <= cols - 1) & (v >= 0) & (v <= rows - 1)
        u, v = np.where(inside, u, 0.0), np.where(inside, v, 0.0)  # and no NaN as an index
        i = np.minimum(u.astype(np.intp), cols - 2)
        j = np.minimum(v.astype(np.intp), rows - 2)
        u, v = u - i, v - j
        near = j * cols + i
        points = self.heights.reshape(-1)
        low, high = points[near], points[near + cols + 1]
        corner = points[near + np.where(u >= v, 1, cols)]  # the third of this triangle
        major, minor = np.maximum(u, v), np.minimum(u, v)
        height = low + major * (corner - low) + minor * (high - corner)
        return np.where(inside, height, self.outside)

    def support_at(self, x: ArrayLike, y: ArrayLike, radius: float) -> FloatArray:
        """Lowest height [m] of a sphere's centre above x, y [m] at which it rests on the ground.

        The ground below the sphere is sampled on rings, which miss less than 1 % of the radius on
        an even slope up to 60° steep, and less than a tenth of it on an edge.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        if self.is_flat:
            return np.full(x.shape, radius)
        polar = np.repeat(np.radians(np.arange(0.0, 91.0, 7.5)), 24)
        around = np.tile(np.arange(24) * (2 * np.pi / 24), 13)
        reach = radius * np.sin(polar)
        ground = self.height_at(
            x[..., None] + reach * np.cos(around), y[..., None] + reach * np.sin(around)
        )
        centre: FloatArray = (ground + radius * np.cos(polar)).max(axis=-1)
        return centre


class GroundPool:
    """Several grounds, asked about at once."""

    def __init__(self, grounds: Sequence[Heightfield]) -> None:
        self.grounds = tuple(grounds)
        self._points = np.concatenate([ground.heights.ravel() for ground in self.grounds])
        sizes = [ground.heights.size for ground in self.grounds]
        self._start = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        self._rows, self._cols = np.array([g.heights.shape for g in self.grounds], np.intp).T
        self._size_x = np.array([ground.size_x for ground in self.grounds])
        self._size_y = np.array([ground.size_y for ground in self.grounds])
        self._outside = np.array([ground.outside for ground in self.grounds])
        self._all_flat = all(ground.is_flat for ground in self.grounds)

    def height_at(self, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> FloatArray:
        """As `Heightfield.height_at`, of `grounds[which]`; all three have the same shape."""
        if self._all_flat:
            return np.zeros(x.shape)
        rows, cols = self._rows[which], self._cols[which]
        u = (x / self._size_x[which] + 0.5) * (cols - 1)
        v = (y / self._size_y[which] + 0.5) * (rows - 1)
        inside = (u >= 0) & (u <= cols - 1) & (v >= 0) & (v <= rows - 1)
        u, v = np.where(inside, u, 0.0), np.where(inside, v, 0.0)  # and no NaN as an index
        i = np.minimum(u.astype(np.intp), cols - 2)
        j = np.minimum(v.astype(np.intp), rows - 2)
        u, v = u - i, v - j
        near = self._start[which] + j * cols + i
        low, high = self._points.take(near), self._points.take(near + cols + 1)
        corner = self._points.take(near + np.where(u >= v, 1, cols))  # the triangle's third
        major, minor = np.maximum(u, v), np.minimum(u, v)
        height = low + major * (corner - low) + minor * (high - corner)
        return np.where(inside, height, self._outside[which])


def generate(config: TerrainConfig) -> Heightfield:
    """Make the heights of a terrain.

    Raises:
        TerrainError: a ValueError; one line that names what is wrong with the configuration.
    """
    name, difficulty, seed = config.name, config.difficulty, config.seed
    if str(name).lower().endswith(".png"):
        return _from_picture(config)
    if name not in _PATTERNS:
        known = ", ".join(names())
        raise TerrainError(f"terrain {name!r}: expected one of {known}, or the path of a .png")
    if config.size is not None:
        raise TerrainError(f"terrain {name}: has a size of its own: only a .png expects one")
    if not _is_number(difficulty) or not 0 <= difficulty <= 1:
        raise TerrainError(f"terrain difficulty: {difficulty!r}: expected a number from 0 to 1")
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise TerrainError(f"terrain seed: {seed!r}: expected a whole number of at least 0")
    return _PATTERNS[name](float(difficulty), np.random.default_rng(seed))


def names() -> tuple[str, ...]:
    """Return the terrains that `generate` knows by name."""
    return tuple(_PATTERNS)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


# --- by name --------------------------------------------------------------------------------------


def _flat(difficulty: float, rng: np.random.Generator) -> Heightfield:
    return Heightfield(np.zeros((2, 2)), 20.0, 20.0)


def _rough(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """256 × 256 points over 14.2 × 18.6 m, each by itself uniform in 0 to 25 mm.

    Neighbours then differ by 25/3 = 8.3 mm on average, and by 25 (1 − √0.05) = 19.4 mm at the 95th
    percentile. The terrain of the public thesis that the fivebar comes from.
    """
    return Heightfield(0.025 * difficulty * rng.random((256, 256)), 14.2, 18.6)


def _slope(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """An even incline along +x, up to 20° (friction 0.6 would hold up to 31°)."""
    x = np.linspace(0.0, 12.0, 25)
    grade = difficulty * math.tan(math.radians(20.0))
    return Heightfield(np.tile(grade * x, (25, 1)), 12.0, 12.0)


def _stairs(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """Stairs that rise along +x: treads of 0.2 m, risers up to 30 mm, 10 mm deep (the pitch)."""
    tread = (np.arange(1201) + 10) // 20  # the origin lies amid a tread
    return Heightfield(np.tile(0.030 * difficulty * tread, (49, 1)), 12.0, 12.0)


def _steps(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """Discrete blocks of 0.2 × 0.2 m, each by itself at one of four heights from 0 to 40 mm."""
    level = rng.integers(0, 4, (50, 50)) / 3.0
    fine = level.repeat(8, axis=0).repeat(8, axis=1)  # pitch 25 mm: so deep are the faces
    return Heightfield(0.040 * difficulty * fine, 10.0, 10.0)


def _waves(difficulty: float, rng: np.random.Generator) -> Heightfield:
    """A sine of 1.0 m along x and one of 1.3 m along y, together up to 60 mm high."""
    x: FloatArray = np.linspace(0.0, 12.0, 241)
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


# --- from a picture -------------------------------------------------------------------------------


def _from_picture(config: TerrainConfig) -> Heightfield:
    """Heights from grey levels: black is 0, white is `size[2]`, the top row lies at +y."""
    path = Path(config.name).expanduser()
    if config.size is None:
        raise TerrainError(f"terrain {path}: needs a size: expected x, y, height of white [m]")
    size = tuple(config.size)
    if len(size) != 3 or not all(_is_number(part) and part > 0 for part in size):
        raise TerrainError(f"terrain {path}: size {size}: expected three positive numbers [m]")
    grey = _read_grey(path)
    if min(grey.shape) < 2:
        pixels = f"{grey.shape[1]} × {grey.shape[0]}"
        raise TerrainError(f"terrain {path}: {pixels} pixels: expected at least 2 × 2")
    return Heightfield(np.ascontiguousarray(grey[::-1]) * size[2], float(size[0]), float(size[1]))


def _read_grey(path: Path) -> FloatArray:
    """Grey levels (rows, cols) in [0, 1] of a picture of 8 or 16 bits."""
    from PIL import Image, UnidentifiedImageError  # here, since no other terrain needs it

    try:
        with Image.open(path) as image:
            wide = image.mode.startswith("I")  # 16 bits
            pixels = np.asarray(image if wide else image.convert("L"), np.float64)
    except UnidentifiedImageError:
        raise TerrainError(f"terrain {path}: is not a picture") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise TerrainError(f"terrain {path}: cannot be read: {why}") from None
    return pixels / (65535.0 if wide else 255.0)
