from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.robot import RobotSpec
from stride_sim.errors import SimError
from stride_sim.model import build_model, index_model
from stride_sim.terrain import TerrainConfig, generate

FLAT = generate(TerrainConfig("flat"))


def _pose(model: mujoco.MjModel, spec: RobotSpec, angles: FloatArray) -> mujoco.MjData:
    """Joint angles (legs, 3) and the elbows that close the loops, the trunk at the origin."""
    at = index_model(model, spec)
    data = mujoco.MjData(model)
    data.qpos[:7] = [0, 0, 0, 1, 0, 0, 0]
    data.qpos[at.joint_qpos] = angles.ravel()
    data.qpos[at.passive_qpos] = spec.kinematics.passive(angles).ravel()
    mujoco.mj_kinematics(model, data)
    return data


def _bench(spec: RobotSpec) -> tuple[mujoco.MjModel, mujoco.MjData, int]:
    """FL_tilt on a test bench: weightless, the trunk held, no stop, loops open."""
    model = build_model(spec, [FLAT])
    model.opt.gravity[:] = 0.0
    model.dof_armature[:6] = 1e3
    data = mujoco.MjData(model)
    data.qpos[2] = 1.0
    return model, data, int(model.joint("FL_tilt").dofadr[0])


def test_masses_are_those_of_the_robot(spec: RobotSpec) -> None:
    model = build_model(spec, [FLAT])
    assert model.body_mass.sum() == pytest.approx(0.799, abs=1e-12)
    mass = {model.body(i).name: float(model.body_mass[i]) for i in range(model.nbody)}
    assert mass["base_link"] == pytest.approx(spec.masses["trunk"])
    for leg in spec.legs:
        assert mass[f"{leg}_hip"] == pytest.approx(spec.masses["hub"])
        assert mass[f"{leg}_upper_L"] == pytest.approx(spec.masses["upper"])
        assert mass[f"{leg}_upper_R"] == pytest.approx(spec.masses["upper"])
        assert mass[f"{leg}_lower_R"] == pytest.approx(spec.masses["lower"])
        assert mass[f"{leg}_lower_L"] == pytest.approx(spec.masses["lower"] + spec.masses["foot"])


def test_alone_the_mjcf_is_the_robot_with_its_default_servo(spec: RobotSpec) -> None:
    alone = mujoco.MjModel.from_xml_path(str(spec.mjcf))
    built = build_model(spec, [FLAT])
    for name in (
        "dof_damping", "dof_armature", "dof_frictionloss", "jnt_range", "actuator_gainprm",
        "actuator_biasprm", "actuator_forcerange", "site_pos", "geom_friction", "body_inertia",
    ):  # fmt: skip
        assert getattr(alone, name) == pytest.approx(getattr(built, name), rel=1e-6), name
    assert alone.opt.timestep == built.opt.timestep
    assert alone.geom("FL_foot").size[0] == spec.shapes["foot_radius"]


def test_the_keyframe_stands_as_the_robot_does_with_its_loops_closed(spec: RobotSpec) -> None:
    model = mujoco.MjModel.from_xml_path(str(spec.mjcf))
    at = index_model(model, spec)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_kinematics(model, data)
    assert data.qpos[at.joint_qpos] == pytest.approx(spec.home, abs=1e-9)
    assert data.ctrl[at.actuator] == pytest.approx(spec.home, abs=1e-9)
    assert data.site_xpos[at.foot_site] == pytest.approx(data.site_xpos[at.tip_site], abs=1e-9)
    assert data.site_xpos[at.foot_site, 2] == pytest.approx(at.foot_radius, abs=1e-9)


def test_the_chosen_servo_is_the_one_simulated(spec: RobotSpec) -> None:
    slow = spec.with_servo("sts3215_345")
    model = build_model(slow, [FLAT])
    dof = index_model(model, slow).joint_dof
    assert model.dof_damping[dof] == pytest.approx(1.91 / 5.4)
    assert model.dof_armature[dof] == pytest.approx(slow.servo.armature)
    assert model.dof_frictionloss[dof] == pytest.approx(slow.servo.friction)
    assert model.actuator_forcerange[:, 1] == pytest.approx(1.91)
    elbow = model.joint("FL_elbow_L").dofadr[0]
    assert model.dof_damping[elbow] == model.dof_armature[elbow] == 0.0


def test_feet_are_where_the_kinematics_say_over_the_workspace(spec: RobotSpec) -> None:
    model = build_model(spec, [FLAT])
    at = index_model(model, spec)
    random = np.random.default_rng(0)
    low, high = spec.legs_of(spec.joint_lower), spec.legs_of(spec.joint_upper)
    for _ in range(400):
        # Anywhere in the joints' ranges the foot is defined; the loop closes there too.
        angles = random.uniform(low, high)
        feet = spec.kinematics.forward(angles)
        data = _pose(model, spec, angles)
        assert data.site_xpos[at.foot_site] == pytest.approx(spec.hips + feet, abs=1e-6)
        assert data.site_xpos[at.tip_site] == pytest.approx(spec.hips + feet, abs=1e-6)


def test_inverse_kinematics_put_the_model_s_feet_on_their_targets(spec: RobotSpec) -> None:
    model = build_model(spec, [FLAT])
    at = index_model(model, spec)
    random = np.random.default_rng(1)
    feet = np.array(spec.stance) + random.uniform(-0.02, 0.02, (200, *spec.stance.shape))
    solution = spec.kinematics.inverse(feet)
    assert solution.reachable.all()
    for target, angles in zip(feet, solution.angles, strict=True):
        data = _pose(model, spec, angles)
        assert data.site_xpos[at.foot_site] == pytest.approx(spec.hips + target, abs=1e-6)


def test_only_the_ground_is_touched_and_only_by_parts_meant_to(spec: RobotSpec) -> None:
    model = build_model(spec, [generate(TerrainConfig("rough", 1.0))])
    ground = {model.geom("ground").id, model.geom("terrain").id}
    touching = set()
    for a in range(model.ngeom):
        for b in range(a):
            if (model.geom_contype[a] & model.geom_conaffinity[b]) or (
                model.geom_contype[b] & model.geom_conaffinity[a]
            ):
                assert (a in ground) != (b in ground)
                touching |= {a, b} - ground
    bodies = {model.body(model.geom_bodyid[geom]).name for geom in touching}
    lower = {f"{leg}_lower_{arm}" for leg in spec.legs for arm in "LR"}
    assert bodies == {"base_link"} | {f"{leg}_hip" for leg in spec.legs} | lower


@pytest.mark.parametrize("servo", ["sts3215_147", "sts3215_345"])
@pytest.mark.parametrize("load", [0.0, 0.25, 0.5])
def test_flat_out_a_joint_settles_on_the_torque_speed_line(
    spec: RobotSpec, servo: str, load: float
) -> None:
    """Without load at the no-load speed, less what the dry friction costs."""
    geared = spec.with_servo(servo)
    motor = geared.servo
    model, data, dof = _bench(geared)
    model.jnt_limited[:] = 0
    data.eq_active[:] = 0
    data.ctrl[model.actuator("FL_tilt").id] = 1e6
    data.qfrc_applied[dof] = -load * motor.stall_torque
    for _ in range(3000):
        mujoco.mj_step(model, data)
    lost = load + motor.friction / motor.stall_torque
    assert data.qvel[dof] == pytest.approx(motor.no_load_speed * (1 - lost), rel=0.001)
    if load == 0.0:
        assert data.qvel[dof] == pytest.approx(motor.no_load_speed, rel=0.03)


@pytest.mark.parametrize("servo", ["sts3215_147", "sts3215_345"])
def test_blocked_a_joint_presses_with_the_stall_torque(spec: RobotSpec, servo: str) -> None:
    geared = spec.with_servo(servo)
    model, data, dof = _bench(geared)  # FL_tilt runs into its stop
    index_of = index_model(model, geared)
    data.qpos[index_of.joint_qpos] = geared.home
    data.qpos[index_of.passive_qpos] = geared.kinematics.passive(
        geared.legs_of(geared.home)
    ).ravel()
    data.ctrl[index_of.actuator] = geared.home
    data.ctrl[model.actuator("FL_tilt").id] = 1e6
    for _ in range(3000):
        mujoco.mj_step(model, data)
    stall = geared.servo.stall_torque
    assert data.qvel[dof] == pytest.approx(0.0, abs=1e-4)
    assert data.actuator_force[model.actuator("FL_tilt").id] == pytest.approx(stall)
    assert -data.qfrc_constraint[dof] == pytest.approx(stall, rel=0.01)  # of the stop


def test_a_foot_s_friction_can_be_set(spec: RobotSpec) -> None:
    model = build_model(spec, [FLAT], foot_friction=0.3)
    for leg in spec.legs:
        assert model.geom(f"{leg}_foot").friction[0] == 0.3
        assert model.geom(f"{leg}_foot").priority[0] == 1  # so it is the contact's
    assert build_model(spec, [FLAT]).geom("FL_foot").friction[0] == 0.6


def test_a_model_that_lacks_a_name_is_refused_in_one_line(spec: RobotSpec, tmp_path: Path) -> None:
    text = Path(spec.mjcf).read_text()
    broken = tmp_path / "broken.xml"
    broken.write_text(
        text.replace('joint name="FL_tilt"', 'joint name="FL_swing"').replace(
            'joint="FL_tilt"', 'joint="FL_swing"'
        )
    )
    wrong = tmp_path / "wrong.xml"
    wrong.write_text(text.replace("</mujoco>", ""))
    for path, expected in (
        (broken, "no joint FL_tilt"),
        (wrong, "does not load"),
        (tmp_path / "none.xml", "does not load"),
    ):
        with pytest.raises(SimError) as raised:
            build_model(dataclasses.replace(spec, mjcf=path), [FLAT])
        assert expected in str(raised.value)
        assert "\n" not in str(raised.value)
