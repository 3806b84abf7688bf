"""What the bootstrap decides: which ROS 2, which search paths, which words for which failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_setup.console import SetupError, elapsed
from stride_setup.environment import parse_exports, prepend
from stride_setup.packages import FOREIGN_NUMPY, FOREIGN_PYTHON, relaxed
from stride_setup.places import Places, find_places
from stride_setup.tools import explain, missing_system_packages, run_logged
from stride_setup.workspace import mend_scripts, remove_dangling_links, sources

FOLDER = st.text("abc /._", min_size=1).filter(lambda text: text.strip())


def ros_prefix(folder: Path, *packages: str) -> Path:
    index = folder / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    for name in packages:
        (index / name).touch()
    return folder


def test_without_a_sourced_ros_the_wheels_are_used(tmp_path: Path) -> None:
    places = find_places(tmp_path, {})
    assert not places.sourced
    assert places.compat == ("tf2_msgs",)
    assert places.venv == tmp_path / ".venv"


def test_a_sourced_jazzy_is_used_and_its_own_interfaces_too(tmp_path: Path) -> None:
    full = ros_prefix(tmp_path / "jazzy", "rclpy", "tf2_msgs")
    env = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": str(full)}
    places = find_places(tmp_path / "stride", env)
    assert (places.ros, places.compat) == (full, ())
    assert places.venv == tmp_path / "stride" / ".venv-ros"


def test_a_sourced_jazzy_without_tf2_gets_the_stand_in(tmp_path: Path) -> None:
    small = ros_prefix(tmp_path / "jazzy", "rclpy")
    env = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": str(small)}
    assert find_places(tmp_path / "stride", env).compat == ("tf2_msgs",)


def test_its_own_environment_does_not_count_as_sourced(tmp_path: Path) -> None:
    own = ros_prefix(tmp_path / ".venv", "rclpy")
    env = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": str(own)}
    assert not find_places(tmp_path, env).sourced


def test_another_distribution_is_refused_by_name(tmp_path: Path) -> None:
    other = ros_prefix(tmp_path / "kilted", "rclpy")
    env = {"ROS_DISTRO": "kilted", "AMENT_PREFIX_PATH": str(other)}
    with pytest.raises(SetupError, match="'kilted' is sourced, stride needs 'jazzy'") as caught:
        find_places(tmp_path / "stride", env)
    assert caught.value.status == 2


def test_a_colon_in_the_path_is_refused() -> None:
    with pytest.raises(SetupError, match="colon"):
        find_places(Path("/home/a:b/stride"), {})


def test_exports_become_lists_the_last_one_foremost() -> None:
    text = (
        'export PATH="/a b/one/bin:$PATH"\nexport PATH="/a b/two/bin:$PATH"\n'
        'export PYTHONPATH="/only"\nexport PYTHONPATH=${PYTHONPATH#:}\nexport OTHER="/x:$OTHER"\n'
    )
    recorded = parse_exports(text)
    assert recorded["PATH"] == ["/a b/two/bin", "/a b/one/bin"]
    assert recorded["PYTHONPATH"] == ["/only"]
    assert recorded["LD_LIBRARY_PATH"] == []
    assert "OTHER" not in recorded


@given(st.lists(FOLDER, unique=True), st.lists(FOLDER, unique=True))
def test_prepending_puts_new_folders_first_and_repeats_none(new: list[str], old: list[str]) -> None:
    merged = prepend({"PATH": ":".join(old)}, {"PATH": new})["PATH"]
    found = merged.split(":") if merged else []
    assert found[: len(new)] == new
    assert sorted(found) == sorted({*new, *old})
    assert prepend({"PATH": merged}, {"PATH": new})["PATH"] == merged


def test_an_unset_search_path_gets_no_empty_entry() -> None:
    assert prepend({}, {"PATH": ["/a"]}) == {"PATH": "/a"}
    assert prepend({"PATH": "/a::"}, {"PATH": ["/b"]}) == {"PATH": "/b:/a"}
    assert prepend({}, {"PATH": []}) == {}


def test_the_build_machines_folders_are_recognised() -> None:
    numpy = "/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include"
    text = f"/opt/python/cp312-cp312/include/python3.12;{numpy};/opt/other"
    repaired = FOREIGN_PYTHON.sub("P", FOREIGN_NUMPY.sub("N", text))
    assert repaired == "P;N;/opt/other"


def test_a_systems_own_numpy_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "set.txt"
    file.write_text("# NumPy==1\nnumpy==2.4.6\nnumpy-quaternion==1.0\nviser==1.1.1\n")
    copy = relaxed(file, tmp_path / "copies")
    assert copy.read_text() == "# NumPy==1\nnumpy\nnumpy-quaternion==1.0\nviser==1.1.1\n"


def test_a_build_depends_on_manifests_and_names_but_not_on_modules(tmp_path: Path) -> None:
    for name in (
        "src/p/package.xml",
        "src/p/p/node.py",
        "src/p/p/__pycache__/setup.py",
        "config/a.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    contents, names = sources(tmp_path)
    assert contents == [tmp_path / "src/p/package.xml", tmp_path / "colcon.meta"]
    assert names == [tmp_path / "config/a.yaml"]


def test_a_script_runs_although_its_interpreter_has_a_space_in_its_path(tmp_path: Path) -> None:
    interpreter = tmp_path / "a b" / "python"
    interpreter.parent.mkdir()
    interpreter.symlink_to(sys.executable)
    script = tmp_path / "install" / "p" / "lib" / "p" / "node"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!"{interpreter}"\nimport sys\nprint(sys.argv[1])\n')
    script.chmod(0o755)
    mend_scripts(tmp_path / "install")
    answer = subprocess.run([script, "x  y"], capture_output=True, text=True, check=True)
    assert answer.stdout == "x  y\n"
    mended = script.read_text()
    mend_scripts(tmp_path / "install")
    assert script.read_text() == mended


def test_links_to_removed_files_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "good").symlink_to(tmp_path / "file")
    (tmp_path / "bad").symlink_to(tmp_path / "gone")
    remove_dangling_links(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "good"]


def test_a_failing_program_is_answered_with_its_last_lines_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("name resolution of an earlier run\n")
    program = "import sys; print('why it failed'); sys.exit(3)"
    with pytest.raises(SetupError) as caught:
        run_logged([sys.executable, "-c", program], log, tmp_path, {}, "the step")
    assert str(caught.value).splitlines()[-1] == "why it failed"
    assert str(log) in str(caught.value)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Failed to establish: NewConnectionError(...)", "is there a network?"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ],
)
def test_known_failures_are_one_line(tmp_path: Path, output: str, words: str) -> None:
    log = tmp_path / "log"
    log.write_text(output)
    message = explain(log, 0, "pip install")
    assert words in message
    assert "\n" not in message


def test_missing_programs_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = missing_system_packages(sourced=True)
    expected = {"cmake": "cmake", "make": "make", "g++": "g++"}
    assert expected.items() <= missing.items()
    assert missing["colcon"] == "python3-colcon-common-extensions"
    assert "colcon" not in missing_system_packages(sourced=False)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.44, "3.4 s"), (59.94, "59.9 s"), (80, "1 min 20 s")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_both_kinds_of_environment_have_their_own_folder(tmp_path: Path) -> None:
    assert Places(tmp_path).venv != Places(tmp_path, ros=Path("/opt/ros/jazzy")).venv
