"""The watchdog's invariants: whatever comes, in whatever order, to one robot or to many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stride_core.safety import (
    Action,
    Decision,
    Mode,
    Motors,
    Reason,
    SafetyInputs,
    SafetyState,
    explain,
    initial,
    step,
)
from stride_core.safety_config import AT
from stride_core.safety_rules import TRANSITIONS, powered
from tests.core.batches import assert_same
from tests.core.watchdog import CONFIG, DT, HOME, LIMITS, UPRIGHT, healthy, sane, tilted

CHECKS = CONFIG.checks
ZERO = np.zeros(3)
STALE = [AT["motor_missing"], AT["motors_locked"]]  # mean nothing while the figures are old
anything = st.floats(allow_nan=True, allow_infinity=True)
vectors = arrays(float, 3, elements=st.one_of(anything, st.floats(-3.0, 3.0)))
times = st.one_of(st.floats(9.0, 11.0), anything)


def scalar(draw, often):
    return np.array(draw(st.one_of(st.just(often), anything)))


@st.composite
def any_inputs(draw):
    motors = Motors(
        time=np.array(draw(times)), missing=scalar(draw, 0.0), fault=scalar(draw, 0.0),
        locked=scalar(draw, 0.0),
        temperature=scalar(draw, 30.0), voltage_low=scalar(draw, 7.4),
        voltage_high=scalar(draw, 7.4),
    )  # fmt: skip
    some = draw(st.booleans())  # a plant that says more than another
    return SafetyInputs(
        target=draw(vectors),
        target_time=np.array(draw(times)),
        position=draw(vectors),
        up=draw(st.one_of(vectors, st.just(UPRIGHT))),
        state_time=np.array(draw(times)),
        estop=np.array(draw(st.integers(0, 9)) == 0),
        reset=np.array(draw(st.booleans())),
        imu_time=np.array(draw(times)) if some else None,
        velocity=draw(st.one_of(st.just(ZERO), vectors)),
        effort=draw(st.one_of(st.just(ZERO), vectors)) if some else None,
        gyro=draw(st.one_of(st.just(ZERO), vectors)),
        accel=draw(st.one_of(st.just(9.81 * UPRIGHT), vectors)) if some else None,
        command_time=np.array(draw(times)) if some else None,
        motors=motors if some else None,
        lost=scalar(draw, 0.0) if some else None,
    )


def each(inputs: SafetyInputs, change) -> SafetyInputs:
    """Inputs with every array changed."""
    fields = inputs._asdict()
    for name, value in fields.items():
        if isinstance(value, Motors):
            fields[name] = Motors(*map(change, value))
        elif value is not None:
            fields[name] = change(value)
    return SafetyInputs(**fields)


class Witness:
    """Steps a watchdog and holds every robot to what must be true after every step."""

    def __init__(self, lead: tuple[int, ...]) -> None:
        self.state = initial(lead, 3)
        self.command = np.full((*lead, 3), np.nan)
        self.time = np.full(lead, -np.inf)

    def step(self, inputs: SafetyInputs, now) -> Decision:
        with np.errstate(invalid="ignore", over="ignore"):
            after, decision = step(CONFIG, LIMITS, self.state, inputs, now)
            self.after = after
            self._check_command(decision, inputs, now)
            self._check_mode(after, decision, inputs, now)
        self.state, self.command, self.time = after, decision.command, now
        return decision

    def _check_command(self, decision, inputs, now) -> None:
        on = decision.powered
        assert np.isnan(decision.command[~on]).all()
        command = decision.command[on]
        assert np.isfinite(command).all()
        assert ((command >= LIMITS.lower) & (command <= LIMITS.upper)).all()
        # slew: from the last command, or from where the joints are when the motors come on
        was_on = powered(self.state.mode)
        start = np.clip(inputs.position, LIMITS.lower, LIMITS.upper)[on & ~was_on]
        np.testing.assert_array_equal(decision.command[on & ~was_on], start)
        elapsed = np.clip(now - self.time, 0.0, CHECKS.target_stale.limit)
        moved = np.abs(decision.command - self.command).max(axis=-1)
        standing = on & (decision.lag >= 0.0) & (self.after.mode == Mode.STANDING)
        speed = np.where(standing, CONFIG.standing_speed, CONFIG.max_joint_speed)
        assert (moved <= speed * elapsed + 1e-12)[on & was_on].all()

    def _check_mode(self, after: SafetyState, decision, inputs, now) -> None:
        on, before = decision.powered, self.state
        assert (on == ((after.mode == Mode.ACTIVE) | (after.mode == Mode.STANDING))).all()
        # powered only while the robot can be trusted
        assert (np.abs(now - inputs.state_time)[on] <= CHECKS.state_stale.limit).all()
        assert (decision.tilt[on] <= CHECKS.tilt.limit).all()
        table = CONFIG.table
        strict = (table.level >= Action.DAMP) & (table.persistence == 0.0)
        fresh = decision.values[..., AT["motors_stale"]] <= CHECKS.motors_stale.limit
        strict = strict & (fresh[..., None] | ~np.isin(np.arange(len(strict)), STALE))
        assert ((decision.values <= table.limit) | ~strict)[on].all()
        assert np.isfinite(inputs.position[on]).all()
        assert np.isfinite(inputs.up[on]).all()
        # out of DAMPING and ESTOP by a reset alone, and never straight to power
        stopped = before.mode >= Mode.DAMPING
        left = stopped & (after.mode < Mode.DAMPING)
        assert inputs.reset[left].all()
        assert (after.mode[left] == Mode.STANDBY).all()
        assert (after.mode[before.mode == Mode.ESTOP] != Mode.DAMPING).all()
        assert (after.mode[inputs.estop] == Mode.ESTOP).all()
        stays = stopped & ~left
        assert ((after.latched & before.latched) == before.latched)[stays].all()
        assert (after.latched[after.mode >= Mode.DAMPING] != 0).all()
        assert (after.latched[after.mode < Mode.DAMPING] == 0).all()
        # to ACTIVE by way of STANDING alone
        begun = (after.mode == Mode.ACTIVE) & (before.mode != Mode.ACTIVE)
        assert (before.mode[begun] == Mode.STANDING).all()
        # and it is said
        assert ((decision.reasons == 0) == (decision.action == Action.PASS))[on].all()
        assert (decision.action[after.mode == Mode.ESTOP] == Action.STOP).all()
        assert (decision.action[~on & (after.mode != Mode.ESTOP)] == Action.DAMP).all()
        assert ((decision.reasons & after.latched) == after.latched).all()


def fine(lead: tuple[int, ...], now) -> SafetyInputs:
    """What a healthy robot says."""

    def spread(value):
        return np.broadcast_to(value, (*lead, *np.shape(value)))

    return each(sane(), spread)._replace(
        target_time=now + 0.0, state_time=now + 0.0, imu_time=now + 0.0, command_time=now + 0.0,
        motors=Motors(*map(spread, healthy()))._replace(time=now + 0.0),
    )  # fmt: skip


def active(lead: tuple[int, ...], now: float = 10.0) -> Witness:
    """Robots whose motors came on just before `now`."""
    witness = Witness(lead)
    for tick in (4, 3, 2, 1):
        then = np.full(lead, now - tick * DT)
        decision = witness.step(fine(lead, then), then)
    assert decision.powered.all()
    return witness


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(any_inputs(), times), min_size=1, max_size=6), st.booleans())
def test_invariants_for_any_inputs_and_any_order_of_times(steps, start_active):
    witness = active((1,)) if start_active else Witness((1,))
    for single, now in steps:
        witness.step(each(single, lambda field: field[None]), np.array([now]))


@settings(max_examples=60, deadline=None)
@given(
    arrays(float, (4, 3), elements=st.floats(-3.0, 3.0)),
    st.lists(st.sampled_from([DT, 0.0, 2 * DT, 0.2]), min_size=1, max_size=4),
)
def test_robots_that_are_well_get_what_they_would_beside_one_that_is_not(targets, steps):
    # where all are well, ``step`` judges nothing: the outcome must be the same
    many, one = active((4,)), active((5,))
    now = 10.0
    for dt in steps:
        now += dt
        well = fine((4,), np.full(4, now))._replace(target=targets)
        broken = fine((5,), np.full(5, now))
        up = broken.up.copy()
        up[4] = tilted(1.3)
        broken = broken._replace(target=np.vstack([targets, HOME]), up=up)
        expected = one.step(broken, np.full(5, now))
        assert_same(expected, many.step(well, np.full(4, now)), slice(4), atol=0.0)
        assert_same(one.state, many.state, slice(4), atol=0.0)


def spoilt(inputs: SafetyInputs, field: str, bad: float) -> SafetyInputs:
    """Inputs with one field full of something else."""
    motors = inputs.motors
    assert motors is not None
    if field in Motors._fields:
        wrong = np.full_like(getattr(motors, field), bad)
        return inputs._replace(motors=motors._replace(**{field: wrong}))
    return inputs._replace(**{field: np.full_like(getattr(inputs, field), bad)})


@pytest.mark.parametrize("field", [*SafetyInputs._fields, *Motors._fields])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_field_in_one_tick_never_reaches_the_motors(field, bad):
    if field in ("estop", "reset", "motors"):
        return
    for start in (Witness((1,)), active((1,))):
        for tick in range(5):
            now = np.array([10.0 + tick * DT])
            inputs = fine((1,), now)
            if tick == 1:
                inputs = spoilt(inputs, field, bad)
            start.step(inputs, now)


def random_inputs(rng, robots, now) -> SafetyInputs:
    """Mostly fine; each kind of fault now and then, on a few robots."""

    def some(share):
        return rng.random(robots) < share

    def broken(value, share=0.002):
        wrong = rng.choice([np.nan, np.inf, -np.inf, 1e3], value.shape)
        return np.where(some(share).reshape(-1, *[1] * (value.ndim - 1)), wrong, value)

    bad = rng.choice([np.nan, np.inf, -np.inf], (robots, 3))
    target = np.where(some(0.3)[:, None], rng.uniform(-2.5, 2.5, (robots, 3)), HOME)
    target = np.where(some(0.05)[:, None] & (rng.random((robots, 3)) < 0.5), bad, target)
    position = np.where(some(0.1)[:, None], rng.uniform(-1.1, 2.1, (robots, 3)), HOME)
    up = np.where(some(0.003)[:, None], tilted(1.3), UPRIGHT)
    inputs = fine((robots,), now)
    assert inputs.motors is not None
    return inputs._replace(
        target=target,
        target_time=now - np.where(some(0.02), 1.0, rng.uniform(0, 0.1, robots)),
        position=broken(position),
        up=np.where(some(0.003)[:, None], bad, up),
        state_time=now - np.where(some(0.003), rng.choice([0.2, np.inf], robots), 0.0),
        imu_time=now - np.where(some(0.003), rng.choice([0.2, np.inf], robots), 0.0),
        estop=some(0.002),
        reset=some(0.1),
        velocity=broken(rng.normal(0.0, 2.0, (robots, 3))),
        effort=rng.normal(0.0, 0.2, (robots, 3)),
        gyro=broken(rng.normal(0.0, 1.0, (robots, 3))),
        motors=Motors(*map(broken, inputs.motors)),
    )


def wander(robots: int, steps: int, seed: int) -> tuple[set[tuple[int, int]], int]:
    """A random walk of many robots: the transitions that were seen, and the ticks with torque."""
    rng = np.random.default_rng(seed)
    witness, now = Witness((robots,)), np.full(robots, 100.0)
    seen, powered_ticks = np.zeros((6, 6), bool), 0
    for _ in range(steps):
        now = now + rng.choice([DT, DT, DT, 0.0, 0.3, -0.05], robots)
        before = witness.state.mode
        powered_ticks += int(witness.step(random_inputs(rng, robots, now), now).powered.sum())
        seen[before, witness.state.mode] = True
    return set(zip(*np.nonzero(seen), strict=True)), powered_ticks


def test_a_million_random_steps_keep_the_invariants():
    seen, powered_ticks = wander(2500, 400, seed=5)
    boot, standby, up, on, damping, estop = range(6)
    # the walk has been everywhere ...
    assert {
        (boot, standby), (standby, up), (up, on), (up, damping), (on, damping), (on, estop),
        (damping, standby), (estop, standby), (damping, estop), (standby, estop), (up, estop),
    } <= seen  # fmt: skip
    # ... and nowhere that the table does not lead to
    allowed = {(int(t.source), int(t.target)) for t in TRANSITIONS}
    assert seen <= allowed | {(mode, mode) for mode in range(6)}
    assert powered_ticks > 100_000


@settings(deadline=None)
@given(any_inputs(), times, st.booleans())
def test_explain_names_exactly_the_reasons_of_the_decision(inputs, now, start_active):
    state = active(()).state if start_active else initial((), 3)
    with np.errstate(invalid="ignore", over="ignore"):
        _, decision = step(CONFIG, LIMITS, state, inputs, np.array(now))
    names = [item.reason for item in explain(CONFIG, decision)]
    assert len(set(names)) == len(names)
    assert sum(Reason[name] for name in names) == int(decision.reasons)


@pytest.mark.parametrize("lead", [(), (9,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(2)
    robots = int(np.prod(lead))
    state, singles = initial(lead, 3), {index: initial((), 3) for index in np.ndindex(lead)}
    now = np.full(lead, 5.0)
    for _ in range(30):
        now = now + DT
        flat = random_inputs(rng, robots, now.reshape(-1))
        inputs = each(flat, lambda f: f.reshape((*lead, *f.shape[1:])))
        state, decision = step(CONFIG, LIMITS, state, inputs, now)
        assert decision.command.shape == (*lead, 3)
        assert decision.powered.shape == state.mode.shape == lead
        for index in singles:
            one = each(inputs, lambda f: f[index])  # noqa: B023
            singles[index], single = step(CONFIG, LIMITS, singles[index], one, now[index])
            assert_same(state, singles[index], index)
            assert_same(decision, single, index)


def test_the_same_inputs_give_the_same_bits_and_are_left_alone():
    rng = np.random.default_rng(8)
    state, now = initial((16,), 3), np.full(16, 3.0)
    state, _ = step(CONFIG, LIMITS, state, random_inputs(rng, 16, now), now)
    inputs = random_inputs(rng, 16, now + DT)
    for field in (
        *state,
        *(inputs.motors or ()),
        *(f for f in inputs if isinstance(f, np.ndarray)),
    ):
        field.flags.writeable = False
    first, second = (step(CONFIG, LIMITS, state, inputs, now + DT) for _ in range(2))
    for a, b in zip((*first[0], *first[1]), (*second[0], *second[1]), strict=True):
        assert a.tobytes() == b.tobytes()
