"""Policies by name: ``none``, a run or a checkpoint of it, or an ONNX file with its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stride_core.config import ConfigError
from stride_core.contract import Contract, NominalGait
from stride_core.control import load_controller
from stride_core.gait import shape_array
from stride_core.policy_file import INPUT, read_contract
from stride_core.robot import RobotSpec, load_robot

from stride_training.environment import Observations
from stride_training.episodes import Answer
from stride_training.places import config_folder, params_files
from stride_training.task import Task


@dataclass(frozen=True, eq=False)
class Policy:
    """Something that answers observations.

    Attributes:
        name: for people.
        answer: None is the gait alone.
        task: that of its training, if it is known.
        gait: that it was trained on, of a run.
        contract: of an ONNX file.
    """

    name: str
    answer: Answer | None = None
    task: Task | None = None
    gait: NominalGait | None = None
    contract: Contract | None = None

    def fitted(self, task: Task) -> Task:
        """The task with what this policy sees and does; only conditions are the task's own.

        Raises:
            ConfigError: the policy is for another robot, servo, rate or gait; one line.
        """
        if self.contract is not None:
            contract = self.contract
            robot = load_robot(task.robot, task.servo or contract.servo)
            try:
                contract.check(robot, task.plant.rate_hz)
            except ConfigError as error:
                raise ConfigError(f"policy {self.name}: {error}") from None
            return replace(
                task,
                servo=contract.servo,
                pattern=self._pattern(contract.gait, robot, task),
                observation=tuple(term.name for term in contract.observation),
                action=contract.action,
                truth=(),
                privileged=(),
            )
        if self.task is not None:
            theirs = self.task
            self._same("rate_hz", theirs.plant.rate_hz, task.plant.rate_hz)
            self._same("robot", theirs.robot, task.robot)
            servo = load_robot(theirs.robot, theirs.servo or None).servo.name
            self._same("servo", servo, task.servo or servo)
            robot = load_robot(task.robot, servo)
            return replace(
                task,
                servo=servo,
                pattern=self._pattern(self.gait, robot, task) if self.gait else theirs.pattern,
                observation=theirs.observation,
                truth=theirs.truth,
                action=theirs.action,
                without_gait=theirs.without_gait,
                privileged=(),
            )
        return replace(task, privileged=())

    def _pattern(self, gait: NominalGait, robot: RobotSpec, task: Task) -> str:
        """Of its own gait, whose shape must be that of the conditions."""
        shape = load_controller(robot, *params_files(robot, task.params)).gait_config.shape
        if other := gait.differs(gait.pattern, shape_array(shape)):
            raise ConfigError(f"policy {self.name}: {other}")
        return gait.pattern

    def _same(self, what: str, theirs: object, ours: object) -> None:
        if theirs != ours:
            raise ConfigError(f"policy {self.name}: {what} {theirs!r}: expected {ours!r}")


def on_one_servo(policies: Sequence[Policy], task: Task) -> Task:
    """The task with the servo of all its policies, so that the gait alone has it too.

    Raises:
        ConfigError: they are for several, or one does not fit the task; one line.
    """
    servos = {p.name: p.fitted(task).servo for p in policies if p.answer is not None}
    if len(set(servos.values())) > 1:
        each = ", ".join(f"{name} for {servo}" for name, servo in servos.items())
        raise ConfigError(f"policies: {each}: expected all for the same servo")
    return replace(task, servo=next(iter(servos.values()), task.servo))


def find(name: str) -> Policy:
    """Load a policy.

    Args:
        name: ``none``; the folder of a run, with ``@CHECKPOINT`` behind it if not the best; an ONNX
            file, or a folder with a ``policy.onnx`` that is no run's; or the name of a shipped one.

    Raises:
        ConfigError: it is not there, or damaged; one line.
    """
    if name == "none":
        return Policy("none")
    folder, checkpoint = name, ""
    if "@" in name and not Path(name).exists():
        folder, _, checkpoint = name.rpartition("@")
    shipped = config_folder().parent / "policies" / name
    for path in (Path(folder), shipped):
        whole_run = checkpoint or (path / "about.json").is_file()
        if (path / "task.yaml").is_file() and (whole_run or not (path / "policy.onnx").is_file()):
            return _of_run(path, checkpoint)
        if (path / "policy.onnx").is_file():
            return _of_file(path / "policy.onnx", path.name)
        if path.is_file():
            return _of_file(path, path.stem)
    raise ConfigError(f"policy {name!r}: not there; expected none, a run, an ONNX file or a name")


def _of_run(folder: Path, checkpoint: str) -> Policy:
    from stride_training.checkpoint import nominal_gait
    from stride_training.export import load_trained
    from stride_training.runs import Run
    from stride_training.train import answer_with

    trained = load_trained(Run(folder), checkpoint)
    name = f"{folder.name}@{trained.path.stem}"
    gait = nominal_gait(trained.environment)
    return Policy(name, answer_with(trained.actor), trained.task, gait)


def _of_file(path: Path, name: str) -> Policy:
    import onnxruntime

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        contract = read_contract(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def answer(observation: Observations) -> NDArray[Any]:
        (found,) = session.run(None, {INPUT: np.ascontiguousarray(observation)})
        return np.asarray(found)

    return Policy(name, answer, contract=contract)
