"""One tiny run from the command line to the exported policy, and what the networks are."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import json
import re
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError
from stride_core.policy_file import read_contract
from stride_training.cli import main
from stride_training.curves import evaluations, progress
from stride_training.episodes import Answer, score, walk
from stride_training.places import config_folder
from stride_training.runs import Run
from stride_training.task import Task, load_task
from tests.training.conftest import SMALL

from stride_training import rewards

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stride_training.environment import Environment, for_one_command  # noqa: E402
from stride_training.export import difference, export, load_trained  # noqa: E402
from stride_training.network import to_onnx  # noqa: E402
from stride_training.policies import find, on_one_servo  # noqa: E402
from stride_training.policy import Actor, RunningNormaliser  # noqa: E402
from stride_training.ppo import make_ppo  # noqa: E402
from stride_training.vector import VectorEnvironment  # noqa: E402


def test_all_falling_at_once_is_the_worst_score_not_none(small: Task) -> None:
    """A NaN would never be the best, and end a search by ``tune``."""
    task = for_one_command(small, (0.2, 0.0, 0.0))
    task = dataclasses.replace(task, episode=dataclasses.replace(task.episode, max_tilt=0.1))
    episodes = dataclasses.replace(
        walk(Environment(task, 3, 0, 1), None), fell=np.ones(3, bool), speed=np.full(3, np.nan)
    )
    assert score(episodes) == pytest.approx(-2.0 * 0.2)
    partly = dataclasses.replace(episodes, speed=np.array([np.nan, 0.1, 0.2]))
    assert score(partly) == pytest.approx(-2.0 * 0.05)


def test_the_folder_says_what_was_done(whole: Run) -> None:
    assert whole.task().name == "hard_adaptive"
    about = whole.about()
    assert set(about) == {"command", "commit", "versions"}
    assert about["versions"]["torch"] == str(torch.__version__)
    rows = progress(whole)
    assert rows["time/total_timesteps"].tolist() == [96.0 * k for k in range(1, 6)]
    assert (rows["curriculum/level"] >= 0.0).all()
    assert evaluations(whole)["steps"].tolist() == [480.0]
    summary = json.loads((whole.folder / "summary.json").read_text("utf-8"))
    assert summary["steps"] == 480 and summary["not_finite"] == 0 == summary["diverged"]
    assert 0 <= summary["falls"] <= summary["episodes"]


def test_the_exported_policy_is_the_trained_one(whole: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    contract, measured = export(whole, file, checkpoint="last")
    assert measured["difference"] <= 1e-5
    written = read_contract(file.read_bytes())
    assert dataclasses.replace(written, weights_sha256="") == contract
    contract = written
    assert contract.provenance.steps == 480 and contract.provenance.task == "hard_adaptive"
    assert len(contract.action_names) == 16
    trained = load_trained(whole, "last")
    normaliser = trained.actor.normaliser
    assert contract.normaliser.mean == tuple(normaliser.mean.tolist())
    seen = normaliser.mean + normaliser.deviation * torch.randn((7, len(normaliser.mean)))
    answers = find(str(file)).answer, find(f"{whole.folder}@last").answer
    assert answers[0] is not None and answers[1] is not None
    assert answers[0](seen.numpy()) == pytest.approx(answers[1](seen.numpy()), abs=1e-5)
    # by hand, in numpy: the network is what its file says
    x = np.clip((seen.numpy() - contract.normaliser.mean) / contract.normaliser.std, -10.0, 10.0)
    policy = torch.load(whole.last, weights_only=True)["policy"]
    weight, bias = (policy[f"mlp_extractor.actor.0.{part}"].numpy() for part in ("weight", "bias"))
    hidden = x @ weight.T + bias
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0.0)))
    out = hidden @ policy["action_net.weight"].numpy().T + policy["action_net.bias"].numpy()
    assert answers[0](seen.numpy()) == pytest.approx(np.clip(out, -1, 1), abs=1e-5)


def test_a_run_is_judged_on_its_gait_its_servo_and_its_best(whole: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(whole.folder, tmp_path / "me@home")
    export(Run(folder), folder / "policy.onnx", checkpoint="step_0000000192")
    policy = find(str(folder))
    assert policy.name == "me@home@best"
    task = load_task("rough")
    assert policy.fitted(task).pattern == "trot"
    assert policy.fitted(dataclasses.replace(task, servo="sts3215_147")).servo == "sts3215_147"
    other = tmp_path / "other.yaml"
    usual = (config_folder() / "fivebar.yaml").read_text()
    other.write_text(usual.replace("stance_length: 0.0", "stance_length: 0.01"))
    with pytest.raises(ConfigError, match=r"it is for stance_length 0, not 0\.01"):
        policy.fitted(dataclasses.replace(task, params=str(other)))
    alone = on_one_servo([find("none"), find("rough_345")], task)
    assert alone.servo == "sts3215_345"


def test_an_onnx_that_differs_is_noticed(whole: Run) -> None:
    actor = load_trained(whole, "last").actor
    model = to_onnx(actor)
    with torch.no_grad():
        actor.head.bias += 1e-3
    assert difference(model, actor) == pytest.approx(1e-3, rel=0.05)


def test_the_actor_sees_nothing_that_is_privileged(whole: Run, small: Task) -> None:
    vector = VectorEnvironment(Environment(small, 2, 0, 1))
    model = make_ppo(small.ppo, vector, 0)
    size = vector.environment.actor_size
    seen = torch.randn((4, vector.environment.size))
    other = seen.clone()
    other[:, size:] += 1.0
    policy = model.policy
    with torch.no_grad():
        mean = policy.get_distribution(seen).distribution.mean
        assert torch.equal(mean, policy.get_distribution(other).distribution.mean)
        assert not torch.allclose(policy.predict_values(seen), policy.predict_values(other))
        assert torch.allclose(Actor(policy)(seen[:, :size]), mean.clamp(-1, 1), atol=1e-6)


def test_the_normaliser_is_the_mean_and_deviation_of_all_that_was_seen() -> None:
    parts = [np.random.default_rng(k).normal(3.0 * k, 1.0 + k, (10 + 50 * k, 3)) for k in range(4)]
    normaliser = RunningNormaliser(3, 5.0)
    for part in parts:
        normaliser.update(torch.as_tensor(part, dtype=torch.float32))
    everything = np.concatenate(parts)
    assert normaliser.mean.numpy() == pytest.approx(everything.mean(0), rel=1e-4)
    assert normaliser.deviation.numpy() == pytest.approx(everything.std(0), rel=1e-4)
    assert float(normaliser(torch.full((1, 3), 1e6)).max()) == 5.0


def _in_step(moment: rewards.Moment) -> FloatArray:
    """−(a₀ − 1)² while the first foot swings, −(a₀ + 1)² while it stands."""
    return -np.square(moment.action[:, 0] - 2.0 * moment.swing[:, 0] + 1.0)


def test_learning_does_what_no_constant_policy_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line, cut in two, exported and examined: the first action learns the rhythm.

    The best constant for a foot that swings 40 % of the time is worth −4 · 0.4 · 0.6 = −0.96.
    """
    monkeypatch.setitem(rewards.TERMS, "in_step", _in_step)
    settings = (
        *SMALL, "ppo.envs=24", "ppo.epochs=8", "ppo.learning_rate=0.003", "ppo.kl=[]",
        "ppo.gamma=0.5", "rewards.preset=none",
        "rewards.weights={in_step: 1.0, heading: 0.0, pace: 0.0, tilt: 0.0, rocking: 0.0}",
        "monitoring.checkpoint_every=100000", "ground.kinds=[flat]", "episode.random_phase=1.0",
    )  # fmt: skip
    run = tmp_path / "run"
    given = [part for setting in settings for part in ("--set", setting)]
    given += ["--steps", "3840", "--run", str(run), "--threads", "1"]
    assert main(["train", "rough", *given]) == 0
    assert main(["train", "--resume", str(run), "--steps", "7680", "--threads", "1"]) == 0
    file = tmp_path / "policy.onnx"
    assert main(["export", str(run), "--checkpoint", "last", "--out", str(file)]) == 0
    policy = find(str(file))
    task = policy.fitted(for_one_command(Run(run).task(), (0.2, 0.0, 0.0)))

    def worth(answer: Answer | None) -> float:
        return float(walk(Environment(task, 6, 11, 1), answer).reward.mean())

    def constant(value: float) -> Answer:
        return lambda seen: np.full((len(seen), 12), value)

    best = max(worth(constant(value)) for value in (-0.6, -0.2, 0.2))
    assert best == pytest.approx(-0.96, abs=0.05)
    assert worth(policy.answer) > -0.4


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["train", "rugh"], "did you mean rough"),
        (["train"], "either a TASK or --resume"),
        (["train", "rough", "--envs", "0"], "whole number from 1"),
        (["train", "rough", "--set", "ppo.evns=3"], "did you mean envs"),
        (["train", "rough", "--set", "ppo.envs"], "expected key=value"),
        (["train", "rough", "--set", "rewards.weights.alive=much"], "expected a number"),
        (["train", "rough", "--set", "rewards.weights.alve=1"], "did you mean alive"),
        (["train", "rough", "--set", "ppo.envs=0"], "at least|from 1"),
        (["train", "rough", "--set", "ppo.minibatches=7"], "divisor"),
        (["train", "rough", "--set", "ppo.envs=1", "--set", "ppo.n_steps=2",
          "--set", "ppo.minibatches=2"], "at least 2"),
        (["train", "rough", "--set", "ppo.learning_rate=1e3"], "1000.*from 1e-08 to 1"),
        (["train", "--resume", "/nowhere", "--run", "/elsewhere"], "alone"),
        (["train", "--resume", "/nowhere"], "expected the folder of a run"),
        (["export", "/nowhere"], "expected the folder of a run"),
        (["evaluate", "nobody"], "not there"),
        (["evaluate", "none", "--difficulty", "2"], "from 0 to 1"),
        (["evaluate", "none", "--terrain", "moon"], "moon"),
        (["evaluate", "none", "--sweep", "ground.difficulty=nan"], "finite numbers"),
        (["evaluate", "none", "--sweep", "ground.difficulty=inf"], "finite numbers"),
        (["evaluate", "none", "--sweep", "episode.seconds=3,100"], "nothing would change"),
        (["evaluate", "rough", "--sweep", "action.residual=0.01,0.02"], "nothing would change"),
        (["evaluate", "none", "--figure", "f.png"], "expected --sweep"),
        (["evaluate", "none", "--json", "nowhere/f.json"], "nowhere/f.json: cannot be written"),
        (["evaluate", "none", "--calibrate", "--speeds", "-0.1,0.2"], "none below 0"),
        (["compare", "rough", "rough_345"], "rough_345 for sts3215_345: expected all"),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_one_line(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SystemExit):
        assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and re.search(said, lines[0]), lines


def test_a_plot_is_where_it_is_said_to_be(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("stride_training.curves.draw", lambda runs, out: drawn.append(out))
    assert main(["plot", str(whole.folder), "--out", str(tmp_path)]) == 0
    assert drawn == [tmp_path / "curves.png"] == [Path(capsys.readouterr().out.strip())]
    assert main(["plot", str(whole.folder), "--out", str(tmp_path / "curves")]) == 2
    assert "expected a folder, or a name such as" in capsys.readouterr().err


def test_without_torch_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name="torch")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    for module in [m for m in sys.modules if m.startswith("stride_training.") and "cli" not in m]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", absent)
    assert main(["train", "rough", "--steps", "1"]) == 2
    assert "./stride setup --training" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, said",
    [
        (MemoryError(), "not enough memory: expected fewer robots"),
        (
            MemoryError("Unable to allocate 7 TiB"),
            r"not enough memory \(Unable to allocate 7 TiB\)",
        ),
        (ValueError("Could not allocate memory"), "not enough memory"),  # MuJoCo's
        (RuntimeError("[enforce fail] can't allocate memory"), "not enough memory"),
        (
            ImportError("libc10.so:\n no such file", name="torch._C"),
            r"torch\._C does not load \(lib",
        ),
        (ModuleNotFoundError("No module named 'sympy'", name="sympy"), "sympy does not load"),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("stride_training.cli.bench.main", fail)
    assert main(["bench"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("./stride bench: ") and re.search(said, line)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), ImportError("no such name", name="stride_training.task")]
)
def test_our_own_mistakes_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("stride_training.cli.bench.main", fail)
    with pytest.raises(type(error)):
        main(["bench"])


def test_an_interrupted_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though ``./stride`` starts with the signal's default, which ends it without a word."""
    handlers = []

    def interrupted(_: object) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        raise KeyboardInterrupt

    monkeypatch.setattr("stride_training.cli.bench.main", interrupted)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        assert main(["bench"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.default_int_handler]
    assert capsys.readouterr().err == "\n./stride bench: interrupted\n"
