from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stride_core.robot import RobotSpec
from stride_sim.model import build_model
from stride_sim.terrain import Heightfield, TerrainConfig, generate, names

SHAPED = [name for name in names() if name != "flat"]
RANDOM = ["rough", "steps", "waves"]


def test_the_terrains_are_those_of_the_manual() -> None:
    assert names() == ("flat", "rough", "slope", "stairs", "steps", "waves")


@pytest.mark.parametrize("name", names())
def test_difficulty_0_is_level(name: str) -> None:
    assert generate(TerrainConfig(name, 0.0)).is_flat


@given(
    name=st.sampled_from(SHAPED),
    easy=st.floats(0.0, 1.0),
    hard=st.floats(0.0, 1.0),
    seed=st.integers(0, 3),
)
def test_every_height_grows_with_difficulty(name: str, easy: float, hard: float, seed: int) -> None:
    easy, hard = sorted([easy, hard])
    low = generate(TerrainConfig(name, easy, seed)).heights
    high = generate(TerrainConfig(name, hard, seed)).heights
    assert (low >= 0).all()
    assert (high >= low).all()


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_ground(name: str) -> None:
    first, again = (generate(TerrainConfig(name, 0.7, 5)).heights for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_gives_another_ground(name: str) -> None:
    first, other = (generate(TerrainConfig(name, 0.7, seed)).heights for seed in (5, 6))
    assert not np.array_equal(first, other)


def test_rough_is_the_terrain_of_the_robot_facts() -> None:
    ground = generate(TerrainConfig("rough", 1.0))
    assert ground.heights.shape == (256, 256)
    assert (ground.size_x, ground.size_y) == (14.2, 18.6)
    assert 0.0 <= ground.heights.min() < 0.0001
    assert 0.0249 < ground.heights.max() <= 0.025
    step = np.abs(np.diff(ground.heights, axis=1))
    # Two independent uniform numbers in 0..L differ by L/3 on average, and in one case of twenty
    # by more than L (1 - sqrt(0.05)).
    assert step.mean() == pytest.approx(0.025 / 3, rel=0.01)
    assert np.percentile(step, 95) == pytest.approx(0.025 * (1 - 0.05**0.5), rel=0.01)


def test_slope_rises_forward_by_twenty_degrees_at_most() -> None:
    ground = generate(TerrainConfig("slope", 1.0))
    rise = ground.height_at(1.0, 0.0) - ground.height_at(0.0, 0.0)
    assert np.degrees(np.arctan(rise)) == pytest.approx(20.0)
    assert ground.height_at(0.3, 2.0) == pytest.approx(ground.height_at(0.3, -1.0))


def test_stairs_rise_forward_one_riser_a_tread() -> None:
    ground = generate(TerrainConfig("stairs", 1.0))
    treads = ground.height_at(np.arange(-3, 4) * 0.2, 0.0)
    assert np.diff(treads) == pytest.approx(np.full(6, 0.030))
    assert ground.height_at([-0.085, 0.085], 0.0) == pytest.approx(np.full(2, treads[3]))


def test_steps_are_blocks_of_four_heights() -> None:
    ground = generate(TerrainConfig("steps", 1.0))
    assert np.unique(ground.heights) == pytest.approx([0.0, 0.04 / 3, 0.08 / 3, 0.04])
    assert (ground.heights[:8, :8] == ground.heights[0, 0]).all()


def test_waves_are_as_high_as_they_say_and_smooth() -> None:
    heights = generate(TerrainConfig("waves", 1.0)).heights
    assert heights.max() == pytest.approx(0.060, abs=2e-4)
    assert heights.min() == pytest.approx(0.0, abs=2e-4)
    # the steepest part of 15 mm sin(2 pi x / 1 m), over the pitch of 50 mm
    assert np.abs(np.diff(heights, axis=1)).max() < 0.015 * 2 * np.pi * 0.05


@pytest.mark.parametrize("name", SHAPED)
def test_height_at_is_where_a_ray_meets_the_model(spec: RobotSpec, name: str) -> None:
    ground = generate(TerrainConfig(name, 1.0, 3))
    model = build_model(spec, [ground])
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    random = np.random.default_rng(0)
    # beyond the edge too
    points = random.uniform(-0.55, 0.55, (300, 2)) * [ground.size_x, ground.size_y]
    hit = np.zeros(1, np.int32)
    ground_only = np.array([1, 0, 0, 0, 0, 0], np.uint8)
    for x, y in points:
        distance = mujoco.mj_ray(model, data, [x, y, 10.0], [0, 0, -1.0], ground_only, 1, -1, hit)
        assert 10.0 - distance == pytest.approx(float(ground.height_at(x, y)), abs=2e-6)


def test_height_at_broadcasts_and_survives_nan() -> None:
    ground = generate(TerrainConfig("rough", 1.0))
    assert ground.height_at(np.zeros((3, 1)), np.zeros(4)).shape == (3, 4)
    assert ground.height_at(np.nan, 0.0) == ground.outside


def test_beyond_the_edge_lies_a_plane_just_below_the_lowest_point() -> None:
    ground = generate(TerrainConfig("slope", 1.0))
    assert ground.height_at([6.01, -6.01, 0.0], [0.0, 0.0, 7.0]) == pytest.approx(
        np.full(3, -0.005)
    )
    assert generate(TerrainConfig("flat")).height_at(1e6, -1e6) == 0.0


@given(angle=st.floats(0.0, 60.0), x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5))
def test_a_sphere_rests_on_a_slope_at_its_radius_over_the_cosine(
    angle: float, x: float, y: float
) -> None:
    grade = np.tan(np.radians(angle))
    ground = Heightfield(np.tile(np.linspace(0.0, 2.0, 5) * grade, (5, 1)), 2.0, 2.0)
    rests = (x + 1.0) * grade + 0.006 / np.cos(np.radians(angle))
    assert ground.support_at(x, y, 0.006) == pytest.approx(rests, abs=0.01 * 0.006)


def test_a_picture_is_a_map_with_its_top_to_the_left_of_the_robot(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    grey = np.zeros((3, 5), np.uint8)
    grey[0, 4] = 255  # top right: far in +x and +y
    grey[2, 4] = 51
    Image.fromarray(grey).save(path)
    ground = generate(TerrainConfig(str(path), size=(4.0, 2.0, 0.5)))
    assert ground.heights.shape == (3, 5)
    assert ground.height_at(2.0, 1.0) == pytest.approx(0.5)
    assert ground.height_at(2.0, -1.0) == pytest.approx(0.5 * 51 / 255)
    assert ground.height_at(-2.0, 1.0) == 0.0


def test_a_picture_of_16_bits_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "deep.PNG"
    Image.fromarray(np.array([[0, 1], [256, 65535]], np.uint16)).save(path)
    ground = generate(TerrainConfig(str(path), size=(1.0, 1.0, 65.535)))
    assert ground.heights[::-1] == pytest.approx(np.array([[0, 0.001], [0.256, 65.535]]))


def test_colours_become_grey(tmp_path: Path) -> None:
    path = tmp_path / "colour.png"
    Image.new("RGBA", (4, 4), (255, 255, 255, 255)).save(path)
    assert generate(TerrainConfig(str(path), size=(1, 1, 1))).heights == pytest.approx(1.0)


def _picture(folder: Path) -> str:
    path = folder / "grey.png"
    Image.new("L", (4, 4), 9).save(path)
    return str(path)


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    speck = tmp_path / "speck.png"
    Image.new("L", (1, 1)).save(speck)
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(_picture(tmp_path)).read_bytes()[:50])
    wrong: list[tuple[TerrainConfig, str]] = [
        (TerrainConfig("ruogh"), "rough, slope, stairs"),
        (TerrainConfig("rough", 7), "difficulty: 7"),
        (TerrainConfig("rough", float("nan")), "difficulty: nan"),
        (TerrainConfig("rough", -0.1), "difficulty: -0.1"),
        (TerrainConfig("rough", "hard"), "difficulty: 'hard'"),  # type: ignore[arg-type]
        (TerrainConfig("rough", seed=-1), "seed: -1"),
        (TerrainConfig("rough", size=(1, 1, 1)), "size of its own"),
        (TerrainConfig(str(tmp_path / "none.png"), size=(1, 1, 1)), "No such file"),
        (TerrainConfig(str(text), size=(1, 1, 1)), "is not a picture"),
        (TerrainConfig(str(cut), size=(1, 1, 1)), "cannot be read"),
        (TerrainConfig(str(speck), size=(1, 1, 1)), "1 × 1 pixels"),
        (TerrainConfig(_picture(tmp_path)), "needs a size"),
        (TerrainConfig(_picture(tmp_path), size=(1, 0, 1)), "three positive numbers"),
        (TerrainConfig(_picture(tmp_path), size=(1, 1)), "three"),  # type: ignore[arg-type]
    ]
    for config, expected in wrong:
        with pytest.raises(ValueError, match=r"^terrain") as raised:
            generate(config)
        assert expected in str(raised.value)
        assert "\n" not in str(raised.value)
