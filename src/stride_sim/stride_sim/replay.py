"""A tick that broke the simulation: written to a file, and stepped again in plain MuJoCo."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from stride_core.arrays import FloatArray

from stride_sim.errors import SimError
from stride_sim.model import quieten
from stride_sim.plant import Plant

_MOST = 10_000
"""Substeps of a tick: of the slowest one, in the finest steps of the physics."""


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes:
        substeps: of the tick.
        survived: how many of them left everything finite.
        finite: whether the state was so before the first.
        warnings: MuJoCo's, by name, with how often each was raised.
        fastest: largest speed of any joint before the end [rad/s or m/s], and the joint's name.
    """

    substeps: int
    survived: int
    finite: bool
    warnings: dict[str, int]
    fastest: tuple[float, str]


def dump(plant: Plant, robot: int, path: Path) -> None:
    """Write what the physics of a robot's latest tick began with: model, state, servos' input.

    Raises:
        OSError: the file cannot be written.
    """
    model = plant.robot_model(robot)
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    try:
        np.savez_compressed(
            path, model=content, state=plant.before[robot], substeps=plant.config.substeps
        )
    except OSError:
        path.unlink(missing_ok=True)  # half of one is none
        raise


def replay(path: str | Path) -> Replay:
    """Step a dump.

    Raises:
        SimError: it cannot be read; one line.
    """
    quieten()
    try:
        model, row, substeps = _read(path)
    except Exception as error:  # whatever a damaged archive, array or model raises
        why = f"{type(error).__name__}: {error}"[:160]
        raise SimError(f"{path}: not a dump of a robot ({why})") from None
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, row, mujoco.mjtState.mjSTATE_INTEGRATION)
    finite = bool(np.isfinite(row).all())
    survived, fastest = 0, _fastest(model, data)
    for _ in range(substeps):
        mujoco.mj_step(model, data)
        if not np.isfinite(data.qpos).all() or any(w.number for w in data.warning):
            break
        survived, fastest = survived + 1, _fastest(model, data)
    warnings = {
        name.removeprefix("mjWARN_").lower(): int(data.warning[int(kind)].number)
        for name, kind in mujoco.mjtWarning.__members__.items()
        if int(kind) < len(data.warning) and data.warning[int(kind)].number
    }
    return Replay(substeps, survived, finite, warnings, fastest)


def _read(path: str | Path) -> tuple[mujoco.MjModel, FloatArray, int]:
    with np.load(path, allow_pickle=False) as content:
        row, substeps, model = content["state"], content["substeps"], _model(content["model"])
    if substeps.shape != () or substeps.dtype.kind not in "iu" or not 1 <= substeps <= _MOST:
        raise ValueError(f"substeps {substeps}: expected a whole number from 1 to {_MOST}")
    size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION)
    if row.shape != (size,) or row.dtype != np.float64:
        raise ValueError(f"state of {row.shape} {row.dtype}: expected ({size},) float64")
    if not model.nv:
        raise ValueError("its model has no joints")
    return model, row, int(substeps)


def _model(content: NDArray[np.uint8]) -> mujoco.MjModel:
    with tempfile.NamedTemporaryFile(suffix=".mjb") as scratch:
        scratch.write(content.tobytes())
        scratch.flush()
        return mujoco.MjModel.from_binary_path(scratch.name)


def _fastest(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[float, str]:
    speed = np.nan_to_num(np.abs(data.qvel), nan=np.inf)
    dof = int(speed.argmax())
    return float(speed[dof]), str(model.joint(int(model.dof_jntid[dof])).name)
