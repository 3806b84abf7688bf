"""A tick that broke the simulation: written to a file, and stepped again in plain MuJoCo."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from stride_sim.errors import SimError
from stride_sim.plant import Plant


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
    np.savez_compressed(
        path, model=content, state=plant.before[robot], substeps=plant.config.substeps
    )


def replay(path: str | Path) -> Replay:
    """Step a dump.

    Raises:
        SimError: it cannot be read; one line.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            row, substeps = content["state"], int(content["substeps"])
            model = _model(content["model"].tobytes())
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())
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


def _model(content: bytes) -> mujoco.MjModel:
    with tempfile.NamedTemporaryFile(suffix=".mjb") as scratch:
        scratch.write(content)
        scratch.flush()
        return mujoco.MjModel.from_binary_path(scratch.name)


def _fastest(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[float, str]:
    speed = np.nan_to_num(np.abs(data.qvel), nan=np.inf)
    dof = int(speed.argmax())
    return float(speed[dof]), str(model.joint(int(model.dof_jntid[dof])).name)
