"""A training task: the schema of ``config/training/<task>.yaml``."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stride_core.action import ActionConfig
from stride_core.config import ConfigError, from_mapping, param
from stride_core.observation import DEPLOYABLE
from stride_core.yaml_file import parse_value, read_yaml
from stride_sim.records import PlantConfig
from stride_sim.terrain import names as terrain_names

from stride_training.places import config_folder, task_names


@dataclass(frozen=True)
class Commands:
    """What robots are told to do: drawn uniformly, now and then anew while walking."""

    forward: tuple[float, float] = param((0.1, 0.5), unit="m/s", min=-10.0, max=10.0)
    sideways: tuple[float, float] = param((0.0, 0.0), unit="m/s", min=-10.0, max=10.0)
    turn: tuple[float, float] = param((0.0, 0.0), unit="rad/s", min=-10.0, max=10.0)
    standing: float = param(0.02, doc="share that are told to stand", min=0.0, max=1.0)
    straight: float = param(0.0, doc="share that only go forward", min=0.0, max=1.0)
    resample: tuple[float, float] = param(
        (3.0, 7.0), doc="between commands", unit="s", min=0.02, max=1e6
    )

    def __post_init__(self) -> None:
        for name in ("forward", "sideways", "turn", "resample"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: [{low:g}, {high:g}]: expected least and most")


@dataclass(frozen=True)
class Ground:
    """The pool of terrains that robots are put on."""

    kinds: tuple[str, ...] = param(("rough",), doc="names of terrains, each as likely")
    difficulty: tuple[float, float] = param(
        (0.0, 1.0), doc="of the first and the last level", min=0.0, max=1.0
    )
    levels: int = param(10, doc="of difficulty", min=1, max=100)
    variants: int = param(2, doc="landscapes for each kind and level", min=1, max=100)
    seed: int = param(1000, doc="of the landscapes", min=0, max=2**31 - 1)
    area: float = param(
        2.0, doc="robots start within this of the middle", unit="m", min=0.0, max=9.0
    )

    def __post_init__(self) -> None:
        known = terrain_names()
        for kind in self.kinds:
            if kind not in known:
                raise ValueError(f"kinds: {kind!r}: expected one of {', '.join(known)}")
        if not self.kinds:
            raise ValueError("kinds: empty: expected names of terrains")


@dataclass(frozen=True)
class Curriculum:
    """Each robot's own level of terrain, and its own share of the range of commands."""

    terrain: bool = param(True, doc="promote and demote; off: levels are drawn evenly")
    commands: bool = param(True, doc="promote and demote; off: the whole range from the start")
    start: float = param(0.3, doc="share of the levels to begin within", min=0.0, max=1.0)
    reach: float = param(0.5, doc="share of the largest command to begin with", min=0.0, max=1.0)
    step: float = param(0.1, doc="of the command's share, up and down", min=0.0, max=1.0)
    good: float = param(0.06, doc="mean error of the velocity for a promotion", unit="m/s", min=0.0)
    bad: float = param(0.12, doc="that demotes, as a fall does", unit="m/s", min=0.0)


@dataclass(frozen=True)
class Episode:
    """From one start to its end."""

    seconds: float = param(10.0, doc="then it is truncated", unit="s", min=0.1, max=3600.0)
    max_tilt: float = param(1.0472, doc="beyond it the robot fell", unit="rad", min=0.1, max=3.1)
    min_height: float = param(
        0.5,
        doc="share of the height that the legs were told to hold; lower over the ground it fell",
        min=0.0,
        max=1.0,
    )
    active: bool = param(
        True, doc="the watchdog has seen the robot stand; else it begins as when switched on"
    )
    random_yaw: bool = param(True, doc="any heading at the start")
    random_phase: float = param(0.5, doc="share that start amid a step", min=0.0, max=1.0)


@dataclass(frozen=True)
class Rewards:
    """Named terms and their weights; see ``stride_training.rewards``."""

    preset: Literal["stride", "first_plan", "november", "none"] = param("stride")
    weights: dict[str, float] = field(
        default_factory=dict, metadata={"doc": "over the preset's; 0 leaves a term out"}
    )


@dataclass(frozen=True)
class Networks:
    """Actor and critic."""

    hidden: tuple[int, ...] = param((128, 128), doc="widths", min=1, max=4096)
    activation: Literal["elu", "relu", "tanh"] = param("elu")
    log_std: float = param(-1.0, doc="of the actions, at first", min=-10.0, max=2.0)
    head: float = param(0.1, doc="times the actor's last layer, at first", min=0.0, max=1.0)
    clip: float = param(10.0, doc="of the normalised observations", min=1e-3, max=1e6)
    normalise: bool = param(True, doc="observations, by their running mean and deviation")


@dataclass(frozen=True)
class Ppo:
    """Proximal policy optimisation, as Stable-Baselines3 has it."""

    envs: int = param(128, doc="robots", min=1, max=100_000)
    n_steps: int = param(48, doc="of each robot between updates", min=1, max=100_000)
    minibatches: int = param(4, min=1, max=10_000)
    epochs: int = param(5, min=1, max=1000)
    learning_rate: float = param(5e-4, min=1e-8, max=1.0)
    kl: tuple[float, ...] = param((0.008, 0.02), doc="the rate adapts to keep within; off if empty")
    gamma: float = param(0.98, min=0.0, max=1.0)
    gae_lambda: float = param(0.95, min=0.0, max=1.0)
    clip_range: float = param(0.2, min=0.0, max=1.0)
    entropy: float = param(0.0, min=0.0, max=10.0)
    value: float = param(0.5, doc="weight of the critic's loss", min=0.0, max=100.0)
    max_grad_norm: float = param(1.0, min=0.0, max=1e6)
    networks: Networks = field(default_factory=Networks)

    def __post_init__(self) -> None:
        total = self.envs * self.n_steps
        if total % self.minibatches:
            raise ValueError(
                f"minibatches: {self.minibatches}: expected a divisor of envs × n_steps, {total}"
            )
        if total // self.minibatches < 2:  # an advantage is normalised over its minibatch
            raise ValueError(
                f"minibatches: {self.minibatches}: expected at least 2 of the {total} samples,"
                " envs × n_steps, in each"
            )
        if len(self.kl) not in (0, 2) or list(self.kl) != sorted(self.kl):
            raise ValueError(f"kl: {list(self.kl)}: expected least and most, or nothing")


@dataclass(frozen=True)
class Monitoring:
    """What happens beside learning, by environment steps."""

    checkpoint_every: int = param(500_000, doc="steps", min=1, max=10**12)
    evaluate_every: int = param(500_000, doc="steps", min=1, max=10**12)
    evaluation_robots: int = param(32, min=1, max=10_000)
    evaluation_seconds: float = param(10.0, unit="s", min=2.5, max=3600.0)


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that decides what is learnt."""

    name: str = "task"
    robot: str = param("fivebar", doc="name, or path of a robot.yaml")
    servo: str = param("", doc="one of the robot's; its default if empty")
    params: str = param("", doc="YAML of ROS parameters; config/<robot>.yaml if empty")
    pattern: str = param("", doc="of the nominal gait; the parameters' if empty")
    steps: int = param(3_000_000, doc="of all robots together", min=1, max=10**12)
    seed: int = param(0, min=0, max=2**31 - 1)
    plant: PlantConfig = field(default_factory=lambda: PlantConfig(rate_hz=50.0))
    observation: tuple[str, ...] = param(DEPLOYABLE, doc="what the actor sees: names of terms")
    truth: tuple[str, ...] = param(
        (), doc="privileged terms that the actor sees too; no robot could run such a policy"
    )
    privileged: tuple[str, ...] = param(
        ("velocity", "height", "contact", "domain", "around"), doc="what only the critic sees"
    )
    action: ActionConfig = field(default_factory=ActionConfig)
    without_gait: bool = param(False, doc="ablation: the residual acts on feet that stand still")
    episode: Episode = field(default_factory=Episode)
    commands: Commands = field(default_factory=Commands)
    ground: Ground = field(default_factory=Ground)
    curriculum: Curriculum = field(default_factory=Curriculum)
    rewards: Rewards = field(default_factory=Rewards)
    ppo: Ppo = field(default_factory=Ppo)
    monitoring: Monitoring = field(default_factory=Monitoring)


def load_task(
    name_or_path: str | Path, files: Sequence[str | Path] = (), settings: Sequence[str] = ()
) -> Task:
    """Read a task, with what other files and ``key=value`` put over it.

    Args:
        name_or_path: of ``task_names()``, or a path.
        files: YAMLs of the same schema, the later ones over the earlier.
        settings: dotted keys with YAML values, such as ``ppo.envs=256``.

    Raises:
        ConfigError: one line.
    """
    merged, name = read_task(name_or_path)
    for file in files:
        merged = merge(merged, _extended(Path(file), ()))
    for setting in settings:
        merged = merge(merged, as_mapping(setting))
    return from_mapping(Task, {"name": name, **merged}, f"task {name}")


def with_settings(task: Task, settings: Sequence[str]) -> Task:
    """A task with ``key=value`` settings over it.

    Raises:
        ConfigError: one line.
    """
    merged = dataclasses.asdict(task)
    for setting in settings:
        merged = merge(merged, as_mapping(setting))
    return from_mapping(Task, merged, f"task {task.name}")


def read_task(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """The YAML of a task with all that it extends, and its name."""
    text = str(name_or_path)
    if "/" in text or text.endswith((".yaml", ".yml")):
        path = Path(text)
    elif text in task_names():
        path = config_folder() / "training" / f"{text}.yaml"
    else:
        near = difflib.get_close_matches(text, task_names(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        known = ", ".join(task_names())
        raise ConfigError(f"task {text!r}: unknown{hint}; expected one of {known}, or a path")
    return _extended(path, ()), path.stem


def _extended(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A file merged over the one beside it that its key ``extends`` names."""
    if path in above:
        raise ConfigError(f"{path}: extends itself")
    content = read_yaml(path)
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str) or not base or Path(base).name != base:
        raise ConfigError(f"{path}: extends: {base!r}: expected the name of a task")
    return merge(_extended(path.with_name(f"{base}.yaml"), (*above, path)), content)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings, the second over the first."""
    both = {
        key: merge(below[key], value)
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        else value
        for key, value in above.items()
    }
    return {**below, **both}


def as_mapping(text: str) -> dict[str, Any]:
    """What a ``key=value`` says, nested as the task's YAML is.

    Raises:
        ConfigError: it is none; one line.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: expected key=value, such as ppo.envs=256")
    try:
        nested = parse_value(value)
    except ValueError:
        raise ConfigError(f"--set {text!r}: {value!r} is not valid YAML") from None
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    made: dict[str, Any] = nested
    return made
