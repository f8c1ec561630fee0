"""Packets and heads of live sound: what is written is read, and nothing else is believed."""

import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints import sm2
from endpoints.live_packets import (
    FRAME_US,
    LAST,
    MAX_FRAME_BYTES,
    MAX_FRAMES,
    MAX_PACKET_BYTES,
    MAX_US,
    SILENCE,
    Packet,
    StreamGuard,
    StreamHead,
    encode_head,
    head_topic,
    live_topic,
    open_packet,
    seal_head,
    seal_packet,
)
from endpoints.protocol import BadMessage, Band, Kind, Tone
from endpoints.sealing import Algorithm, Ed25519Signer, Message, NotAuthentic, Sm2Signer, TrustedKey, TrustStore, seal
from tests.endpoints.rig import COUNTY, OTHER_TOWN, T0, TOWN, VILLAGE, Authority, order

NOW_US = T0 * 1_000
SERVER, DRILL = Authority("county"), Authority("drill", exercise=True)
LIVE = order("o-live", kind=Kind.LIVE, band=Band.LIVE_COMMAND, tone=Tone.NONE, stream=7)
PACKET = Packet(7, 0, NOW_US, (b"one", b"two!", b"3"))
HEAD = StreamHead("o-live", 7, 3, 200, NOW_US, 1)


def sealed(packet: Packet = PACKET, by: Authority = SERVER) -> bytes:
    return seal_packet(packet, exercise=by.exercise, signer=by.signer)


def sealed_head(head: StreamHead = HEAD, by: Authority = SERVER) -> bytes:
    return seal_head(head, exercise=by.exercise, signer=by.signer)


def guard(*authorities: Authority, **changes: object) -> StreamGuard:
    keys = TrustStore(tuple(one.key for one in authorities or (SERVER, DRILL)))
    return StreamGuard(replace(LIVE, **changes), keys, area=VILLAGE)  # type: ignore[arg-type]


frames = st.lists(st.binary(min_size=1, max_size=MAX_FRAME_BYTES), min_size=1, max_size=MAX_FRAMES).map(tuple)
packets = st.builds(
    Packet,
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, MAX_US - MAX_FRAMES * FRAME_US),
    frames,
    st.integers(0, LAST | SILENCE),
)


@given(packets)
def test_a_packet_is_read_as_it_was_written(packet: Packet) -> None:
    data = sealed(packet)
    assert open_packet(data, exercise=False, key=SERVER.key) == packet
    assert len(data) == 83 + sum(1 + len(frame) for frame in packet.frames) <= MAX_PACKET_BYTES


def test_the_bytes_stand_as_the_specification_says() -> None:
    body = bytes.fromhex("01020000000700000009") + struct.pack(">Q", NOW_US) + b"\2\3one\1x"
    packet = Packet(7, 9, NOW_US, (b"one", b"x"), SILENCE)
    assert sealed(packet) == body + SERVER.signer.sign(b"lianbo/1/live/packet\0" + body)
    assert (live_topic("eb/v1", 7), head_topic("eb/v1", 2**32 - 1)) == (
        "eb/v1/live/00000007",
        "eb/v1/live/ffffffff/head",
    )


def test_sm2_signs_packets_too() -> None:
    signer = Sm2Signer(sm2.generate())
    key = TrustedKey(Algorithm.SM2_SM3, signer.public, COUNTY, Band.LIFE_SAFETY, False, 0, 2**53 - 1)
    data = seal_packet(PACKET, exercise=False, signer=signer)
    assert open_packet(data, exercise=False, key=key) == PACKET
    with pytest.raises(NotAuthentic):
        open_packet(data[:40] + b"\xff" + data[41:], exercise=False, key=key)


def test_an_exercise_is_never_heard_as_live_nor_the_reverse() -> None:
    both = SERVER.signer  # even when one key signed both, which no key may
    drilled = seal_packet(PACKET, exercise=True, signer=both)
    with pytest.raises(NotAuthentic):
        open_packet(drilled, exercise=False, key=SERVER.key)
    with pytest.raises(NotAuthentic):
        open_packet(drilled, exercise=True, key=SERVER.key)
    with pytest.raises(NotAuthentic):
        open_packet(sealed(by=DRILL), exercise=False, key=DRILL.key)
    assert open_packet(sealed(by=DRILL), exercise=True, key=DRILL.key) == PACKET


def test_nothing_else_that_is_signed_is_a_packet_and_no_packet_is_anything_else() -> None:
    data = sealed()
    for message in Message:
        with pytest.raises((NotAuthentic, BadMessage)):
            TrustStore((SERVER.key,)).open(data, message, exercise=False)
        with pytest.raises((NotAuthentic, BadMessage)):
            open_packet(seal(data[:-64], message, exercise=False, signer=SERVER.signer), exercise=False, key=SERVER.key)


def test_ten_thousand_damaged_packets_are_refused_and_none_raises_anything_else() -> None:
    chance = random.Random(4)
    whole = sealed(replace(PACKET, frames=tuple(chance.randbytes(60) for _ in range(3))))
    refused = 0
    for _ in range(10_000):
        data = bytearray(whole)
        match chance.randrange(5):
            case 0:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 1:
                del data[chance.randrange(len(data)) :]
            case 2:
                data += chance.randbytes(chance.randrange(1, 5_000))
            case 3:
                at = chance.randrange(len(data))
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case _:
                data = bytearray(chance.randbytes(chance.randrange(MAX_PACKET_BYTES + 99)))
        try:
            open_packet(bytes(data), exercise=False, key=SERVER.key)
        except (NotAuthentic, BadMessage):
            refused += 1
    assert refused == 10_000


@given(st.binary(min_size=19, max_size=400))
def test_what_is_signed_and_no_packet_is_refused_with_its_fault(body: bytes) -> None:
    data = body + SERVER.signer.sign(b"lianbo/1/live/packet\0" + body)
    try:
        packet = open_packet(data, exercise=False, key=SERVER.key)
    except BadMessage:
        return
    assert sealed(packet) == data


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PACKET, frames=()),
        replace(PACKET, frames=(b"x",) * 16),
        replace(PACKET, frames=(b"",)),
        replace(PACKET, frames=(bytes(256),)),
        replace(PACKET, stream=0),
        replace(PACKET, stream=2**32),
        replace(PACKET, seq=-1),
        replace(PACKET, flags=4),
        replace(PACKET, media_us=MAX_US),
    ],
)
def test_we_never_write_what_nobody_reads(wrong: Packet) -> None:
    with pytest.raises(BadMessage):
        sealed(wrong)


# ---- what a speaker believes ------------------------------------------------------------------------------------------------


def test_packets_count_after_their_head_and_only_those_of_its_key() -> None:
    one = guard(SERVER, Authority("other"))
    with pytest.raises(NotAuthentic):
        one.hear_packet(sealed(), NOW_US)
    assert one.hear_head(sealed_head(), NOW_US)
    assert one.hear_packet(sealed(), NOW_US) == PACKET
    with pytest.raises(NotAuthentic):
        one.hear_packet(sealed(by=Authority("other")), NOW_US)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, stream=8),
        replace(HEAD, order="o-other"),
        replace(HEAD, started_us=NOW_US + 6_000_000),
    ],
)
def test_a_head_of_something_else_is_not_believed(head: StreamHead) -> None:
    one = guard()
    with pytest.raises(NotAuthentic):
        one.hear_head(sealed_head(head), NOW_US)
    assert one.head is None


@pytest.mark.parametrize(
    "by",
    [
        Authority("nobody knows"),
        DRILL,
        Authority("town", area=OTHER_TOWN),
        Authority("low", highest_band=Band.EMERGENCY),
        Authority("late", not_after_ms=T0),
    ],
)
def test_a_head_by_a_key_that_may_not_give_the_order_is_not_believed(by: Authority) -> None:
    trusted = () if by.name == "nobody knows" else (by,)
    one = guard(SERVER, *trusted)
    with pytest.raises(NotAuthentic):
        one.hear_head(sealed_head(by=by), NOW_US)


def test_a_township_speaks_in_its_villages() -> None:
    town = Authority("town", area=TOWN)
    one = guard(town, areas=(TOWN,))
    assert one.hear_head(sealed_head(by=town), NOW_US)
    with pytest.raises(NotAuthentic):
        guard(town, areas=(COUNTY,)).hear_head(sealed_head(by=town), NOW_US)


@given(st.integers(-60_000_000, 60_000_000))
def test_a_packet_of_another_time_is_a_replay(off_us: int) -> None:
    one = guard()
    one.hear_head(sealed_head(replace(HEAD, started_us=NOW_US - 100_000_000)), NOW_US)
    data = sealed(replace(PACKET, media_us=NOW_US + off_us))
    if abs(off_us) <= 5_000_000:
        assert one.hear_packet(data, NOW_US).media_us == NOW_US + off_us
    else:
        with pytest.raises(NotAuthentic):
            one.hear_packet(data, NOW_US)


def test_a_packet_of_an_earlier_run_of_the_stream_is_a_replay() -> None:
    one = guard()
    one.hear_head(sealed_head(), NOW_US)
    with pytest.raises(NotAuthentic):
        one.hear_packet(sealed(replace(PACKET, media_us=NOW_US - 1)), NOW_US)
    with pytest.raises(NotAuthentic):
        one.hear_packet(sealed(replace(PACKET, stream=8)), NOW_US)


def test_an_older_head_takes_nothing_back() -> None:
    one = guard()
    newest = replace(HEAD, revision=3, delay_ms=400)
    assert one.hear_head(sealed_head(newest), NOW_US)
    for old in (newest, HEAD, replace(HEAD, revision=2, ended=True), replace(newest, epoch=0, revision=9)):
        assert not one.hear_head(sealed_head(old), NOW_US)
    assert one.head == newest
    again = replace(HEAD, started_us=NOW_US + 1)
    assert one.hear_head(sealed_head(again), NOW_US)
    assert one.head == again


@given(st.binary(max_size=600))
def test_noise_is_no_head(noise: bytes) -> None:
    one = guard()
    with pytest.raises((NotAuthentic, BadMessage)):
        one.hear_head(noise, NOW_US)
    with pytest.raises((NotAuthentic, BadMessage)):
        one.hear_head(seal(noise, Message.STREAM, exercise=False, signer=SERVER.signer), NOW_US)


def test_a_head_of_a_sound_that_we_do_not_play_is_refused() -> None:
    payload = bytearray(encode_head(HEAD))
    at = payload.index(bytes.fromhex("04 19bb80"))  # 4: 48000
    payload[at + 2 : at + 4] = bytes.fromhex("ac44")
    with pytest.raises(BadMessage, match="rate_hz"):
        guard().hear_head(
            seal(
                bytes(payload),
                Message.STREAM,
                exercise=False,
                signer=Ed25519Signer(SERVER.name.encode().ljust(32, b".")),
            ),
            NOW_US,
        )
