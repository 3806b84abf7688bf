"""The ground's mesh."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_operator.ground import COLOURS, Ground, colours, mesh

RAMP = np.add.outer(0.1 * np.arange(4.0), np.zeros(6))  # rises with y, 0 to 0.3


def normals_z(found: object) -> np.ndarray:
    corners = found.vertices[found.faces]  # type: ignore[attr-defined]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]


def test_the_mesh_spans_the_field_and_rises_along_y() -> None:
    found = mesh(Ground(RAMP, 5.0, 3.0))
    assert found.vertices.min(axis=0) == pytest.approx([-2.5, -1.5, 0.0])
    assert found.vertices.max(axis=0) == pytest.approx([2.5, 1.5, 0.3])
    high = found.vertices[found.vertices[:, 1] == 1.5]
    assert high[:, 2] == pytest.approx(0.3)


def test_faces_cover_the_field_once_and_look_up() -> None:
    found = mesh(Ground(RAMP, 5.0, 3.0))
    assert len(found.faces) == 2 * 3 * 5
    assert (normals_z(found) > 0).all()
    assert normals_z(found).sum() / 2 == pytest.approx(15.0)


@given(rows=st.integers(2, 40), cols=st.integers(2, 40), most=st.integers(2, 30))
def test_a_thinned_mesh_keeps_its_edges(rows: int, cols: int, most: int) -> None:
    found = mesh(Ground(np.zeros((rows, cols)), 4.0, 2.0), most)
    assert len(found.vertices) == min(rows, most) * min(cols, most)
    assert np.ptp(found.vertices[:, 0]) == pytest.approx(4.0)
    assert np.ptp(found.vertices[:, 1]) == pytest.approx(2.0)


def test_height_between_the_points_is_that_of_the_plane_through_them() -> None:
    ground = Ground(RAMP, 5.0, 3.0)  # 0.1 m of rise to 1 m of y
    assert ground.height_at(0.3, 0.0) == pytest.approx(0.15)
    assert ground.height_at(-2.5, -1.5) == pytest.approx(0.0)
    assert ground.height_at(2.5, 1.5) == pytest.approx(0.3)
    assert ground.height_at(99.0, 99.0) == pytest.approx(0.3)


def test_colours_go_from_the_lowest_to_the_highest() -> None:
    low, high = colours(np.array([0.0, 1.0]))
    expected = 255 * (COLOURS[[0, -1]] / 255) ** 2.2
    np.testing.assert_allclose([low, high], expected, atol=0.5)
    assert (colours(np.full((3, 3), 7.0)) == low).all()


@pytest.mark.parametrize(
    ("heights", "size"),
    [(np.zeros(4), 1.0), (np.zeros((1, 4)), 1.0), (np.full((2, 2), np.nan), 1.0),
     (np.zeros((2, 2)), 0.0), (np.zeros((2, 2)), float("nan"))],
)  # fmt: skip
def test_what_is_no_ground_is_refused(heights: np.ndarray, size: float) -> None:
    with pytest.raises(ValueError, match="terrain"):
        Ground(heights, size, 1.0)
