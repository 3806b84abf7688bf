"""Packets of the STS bus: against examples of the makers' manuals, and through a bad wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_hardware.sts import protocol, registers
from stride_hardware.sts.protocol import Decoder, Instruction, Packet

packets = st.builds(Packet, st.integers(0, 254), st.integers(0, 255), st.binary(max_size=120))


@pytest.mark.parametrize(
    ("packet", "wire"),
    [  # Feetech's communication protocol manual, sections 1.3.1 to 1.3.7
        (Packet(1, Instruction.PING), "ff ff 01 02 01 fb"),
        (Packet(1, Instruction.READ, bytes([0x38, 2])), "ff ff 01 04 02 38 02 be"),
        (Packet(0xFE, Instruction.ACTION), "ff ff fe 02 05 fa"),
        (protocol.sync_read(0x38, 8, (1, 2)), "ff ff fe 06 82 38 08 01 02 36"),
        (
            protocol.sync_write(
                0x2A, {i: bytes([0x00, 0x08, 0, 0, 0xE8, 0x03]) for i in (1, 2, 3, 4)}
            ),
            "ff ff fe 20 83 2a 06 01 00 08 00 00 e8 03 02 00 08 00 00 e8 03"
            " 03 00 08 00 00 e8 03 04 00 08 00 00 e8 03 58",
        ),
    ],
)  # fmt: skip
def test_packets_are_those_of_the_manual(packet: Packet, wire: str) -> None:
    assert packet.encode() == bytes.fromhex(wire)
    assert list(Decoder().feed(bytes.fromhex(wire))) == [packet]


@given(st.lists(packets, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_what_is_sent_is_read_however_it_arrives_in_pieces(
    sent: list[Packet], cuts: list[int]
) -> None:
    stream, decoder = b"".join(one.encode() for one in sent), Decoder()
    read: list[Packet] = []
    for size in cuts:
        read += decoder.feed(stream[:size])
        stream = stream[size:]
    read += decoder.feed(stream)
    assert read == sent
    assert decoder.discarded == 0


@given(st.binary(max_size=30).filter(lambda noise: b"\xff" not in noise), packets)
def test_noise_before_a_packet_is_passed_over(noise: bytes, packet: Packet) -> None:
    decoder = Decoder()
    assert list(decoder.feed(noise + packet.encode())) == [packet]
    assert decoder.discarded == len(noise)


@given(packets, st.data())
def test_a_flipped_bit_behind_the_header_is_never_taken_for_the_packet(
    packet: Packet, data: st.DataObject
) -> None:
    wire = bytearray(packet.encode())
    at = data.draw(st.integers(2, len(wire) - 1))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    assert packet not in list(Decoder().feed(bytes(wire)))


@pytest.mark.parametrize("register", [r for r in registers.TABLE if r.sign is not None])
def test_signed_registers_keep_their_value(register: registers.Register) -> None:
    assert register.sign is not None
    most = (1 << register.sign) - 1
    for value in (-most, -1, 0, 1, most):
        assert register.decode(register.encode(value)) == value
    with pytest.raises(ValueError, match=f"register {register.address}"):
        register.encode(most + 1)


def test_a_byte_takes_ten_bits() -> None:
    assert protocol.seconds(100, 1_000_000) == pytest.approx(1e-3)
