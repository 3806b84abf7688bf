"""Actor and critic for Stable-Baselines3: the critic sees more than the actor ever will."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh}
_LEAST_DEVIATION = 1e-2


class RunningNormaliser(nn.Module):
    """``clip((x − mean) / std, ±clip)``, of all observations that were shown to `update`."""

    def __init__(self, size: int, clip: float) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor

    @property
    def deviation(self) -> Tensor:
        """``(size,)``, never so small that noise in a constant would fill the range."""
        return torch.sqrt(self.variance).clamp(min=_LEAST_DEVIATION)

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not always there
    def update(self, seen: Tensor) -> None:
        """Take in ``(n, size)`` more, by Chan's formula for the union of two samples."""
        variance, mean = torch.var_mean(seen.double(), dim=0, correction=0)
        total = self.count + len(seen)
        share = len(seen) / total
        apart = mean - self.mean
        self.mean += (share * apart).to(self.mean.dtype)
        merged = self.variance * (1 - share) + variance * share + apart**2 * share * (1 - share)
        self.variance.copy_(merged)
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """Of ``(..., size)``."""
        return torch.clamp((x - self.mean) / self.deviation, -self.clip, self.clip)


class TwoNetworks(nn.Module):
    """Hidden layers of actor and critic, with the observation's normaliser before them."""

    def __init__(
        self, size: int, actor_size: int, hidden: tuple[int, ...], activation: str, clip: float
    ) -> None:
        super().__init__()
        self.actor_size = actor_size
        self.normaliser = RunningNormaliser(size, clip)
        self.actor = _layers(actor_size, hidden, activation)
        self.critic = _layers(size, hidden, activation)
        self.latent_dim_pi = self.latent_dim_vf = hidden[-1] if hidden else size
        if not hidden:
            self.latent_dim_pi = actor_size

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of ``(n, size)``."""
        seen = self.normaliser(features)
        return self.actor(seen[:, : self.actor_size]), self.critic(seen)

    def forward_actor(self, features: Tensor) -> Tensor:
        """The actor's alone."""
        return self.actor(self.normaliser(features)[:, : self.actor_size])

    def forward_critic(self, features: Tensor) -> Tensor:
        """The critic's alone."""
        return self.critic(self.normaliser(features))


def _layers(size: int, hidden: tuple[int, ...], activation: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(size, width), ACTIVATIONS[activation]()]
        size = width
    return nn.Sequential(*layers)


class AsymmetricPolicy(ActorCriticPolicy):
    """The actor has the first ``actor_size`` columns of an observation, the critic has all."""

    def __init__(
        self,
        *args: Any,
        actor_size: int,
        hidden: tuple[int, ...] = (128, 128),
        activation: str = "elu",
        head: float = 0.1,
        clip: float = 10.0,
        **kwargs: Any,
    ) -> None:
        """Take what Stable-Baselines3 gives a policy, and the networks' shape.

        Args:
            args, kwargs: of ``ActorCriticPolicy``.
            actor_size: columns that the actor sees.
            hidden: widths, of either network.
            activation: of ``ACTIVATIONS``.
            head: times the actor's last layer at first, so that it begins near the gait alone.
            clip: of the normalised observation.
        """
        self._shape = (actor_size, tuple(hidden), activation, clip)
        super().__init__(*args, ortho_init=False, **kwargs)
        with torch.no_grad():
            self.action_net.weight *= head
            self.action_net.bias *= head

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = TwoNetworks(self.features_dim, *self._shape)

    @property
    def normaliser(self) -> RunningNormaliser:
        """Of the whole observation."""
        return self.mlp_extractor.normaliser


class Actor(nn.Module):
    """What is exported: the actor's observation, as it comes, to its mean answer within ±1."""

    def __init__(self, policy: AsymmetricPolicy) -> None:
        super().__init__()
        both = policy.mlp_extractor
        size = both.actor_size
        self.normaliser = RunningNormaliser(size, both.normaliser.clip)
        self.normaliser.mean.copy_(both.normaliser.mean[:size])
        self.normaliser.variance.copy_(both.normaliser.variance[:size])
        self.normaliser.count.copy_(both.normaliser.count)
        self.layers, self.head = both.actor, policy.action_net
        self.to(policy.device)

    def forward(self, observation: Tensor) -> Tensor:
        """``(n, actor_size)`` to ``(n, actions)``."""
        return torch.clamp(self.head(self.layers(self.normaliser(observation))), -1.0, 1.0)
