"""The images, as far as they can be read: order of layers, what they copy, who they run as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from catkin_pkg.package import parse_package

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
ROBOT = ROOT / "docker" / "robot.Dockerfile"
TRAINING = ROOT / "docker" / "training.Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    value: str


def instructions(file: Path) -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", " ", text)
    parts = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [Instruction(name, value) for name, value in parts]


def values(file: Path, name: str) -> list[str]:
    return [entry.value for entry in instructions(file) if entry.name == name]


def copied(file: Path) -> list[str]:
    """Return the sources that are copied from the repository, in order."""
    from_here = [value for value in values(file, "COPY") if not value.startswith("--from")]
    return [source for value in from_here for source in value.split()[:-1]]


def packages(file: Path) -> set[str]:
    """Return the names of the packages whose whole source an image has."""
    return {
        Path(source).name for source in copied(file) if source.count("/") == 1 and "src" in source
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_builds_on_jazzy_and_runs_as_a_person_without_rights(file: Path) -> None:
    assert values(file, "FROM")[0].startswith("ros:jazzy")
    users = values(file, "USER")
    assert users
    assert users[-1] not in ("root", "0")
    assert any(f" {users[-1]}" in run for run in values(file, "RUN") if "useradd" in run)
    names = [entry.name for entry in instructions(file)]
    after = names[len(names) - names[::-1].index("USER") :]
    assert set(after) <= {"WORKDIR", "ENV", "ENTRYPOINT", "CMD"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_it_copies_is_there_and_in_the_context(file: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for source in copied(file):
        assert (ROOT / source).exists(), source
        assert any(Path(source).is_relative_to(name) for name in kept), source


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_manifests_are_copied_and_installed_before_sources(file: Path) -> None:
    order = [f"{entry.name} {entry.value}" for entry in instructions(file)]
    rosdep = next(i for i, line in enumerate(order) if "rosdep install" in line)
    pip = next(i for i, line in enumerate(order) if "pip install" in line)
    build = next(i for i, line in enumerate(order) if "colcon build" in line)
    assert pip < rosdep < build
    for name in packages(file):
        manifest = order.index(f"COPY src/{name}/package.xml src/{name}/")
        source = order.index(f"COPY src/{name} src/{name}")
        assert manifest < rosdep < source < build


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_its_packages_depend_on_is_there_or_knowingly_left_out(file: Path) -> None:
    (command,) = (run for run in values(file, "RUN") if "rosdep install" in run)
    match = re.search(r'--skip-keys "([^"]*)"', command)
    assert match
    skipped = set(match[1].split())
    needed: set[str] = set()
    for name in packages(file):
        manifest = parse_package(ROOT / "src" / name)
        needed |= {dependency.name for dependency in manifest.exec_depends}
    ours = {name for name in needed if name.startswith("stride_")}
    from_pypi = {name for name in needed if name.endswith("-pip")}
    assert ours - packages(file) <= skipped
    assert from_pypi <= skipped
    assert skipped <= ours | from_pypi, "skips a key that nothing asks for"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pip_installs_pinned_sets_under_the_lock_and_nothing_else(file: Path) -> None:
    (command,) = (run for run in values(file, "RUN") if "pip install" in run)
    arguments = command.partition("pip install")[2].split()
    named = set(zip(arguments[::2], arguments[1::2], strict=True))
    assert ("-c", "requirements/lock.txt") in named
    assert {option for option, _ in named} == {"-c", "-r"}
    assert {value for _, value in named} <= set(copied(file))


def test_the_robots_image_has_neither_torch_nor_mujoco() -> None:
    sets = [source for source in copied(ROBOT) if source.startswith("requirements/")]
    assert sorted(sets) == ["requirements/lock.txt", "requirements/robot.txt"]
    pinned = (ROOT / "requirements" / "robot.txt").read_text(encoding="utf-8").lower()
    assert re.search(r"^(torch|mujoco|viser)", pinned, re.MULTILINE) is None
    assert {"stride_control", "stride_core", "stride_msgs"} <= packages(ROBOT)
    assert "stride_sim" not in packages(ROBOT)


def test_the_training_image_has_every_package_and_both_sets() -> None:
    assert packages(TRAINING) == {path.parent.name for path in ROOT.glob("src/*/package.xml")}
    assert {"requirements/runtime.txt", "requirements/training.txt"} <= set(copied(TRAINING))


def test_compose_names_files_and_programs_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"robot", "gait", "policy", "ik", "safety", "training"}
    for name, service in compose["services"].items():
        build = service["build"]
        assert ((ROOT / "docker" / build["context"]).resolve() / build["dockerfile"]).is_file()
        assert service["network_mode"] == service["ipc"] == "host"
        node = service["environment"].get("NODE")
        if node:
            assert node == name
            assert "stride_control" in service["command"][-1]
            setup = (ROOT / "src" / "stride_control" / "setup.py").read_text(encoding="utf-8")
            assert f'"{node}_node = stride_control.{node}_node:main"' in setup
    assert (ROOT / "config" / "fivebar.yaml").is_file()
