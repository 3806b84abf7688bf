"""The packages' manifests: they parse, agree with setup.py, and declare what the code imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = sorted(ROOT.glob("src/**/package.xml"))
PYTHON_PACKAGES = sorted(path.parent for path in ROOT.glob("src/*/setup.py"))
# What a module is called in a manifest, where that is not its own name.
KEYS = {
    "PIL": "python3-pil",
    "glfw": "python3-mujoco-pip",  # which brings it
    "gymnasium": "python3-gymnasium-pip",
    "imageio_ffmpeg": "python3-imageio-ffmpeg-pip",
    "matplotlib": "python3-matplotlib",
    "mujoco": "python3-mujoco-pip",
    "numpy": "python3-numpy",
    "onnx": "python3-onnx-pip",
    "onnxruntime": "python3-onnxruntime-pip",
    "optuna": "python3-optuna-pip",
    "rich": "python3-rich-pip",
    "rosbags": "python3-rosbags-pip",
    "stable_baselines3": "python3-stable-baselines3-pip",
    "tensorboard": "python3-tensorboard-pip",
    "torch": "python3-torch-pip",
    "rustypot": "python3-rustypot-pip",
    "serial": "python3-serial",
    "trimesh": "python3-trimesh-pip",
    "viser": "python3-viser-pip",
    "yaml": "python3-yaml",
}


def declared(package: Path) -> set[str]:
    """Return the names of all dependencies in a package's manifest."""
    manifest = parse_package(package)
    kinds = (manifest.build_depends, manifest.exec_depends, manifest.buildtool_depends)
    return {dependency.name for kind in kinds for dependency in kind}


def imported(folder: Path) -> dict[str, Path]:
    """Return the top-level modules that the Python files below a folder import, with one place."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            found |= {name.partition(".")[0]: file for name in names}
    return found


def entry_points(package: Path) -> list[str]:
    """Return the console scripts that a setup.py declares, as name = module:function."""
    constants = [
        node.value
        for node in ast.walk(ast.parse((package / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [text for text in constants if " = " in text and ":" in text]


def by_name(path: Path) -> str:
    return path.parent.name if path.name == "package.xml" else path.name


@pytest.mark.parametrize("path", MANIFESTS, ids=by_name)
def test_a_manifest_parses_and_bears_its_folders_name(path: Path) -> None:
    manifest = parse_package(path)
    manifest.validate()
    assert manifest.name == path.parent.name
    assert manifest.licenses == ["Apache-2.0"]
    assert manifest.get_build_type() in ("ament_python", "ament_cmake")


def test_all_packages_have_one_version() -> None:
    assert len({parse_package(path).version for path in MANIFESTS}) == 1


@pytest.mark.parametrize("package", PYTHON_PACKAGES, ids=by_name)
def test_everything_imported_is_declared(package: Path) -> None:
    known = declared(package) | {package.name}
    for module, file in imported(package / package.name).items():
        if module not in sys.stdlib_module_names and module != "__future__":
            key = KEYS.get(module, module)
            assert key in known, f"{file} imports {module}: {key} is missing in package.xml"


def test_the_import_check_sees_an_undeclared_import(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text("def f():\n    from tf2_ros.buffer import Buffer\n")
    assert set(imported(tmp_path)) == {"tf2_ros"}
    assert "tf2_ros" not in declared(ROOT / "src" / "stride_control")


@pytest.mark.parametrize("package", PYTHON_PACKAGES, ids=by_name)
def test_setup_py_agrees_with_the_manifest(package: Path) -> None:
    manifest = parse_package(package)
    text = (package / "setup.py").read_text(encoding="utf-8")
    assert f'NAME = "{manifest.name}"' in text
    assert f'version="{manifest.version}"' in text
    assert f'DESCRIPTION = "{manifest.description}"' in text
    assert (package / "resource" / manifest.name).is_file()
    assert f"$base/lib/{manifest.name}" in (package / "setup.cfg").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PYTHON_PACKAGES, ids=by_name)
def test_every_executable_has_its_function(package: Path) -> None:
    for script in entry_points(package):
        module, _, function = script.partition(" = ")[2].partition(":")
        stem = package.joinpath(*module.split("."))
        file = (
            stem.with_suffix(".py") if stem.with_suffix(".py").is_file() else stem / "__init__.py"
        )
        names = {
            name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            for name in (
                [node.name]
                if isinstance(node, ast.FunctionDef)
                else [alias.asname or alias.name for alias in node.names]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert function in names, f"{script}: {file} has no {function}"


@pytest.mark.parametrize("package", PYTHON_PACKAGES, ids=by_name)
def test_every_folder_with_modules_is_a_package(package: Path) -> None:
    folders = {file.parent for file in (package / package.name).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    assert (package / package.name / "py.typed").is_file()


def test_every_interface_is_built_and_every_field_explained() -> None:
    package = ROOT / "src" / "stride_msgs"
    listed = (package / "CMakeLists.txt").read_text(encoding="utf-8")
    files = sorted([*package.glob("msg/*.msg"), *package.glob("srv/*.srv")])
    assert files
    for file in files:
        assert f'"{file.relative_to(package)}"' in listed
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip() and line != "---" and not line.startswith("#"):
                assert "#" in line, f"{file.name}: '{line}' says neither unit nor meaning"


def test_what_stands_in_for_missing_interfaces_is_kept_from_a_plain_build() -> None:
    assert (ROOT / "src" / "compat" / "COLCON_IGNORE").is_file()
    definition = (ROOT / "src/compat/tf2_msgs/msg/TFMessage.msg").read_text(encoding="utf-8")
    fields = [line.partition("#")[0].split() for line in definition.splitlines()]
    assert fields == [["geometry_msgs/TransformStamped[]", "transforms"]]


@pytest.mark.parametrize("name", ["launch", "config", "policies"])
def test_bringup_installs_the_folders_at_the_root(name: str) -> None:
    link = ROOT / "src" / "stride_bringup" / "installed" / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name
