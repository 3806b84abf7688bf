"""The MuJoCo model of a robot on its ground, and where each named thing lies in MuJoCo's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from stride_core.frames import quat_from_mujoco, quat_from_rpy, quat_to_mujoco
from stride_core.robot import RobotSpec

from stride_sim.errors import SimError
from stride_sim.terrain import Heightfield

Indices = NDArray[np.intp]

GROUND = "ground"
"""The endless plane: the flat terrain itself, and what lies beyond the edge of another."""
TERRAIN = "terrain"
"""The geom of the heightfield, and the beginning of the names of heightfield assets."""
BURIED = -100.0
"""Height of the heightfield for those robots of a batch that walk on the flat [m]."""


def build_model(
    spec: RobotSpec,
    grounds: Sequence[Heightfield],
    timestep: float = 0.002,
    foot_friction: float | None = None,
    drawn: bool = True,
) -> mujoco.MjModel:
    """Compile the robot's MJCF with its chosen servo, on the first of `grounds`.

    The others are there as heightfields `terrain<k>`, for `choose_grounds` to choose from.

    Args:
        spec: the robot; its servo's figures replace those of the MJCF, at every joint.
        grounds: at least one; each flat one is the plane.
        timestep: of the physics [s].
        foot_friction: sliding friction of the feet; None keeps the MJCF's.
        drawn: with the geoms that touch nothing; without them it moves alike, and steps faster.

    Raises:
        SimError: the MJCF does not load, or lacks something that `spec` names.
    """
    quieten()
    try:
        mjcf = mujoco.MjSpec.from_file(str(spec.mjcf))
    except (ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise SimError(f"robot '{spec.name}': {spec.mjcf} does not load ({why})") from error
    mjcf.option.timestep = timestep
    _write_servo(mjcf, spec)
    imu = _named(mjcf.site("imu"), spec, "site imu")
    imu.pos, imu.quat = spec.imu.position, quat_to_mujoco(quat_from_rpy(spec.imu.rpy))
    if foot_friction is not None:
        for leg in spec.legs:
            geom = _named(mjcf.geom(f"{leg}_foot"), spec, f"geom {leg}_foot")
            geom.friction = [foot_friction, *geom.friction[1:]]
    _add_grounds(mjcf, spec, grounds)
    if not drawn:
        mjcf.compiler.discardvisual = True
        mjcf.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO
    model = mjcf.compile()
    for k, ground in enumerate(grounds):
        if not ground.is_flat:  # written here, since the compiler would stretch the data to [0, 1]
            field = model.hfield(f"{TERRAIN}{k}")
            field.data[:] = ground.heights / field.size[2]
    return model


def quieten() -> None:
    """Keep MuJoCo from writing MUJOCO_LOG.TXT: it counts its warnings; the plant reads them."""
    log = mujoco.MjLogConfig.get()
    log.logto_file = log.logto_console = False
    mujoco.MjLogConfig.set(log)


def _named(item: Any, spec: RobotSpec, what: str) -> Any:
    if item is None:
        raise SimError(f"robot '{spec.name}': {spec.mjcf} has no {what}")
    return item


def _write_servo(mjcf: mujoco.MjSpec, spec: RobotSpec) -> None:
    """Write torque = clip(stiffness (target − q) − derivative q̇, ±stall) − damping q̇ − friction."""
    servo = spec.servo
    actuators = {actuator.target: actuator for actuator in mjcf.actuators}
    for name, lower, upper in zip(spec.joints, spec.joint_lower, spec.joint_upper, strict=True):
        joint = _named(mjcf.joint(name), spec, f"joint {name}")
        joint.damping[0] = servo.damping
        joint.armature = servo.armature
        joint.frictionloss = servo.friction
        joint.range = [lower, upper]
        actuator = _named(actuators.get(name), spec, f"actuator of joint {name}")
        actuator.gainprm[0] = servo.stiffness
        actuator.biasprm[1] = -servo.stiffness
        actuator.biasprm[2] = -servo.derivative
        actuator.forcerange = [-servo.stall_torque, servo.stall_torque]


def _add_grounds(mjcf: mujoco.MjSpec, spec: RobotSpec, grounds: Sequence[Heightfield]) -> None:
    """Put the heightfields beside the MJCF's plane, one geom for all of them."""
    plane = _named(mjcf.geom(GROUND), spec, f"geom {GROUND}")
    plane.pos = [0.0, 0.0, grounds[0].outside]
    fields = [(k, ground) for k, ground in enumerate(grounds) if not ground.is_flat]
    for k, ground in fields:
        asset = mjcf.add_hfield(name=f"{TERRAIN}{k}")
        asset.nrow, asset.ncol = ground.heights.shape
        asset.size = [ground.size_x / 2, ground.size_y / 2, float(ground.heights.max()), 0.1]
        asset.userdata = np.zeros(ground.heights.size, np.float32)
    if fields:
        first, _ = fields[0]
        mjcf.worldbody.add_geom(
            name=TERRAIN,
            type=mujoco.mjtGeom.mjGEOM_HFIELD,
            hfieldname=f"{TERRAIN}{first}",
            material=plane.material,
            contype=plane.contype,
            conaffinity=plane.conaffinity,
            condim=plane.condim,
            friction=plane.friction,
            group=plane.group,
            castshadow=plane.castshadow,
            pos=[0.0, 0.0, 0.0 if first == 0 else BURIED],
        )


def choose_grounds(
    batch: mujoco.batch.Batch, grounds: Sequence[Heightfield], robots: Indices, choice: Indices
) -> None:
    """Let robots (n,) of a batch, whose model was built on `grounds`, walk on `grounds[choice]`.

    A heightfield's data cannot differ between the simulations of a batch; which heightfield a geom
    shows can.
    """
    model = batch.model
    if not any(not ground.is_flat for ground in grounds):
        return
    plane, terrain = model.geom(GROUND).id, model.geom(TERRAIN).id
    position, size = batch.expand("geom_pos"), batch.expand("geom_size")
    shown = batch.expand("geom_dataid")
    for robot, k in zip(robots, choice, strict=True):
        ground = grounds[k]
        position[robot, plane, 2] = ground.outside
        position[robot, terrain, 2] = BURIED if ground.is_flat else 0.0
        if not ground.is_flat:
            field = model.hfield(f"{TERRAIN}{k}")
            shown[robot, terrain] = field.id
            size[robot, terrain] = field.size[:3]
    batch.set_const(np.sort(robots))  # bounding boxes follow


@dataclass(frozen=True)
class ModelIndex:
    """Addresses in MuJoCo's arrays, found by name once."""

    base: int  # body of the trunk
    joint_qpos: Indices  # (joints,) in spec.joints' order
    joint_dof: Indices  # (joints,)
    actuator: Indices  # (joints,) of ctrl
    passive_qpos: Indices  # (passive,) of the kinematics' passive joints, leg-major
    foot_site: Indices  # (legs,)
    tip_site: Indices  # (legs,) where the leg's loop closes on the foot; the foot if it has none
    foot_radius: float
    foot_geom: Indices  # (legs,)
    imu: int  # site
    touch: Indices  # (legs,) of sensordata
    joint_columns: Indices  # (2 joints,) of a row of integration state: positions, velocities
    imu_columns: Indices  # (10,) of sensordata: gyro, accel, orientation as x, y, z, w


def index_model(model: mujoco.MjModel, spec: RobotSpec) -> ModelIndex:
    """Find what the plant reads and writes.

    Raises:
        SimError: the model lacks a name that the plant needs.
    """
    try:
        joints = [model.joint(name) for name in spec.joints]
        qpos = np.array([joint.qposadr[0] for joint in joints], np.intp)
        dof = np.array([joint.dofadr[0] for joint in joints], np.intp)
        time = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_TIME)  # comes first in a row
        passive = [f"{leg}_{name}" for leg in spec.legs for name in spec.kinematics.passive_joints]
        actuator_of = {int(model.actuator_trnid[a, 0]): a for a in range(model.nu)}
        sites = {model.site(i).name for i in range(model.nsite)}
        tips = [f"{leg}_tip" if f"{leg}_tip" in sites else f"{leg}_foot" for leg in spec.legs]
        return ModelIndex(
            base=model.body("base_link").id,
            joint_qpos=qpos,
            joint_dof=dof,
            actuator=np.array([actuator_of[joint.id] for joint in joints], np.intp),
            passive_qpos=np.array([model.joint(name).qposadr[0] for name in passive], np.intp),
            foot_site=np.array([model.site(f"{leg}_foot").id for leg in spec.legs], np.intp),
            tip_site=np.array([model.site(tip).id for tip in tips], np.intp),
            foot_radius=float(model.geom(f"{spec.legs[0]}_foot").size[0]),
            foot_geom=np.array([model.geom(f"{leg}_foot").id for leg in spec.legs], np.intp),
            imu=model.site("imu").id,
            touch=np.array([model.sensor(f"{leg}_touch").adr[0] for leg in spec.legs], np.intp),
            joint_columns=np.concatenate([qpos + time, dof + time + model.nq]),
            imu_columns=np.concatenate(
                [
                    _columns(model, "imu_gyro"),
                    _columns(model, "imu_accel"),
                    quat_from_mujoco(_columns(model, "imu_orientation")).astype(np.intp),
                ]
            ),
        )
    except KeyError as error:
        why = " ".join(str(error.args[0]).split())
        raise SimError(f"robot '{spec.name}': {spec.mjcf}: {why}") from error


def _columns(model: mujoco.MjModel, sensor: str) -> Indices:
    found = model.sensor(sensor)
    return np.arange(found.adr[0], found.adr[0] + found.dim[0], dtype=np.intp)
