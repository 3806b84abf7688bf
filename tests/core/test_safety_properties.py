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
    Reason,
    SafetyInputs,
    SafetyState,
    explain,
    initial,
    step,
)
from tests.core.batches import assert_same, row
from tests.core.watchdog import CONFIG, DT, HOME, LIMITS, UPRIGHT, tilted

anything = st.floats(allow_nan=True, allow_infinity=True)
vectors = arrays(float, 3, elements=st.one_of(anything, st.floats(-3.0, 3.0)))
times = st.one_of(st.floats(9.0, 11.0), anything)


@st.composite
def any_inputs(draw):
    return SafetyInputs(
        target=draw(vectors),
        target_time=np.array(draw(times)),
        position=draw(vectors),
        up=draw(st.one_of(vectors, st.just(UPRIGHT))),
        state_time=np.array(draw(times)),
        estop=np.array(draw(st.integers(0, 9)) == 0),
        reset=np.array(draw(st.booleans())),
    )


class Witness:
    """Steps a watchdog and holds every robot to what must be true after every step."""

    def __init__(self, lead: tuple[int, ...]) -> None:
        self.state = initial(lead, 3)
        self.command = np.full((*lead, 3), np.nan)
        self.time = np.full(lead, -np.inf)

    def step(self, inputs: SafetyInputs, now) -> Decision:
        with np.errstate(invalid="ignore", over="ignore"):
            after, decision = step(CONFIG, LIMITS, self.state, inputs, now)
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
        was_on = self.state.mode == Mode.ACTIVE
        start = np.clip(inputs.position, LIMITS.lower, LIMITS.upper)[on & ~was_on]
        np.testing.assert_array_equal(decision.command[on & ~was_on], start)
        elapsed = np.clip(now - self.time, 0.0, CONFIG.target_timeout)
        moved = np.abs(decision.command - self.command).max(axis=-1)
        assert (moved <= CONFIG.max_joint_speed * elapsed + 1e-12)[on & was_on].all()

    def _check_mode(self, after: SafetyState, decision, inputs, now) -> None:
        on, before = decision.powered, self.state
        assert (on == (after.mode == Mode.ACTIVE)).all()
        # powered only while the robot can be trusted
        assert (np.abs(now - inputs.state_time)[on] <= CONFIG.state_timeout).all()
        assert (decision.tilt[on] <= CONFIG.max_tilt).all()
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
        # and it is said
        assert ((decision.reasons == 0) == (decision.action == Action.PASS))[on].all()
        assert (decision.action[after.mode == Mode.ESTOP] == Action.STOP).all()
        assert (decision.action[~on & (after.mode != Mode.ESTOP)] == Action.DAMP).all()
        assert ((decision.reasons & after.latched) == after.latched).all()


def fine(lead: tuple[int, ...], now: float) -> SafetyInputs:
    stamp, no = np.full(lead, now), np.zeros(lead, bool)
    home, up = np.broadcast_to(HOME, (*lead, 3)), np.broadcast_to(UPRIGHT, (*lead, 3))
    return SafetyInputs(home, stamp, home, up, stamp, no, no)


def active(lead: tuple[int, ...], now: float = 10.0) -> Witness:
    """Robots whose motors came on just before `now`."""
    witness = Witness(lead)
    for tick in (3, 2, 1):
        decision = witness.step(fine(lead, now - tick * DT), np.full(lead, now - tick * DT))
    assert decision.powered.all()
    return witness


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(any_inputs(), times), min_size=1, max_size=6), st.booleans())
def test_invariants_for_any_inputs_and_any_order_of_times(steps, start_active):
    witness = active((1,)) if start_active else Witness((1,))
    for single, now in steps:
        inputs = SafetyInputs(*(np.asarray(field)[None] for field in single))
        witness.step(inputs, np.array([now]))


@pytest.mark.parametrize("field", SafetyInputs._fields)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_field_in_one_tick_never_reaches_the_motors(field, bad):
    if field in ("estop", "reset"):
        return
    for start in (Witness((1,)), active((1,))):
        for tick in range(5):
            inputs = fine((1,), 10.0 + tick * DT)
            if tick == 1:
                inputs = inputs._replace(**{field: np.full_like(getattr(inputs, field), bad)})
            start.step(inputs, np.array([10.0 + tick * DT]))


def random_inputs(rng, robots, now) -> SafetyInputs:
    """Mostly fine; each kind of fault now and then, on a few robots."""

    def some(share):
        return rng.random(robots) < share

    bad = rng.choice([np.nan, np.inf, -np.inf], (robots, 3))
    target = rng.uniform(-2.5, 2.5, (robots, 3))
    target = np.where(some(0.05)[:, None] & (rng.random((robots, 3)) < 0.5), bad, target)
    position = rng.uniform(-1.5, 2.5, (robots, 3))
    up = np.where(some(0.01)[:, None], tilted(1.3), UPRIGHT)
    return SafetyInputs(
        target=target,
        target_time=now - np.where(some(0.02), 1.0, rng.uniform(0, 0.1, robots)),
        position=np.where(some(0.01)[:, None], bad, position),
        up=np.where(some(0.01)[:, None], bad, up),
        state_time=now - np.where(some(0.01), rng.choice([0.2, np.inf], robots), 0.0),
        estop=some(0.005),
        reset=some(0.1),
    )


def test_a_long_random_walk_of_many_robots_keeps_the_invariants():
    rng = np.random.default_rng(5)
    robots = 64
    witness, now = Witness((robots,)), np.full(robots, 100.0)
    seen, powered = set(), 0
    for _ in range(400):
        now = now + rng.choice([DT, DT, DT, 0.0, 0.3, -0.05], robots)
        before = witness.state.mode.tolist()
        powered += int(witness.step(random_inputs(rng, robots, now), now).powered.sum())
        seen |= set(zip(before, witness.state.mode.tolist(), strict=True))
    boot, standby, on, damping, estop = 0, 1, 3, 4, 5
    # the walk has been everywhere, and nowhere it must not go
    assert {(on, damping), (on, estop), (damping, standby), (estop, standby), (standby, on),
            (damping, estop), (damping, damping), (standby, standby)} <= seen  # fmt: skip
    assert not {(estop, on), (damping, on), (estop, damping), (on, standby)} & seen
    assert not {(mode, boot) for mode in (standby, on, damping, estop)} & seen
    assert powered > 5000


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
        inputs = SafetyInputs(*(f.reshape((*lead, *f.shape[1:])) for f in flat))
        state, decision = step(CONFIG, LIMITS, state, inputs, now)
        assert decision.command.shape == (*lead, 3)
        assert decision.powered.shape == state.mode.shape == lead
        for index in singles:
            one = row(inputs, index)
            singles[index], single = step(CONFIG, LIMITS, singles[index], one, now[index])
            assert_same(state, singles[index], index)
            assert_same(decision, single, index)


def test_the_same_inputs_give_the_same_bits_and_are_left_alone():
    rng = np.random.default_rng(8)
    state, now = initial((16,), 3), np.full(16, 3.0)
    state, _ = step(CONFIG, LIMITS, state, random_inputs(rng, 16, now), now)
    inputs = random_inputs(rng, 16, now + DT)
    for record in (state, inputs):
        for field in record:
            field.flags.writeable = False
    first, second = (step(CONFIG, LIMITS, state, inputs, now + DT) for _ in range(2))
    for a, b in zip((*first[0], *first[1]), (*second[0], *second[1]), strict=True):
        assert a.tobytes() == b.tobytes()
