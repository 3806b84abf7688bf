"""The emulated bus: what a servo answers, how long it takes, and what can go wrong on the wire."""

from __future__ import annotations

import pytest
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.emulator.servo import EmulatedServo, Measured, Spent
from stride_hardware.sts import protocol
from stride_hardware.sts import registers as reg
from stride_hardware.sts.protocol import BROADCAST, Decoder, Fault, Instruction, Packet
from stride_hardware.sts.registers import Register
from tests.hardware.parts import emulated

LOST = Packet(9, Instruction.PING)


def ask(bus: EmulatedBus, packet: Packet) -> list[Packet]:
    return list(Decoder().feed(bus.request(packet.encode(), 0.0).data))


def write(bus: EmulatedBus, servo: int, register: Register, value: int) -> None:
    ask(bus, protocol.write(servo, register.address, register.encode(value)))


def read(bus: EmulatedBus, servo: int, register: Register) -> int:
    parameters = bytes([register.address, register.size])
    (answer,) = ask(bus, Packet(servo, Instruction.READ, parameters))
    return register.decode(answer.parameters)


def test_a_servo_answers_for_itself_alone() -> None:
    bus = emulated((1, 2))
    assert ask(bus, Packet(2, Instruction.PING)) == [Packet(2, 0)]
    assert ask(bus, LOST) == []
    write(bus, 1, reg.GOAL_POSITION, 1000)
    assert (read(bus, 1, reg.GOAL_POSITION), read(bus, 2, reg.GOAL_POSITION)) == (1000, 0)


def test_a_sync_read_is_answered_in_the_order_asked_for() -> None:
    bus = emulated((1, 2, 3))
    for servo, at in zip(bus.servos, (100.0, 200.0, 300.0), strict=True):
        servo.measured = Measured(at, speed=-50.0, duty=0.5)
    answers = ask(bus, protocol.sync_read(56, 6, (3, 1)))
    assert [a.servo for a in answers] == [3, 1]
    assert [reg.PRESENT_POSITION.decode(a.parameters) for a in answers] == [300, 100]
    assert reg.PRESENT_SPEED.decode(answers[0].parameters[2:]) == -50
    assert reg.PRESENT_LOAD.decode(answers[0].parameters[4:]) == 500


def test_a_sync_write_reaches_all_and_is_not_answered() -> None:
    bus = emulated((1, 2, 3))
    packet = protocol.sync_write(reg.GOAL_POSITION.address, {1: b"\x01\x02", 3: b"\x03\x04"})
    assert ask(bus, packet) == []
    assert [read(bus, i, reg.GOAL_POSITION) for i in (1, 2, 3)] == [0x201, 0, 0x403]


def test_a_reg_write_waits_for_the_action() -> None:
    bus = emulated((1,))
    goal = bytes([reg.GOAL_POSITION.address]) + reg.GOAL_POSITION.encode(700)
    ask(bus, Packet(1, Instruction.REG_WRITE, goal))
    assert read(bus, 1, reg.GOAL_POSITION) == 0
    assert ask(bus, Packet(BROADCAST, Instruction.ACTION)) == []
    assert read(bus, 1, reg.GOAL_POSITION) == 700


def test_eeprom_is_written_only_while_it_is_unlocked() -> None:
    bus = emulated((1,))
    write(bus, 1, reg.P_GAIN, 64)
    assert read(bus, 1, reg.P_GAIN) == 32
    write(bus, 1, reg.LOCK, 0)
    write(bus, 1, reg.P_GAIN, 64)
    write(bus, 1, reg.ID, 7)
    assert read(bus, 7, reg.P_GAIN) == 64


def test_what_is_read_only_or_out_of_range_is_not_written() -> None:
    bus = emulated((1,))
    write(bus, 1, reg.PRESENT_POSITION, 5)
    write(bus, 1, reg.TORQUE_LIMIT, 2000)
    assert read(bus, 1, reg.PRESENT_POSITION) == 2048
    assert read(bus, 1, reg.TORQUE_LIMIT) == 1000


def test_the_middle_can_be_set_where_the_joint_is() -> None:
    bus = emulated((1,))
    bus.servos[0].measured = Measured(3000.0)
    write(bus, 1, reg.TORQUE_ENABLE, 128)
    assert read(bus, 1, reg.PRESENT_POSITION) == 2048
    assert not bus.servos[0].powered


def test_an_answer_takes_the_time_of_its_bytes() -> None:
    # request 8 + 12 bytes, 12 answers of 6 + 6, at 10 µs a byte; a delay of 2 × 25 µs each
    bus = emulated(range(1, 13))
    request = protocol.sync_read(56, 6, range(1, 13)).encode()
    assert bus.request(request, 0.0).wait == pytest.approx((20 + 144) * 1e-5)
    for servo in range(1, 13):
        write(bus, servo, reg.LOCK, 0)
        write(bus, servo, reg.RETURN_DELAY, 25)
    assert bus.request(request, 0.0).wait == pytest.approx((20 + 144) * 1e-5 + 12 * 50e-6)
    slow = emulated((1,), baudrate=115_200)
    assert slow.request(Packet(1, Instruction.PING).encode(), 0.0).wait == pytest.approx(
        12 * 10 / 115_200
    )


def test_a_pulled_cable_and_a_servo_that_vanished_are_silent() -> None:
    bus = emulated((1, 2))
    bus.servos[0].silent = True
    assert [a.servo for a in ask(bus, protocol.sync_read(56, 2, (1, 2)))] == [2]
    bus.faults.pulled = True
    assert ask(bus, Packet(2, Instruction.PING)) == []
    bus.faults.pulled = bus.servos[0].silent = False
    assert ask(bus, Packet(1, Instruction.PING)) == [Packet(1, 0)]


def test_a_bad_wire_loses_answers_and_seldom_invents_one() -> None:
    bus = emulated((1,), seed=3)
    bus.servos[0].measured = Measured(1234.0)
    bus.faults.corrupt = bus.faults.drop = 0.01
    answered, invented, now = 0, 0, 0.0
    for _ in range(2000):
        now += 1.0  # what came half is given up
        packet = Packet(1, Instruction.READ, bytes([56, 2]))
        for answer in Decoder().feed(bus.request(packet.encode(), now).data):
            answered += 1
            invented += answer != Packet(1, 0, reg.PRESENT_POSITION.encode(1234))
    assert 0.5 < answered / 2000 < 0.95  # 8 bytes each way: 0.98^16 = 0.72
    assert invented / 2000 < 0.005  # the sum misses two flips that cancel out


def test_two_servos_of_one_id_spoil_each_others_answers() -> None:
    bus = emulated((1, 1))
    bus.servos[0].measured = Measured(1000.0)
    assert ask(bus, Packet(1, Instruction.READ, bytes([56, 2]))) == []


def driven(duty: float, seconds: float, **start: float) -> EmulatedServo:
    servo = EmulatedServo(1)
    servo.write(reg.TORQUE_ENABLE.address, b"\x01")
    for name, value in start.items():
        setattr(servo, name, value)
    for _ in range(round(seconds * 10)):
        servo.measured = Measured(duty=duty)
        servo.advance(0.1, 7.4)
    return servo


def test_it_heats_up_with_its_load_and_lets_go_when_too_hot() -> None:
    # towards 25 + 90·0.5² = 47.5 °C; after one time constant 1 - 1/e of the way
    assert driven(0.5, 170.0).temperature == pytest.approx(25 + 22.5 * 0.632, abs=0.1)
    assert driven(0.5, 170.0).powered
    hot = driven(0.0, 0.1, temperature=71.0)
    assert hot.fault == Fault.TEMPERATURE and not hot.powered and hot.strength == 0.0


def test_an_overload_of_two_seconds_leaves_a_fifth_of_the_torque() -> None:
    assert driven(0.85, 1.9).strength == 1.0
    tripped = driven(0.85, 2.2)
    assert (tripped.strength, tripped.fault) == (0.2, Fault.OVERLOAD)
    tripped.write(reg.TORQUE_ENABLE.address, b"\x00")
    tripped.write(reg.TORQUE_ENABLE.address, b"\x01")
    assert tripped.strength == 1.0


def test_a_load_that_comes_and_goes_is_no_overload_and_heats_by_its_mean() -> None:
    servo = EmulatedServo(1)
    servo.write(reg.TORQUE_ENABLE.address, b"\x01")
    servo.measured = Measured(duty=1.0)  # as it happens to be whenever one looks
    for _ in range(1700):
        servo.advance(0.1, 7.4, Spent(mean_square=0.25, least=0.0))
    assert servo.strength == 1.0 and not servo.fault
    assert servo.temperature == pytest.approx(25 + 22.5 * 0.632, abs=0.1)


@pytest.mark.parametrize("supply", [3.9, 8.1])
def test_a_wrong_supply_is_reported(supply: float) -> None:
    servo = EmulatedServo(1)
    servo.advance(0.1, supply)
    assert servo.fault == Fault.VOLTAGE
