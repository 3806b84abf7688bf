"""What a policy must be before it may run, and where it is found."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stride_control.policy import loading
from stride_control.policy.library import (
    PolicyError,
    find_policy,
    name_of,
    policies,
    read_policy,
)
from stride_control.policy.loading import Terms, load_policy
from stride_core.contract import Normaliser
from stride_core.policy_file import LARGEST_FILE
from tests.policy.broken import BROKEN, nan_where_it_stands, outside, slow
from tests.policy.models import ROBOT, Mlp, contract_of, policy_bytes, write_policy
from tests.policy.untrained import FOLDER, contract, network

TERMS = Terms(ROBOT, 100.0, residual_limit=0.02)


def refusal(file: Path, terms: Terms = TERMS) -> str:
    """Why a policy may not run: one line that names its file."""
    with pytest.raises(PolicyError) as caught:
        load_policy(file, terms)
    line = str(caught.value)
    assert str(file) in line
    assert "\n" not in line
    return line


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_fit_is_refused_with_one_line_that_names_it(
    what: str, tmp_path: Path
) -> None:
    make, words = BROKEN[what]
    file = tmp_path / "policy.onnx"
    file.write_bytes(make())
    line = refusal(file)
    assert all(word in line for word in words), line


def test_a_network_that_takes_for_ever_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_PATIENCE_S", 0.001)
    file = tmp_path / "policy.onnx"
    file.write_bytes(slow())
    assert "no answer within 0.001 s" in refusal(file)


def test_weights_outside_of_the_file_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.onnx"
    file.write_bytes(outside(tmp_path))
    monkeypatch.chdir(tmp_path)  # beside which they are
    assert (tmp_path / "weights.bin").is_file()
    assert "onnxruntime cannot run it" in refusal(file)


def test_a_file_larger_than_any_policy_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    with file.open("wb") as sparse:
        sparse.truncate(LARGEST_FILE + 1)
    assert f"expected at most {LARGEST_FILE}" in refusal(file)


@pytest.fixture
def someone() -> Iterator[None]:
    """Whoever may not read what is not theirs; root may."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_file_that_nobody_may_read_is_refused(someone: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        file = write_policy(Path(folder, "policy.onnx"))
        file.chmod(0)
        assert "cannot be read: Permission denied" in refusal(file)


def test_a_folder_that_nobody_may_search_is_refused(someone: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0)
        with pytest.raises(PolicyError, match="Permission denied; expected a path or one of"):
            find_policy(f"{folder}/policy.onnx", Path("/nowhere"))


def test_a_good_one_knows_its_layouts_and_its_own_time(tmp_path: Path) -> None:
    file = write_policy(tmp_path / "mine.onnx")
    policy = load_policy(file, TERMS)
    assert (policy.name, policy.observation.size, policy.action.size) == ("mine", 60, 12)
    assert policy.identity == f"mine@{policy.contract.weights_sha256[:12]}"
    assert 0.0 < policy.inference < TERMS.inference_limit


def test_a_network_answers_a_batch_as_it_answers_each() -> None:
    policy = load_policy(FOLDER / "policy.onnx", TERMS)
    seen = np.load(FOLDER / "recorded.npz")["observation"][:60].astype(float)
    one_by_one = np.array([policy.network(each) for each in seen])
    np.testing.assert_allclose(policy.network(seen.reshape(3, 20, 60)).reshape(60, 12), one_by_one)


# --- the shipped one ----------------------------------------------------------------------------


def test_the_shipped_policy_is_what_its_seed_makes_and_says_that_nobody_trained_it() -> None:
    data, said = read_policy(FOLDER / "policy.onnx")
    made = policy_bytes(
        model=network(said.normaliser).model(),
        normaliser=said.normaliser,
        provenance=contract(said.normaliser).provenance,
    )
    assert data == made
    assert (said.provenance.task, said.provenance.steps) == ("untrained", 0)


def test_it_answers_recorded_observations_as_the_same_network_in_float64() -> None:
    recorded = np.load(FOLDER / "recorded.npz")
    seen = recorded["observation"].astype(float)
    assert len(seen) == 1000
    policy = load_policy(FOLDER / "policy.onnx", TERMS)
    plain: Mlp = network(policy.contract.normaliser)
    answers = policy.network(seen)
    np.testing.assert_allclose(answers, plain(seen), rtol=0.0, atol=1e-5)
    np.testing.assert_allclose(answers, recorded["action"], rtol=0.0, atol=1e-5)
    assert np.abs(answers).max() > 0.05  # it says something


def test_eight_bits_say_nearly_the_same() -> None:
    seen = np.load(FOLDER / "recorded.npz")["observation"].astype(float)
    full, eight = (load_policy(FOLDER / name, TERMS) for name in ("policy.onnx", "int8.onnx"))
    assert full.contract.weights_sha256 != eight.contract.weights_sha256
    apart = np.abs(full.network(seen) - eight.network(seen)).max()
    assert 0.0 < apart < 0.1 * np.abs(full.network(seen)).max()


# --- names --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_policy(tmp_path / "walker" / "policy.onnx")
    write_policy(tmp_path / "walker" / "int8.onnx")
    write_policy(tmp_path / "single.onnx")
    (tmp_path / "README.md").write_text("text")
    return tmp_path


def test_names_are_those_of_folders_and_files(folder: Path) -> None:
    assert list(policies(folder)) == ["single", "walker", "walker/int8"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("walker", "walker/policy.onnx"),
        ("walker/int8", "walker/int8.onnx"),
        ("single", "single.onnx"),
        ("single.onnx", "single.onnx"),
    ],
)
def test_a_policy_is_found_by_name_and_by_path(folder: Path, name: str, file: str) -> None:
    assert find_policy(name, folder) == folder / file
    assert find_policy(str(folder / file), Path("/nowhere")) == folder / file


def test_the_folder_around_a_policy_is_a_path_to_it(folder: Path) -> None:
    assert find_policy(str(folder / "walker"), Path("/nowhere")).name == "policy.onnx"


@pytest.mark.parametrize(
    "name", ["", "nosuch", "x" * 300, "walkers", "a\0b", "/", "walker/nosuch.onnx"]
)
def test_a_policy_that_is_not_there_is_refused_with_those_that_are(folder: Path, name: str) -> None:
    with pytest.raises(PolicyError) as caught:
        find_policy(name, folder)
    line = str(caught.value)
    assert repr(name) in line and "\n" not in line
    assert "name or a path" in line or "single, walker, walker/int8, none" in line


@pytest.mark.parametrize("name", [b"caf\xe9.onnx", b"two\nlines.onnx"])
def test_a_name_that_no_message_bears_is_refused_in_one_line(folder: Path, name: bytes) -> None:
    """Of a file that is there: its name would be in every residual."""
    file = folder / os.fsdecode(name)
    (folder / "single.onnx").rename(file)
    for asked in (file.name, str(file)):
        with pytest.raises(PolicyError, match=r"expected printable characters") as caught:
            find_policy(asked, folder)
        assert str(caught.value).isprintable()


def test_a_policy_beside_which_one_stands_has_a_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "walker")
    for asked in ("policy.onnx", "."):
        assert name_of(find_policy(asked, Path("/nowhere")), Path("/nowhere")) == "walker"
    (folder / "walker" / "policy.onnx").rename(folder / "policy.onnx")
    assert name_of(folder / "policy.onnx", folder) == "policy"
    assert find_policy("policy", folder) == folder / "policy.onnx"


def test_a_policy_of_another_robots_shape_is_fine_where_that_robot_is(tmp_path: Path) -> None:
    other = ROBOT.with_servo("sts3215_345")
    normaliser = Normaliser((0.0,) * 60, (1.0,) * 60)
    file = write_policy(tmp_path / "policy.onnx", normaliser=normaliser, robot=other)
    assert "servo" in refusal(file)
    assert load_policy(file, Terms(other, 100.0)).contract == read_policy(file)[1]
    assert contract_of(robot=other).servo == "sts3215_345"


def test_a_policy_that_only_fails_on_a_real_robot_passes_here(tmp_path: Path) -> None:
    """Its shadow run is there for that."""
    file = tmp_path / "policy.onnx"
    file.write_bytes(nan_where_it_stands())
    load_policy(file, TERMS)


def test_a_pipe_is_no_policy(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for name in ("pipe", str(tmp_path / "pipe.onnx"), "/dev/zero"):
        with pytest.raises(PolicyError, match="not there"):
            find_policy(name, tmp_path)
    with pytest.raises(PolicyError, match="of a file"):
        read_policy(Path("/dev/zero"))
