from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from stride_core.robot import RobotSpec
from stride_sim.camera import Camera, Film, View
from stride_sim.errors import RenderError
from stride_sim.opengl import choose_backend, egl_works, make_context, osmesa_works
from stride_sim.plant import Plant
from stride_sim.terrain import TerrainConfig

Image = NDArray[np.uint8]


def _working() -> list[str]:
    works = {"egl": egl_works, "osmesa": osmesa_works}
    return [name for name, here in works.items() if here()]


needs_opengl = pytest.mark.skipif(not _working(), reason="neither EGL nor OSMesa is installed")


def _orange(picture: Image) -> NDArray[np.bool_]:
    """Pixels of the robot's accent colour, which nothing else has."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return (red > 120) & (red > 1.6 * green) & (green > blue)


def _colours(seed: int, size: tuple[int, int] = (64, 48)) -> Image:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, : size[0] // 2] = np.random.default_rng(seed).integers(0, 255, 3)
    return picture


def _frames(path: Path) -> list[Image]:
    """Decode a film with the encoder's own decoder."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    frames = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    width, height = next(frames)["size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in frames]


@needs_opengl
def test_the_robot_is_amid_the_picture_wherever_it_stands(spec: RobotSpec) -> None:
    plant = Plant(spec)
    with Camera(plant, (320, 240), samples=0) as camera:
        for pose in ((0.0, 0.0, 0.0), (3.0, -2.0, 1.0)):
            plant.reset(pose=pose)
            picture = camera.render()
            assert picture.shape == (240, 320, 3)
            assert picture.dtype == np.uint8
            rows, columns = np.nonzero(_orange(picture))
            assert len(rows) > 50
            assert 80 < columns.mean() < 240
            assert 60 < rows.mean() < 180


@needs_opengl
def test_the_sky_is_above_the_ground(spec: RobotSpec) -> None:
    with Camera(Plant(spec), (320, 240), view=View(elevation=-5.0), samples=0) as camera:
        picture = camera.render().astype(float)
    assert picture[:20].mean() > picture[-60:].mean() + 20


@needs_opengl
def test_pictures_are_the_caller_s_own_and_change_with_the_robot(spec: RobotSpec) -> None:
    plant = Plant(spec)
    with Camera(plant, (160, 120), samples=0) as camera:
        first = camera.render()
        kept = first.copy()
        plant.command(spec.home, False)
        for _ in range(60):
            plant.step()
        second = camera.render()
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


@needs_opengl
def test_on_a_hill_the_camera_stays_above_the_ground(spec: RobotSpec, tmp_path: Path) -> None:
    path = tmp_path / "hill.png"
    rise = np.tile(np.arange(256, dtype=np.uint8), (256, 1))  # by 45 degrees, towards the camera
    Pillow.fromarray(rise).save(path)
    plant = Plant(spec, terrain=TerrainConfig(str(path), size=(4.0, 4.0, 4.0)))
    with Camera(plant, (320, 240), samples=0) as camera:
        assert _orange(camera.render()).sum() > 50
        eye = np.mean([eye.pos for eye in camera._scene.camera], axis=0)
    assert eye[2] > plant.ground_of().height_at(eye[0], eye[1])


@needs_opengl
def test_two_cameras_do_not_mind_each_other(spec: RobotSpec) -> None:
    near, far = Plant(spec), Plant(spec, terrain=TerrainConfig("rough", 1.0))
    with Camera(near, (160, 120), samples=0) as a, Camera(far, (320, 240), samples=0) as b:
        alone = a.render()
        other = b.render()
        assert np.abs(a.render().astype(int) - alone).max() <= 3
        assert other.shape == (240, 320, 3)
    a.close()  # twice is harmless


@pytest.mark.parametrize("backend", _working())
def test_every_backend_that_is_here_draws(backend: str) -> None:
    """In a process of its own, since PyOpenGL settles on one backend."""
    code = (
        "from stride_core.robot import load_robot;from stride_sim.plant import Plant;"
        "from stride_sim.camera import Camera;"
        f"c=Camera(Plant(load_robot('fivebar')),(160,120),backend={backend!r});"
        "p=c.render();assert p.std()>10,p.std();c.close()"
    )
    settled = ("MUJOCO_GL", "PYOPENGL_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in settled}
    path = os.pathsep.join(part for part in sys.path if part)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_without_any_backend_the_packages_to_install_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr("stride_sim.opengl.egl_works", lambda: False)
    monkeypatch.setattr("stride_sim.opengl.osmesa_works", lambda: True)
    assert choose_backend() == "osmesa"
    monkeypatch.setattr("stride_sim.opengl.osmesa_works", lambda: False)
    with pytest.raises(RenderError) as raised:
        choose_backend()
    for package in ("libegl1", "libgl1-mesa-dri", "libosmesa6"):
        assert package in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_backend_asked_for_is_taken_or_refused() -> None:
    assert choose_backend("OSMesa") == "osmesa"
    with pytest.raises(RenderError, match="expected one of egl, osmesa"):
        make_context("vulkan", 10, 10)


def test_a_picture_of_no_sensible_size_is_refused(spec: RobotSpec) -> None:
    with pytest.raises(RenderError, match="8 x 99999"):
        Camera(Plant(spec), (8, 99999))


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_holds_the_pictures_it_was_given(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    given = [_colours(seed) for seed in range(8)] if suffix == ".mp4" else [_colours(1)] * 8
    with Film(path, 25) as film:
        for picture in given:
            film.add(picture)
    film.close()  # twice is harmless
    seen = _frames(path)
    assert len(seen) == len(given)
    for was, now in zip(given, seen, strict=True):
        assert np.abs(was[:, 4:28].astype(int).mean((0, 1)) - now[:, 4:28].mean((0, 1))).max() < 12


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_killed_process_leaves_a_film_that_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    code = (
        "import os,signal,numpy as np;from stride_sim.film import Film;"
        f"f=Film({str(path)!r},25,(64,48));"
        "[f.add(np.full((48,64,3),9*k,np.uint8)) for k in range(20)];"
        "os.kill(os.getpid(),signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    # The encoder ends the film when its input ends, and last of all its own hold of this pipe.
    held, end = os.pipe()
    try:
        killed = subprocess.run([sys.executable, "-c", code], env=environment, pass_fds=[end])
    finally:
        os.close(end)
    assert killed.returncode == -signal.SIGKILL
    with os.fdopen(held) as wait:
        wait.read()
    assert len(_frames(path)) >= 18


def test_a_film_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    wrong = [
        (tmp_path / "film.avi", 25.0, (64, 48), ".mp4 or .gif"),
        (tmp_path / "film", 25.0, (64, 48), ".mp4 or .gif"),
        (tmp_path / "none" / "film.mp4", 25.0, (64, 48), "No such file or directory"),
        (tmp_path / "folder.mp4", 25.0, (64, 48), "Is a directory"),
        (tmp_path / "film.mp4", 25.0, (63, 48), "even"),
        (tmp_path / "film.mp4", 0.0, (64, 48), "pictures per second"),
    ]
    for path, fps, size, expected in wrong:
        with pytest.raises(RenderError, match=r"^film") as raised:
            Film(path, fps, size)
        assert expected in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_picture_of_another_size_is_refused_and_the_film_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with Film(path, 25) as film:
        film.add(_colours(0))
        with pytest.raises(RenderError, match="expected uint8"):
            film.add(_colours(0, (32, 48)))
        film.add(_colours(1))
    assert len(_frames(path)) == 2
    with pytest.raises(RenderError, match="closed"):
        film.add(_colours(2))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.symlink_to("/dev/full")
    film = Film(path, 25, (64, 48))
    with pytest.raises(RenderError, match="No space left") as raised:
        for seed in range(2000):
            film.add(_colours(seed))
        film.close()
    assert "\n" not in str(raised.value)
