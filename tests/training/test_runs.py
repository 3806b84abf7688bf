"""The folder of a run: cut off, resumed, damaged, on a full disk, or taken by another."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stride_core.config import ConfigError
from stride_training.curves import evaluations, progress
from stride_training.places import config_folder
from stride_training.runs import Run, alone, new_run
from stride_training.task import Task, load_task, with_settings
from tests.training.conftest import SMALL, small_steps

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO  # noqa: E402
from stride_training.checkpoint import load_all, load_network, save_network  # noqa: E402
from stride_training.environment import Environment  # noqa: E402
from stride_training.history import Progress  # noqa: E402
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


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Writes end as on a full disk."""
    real = os.fsync

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    os.fsync = fail  # type: ignore[assignment]
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
    small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full after update 2, for checkpoints, evaluations and rows alike."""
    monitoring = dataclasses.replace(small.monitoring, checkpoint_every=96, evaluate_every=96)
    task = dataclasses.replace(small_steps(small, 288), monitoring=monitoring)
    run = new_run(task, tmp_path / "run")
    real, row, full = Watch._on_rollout_start, Progress.write, [False]

    def start(self: Watch) -> None:
        full[0] = self.model.num_timesteps == 192
        with full_disk() if full[0] else contextlib.nullcontext():
            real(self)

    def refused(*given: Any) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        row(*given)

    monkeypatch.setattr(Watch, "_on_rollout_start", start)
    monkeypatch.setattr(Progress, "write", refused)
    assert train(task, run, threads=1)
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
        ("evaluations.jsonl", b'{"steps": 4', evaluations),
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
