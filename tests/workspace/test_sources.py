"""House rules which a machine can check: size, no path tricks, shell scripts that parse."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bootstrap", "launch", "src", "tests")
PYTHON = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
MODULES = [file for file in PYTHON if "tests" not in file.relative_to(ROOT).parts]
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def too_long(text: str, limit: int) -> list[str]:
    """Return the names of the functions with more lines than `limit`."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno + 1 > limit
    ]


def edits_sys_path(text: str) -> bool:
    """Tell whether code assigns to sys.path or calls one of its methods."""
    for node in ast.walk(ast.parse(text)):
        targets: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            targets = [node.func.value]
        elif isinstance(node, ast.Assign):
            targets = list(node.targets)
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        if any(ast.unparse(target).split("[")[0] == "sys.path" for target in targets):
            return True
    return False


def test_no_file_is_too_long() -> None:
    long = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in PYTHON}
    assert {name: count for name, count in long.items() if count > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    found = {str(f.relative_to(ROOT)): too_long(f.read_text(), LONGEST_FUNCTION) for f in MODULES}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_nothing_edits_the_module_search_path() -> None:
    assert [str(f.relative_to(ROOT)) for f in PYTHON if edits_sys_path(f.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.path.insert(0, 'x')",
        "sys.path += ['x']",
        "sys.path = []",
        "sys.path[:0] = []",
    ],
)
def test_the_search_path_check_sees_an_edit(text: str) -> None:
    assert edits_sys_path(text)
    assert not edits_sys_path("print(sys.path)")


@pytest.mark.parametrize("name", ["stride", ".ci/run", "docker/entrypoint.sh"])
def test_a_shell_script_parses_and_can_be_executed(name: str) -> None:
    file = ROOT / name
    shell = file.read_text(encoding="utf-8").splitlines()[0].split("/")[-1].split()[-1]
    checked = subprocess.run([shell, "-n", file], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert file.stat().st_mode & 0o111
