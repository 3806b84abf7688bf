"""From a name or a path to a policy that may run here; every doubt is one line."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from stride_core.action import ActionLayout
from stride_core.arrays import FloatArray
from stride_core.contract import Contract, ContractError
from stride_core.observation import Observation
from stride_core.robot import RobotSpec

from stride_control.policy.background import rest
from stride_control.policy.library import PolicyError, name_of, read_policy
from stride_control.policy.network import Network

_WARM_UPS = 50
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Terms:
    """What a policy must fit.

    Attributes:
        robot: with its servo.
        rate_hz: of the control loop.
        inference_limit: the processor's time for one answer [s].
        largest_action: an answer beyond it is broken, not bold; a full action is 1.
        residual_limit: ik's, beyond which it clips an offset along an axis [m].
    """

    robot: RobotSpec
    rate_hz: float
    inference_limit: float = 0.002
    largest_action: float = 100.0
    residual_limit: float = inf


@dataclass(frozen=True)
class Policy:
    """A policy that has passed every check that needs no walking robot.

    Attributes:
        name: for people.
        path: of its file.
        contract, network: what the file holds.
        observation, action: its layouts on this robot.
        inference: the processor's time for one answer [s], measured.
    """

    name: str
    path: Path
    contract: Contract
    network: Network
    observation: Observation
    action: ActionLayout
    inference: float

    @property
    def identity(self) -> str:
        """Name and the beginning of its weights' SHA-256."""
        return f"{self.name}@{self.contract.weights_sha256[:12]}"


def load_policy(file: Path, terms: Terms, name: str = "") -> Policy:
    """Read, compare, run: some 20 ms, none of them in a tick.

    Args:
        file: ONNX with its contract.
        terms: what it must fit.
        name: for people; that of the file if left out.

    Raises:
        PolicyError: it must not run here.
    """
    data, contract = read_policy(file)
    rest()
    try:
        observation, action = contract.check(terms.robot, terms.rate_hz)
        if contract.action.residual > terms.residual_limit:
            raise ContractError(
                f"contract: action.residual: {contract.action.residual:g}: expected at most ik's"
                f" residual_limit, {terms.residual_limit:g} m, which would clip it"
            )
        rest()
        network = Network(data)
        for what, has, needs in (
            ("observation", network.observations, observation.size),
            ("action", network.actions, action.size),
        ):
            if has != needs:
                raise ContractError(f"the network's {what}: {has} values: expected {needs}")
        answers, inference = network.warm_up(_familiar(contract), _PATIENCE_S)
    except ContractError as error:
        raise PolicyError(f"{file}: {error}") from None
    fault = fault_of(answers, terms.largest_action)
    if fault:
        raise PolicyError(f"{file}: warm-up: {fault}")
    if inference > terms.inference_limit:
        limit = f"{1e3 * terms.inference_limit:g} ms"
        raise PolicyError(
            f"{file}: too slow: expected at most {limit} for an answer",
            measured=f"{1e3 * inference:.3g} ms",
        )
    short = name or name_of(file, file.parent)
    return Policy(short, file, contract, network, observation, action, inference)


def fault_of(answer: FloatArray, largest: float) -> str:
    """What is wrong with an answer (any shape); empty for nothing."""
    worst = float(np.abs(answer).max())
    if worst <= largest:  # False for NaN
        return ""
    return f"action {worst:g}: expected finite numbers within {largest:g}"


def _familiar(contract: Contract) -> FloatArray:
    """Observations as in training, ``(n, size)``: the mean, and around it."""
    mean, std = np.array(contract.normaliser.mean), np.array(contract.normaliser.std)
    around = np.random.default_rng(0).standard_normal((_WARM_UPS, mean.size))
    around[0] = 0.0
    return mean + around * std
