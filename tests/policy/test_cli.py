"""`./stride policy` and `./stride bench policy`: what they print, and their exit status."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

pytest.importorskip("rclpy")

from stride_bringup.bench import policy as bench
from stride_bringup.cli.main import main
from stride_bringup.cli.policy import _compared as compared
from stride_bringup.verify import Verified
from stride_control.policy.network import Network
from stride_core.action import ActionConfig
from tests.policy.broken import BROKEN
from tests.policy.models import ROBOT, write_policy
from tests.policy.untrained import FOLDER

from stride_bringup import options


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    try:
        status = main(["policy", *words])
    except SystemExit as end:
        assert isinstance(end.code, int)
        status = end.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_list_names_every_policy_and_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "list", "--json")
    rows = {row["policy"]: row for row in json.loads(out)}
    assert status == 0
    assert rows["untrained"]["steps"] == 0
    assert (rows["untrained"]["robot"], rows["untrained"]["action"]) == ("fivebar", "12-D")
    assert "untrained/int8" in rows
    header, *lines = said(capsys, "list")[1].splitlines()
    assert header.split() == list(rows["untrained"])
    assert [line.split()[0] for line in lines] == list(rows)


def test_list_bears_a_file_whose_name_is_no_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (b"caf\xe9.onnx", b"two\nlines.onnx", b"well.onnx"):
        write_policy(tmp_path / "one.onnx").rename(tmp_path / os.fsdecode(name))
    monkeypatch.setattr(options, "policy_folder", lambda: tmp_path)
    status, out, _ = said(capsys, "list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        "caf\\udce9",
        "two\\nlines",
        "well",
    ]


def test_show_prints_the_contract_with_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    _, short, _ = said(capsys, "show", "untrained", "--json")
    _, long, _ = said(capsys, "show", str(FOLDER))
    contract = json.loads(short)
    assert contract == json.loads(long)
    assert contract["rate_hz"] == 100.0
    assert len(contract["normaliser"]["mean"]) == 60
    assert len(long.splitlines()) > 100


def test_check_runs_what_the_node_runs(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "check", "untrained", "--json")
    report = json.loads(out)
    assert status == 0
    assert (report["observations"], report["actions"]) == (60, 12)
    assert said(capsys, "check", "untrained")[1].startswith("untrained@")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["check", "nosuch"], "policy 'nosuch': not there"),
        (["check", "untrained", "--rate", "50"], "rate_hz: 100.0: expected 50.0"),
        (["check", "untrained", "--servo", "sts3215_345"], "servo: sts3215_147"),
        (["check", "untrained", "--robot", "nosuch"], "nosuch"),
        (["verify", "untrained", "--with", "/nosuch.npz"], "/nosuch.npz: no such file"),
        (["verify", "untrained", "--with", "/usr"], "expected a bag"),
    ],
)
def test_what_fails_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    status, out, err = said(capsys, *words)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("./stride policy: ") and expected in line


def test_check_of_a_broken_file_says_what_is_wrong_with_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make, words = BROKEN["damaged weights"]
    file = tmp_path / "policy.onnx"
    file.write_bytes(make())
    status, _, err = said(capsys, "check", str(file))
    assert status == 1 and all(word in err for word in words)


def test_check_asks_the_contract_for_the_robot_and_its_servo(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = str(write_policy(tmp_path / "other.onnx", robot=ROBOT.with_servo("sts3215_345")))
    assert said(capsys, "check", other)[0] == 0
    assert "expected sts3215_147" in said(capsys, "check", other, "--robot", "fivebar")[2]


def test_check_refuses_what_ik_would_clip(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bold = write_policy(tmp_path / "bold.onnx", action=ActionConfig(residual=0.05))
    assert "action.residual: 0.05: expected at most ik's" in said(capsys, "check", str(bold))[2]


@pytest.mark.parametrize("words", [["show"], ["fly"], [], ["check", "a", "--rate", "fast"]])
def test_what_cannot_be_asked_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    status, _, err = said(capsys, *words)
    assert status == 2
    assert len(err.splitlines()) == 1


# --- verify -------------------------------------------------------------------------------------


def verified(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    status, out, err = said(capsys, "verify", *words, "--json")
    return status, json.loads(out) if out else {"error": err}


def test_verify_compares_a_thousand_recorded_observations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, report = verified(capsys, "untrained")
    assert (status, report["ok"], report["observations"]) == (0, True, 1000)
    assert 0.0 < report["difference"] < 1e-5


def test_verify_finds_other_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = write_policy(tmp_path / "policy.onnx", seed=5)
    status, report = verified(capsys, str(file), "--with", str(FOLDER / "recorded.npz"))
    assert (status, report["ok"]) == (1, False)
    assert report["difference"] > 1e-3


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"action": np.zeros((2, 12))}, "expected arrays observation and action"),
        ({"observation": np.zeros((2, 59)), "action": np.zeros((2, 12))}, "expected (2, 60)"),
        ({"observation": np.zeros((2, 60)), "action": np.zeros((3, 12))}, "expected (2, 12)"),
        ({"observation": np.array(1.0), "action": np.array(1.0)}, "observation: (): expected"),
    ],
)
def test_recorded_arrays_that_do_not_fit_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arrays: dict[str, Any], expected: str
) -> None:
    np.savez(tmp_path / "recorded.npz", **arrays)
    status, report = verified(capsys, "untrained", "--with", str(tmp_path / "recorded.npz"))
    assert status == 1
    assert expected in report["error"]


def test_recorded_arrays_that_are_cut_short_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole = (FOLDER / "recorded.npz").read_bytes()
    for place in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        file = tmp_path / "recorded.npz"
        file.write_bytes(whole[:place])
        status, report = verified(capsys, "untrained", "--with", str(file))
        assert status == 1
        assert "expected arrays observation and action" in report["error"]


def test_other_arrays_are_no_recording(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One array by itself; one whose header claims 400 TiB."""
    file = tmp_path / "recorded.npz"
    with file.open("wb") as out:
        np.save(out, np.zeros((2, 60)))
    header = BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 60)}
    np.lib.format.write_array_header_1_0(header, shape)
    claims = tmp_path / "claims.npz"
    with ZipFile(claims, "w") as archive:
        archive.writestr("observation.npy", header.getvalue())
    for each in (file, claims):
        status, report = verified(capsys, "untrained", "--with", str(each))
        assert status == 1
        assert "expected arrays observation and action" in report["error"]


def test_verify_says_who_walked_and_that_a_bag_is_cut_short() -> None:
    assert compared(Verified(0, 0.0, True, ("b@12", "c@34")), well=False) == (
        "nothing to compare: it has its whole say in no tick: who walked is b@12, c@34"
    )
    torn = compared(Verified(7, 0.0, False), well=True)
    assert torn.startswith("ok: 7 observations") and "cut short or damaged" in torn
    assert compared(Verified(7, 0.5), well=False).startswith("DIFFERS: 7")


def test_none_and_a_name_for_list_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is the gait alone" in said(capsys, "check", "none")[2]
    assert said(capsys, "list", "rough")[0] == 2


# --- bench --------------------------------------------------------------------------------------


def test_the_empty_network_hands_its_input_through() -> None:
    empty = Network(bench.empty_model(7))
    seen = np.arange(7.0)
    np.testing.assert_array_equal(empty(seen), seen)


def test_bench_measures_each_network_beside_the_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "_CALLS", 50)
    monkeypatch.setattr(bench, "_ROUNDS", 2)
    result = bench.measure("untrained", walks=0)
    spent = result["inference_us"]
    assert list(spent) == ["empty", "fp32", "int8"]
    for row in spent.values():
        assert 0.0 < row["p50"] <= row["p99"] <= row["p99.9"]
    assert "fp32" in bench.table(result)


def test_bench_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "policy", "--policy", "nosuch"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("./stride bench: policy 'nosuch'")


def test_bench_of_a_walk_that_fails_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The walk is that of the policy's own robot with its own servo."""
    monkeypatch.setattr(bench, "_CALLS", 5)
    file = write_policy(tmp_path / "policy.onnx", servo="nosuch")
    assert main(["bench", "policy", "--policy", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("./stride bench: the walk that is measured: sim --robot fivebar")
    assert "nosuch" in line.partition("status")[2]
