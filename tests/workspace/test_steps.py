"""Steps of the set-up: done once, resumed after a break, redone for a change, one at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_setup.console import SetupError
from stride_setup.steps import Step, digest, exclusive, perform, write_atomically

BOOTSTRAP = Path(__file__).resolve().parents[2] / "bootstrap"


class Recorder:
    """Makes steps which note that they ran, and fail on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.mended: list[str] = []
        self.broken: set[str] = set()
        self.cut_off: set[str] = set()

    def step(self, name: str, inputs: str = "same") -> Step:
        def act() -> None:
            self.ran.append(name)
            if name in self.broken:
                raise SetupError(f"{name} failed")
            if name in self.cut_off:
                raise KeyboardInterrupt

        stamp = self.folder / name / "stamp"
        return Step(name, stamp, digest(inputs), act, mend=lambda _: self.mended.append(name))

    def perform(self, **inputs: str) -> list[str]:
        """Perform steps a, b, c with these inputs; return the names of those which ran."""
        self.ran = []
        perform([self.step(name, inputs.get(name, "same")) for name in ("a", "b", "c")])
        return self.ran


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def test_every_step_runs_once(recorder: Recorder) -> None:
    assert recorder.perform() == ["a", "b", "c"]
    assert recorder.perform() == []


def test_a_failed_set_up_goes_on_at_the_step_that_failed(recorder: Recorder) -> None:
    recorder.broken = {"b"}
    with pytest.raises(SetupError, match="b failed"):
        recorder.perform()
    assert recorder.ran == ["a", "b"]
    recorder.broken = set()
    assert recorder.perform() == ["b", "c"]


def test_what_was_cut_off_is_mended_first_and_what_failed_is_not(recorder: Recorder) -> None:
    recorder.cut_off = {"b"}
    with pytest.raises(KeyboardInterrupt):
        recorder.perform()
    assert recorder.mended == []
    recorder.cut_off, recorder.broken = set(), {"b"}
    with pytest.raises(SetupError):
        recorder.perform()
    assert recorder.mended == ["b"]
    recorder.broken = set()
    assert recorder.perform() == ["b", "c"]
    assert recorder.mended == ["b"]


def test_a_killed_process_leaves_its_step_to_be_mended(recorder: Recorder) -> None:
    program = (
        "import os, sys; from pathlib import Path; from stride_setup.steps import Step, perform\n"
        "stamp = Path(sys.argv[1])\n"
        "perform([Step('a', stamp, 'x', lambda: os.kill(os.getpid(), 9))])"
    )
    command = [sys.executable, "-c", program, str(recorder.step("a").stamp)]
    assert Popen(command, cwd=BOOTSTRAP, stderr=PIPE).wait() == -9
    assert recorder.perform() == ["a", "b", "c"]
    assert recorder.mended == ["a"]


def test_a_changed_input_redoes_its_own_step(recorder: Recorder) -> None:
    recorder.perform()
    assert recorder.perform(b="changed") == ["b"]
    assert recorder.perform(b="changed") == []


def test_a_step_that_fails_after_a_change_is_not_taken_for_done(recorder: Recorder) -> None:
    recorder.perform()
    recorder.broken = {"b"}
    with pytest.raises(SetupError):
        recorder.perform(b="changed")
    recorder.broken = set()
    assert recorder.perform() == ["b"]  # back to the old input: what is there is of neither


def test_a_removed_product_is_made_again(recorder: Recorder) -> None:
    recorder.perform()
    (recorder.folder / "c" / "stamp").unlink()
    assert recorder.perform() == ["c"]


def test_damage_that_a_stamp_does_not_show_is_seen(tmp_path: Path) -> None:
    product = tmp_path / "product"
    step = Step("s", tmp_path / "stamp", digest(), lambda: product.touch(), product.exists)
    assert perform([step]) == 1
    assert step.is_done()
    product.unlink()
    assert perform([step]) == 1
    assert product.exists()


@pytest.mark.parametrize("content", [b"", b"half", b"\xff\xfe"])
def test_a_half_written_stamp_counts_as_none(recorder: Recorder, content: bytes) -> None:
    recorder.perform()
    (recorder.folder / "a" / "stamp").write_bytes(content)
    assert recorder.perform() == ["a"]


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_digest_tells_any_two_lists_of_values_apart(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_digest_sees_content_and_name_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("1")
    first = digest(files=[file])
    assert digest(names=[file]) == digest(names=[file])
    file.write_text("2")
    assert digest(files=[file]) != first
    file.write_text("1")
    assert digest(files=[file]) == first
    assert digest(files=[file.rename(tmp_path / "b.txt")]) != first


def test_writing_leaves_the_old_file_or_the_new_one_and_no_scratch(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "stamp"
    write_atomically(file, "old")
    write_atomically(file, "new")
    assert file.read_text() == "new"
    assert list(file.parent.iterdir()) == [file]


LOCKING = """
import sys; from pathlib import Path
from stride_setup.steps import exclusive
from stride_setup.tools import run_logged
with exclusive(Path(sys.argv[1])):
    print("inside", flush=True)
    if len(sys.argv) > 2:
        run_logged(sys.argv[2:], Path(sys.argv[1] + ".log"), Path("."), {}, "a program")
"""


def locking(lock: Path, *program: str) -> Popen[bytes]:
    """Start a process that takes the lock, says so, and runs a program while it holds it."""
    command = [sys.executable, "-c", LOCKING, str(lock), *program]
    return Popen(command, cwd=BOOTSTRAP, stdout=PIPE, stderr=PIPE)


def test_two_at_once_wait_for_one_another(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        other = locking(tmp_path / "lock")
        assert other.stderr is not None
        assert b"is setting up; waiting for it" in other.stderr.readline()
        assert other.poll() is None
    output, _ = other.communicate(timeout=60)
    assert (output, other.returncode) == (b"inside\n", 0)


def test_a_program_that_outlives_its_killed_bootstrap_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    first = locking(tmp_path / "lock", "sh", "-c", f"read line < '{pipe}'")
    assert first.stdout is not None
    assert first.stdout.readline() == b"inside\n"
    with open(pipe, "w") as release:  # opens once the program reads
        first.kill()
        first.wait()
        second = locking(tmp_path / "lock")
        assert second.stderr is not None
        assert b"waiting for it" in second.stderr.readline()
        release.write("go\n")
    output, _ = second.communicate(timeout=60)
    assert (output, second.returncode) == (b"inside\n", 0)
