"""What an interrupted pip leaves: seen, and removed so that pip installs it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stride_setup.integrity import is_damaged, remove_damaged


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site-packages with one whole package of a module, a CMake file and its metadata."""
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (tmp_path / "thing.py").write_text("x = 1\n")
    (tmp_path / "thing.cmake").write_text("set(x 1)\n")
    (info / "METADATA").write_text("Name: thing\n")
    rows = ["thing.py,sha256=a,6", "thing.cmake,sha256=b,9", "thing.pyc,,"]
    rows += ["thing-1.0.dist-info/METADATA,sha256=c,12", "thing-1.0.dist-info/RECORD,,"]
    (info / "RECORD").write_text("\n".join(rows) + "\n")
    (tmp_path / "thing.pyc").touch()
    return tmp_path


def test_a_whole_package_stays(site: Path) -> None:
    assert remove_damaged(site, since=0.0) == []
    assert (site / "thing-1.0.dist-info").is_dir()


def test_a_repaired_cmake_file_is_no_damage(site: Path) -> None:
    (site / "thing.cmake").write_text("set(x 1) # and here is this machine's own folder\n")
    assert not is_damaged(site / "thing-1.0.dist-info")


@pytest.mark.parametrize(
    "damage",
    [
        lambda site: (site / "thing.py").unlink(),
        lambda site: (site / "thing.py").write_text("x ="),
        lambda site: (site / "thing.cmake").unlink(),
        lambda site: (site / "thing-1.0.dist-info" / "RECORD").unlink(),
        lambda site: (site / "thing-1.0.dist-info" / "RECORD").write_text(""),
        lambda site: (site / "thing-1.0.dist-info" / "RECORD").write_text("thing.py,sha"),
    ],
    ids=["file gone", "file cut", "CMake file gone", "no list", "empty list", "list cut"],
)
def test_a_damaged_package_loses_its_metadata(site: Path, damage: Callable[[Path], None]) -> None:
    damage(site)
    assert remove_damaged(site, since=0.0) == ["thing"]
    assert not (site / "thing-1.0.dist-info").exists()


def test_what_was_there_before_the_interrupted_try_is_left_alone(site: Path) -> None:
    (site / "thing.py").unlink()
    later = (site / "thing-1.0.dist-info").stat().st_mtime + 1.0
    assert remove_damaged(site, since=later) == []


def test_pips_half_removed_folders_go(site: Path) -> None:
    (site / "~hing").mkdir()
    (site / "~hing" / "old.py").touch()
    remove_damaged(site, since=0.0)
    assert not (site / "~hing").exists()
