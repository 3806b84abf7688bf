"""Stable-Baselines3's PPO with this project's policy and recipe."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from stride_training.policy import AsymmetricPolicy
from stride_training.task import Ppo
from stride_training.vector import VectorEnvironment

_FASTEST, _SLOWEST, _CHANGE = 5e-3, 1e-5, 1.5
_WARM_UP = 50  # ticks
_MOST_THREADS = 4  # in an update of some thousand samples


class LearningRate:
    """A schedule for Stable-Baselines3 whose value can be set."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, progress_remaining: float) -> float:
        """The present rate."""
        return self.value


def make_ppo(config: Ppo, environment: VectorEnvironment, seed: int, device: str = "cpu") -> PPO:
    """A fresh learner."""
    total = config.n_steps * environment.num_envs
    networks = config.networks
    return PPO(
        AsymmetricPolicy,
        environment,
        learning_rate=LearningRate(config.learning_rate),
        n_steps=config.n_steps,
        batch_size=total // config.minibatches,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=config.entropy,
        vf_coef=config.value,
        max_grad_norm=config.max_grad_norm,
        seed=None,
        device=device,
        policy_kwargs={
            "actor_size": environment.environment.actor_size,
            "hidden": networks.hidden,
            "activation": networks.activation,
            "head": networks.head,
            "clip": networks.clip,
            "log_std_init": networks.log_std,
        },
    )


def seed_all(seed: int) -> None:
    """Of torch, and of numpy's global generator, from which Stable-Baselines3 shuffles."""
    torch.manual_seed(seed)
    np.random.seed(seed)


class Recipe(BaseCallback):
    """Adapts the learning rate to the KL divergence, and the normaliser to what was seen.

    Both change between an update and the next rollout, so that a rollout and the update that
    learns from it have the same policy.
    """

    def __init__(self, config: Ppo, threads: int = 0) -> None:
        """Take torch's threads in an update; 0: one for each processor, up to a few.

        A rollout has one: its matrices are small, and threads would wait for one another.
        """
        super().__init__()
        self._config = config
        self._threads = min(threads or os.cpu_count() or 1, _MOST_THREADS)
        self._seen: Any = None

    def _on_rollout_end(self) -> None:
        self._seen = self.model.rollout_buffer.observations
        torch.set_num_threads(self._threads)

    def _on_rollout_start(self) -> None:
        self.finish()
        torch.set_num_threads(1)

    def finish(self) -> None:
        """After an update: what it and its rollout taught. Does nothing a second time."""
        if self._seen is None:
            return
        self._adapt_rate()
        if self._config.networks.normalise:
            show(self.model, self._seen)
        self._seen = None

    def _adapt_rate(self) -> None:
        kl = self.logger.name_to_value.get("train/approx_kl")
        if not self._config.kl or kl is None:
            return
        low, high = self._config.kl
        rate: Any = self.model.learning_rate
        if kl > high:
            rate.value = max(rate.value / _CHANGE, _SLOWEST)
        elif kl < low:
            rate.value = min(rate.value * _CHANGE, _FASTEST)

    def _on_step(self) -> bool:
        return True


def show(model: PPO, observations: NDArray[Any]) -> None:
    """Let the normaliser take in observations, ``(..., size)``."""
    policy: Any = model.policy
    flat = torch.as_tensor(observations.reshape(-1, observations.shape[-1]))
    policy.normaliser.update(flat.to(model.device))


def warm_up(model: PPO, environment: VectorEnvironment, config: Ppo) -> None:
    """Give the normaliser a first idea: a rollout of small random actions, before learning."""
    if not config.networks.normalise:
        return
    random = np.random.default_rng(0)
    seen = [environment.reset()]
    shape = (environment.num_envs, *environment.action_space.shape)
    spread = np.exp(config.networks.log_std)
    for _ in range(_WARM_UP):
        environment.step_async(spread * random.standard_normal(shape))
        seen.append(environment.step_wait()[0])
    show(model, np.stack(seen))
    starts = environment.environment.starts
    starts.reseed(starts.seed)  # these walks teach the curriculum nothing
