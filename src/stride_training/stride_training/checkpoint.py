"""Checkpoints: a network to use, or everything that a run needs to go on from where it was."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stride_core.config import ConfigError
from stride_core.contract import NominalGait
from stride_core.control import parameters_of
from stride_core.yaml_file import one_line

from stride_training.environment import Environment
from stride_training.places import params_files
from stride_training.runs import plain, write
from stride_training.vector import VectorEnvironment

FORMAT = 1
_RESUMABLE = 2  # of what a run goes on from, beside its networks
_LEFT_OUT: dict[str, Any] = {"truth": []}  # by what was written before there was such a key
_UNKNOWN = ("gait", "rate_hz", "action", "activation", "clip")
"""What such does not say either; nobody can tell whether it differs."""


def identity(environment: VectorEnvironment) -> dict[str, Any]:
    """What a network is made for, compared when it is loaded."""
    within = environment.environment
    spec = within.plant.spec
    return {
        "format": FORMAT,
        "robot": spec.name,
        "robot_digest": spec.digest,
        "servo": spec.servo.name,
        "observation": [term.name for term in within.observation.terms],
        "truth": list(within.task.truth),
        "actor_size": within.actor_size,
        "size": within.size,
        "actions": list(within.layout.names),
        "gait": asdict(nominal_gait(within)),
        "rate_hz": within.task.plant.rate_hz,
        "action": asdict(within.task.action),
        "activation": within.task.ppo.networks.activation,
        "clip": within.task.ppo.networks.clip,
    }


def nominal_gait(environment: Environment) -> NominalGait:
    """Pattern and shape that the task holds; what the policy itself modulates is free."""
    task, config = environment.task, environment.controller.gait_config
    shape = asdict(config.shape)
    held = {name: shape[name] for name in shape if name not in task.action.modulation}
    return NominalGait(task.pattern or config.pattern, held)


def parameters_digest(environment: Environment) -> str:
    """Of all that the control law reads; a run goes on with what it began with."""
    files = params_files(environment.plant.spec, environment.task.params)
    law = {node: parameters_of(files, node) for node in ("gait", "ik", "safety")}
    return hashlib.sha256(json.dumps(law, sort_keys=True).encode()).hexdigest()


def save_network(path: Path, model: PPO, environment: VectorEnvironment) -> None:
    """Write the networks alone.

    Raises:
        ConfigError: see `write`.
    """
    content = {
        "identity": identity(environment),
        "steps": model.num_timesteps,
        "policy": model.policy.state_dict(),
    }
    _write(path, content)


def save_all(path: Path, model: PPO, environment: VectorEnvironment, extra: Any) -> None:
    """Write everything, between an update and the next rollout."""
    rate: Any = model.learning_rate
    content = {
        "identity": identity(environment),
        "steps": model.num_timesteps,
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "rest": pickle.dumps(
            {
                "rate": rate.value,
                "updates": model._n_updates,
                "observation": model._last_obs,
                "starts": model._last_episode_starts,
                "episodes": list(model.ep_info_buffer or ()),
                "environment": environment.environment.state(),
                "sums": environment.sums,
                "numpy": np.random.get_state(),
                "extra": extra,
                "format": _RESUMABLE,
            }
        ),
        "torch_random": torch.get_rng_state(),
        "parameters": parameters_digest(environment.environment),
        "task": plain(asdict(environment.environment.task)),
    }
    _write(path, content)


def _write(path: Path, content: dict[str, Any]) -> None:
    stream = io.BytesIO()
    torch.save(content, stream)
    write(path, stream.getvalue())


def read(path: Path, environment: VectorEnvironment) -> dict[str, Any]:
    """A checkpoint that fits the environment.

    Raises:
        ConfigError: unreadable, or of another robot, layout or version; one line.
    """
    if not path.exists():
        raise ConfigError(f"{path}: not there: the run has no checkpoint yet; begin it anew")
    try:
        with zipfile.ZipFile(path) as archive:
            torn = archive.testzip()  # torch itself reads over a wrong checksum
        if torn is not None:
            raise zipfile.BadZipFile(f"{torn} is damaged")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        theirs = dict(content["identity"])
    except Exception as error:  # whatever an unpickler raises
        raise ConfigError(f"{path}: not a checkpoint of this version ({_why(error)})") from None
    for key, ours in identity(environment).items():
        if key in _UNKNOWN and key not in theirs:
            continue
        if theirs.get(key, _LEFT_OUT.get(key)) != ours:
            raise ConfigError(f"{path}: {key}: {theirs.get(key)!r}: expected {ours!r}")
    return content


def load_network(path: Path, model: PPO, environment: VectorEnvironment) -> int:
    """Put a checkpoint's networks into a learner; return the steps that they had.

    Raises:
        ConfigError: one line.
    """
    content = read(path, environment)
    try:
        steps = int(content["steps"])
        model.policy.load_state_dict(content["policy"])
    except RuntimeError as error:
        raise ConfigError(f"{path}: the networks differ in shape: {_why(error)}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a checkpoint of this version ({_why(error)})") from None
    return steps


_FREE = ("name", "steps", "monitoring")
"""Of a task: what may change between an end and a resume."""


def _other(theirs: Mapping[str, Any], ours: Mapping[str, Any], above: str = "") -> str:
    """The first key whose value is another, in words; empty if there is none."""
    for key in (*theirs, *(key for key in ours if key not in theirs)):
        mine, other = ours.get(key), theirs.get(key)
        if mine == other or (not above and key in _FREE):
            continue
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            return _other(other, mine, f"{above}{key}.")
        return f"{above}{key}: {mine!r}: expected {other!r}"
    return ""


def _why(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")[:160]


def load_all(path: Path, model: PPO, environment: VectorEnvironment) -> Any:
    """Go on from `save_all`; returns its ``extra``.

    Raises:
        ConfigError: one line.
    """
    content = read(path, environment)
    if "rest" not in content:
        raise ConfigError(f"{path}: holds networks alone; expected a run's last.pt")
    law = parameters_digest(environment.environment)
    if content.get("parameters", law) != law:
        raise ConfigError(
            f"{path}: the YAML of gait, ik or safety has changed: expected what it was trained with"
        )
    ours = plain(asdict(environment.environment.task))
    if other := _other(content.get("task", ours), ours):
        raise ConfigError(f"{path}: its task.yaml has changed: {other}")
    model.num_timesteps = load_network(path, model, environment)
    try:
        return _restore(content, model, environment, path)
    except ConfigError:
        raise
    except Exception as error:  # whatever an unpickler raises, or rows of other robots
        raise ConfigError(f"{path}: does not fit the run's task.yaml ({_why(error)})") from None


def _restore(
    content: dict[str, Any], model: PPO, environment: VectorEnvironment, path: Path
) -> Any:
    model.policy.optimizer.load_state_dict(content["optimizer"])
    rest = pickle.loads(content["rest"])
    if rest.get("format") != _RESUMABLE:
        raise ConfigError(f"{path}: of another version: its networks can be used, not resumed")
    rate: Any = model.learning_rate
    rate.value, model._n_updates = rest["rate"], rest["updates"]
    environment.environment.restore(rest["environment"])
    environment.sums[:] = rest["sums"]
    model._last_obs, model._last_episode_starts = rest["observation"], rest["starts"]
    model.ep_info_buffer = deque(rest["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)
    torch.set_rng_state(content["torch_random"])
    np.random.set_state(rest["numpy"])
    return rest["extra"]
