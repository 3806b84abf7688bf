"""The file `stride` itself, in a folder where nothing has been set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder, with a space in its name, that holds what the bootstrap consists of."""
    folder = tmp_path / "a clone"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bootstrap", folder / "bootstrap", ignore=ignore)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "stride", folder / "stride")
    (folder / "src").mkdir()
    (folder / "bin").mkdir()
    return folder


def stride(
    clone: Path, *arguments: str, python: Path | None = Path(sys.executable), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run ./stride where PATH holds one Python and what a shell script needs, and nothing else."""
    folder = clone / "bin"
    for name in ("sh", "dirname", "readlink", "cat"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(shutil.which(name) or name)
    if python is not None:
        (folder / "python3").unlink(missing_ok=True)
        (folder / "python3").symlink_to(python.resolve())
    return subprocess.run(
        [clone / "stride", *arguments],
        env={"PATH": str(folder), "HOME": os.environ.get("HOME", "/"), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_help_needs_no_set_up_and_makes_none(clone: Path, arguments: tuple[str, ...]) -> None:
    answer = stride(clone, *arguments)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "./stride sim" in answer.stdout
    assert not (clone / ".venv").exists()
    assert not (clone / ".stride").exists()


def test_it_can_be_called_through_a_link(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(clone / "stride")
    answer = subprocess.run([tmp_path / "link"], capture_output=True, text=True, check=False)
    assert "./stride sim" in answer.stdout


def test_what_the_system_lacks_is_named_with_the_command_that_installs_it(clone: Path) -> None:
    answer = stride(clone, "sim")
    assert answer.returncode == 2
    assert "cmake" in answer.stderr
    assert "sudo apt-get install" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not (clone / ".venv").exists()


def test_without_any_python_it_says_how_to_get_one(clone: Path) -> None:
    answer = stride(clone, "help", python=None)
    assert answer.returncode == 2
    assert "apt-get install python3" in answer.stderr


def test_an_old_python_is_refused(clone: Path) -> None:
    start = clone / "bootstrap" / "__main__.py"
    start.write_text(start.read_text().replace("sys.version_info[:2]", "(3, 10)", 1))
    answer = stride(clone, "setup")
    assert answer.returncode == 2
    assert answer.stderr.startswith("stride: Python 3.10 is not one stride runs on")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("setup", "--trainig"), "setup does not know '--trainig'; it knows --training"),
        (("exec",), "exec needs a command"),
    ],
)
def test_a_wrong_argument_is_one_line(clone: Path, arguments: tuple[str, ...], words: str) -> None:
    answer = stride(clone, *arguments)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_another_sourced_distribution_is_refused(clone: Path, tmp_path: Path) -> None:
    index = tmp_path / "ros" / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "rclpy").touch()
    answer = stride(clone, "sim", ROS_DISTRO="humble", AMENT_PREFIX_PATH=str(tmp_path / "ros"))
    assert answer.returncode == 2
    assert "ROS 2 'humble' is sourced" in answer.stderr


def test_a_terminated_test_run_is_interrupted_and_cleans_up(tmp_path: Path) -> None:
    program = (
        "import signal, sys; from pathlib import Path\n"
        "from stride_setup.places import Places; from stride_setup.testing import run_child\n"
        "child = '''import time\n"
        "try:\n"
        "    print('runs', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('cleaned up', flush=True); raise SystemExit(2)'''\n"
        "sys.exit(run_child([sys.executable, '-c', child], Places(Path('.')), {}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT / "bootstrap", stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    process.terminate()
    assert process.communicate(timeout=30)[0] == "cleaned up\n"
    assert process.returncode == 2
