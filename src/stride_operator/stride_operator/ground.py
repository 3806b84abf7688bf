"""The ground as a mesh with colours by height, and its height at a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stride_core.arrays import FloatArray

MOST = 300  # vertices along a side; beyond, every second (third, …) is left out

# From low to high: slate, teal, sage, sand; as sRGB, dark enough to let the robot stand out.
COLOURS = np.array([[34, 42, 54], [50, 66, 76], [82, 95, 93], [122, 118, 101]], dtype=float)


@dataclass(frozen=True)
class Ground:
    """A height field: heights (rows, cols) [m], row along +y, col along +x, centred at x = y = 0.

    `size_x` and `size_y` [m] are its whole extent.
    """

    heights: FloatArray
    size_x: float
    size_y: float

    def __post_init__(self) -> None:
        """Raise ValueError unless heights are a grid of finite numbers and the size is positive."""
        if self.heights.ndim != 2 or min(self.heights.shape) < 2:
            raise ValueError(f"terrain: {self.heights.shape}, expected 2 × 2 heights or more")
        if not np.isfinite(self.heights).all():
            raise ValueError("terrain: heights that are not finite")
        if not (self.size_x > 0 and self.size_y > 0):
            raise ValueError(f"terrain: {self.size_x} × {self.size_y} m, expected positive sizes")

    @property
    def flat(self) -> bool:
        """Whether all of it is at one height."""
        return bool(np.ptp(self.heights) == 0)

    def height_at(self, x: float, y: float) -> float:
        """Height [m] at a place, bilinear; beyond the edge, that of the edge."""
        rows, cols = self.heights.shape
        col = float(np.clip((x / self.size_x + 0.5) * (cols - 1), 0, cols - 1))
        row = float(np.clip((y / self.size_y + 0.5) * (rows - 1), 0, rows - 1))
        c, r = min(int(col), cols - 2), min(int(row), rows - 2)
        u, v = col - c, row - r
        (a, b), (d, e) = self.heights[r : r + 2, c : c + 2]
        return float((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + e * u) * v)


@dataclass(frozen=True)
class Mesh:
    """Triangles: vertices (V, 3) [m], faces (F, 3) counter-clockwise from above, colours (V, 3)."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.uint32]
    colours: NDArray[np.uint8]


def mesh(ground: Ground, most: int = MOST) -> Mesh:
    """Return the ground as triangles, with at most `most` vertices along a side."""
    rows, cols = ground.heights.shape
    row, col = _kept(rows, most), _kept(cols, most)
    z = ground.heights[np.ix_(row, col)]
    x = (col / (cols - 1) - 0.5) * ground.size_x
    y = (row / (rows - 1) - 0.5) * ground.size_y
    grid_x, grid_y = np.meshgrid(x, y)
    vertices = np.stack([grid_x, grid_y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    index = np.arange(z.size, dtype=np.uint32).reshape(z.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    corners = [np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]
    return Mesh(vertices, np.concatenate(corners), colours(z).reshape(-1, 3))


def _kept(count: int, most: int) -> NDArray[np.int64]:
    """Indices of the lines kept: evenly spread, first and last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def colours(heights: FloatArray) -> NDArray[np.uint8]:
    """Return colours (..., 3) from the lowest to the highest of `heights` (...).

    They are linear light, 0 to 255, as the colours of a glTF mesh are.
    """
    low, high = float(heights.min()), float(heights.max())
    place = (heights - low) / (high - low or 1.0) * (len(COLOURS) - 1)
    lower = np.minimum(place.astype(int), len(COLOURS) - 2)
    share = (place - lower)[..., None]
    mixed = COLOURS[lower] * (1 - share) + COLOURS[lower + 1] * share
    linear = (mixed / 255) ** 2.2
    return (255 * linear).round().astype(np.uint8)
