"""The folder whose new policies take over by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stride_control.policy.watch import FolderWatch


def test_what_is_there_at_first_is_old(tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(b"old")
    watch = FolderWatch(tmp_path)
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_a_new_file_is_told_once_and_not_before_it_has_come_to_rest(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    file = tmp_path / "run" / "policy.onnx"
    file.parent.mkdir()
    file.write_bytes(b"half")
    assert watch.look() is None
    file.write_bytes(b"half and half")  # the copy goes on
    assert watch.look() is None
    assert watch.look() == file
    assert watch.look() is None


def test_a_changed_file_is_told_again(tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    file.write_bytes(b"one")
    watch = FolderWatch(tmp_path)
    beside = tmp_path / "part"
    beside.write_bytes(b"two")
    beside.replace(file)  # of the same size, maybe in the same instant: another inode
    assert [watch.look(), watch.look()] == [None, file]


def test_of_several_the_newest_is_told(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    for age, name in enumerate(("new", "older", "oldest")):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(b"x")
        os.utime(file, (1e9 - age, 1e9 - age))
    watch.look()
    assert watch.look() == tmp_path / "new.onnx"
    assert watch.look() is None


def test_other_files_and_files_that_go_are_nothing(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    gone = tmp_path / "gone.onnx"
    gone.write_bytes(b"x")
    watch.look()
    gone.unlink()
    assert [watch.look(), watch.look()] == [None, None]


def test_a_folder_that_goes_within_a_look_is_nothing_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = FolderWatch(tmp_path)
    file = tmp_path / "new.onnx"
    file.write_bytes(b"x")

    def gone(*_: object) -> None:
        raise FileNotFoundError(2, "gone")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", gone)
        assert watch.look() is None
    assert [watch.look(), watch.look(), watch.look()] == [None, file, None]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"watch: .*nosuch: expected a folder"):
        FolderWatch(tmp_path / "nosuch")
