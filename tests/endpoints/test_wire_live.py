"""docs/wire.md on live streams says what the code does: its tables, its limits, and its example."""

import re
from dataclasses import replace

import pytest

from endpoints import canonical, jitter
from endpoints.live_packets import (
    MAX_DELAY_MS,
    MAX_FRAME_BYTES,
    MAX_FRAMES,
    WINDOW_US,
    Packet,
    StreamGuard,
    StreamHead,
    decode_head,
    encode_head,
    head_topic,
    live_topic,
    open_packet,
    seal_packet,
)
from endpoints.protocol import BadMessage, Band, Kind, Tone
from endpoints.sealing import Algorithm, Ed25519Signer, TrustedKey, TrustStore
from tests.endpoints.rig import COUNTY, order
from tests.endpoints.test_wire_document import TEXT, table

SIGNER = Ed25519Signer(b"\1" * 32)
KEY = TrustedKey(Algorithm.ED25519, SIGNER.public, COUNTY, Band.LIFE_SAFETY, False, 0, 2**53 - 1)
HEAD = StreamHead("01K5M0YQ7R3V2S9T8W6X4Z1A0B", 0x4D2, 3, 200, 1_800_000_000_000_000, 7)
PACKET = Packet(0x4D2, 9, 1_800_000_000_540_000, (b"\xf8\xff\xfe",) * 3)


def example(name: str) -> bytes:
    text = TEXT.partition("<!-- example: live -->")[2].partition("```text\n")[2].partition("```")[0]
    found = re.search(rf"^{name} +([0-9a-f\s]+?)(?=^\w+ {{2}}|\Z)", text, re.MULTILINE)
    assert found is not None
    return bytes.fromhex(re.sub(r"\s", "", found[1]))


def test_the_topics_are_in_their_table() -> None:
    topics = {row[0].strip("`") for row in table(head="live topic")}
    stream = 0xABC
    assert topics == {
        made.replace("00000abc", "STREAM") for made in (live_topic("ROOT", stream), head_topic("ROOT", stream))
    }


def test_every_key_of_the_head_has_its_row_and_its_range() -> None:
    rows = table(heading="stream head")
    fields = canonical.decode(encode_head(HEAD), max_bytes=999)
    assert isinstance(fields, dict)
    assert [int(row[0]) for row in rows] == sorted(fields)
    named = {row[1] for row in rows}
    assert set(StreamHead.__dataclass_fields__) <= named
    for row in rows:
        if not (edges := re.fullmatch(r"(\d+) … (\d+)", row[3])):
            continue
        low, high = int(edges[1]), int(edges[2])
        for value in (low, high):
            decode_head(canonical.encode(fields | {int(row[0]): value}))
        for value in (low - 1, high + 1):
            with pytest.raises(BadMessage):
                decode_head(canonical.encode(fields | {int(row[0]): value}))


def test_the_parts_of_a_packet_stand_where_the_table_says() -> None:
    rows = {row[2]: (row[0], row[1]) for row in table(heading="stream packet")}
    data = seal_packet(PACKET, exercise=False, signer=SIGNER)

    def part(name: str) -> bytes:
        at, size = map(int, rows[name])
        return data[at : at + size]

    assert part("version") == b"\1"
    assert part("stream") == PACKET.stream.to_bytes(4, "big")
    assert part("seq") == PACKET.seq.to_bytes(4, "big")
    assert part("media_time") == PACKET.media_us.to_bytes(8, "big")
    assert part("n") == b"\3"
    assert int(rows["frames"][0]) == 19
    assert f"1 to {MAX_FRAMES}" in TEXT and f"1 to {MAX_FRAME_BYTES}" in TEXT


def test_the_example_is_what_the_code_writes_and_believes() -> None:
    assert example("packet") == seal_packet(PACKET, exercise=False, signer=SIGNER)
    assert open_packet(example("packet"), exercise=False, key=KEY) == PACKET
    live = replace(order(HEAD.order), kind=Kind.LIVE, band=Band.LIVE_COMMAND, tone=Tone.NONE, stream=HEAD.stream)
    guard = StreamGuard(live, TrustStore((KEY,)), area=COUNTY)
    assert guard.hear_head(example("head"), HEAD.started_us)
    assert guard.head == HEAD
    assert guard.hear_packet(example("packet"), HEAD.started_us + 600_000) == PACKET


def test_the_times_are_those_of_the_code() -> None:
    said = TEXT.partition("### Live streams")[2].partition("## 10.")[0]
    assert (jitter.CONCEAL_FRAMES * 20, jitter.HOLD_US, jitter.LOST_US) == (60, 3_000_000, 10_000_000)
    for words in ("60 ms of loss", "After 3 s without", "After 10 s the", "within 5 s of", "80 ms that nobody"):
        assert words in said
    assert (WINDOW_US, jitter.PREROLL_FRAMES * 20, jitter.STALE_US, MAX_DELAY_MS) == (5_000_000, 80, 1_000_000, 5_000)
