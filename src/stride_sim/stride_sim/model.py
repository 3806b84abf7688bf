"""The MuJoCo model of a robot on its ground, and where each named thing lies in MuJoCo's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from stride_core.robot import RobotSpec

from stride_sim.errors import SimError
from stride_sim.terrain import Heightfield

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

GROUND = "ground"  # the endless plane: the flat terrain itself, and what lies beyond the edge of another
TERRAIN = "terrain"  # the heightfield's geom, and prefix of the heightfield assets
BURIED = -100.0  # where a heightfield lies for those robots of a batch that walk on the flat [m]


def build_model(
    spec: RobotSpec,
    grounds: Sequence[Heightfield],
    timestep: float = 0.002,
    foot_friction: float | None = None,
) -> mujoco.MjModel:
    """Compile the robot's MJCF with its chosen servo, on the first of `grounds`.

    The others are there as heightfields `terrain<k>`, for a batch to choose from (`choose_grounds`).

    Args:
        spec: the robot; `spec.servo` sets gains, torque limit, back-EMF, armature and friction of every joint.
        grounds: at least one; each flat one is the plane.
        timestep: of the physics [s].
        foot_friction: sliding friction of the feet; None keeps the MJCF's.

    Raises:
        SimError: the MJCF does not load, or lacks something that `spec` names.
    """
    try:
        mjcf = mujoco.MjSpec.from_file(str(spec.mjcf))
    except (ValueError, OSError) as error:
        raise SimError(f"robot '{spec.name}': {spec.mjcf} does not load ({' '.join(str(error).split())})") from error
    mjcf.option.timestep = timestep
    _write_servo(mjcf, spec)
    if foot_friction is not None:
        for leg in spec.legs:
            geom = _named(mjcf.geom(f"{leg}_foot"), spec, f"geom {leg}_foot")
            geom.friction = [foot_friction, *geom.friction[1:]]
    _add_grounds(mjcf, spec, grounds)
    model = mjcf.compile()
    for k, ground in enumerate(grounds):
        if not ground.is_flat:  # written here, since the compiler would stretch the data to [0, 1]
            field = model.hfield(f"{TERRAIN}{k}")
            field.data[:] = ground.heights / field.size[2]
    return model


def _named(item: object, spec: RobotSpec, what: str) -> object:
    if item is None:
        raise SimError(f"robot '{spec.name}': {spec.mjcf} has no {what}")
    return item


def _write_servo(mjcf: mujoco.MjSpec, spec: RobotSpec) -> None:
    """torque = clip(stiffness (target − q), ±stall) − damping q̇ − friction, at every joint of `spec`."""
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


def choose_grounds(batch: mujoco.batch.Batch, grounds: Sequence[Heightfield], choice: Indices) -> None:
    """Let robot i of a batch, whose model was built on `grounds`, walk on `grounds[choice[i]]`.

    A heightfield's data cannot differ between the simulations of a batch, but which heightfield a geom shows can.
    """
    model = batch.model
    plane, terrain = model.geom(GROUND).id, model.geom(TERRAIN).id
    position, shown, size = batch.expand("geom_pos"), batch.expand("geom_dataid"), batch.expand("geom_size")
    for robot, k in enumerate(choice):
        ground = grounds[k]
        position[robot, plane, 2] = ground.outside
        position[robot, terrain, 2] = BURIED if ground.is_flat else 0.0
        if not ground.is_flat:
            field = model.hfield(f"{TERRAIN}{k}")
            shown[robot, terrain] = field.id
            size[robot, terrain] = field.size[:3]
    batch.set_const()  # bounding boxes follow


@dataclass(frozen=True)
class ModelIndex:
    """Addresses in MuJoCo's arrays, found by name once."""

    base: int  # body of the trunk
    joint_qpos: Indices  # (joints,) in spec.joints' order
    joint_dof: Indices  # (joints,)
    actuator: Indices  # (joints,) of ctrl
    passive_qpos: Indices  # (passive,) the joints without motor, in the model's order, which is leg-major
    passive_names: tuple[str, ...]
    foot_site: Indices  # (legs,)
    tip_site: Indices  # (legs,) other end of the leg's closed loop; the foot itself where there is none
    foot_radius: float
    imu: int  # site
    touch: Indices  # (legs,) of sensordata
    orientation: slice  # of sensordata
    gyro: slice
    accel: slice


def index_model(model: mujoco.MjModel, spec: RobotSpec) -> ModelIndex:
    """Find what the plant reads and writes.

    Raises:
        SimError: the model lacks a name that the plant needs.
    """
    try:
        joints = [model.joint(name) for name in spec.joints]
        driven = {joint.id for joint in joints}
        hinge = int(mujoco.mjtJoint.mjJNT_HINGE)
        passive = [j for j in range(model.njnt) if model.jnt_type[j] == hinge and j not in driven]
        actuator_of = {int(model.actuator_trnid[a, 0]): a for a in range(model.nu)}
        sites = {model.site(i).name for i in range(model.nsite)}
        return ModelIndex(
            base=model.body("base_link").id,
            joint_qpos=np.array([joint.qposadr[0] for joint in joints], np.intp),
            joint_dof=np.array([joint.dofadr[0] for joint in joints], np.intp),
            actuator=np.array([actuator_of[joint.id] for joint in joints], np.intp),
            passive_qpos=model.jnt_qposadr[passive].astype(np.intp),
            passive_names=tuple(model.joint(j).name for j in passive),
            foot_site=np.array([model.site(f"{leg}_foot").id for leg in spec.legs], np.intp),
            tip_site=np.array(
                [model.site(n if (n := f"{leg}_tip") in sites else f"{leg}_foot").id for leg in spec.legs], np.intp
            ),
            foot_radius=float(model.geom(f"{spec.legs[0]}_foot").size[0]),
            imu=model.site("imu").id,
            touch=np.array([model.sensor(f"{leg}_touch").adr[0] for leg in spec.legs], np.intp),
            orientation=_span(model, "imu_orientation"),
            gyro=_span(model, "imu_gyro"),
            accel=_span(model, "imu_accel"),
        )
    except KeyError as error:
        raise SimError(f"robot '{spec.name}': {spec.mjcf}: {' '.join(str(error.args[0]).split())}") from error


def _span(model: mujoco.MjModel, sensor: str) -> slice:
    first = int(model.sensor(sensor).adr[0])
    return slice(first, first + int(model.sensor(sensor).dim[0]))
