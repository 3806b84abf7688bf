"""The folder of a run: cut off, resumed, damaged, on a full disk, or taken by another."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_training.curves import evaluations, progress
from stride_training.places import config_folder
from stride_training.runs import Run, alone, new_run, write
from stride_training.task import Task, load_task, with_settings
from tests.training.conftest import SMALL, small_steps

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO  # noqa: E402
from stride_training.checkpoint import load_all, load_network, save_network  # noqa: E402
from stride_training.environment import Environment  # noqa: E402
from stride_training.export import evaluation_at  # noqa: E402
from stride_training.history import Progress, logger_of, quiet_writers, rewind  # noqa: E402
from stride_training.ppo import make_ppo  # noqa: E402
from stride_training.train import Watch, train  # noqa: E402
from stride_training.vector import VectorEnvironment  # noqa: E402


def test_a_run_cut_off_and_resumed_is_the_run_that_was_not(whole: Run, tmp_path: Path) -> None:
    """From the checkpoint of update 2 (192 steps), in another state, to the same networks."""
    steps = sorted(path.stem for path in whole.folder.glob("step_*.pt"))
    assert steps == ["step_0000000192", "step_0000000384"]
    part = new_run(small_steps(whole.task(), 192), tmp_path / "part")
    train(part.task(), part, threads=1)  # as if killed just after its checkpoint
    again = Run(part.folder)
    assert train(small_steps(part.task(), 480), again, threads=1, resume=True)
    one, other = (torch.load(r.last, weights_only=True) for r in (whole, again))
    assert one["steps"] == other["steps"] == 480
    for name, value in one["policy"].items():
        assert torch.equal(value, other["policy"][name]), name


@pytest.mark.parametrize("moment", ["first rollout", "last update"])
def test_a_run_that_is_asked_to_end_can_go_on(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Asked amid a rollout it still learns from it; nothing is lost, the curve neither."""
    at = {"first rollout": 7, "last update": 80}[moment]
    real, ticks = Watch._on_step, [0]

    def asked(self: Watch) -> bool:
        ticks[0] += 1
        if ticks[0] == at:
            self.ending()
        return real(self)

    monkeypatch.setattr(Watch, "_on_step", asked)
    run = new_run(whole.task(), tmp_path / "run")
    assert not train(run.task(), run, threads=1)
    before = progress(run)["time/total_timesteps"].tolist()
    assert before == [96.0 * k for k in range(1, -(-at // 16) + 1)]
    monkeypatch.setattr(Watch, "_on_step", real)
    assert train(run.task(), run, threads=1, resume=True)
    assert progress(run)["time/total_timesteps"].tolist() == [96.0 * k for k in range(1, 6)]
    assert evaluations(run)["steps"].tolist() == [480.0]
    one, other = (torch.load(r.last, weights_only=True)["policy"] for r in (whole, run))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_was_told_after_the_checkpoint_is_told_once(whole: Run, tmp_path: Path) -> None:
    """As after a kill: updates 3 to 5 were told, the checkpoint is of update 2."""
    part = new_run(small_steps(whole.task(), 192), tmp_path / "part")
    train(part.task(), part, threads=1)
    for name in ("progress.csv", "evaluations.jsonl"):
        shutil.copy(whole.folder / name, part.folder / name)
    with open(part.folder / "evaluations.jsonl", "a", encoding="utf-8") as stream:
        stream.write('{"steps": 4')  # a full disk
    (part.folder / ".last.pt.123").write_bytes(b"half")
    assert train(small_steps(part.task(), 480), part, threads=1, resume=True)
    assert progress(part)["time/total_timesteps"].tolist() == [96.0 * k for k in range(1, 6)]
    assert not list(part.folder.glob(".*.pt.*"))
    told, expected = evaluations(part), evaluations(whole)
    assert {k: v.tolist() for k, v in told.items()} == {k: v.tolist() for k, v in expected.items()}


def test_a_refused_resume_leaves_the_curve(whole: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    run.last.write_bytes(b"torn")
    before = (run.folder / "progress.csv").read_bytes()
    with pytest.raises(ConfigError, match="not a checkpoint"):
        train(run.task(), run, threads=1, resume=True)
    run.last.unlink()
    with pytest.raises(ConfigError, match="no checkpoint yet"):
        train(run.task(), run, threads=1, resume=True)
    assert (run.folder / "progress.csv").read_bytes() == before


def test_one_process_trains_in_a_folder(whole: Run) -> None:
    with alone(whole), pytest.raises(ConfigError, match="another process"):
        train(whole.task(), whole, threads=1, resume=True)
    with alone(whole):
        pass


def test_weights_that_are_no_numbers_reach_no_checkpoint(
    small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network breaks in update 3; that of update 2 stays, and one line says so."""
    real = PPO.train

    def broken(self: PPO) -> None:
        real(self)
        if self.num_timesteps == 288:
            self.policy.log_std.data[0] = np.nan

    monkeypatch.setattr(PPO, "train", broken)
    task = dataclasses.replace(
        small_steps(small, 480),
        monitoring=dataclasses.replace(small.monitoring, checkpoint_every=96),
    )
    run = new_run(task, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"not finite after 288 steps.*last\.pt is from before"):
        train(task, run, threads=1)
    saved = torch.load(run.last, weights_only=True)
    assert saved["steps"] == 192
    assert all(bool(torch.isfinite(value).all()) for value in saved["policy"].values())


def no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Writes end as on a full disk."""
    real = os.fsync
    os.fsync = no_space  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync = real


def test_a_full_disk_leaves_the_checkpoint_before(whole: Run, small: Task, tmp_path: Path) -> None:
    vector = VectorEnvironment(Environment(small, small.ppo.envs, 0, 1))
    model = make_ppo(small.ppo, vector, 0)
    file = tmp_path / "best.pt"
    save_network(file, model, vector)
    before = file.read_bytes()
    with full_disk(), pytest.raises(ConfigError, match=r"best\.pt.*No space left"):
        save_network(file, model, vector)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_full_disk_ends_no_training(
    small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Full after update 2, for checkpoints, evaluations, rows and TensorBoard's thread alike."""
    monitoring = dataclasses.replace(small.monitoring, checkpoint_every=96, evaluate_every=96)
    task = dataclasses.replace(small_steps(small, 288), monitoring=monitoring)
    run = new_run(task, tmp_path / "run")
    real, full, in_threads = Watch._on_rollout_start, [False], list[object]()

    def start(self: Watch) -> None:
        full[0] = self.model.num_timesteps == 192
        with full_disk() if full[0] else contextlib.nullcontext():
            real(self)

    def refusing(write: Callable[..., None]) -> Callable[..., None]:
        return lambda *given: (no_space if full[0] else write)(*given)

    monkeypatch.setattr(Watch, "_on_rollout_start", start)
    monkeypatch.setattr(threading, "excepthook", in_threads.append)
    boards = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    for kind in (Progress, boards):
        monkeypatch.setattr(kind, "write", refusing(kind.write))
    assert train(task, run, threads=1)
    said = [line for line in capsys.readouterr().err.splitlines() if "it ends here" in line]
    assert sorted(line.split(":")[0] for line in said) == ["TensorBoard", "progress.csv"]
    assert not in_threads
    assert evaluations(run)["steps"].tolist() == [96.0, 288.0]
    assert progress(run)["time/total_timesteps"].tolist() == [96.0, 192.0]
    assert torch.load(run.last, weights_only=True)["steps"] == 288
    assert [path.stem for path in run.folder.glob("step_*.pt")] == ["step_0000000096"]


def test_checkpoints_of_others_are_refused(whole: Run, small: Task, tmp_path: Path) -> None:
    def refused(changed: Task, path: Path) -> str:
        vector = VectorEnvironment(Environment(changed, changed.ppo.envs, 0, 1))
        with pytest.raises(ConfigError) as error:
            load_all(path, make_ppo(changed.ppo, vector, 0), vector)
        assert "\n" not in str(error.value)
        return str(error.value)

    slower = dataclasses.replace(small, servo="sts3215_345")
    assert "servo: 'sts3215_147': expected 'sts3215_345'" in refused(slower, whole.last)
    fewer = dataclasses.replace(small, observation=small.observation[:-1])
    assert "observation" in refused(fewer, whole.last)
    finer = dataclasses.replace(small.action, residual=0.01)
    assert "action: {'residual'" in refused(dataclasses.replace(small, action=finer), whole.last)
    faster = dataclasses.replace(small, plant=dataclasses.replace(small.plant, rate_hz=100.0))
    assert "rate_hz: 50.0: expected 100.0" in refused(faster, whole.last)
    usual, other = (config_folder() / "fivebar.yaml").read_text(), tmp_path / "other.yaml"
    other.write_text(usual.replace("stance_length: 0.0", "stance_length: 0.01"))
    stance = dataclasses.replace(small, params=str(other))
    assert "gait: {'pattern': 'trot', 'shape': {'stance_length': 0.0" in refused(stance, whole.last)
    wider = load_task("hard_adaptive", (), (*SMALL, "ppo.networks.hidden=[17]"))
    assert "ppo.networks.hidden: [17]: expected [16]" in refused(wider, whole.last)
    vector = VectorEnvironment(Environment(wider, 1, 0, 1))
    with pytest.raises(ConfigError, match="differ in shape"):
        load_network(whole.last, make_ppo(wider.ppo, vector, 0), vector)
    assert "networks alone" in refused(small, whole.folder / "step_0000000192.pt")
    other.write_text(usual.replace("servo_share: 0.9", "servo_share: 0.8"))
    weaker = dataclasses.replace(small, params=str(other))
    assert "YAML of gait, ik or safety has changed" in refused(weaker, whole.last)
    said = refused(with_settings(small, ["ppo.gamma=0.5"]), whole.last)
    assert "its task.yaml has changed: ppo.gamma: 0.5: expected 0.98" in said
    assert "activation: 'elu': expected 'tanh'" in refused(
        with_settings(small, ["ppo.networks.activation=tanh"]), whole.last
    )
    torn = tmp_path / "torn.pt"
    torn.write_bytes(whole.last.read_bytes()[:5000])
    assert "not a checkpoint" in refused(small, torn)
    good = torch.load(whole.last, weights_only=True)
    weights = good["policy"]["mlp_extractor.actor.0.weight"].numpy().tobytes()
    data = bytearray(whole.last.read_bytes())
    data[data.index(weights) + 100] ^= 64  # of a number, which stays one
    torn.write_bytes(data)
    assert "damaged" in refused(small, torn)
    for key in ("policy", "optimizer", "steps", "rest", "identity"):
        torch.save({name: value for name, value in good.items() if name != key}, torn)
        assert str(torn) in refused(small, torn)
    more = dataclasses.replace(small, ppo=dataclasses.replace(small.ppo, envs=8))
    assert "ppo.envs: 8: expected 6" in refused(more, whole.last)


def test_a_run_folder_that_exists_is_refused(
    whole: Run, small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="exists"):
        new_run(small, whole.folder)
    real = Path.mkdir

    def both(self: Path, **given: Any) -> None:
        real(self, **given)
        (self / "task.yaml").write_text("of another that saw no folder either")

    monkeypatch.setattr(Path, "mkdir", both)
    with pytest.raises(ConfigError, match="another process"):
        new_run(small, tmp_path / "run")
    assert "another" in (tmp_path / "run" / "task.yaml").read_text()


def test_a_damaged_run_is_one_line(whole: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    for name, content, act in (
        *(
            ("evaluations.jsonl", line, act)
            for line in (b'{"steps": 4', b"5", b"null", b"[1,2]", b'{"a": 1}', b'{"steps": []}')
            for act in (evaluations, lambda run: evaluation_at(run, 480))
        ),
        ("progress.csv", b"a,b\n1,2\n", progress),
        ("progress.csv", b"a,b\n\xff\x00,3\n", progress),
        ("about.json", b"[1]", Run.about),
        ("task.yaml", b"name: [", Run.task),
        ("task.yaml", b"\xff\xfe", Run.task),
    ):
        (run.folder / name).write_bytes(content)
        with pytest.raises(ConfigError, match=name) as error:
            act(run)
        assert "\n" not in str(error.value)
    (run.folder / "evaluations.jsonl").write_bytes(b"")
    assert evaluations(run) == {}
    (run.folder / "evaluations.jsonl").write_text('{"steps": 1, "a": 2}\n{"steps": 3, "b": NaN}\n')
    told = evaluations(run)
    assert (
        told["steps"].tolist() == [1.0, 3.0] and told["a"][0] == 2.0 and np.isnan(told["b"]).all()
    )


def test_what_is_damaged_is_kept_aside(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    header, *rows = (run.folder / "progress.csv").read_text().splitlines()

    def rewound(name: str, content: str) -> tuple[str, str]:
        """What is left, and the name of the copy."""
        (run.folder / name).write_text(content)
        before = {path.name for path in run.folder.iterdir()}
        rewind(run, 192)
        copies = {path.name for path in run.folder.iterdir()} - before
        for copy in copies:
            assert (run.folder / copy).read_text() == content
            (line,) = capsys.readouterr().err.strip().splitlines()
            assert str(run.folder / name) in line and copy in line
        return (run.folder / name).read_text(), " ".join(copies)

    renamed = "\n".join([header.replace("total_timesteps", "steps"), *rows]) + "\n"
    assert rewound("progress.csv", renamed) == ("", "progress.csv.damaged")
    amid = "\n".join([header, rows[0], "torn,1", rows[1], rows[2]]) + "\n"
    kept = "\n".join([header, rows[0], rows[1]]) + "\n"
    assert rewound("progress.csv", amid) == (kept, "progress.csv.damaged2")
    assert rewound("progress.csv", kept + "torn by a kil") == (kept, "")
    good = '{"steps": 96.0, "score": 1.0}\n'
    for line in ("5", "null", "[1,2]", '{"score": 1}', '{"st'):
        (run.folder / "evaluations.jsonl.damaged").unlink(missing_ok=True)
        left = rewound("evaluations.jsonl", f"{line}\n{good}")
        assert left == (good, "evaluations.jsonl.damaged")
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["5e4", "1E-3", ".5e1", "012", "null", "~", "1:30", "=", "on"])
def test_a_task_named_like_a_number_reads_its_name_again(
    small: Task, tmp_path: Path, name: str
) -> None:
    task = dataclasses.replace(small, name=name)
    assert new_run(task, tmp_path / "run").task() == task


def test_links_pipes_and_devices_stay_what_they_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, link, pipe = tmp_path / "folder", tmp_path / "link.json", tmp_path / "pipe"
    folder.mkdir()
    link.symlink_to(folder / "real.json")
    for content in ("new", "newer"):
        write(link, content)
        assert link.is_symlink() and (folder / "real.json").read_text() == content
        assert [path.name for path in folder.iterdir()] == ["real.json"]
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        read = threads.submit(pipe.read_bytes)
        write(pipe, "through")
        assert read.result(timeout=5.0) == b"through" and pipe.is_fifo()
    print("before", flush=True)
    write(Path("/dev/stdout"), "amid\n")  # a file, under pytest
    print("after", flush=True)
    assert capfd.readouterr().out == "before\namid\nafter\n"
    write(Path("/dev/null"), "nothing")
    assert Path("/dev/null").is_char_device()
    for path, said in ((folder, "Is a directory"), (folder / "real.json" / "x", "Not a directory")):
        with pytest.raises(ConfigError, match=f"cannot be written: {said}"):
            write(path, "")


@pytest.mark.parametrize("again", [False, True])
def test_a_training_whose_folder_is_deleted_ends(
    small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """And neither makes it anew, nor writes into another run's that was begun there since."""
    run = new_run(small_steps(small, 480), tmp_path / "run")
    real, ticks = Watch._on_step, [0]

    def step(self: Watch) -> bool:
        ticks[0] += 1
        if ticks[0] == 20:
            shutil.rmtree(run.folder)
            if again:
                with alone(new_run(small, run.folder)):
                    pass
        return real(self)

    monkeypatch.setattr(Watch, "_on_step", step)
    with pytest.raises(ConfigError, match="another run's" if again else "folder is gone"):
        train(run.task(), run, threads=1)
    assert ticks == [32], "it went on after the update"
    left = {path.name for path in tmp_path.glob("run/*") if "tfevents" not in path.name}
    assert left == ({".lock", "about.json", "task.yaml"} if again else set())


def test_a_board_that_cannot_be_made_is_one_line(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    monkeypatch.setattr(records, "write", no_space)
    with quiet_writers():
        logger = logger_of(Run(tmp_path))
        logger.record("a", 1.0)
        logger.dump(1)
    assert (tmp_path / "progress.csv").read_text() == "a\n1.0\n"
    (line,) = capsys.readouterr().err.split("\n")[1:-1]
    assert line.startswith("TensorBoard: No space left on device") and "goes on" in line
