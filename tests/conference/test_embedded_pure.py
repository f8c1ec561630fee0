"""The pure parts of our own engine: panes, what is heard, shedding, and the words between the processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.conference.media import (
    AudioMode,
    BadSdp,
    EngineFull,
    Link,
    LinkStats,
    MediaLeft,
    RoomStats,
    SiteAudio,
    Source,
    Ticks,
    UnknownLink,
    View,
)
from broadcast.domain.errors import BroadcastError
from broadcast.transport.embedded import words
from broadcast.transport.embedded.ear import Ear
from broadcast.transport.embedded.pane import Pane, begins_key_frame, without_numbers
from broadcast.transport.embedded.shedding import NOTHING, PICTURES, SMALL_PANES, Shedding
from tests.conference.caller import tone

A, B = Source("a"), Source("b")
KEY = bytes([0x90, 0x80, 0x12, 0x00, 0x01])  # S, partition 0, a picture id of one octet; P clear: a key frame
DELTA = bytes([0x90, 0x80, 0x13, 0x01, 0x01])
LONG_ID = bytes([0x90, 0xF0, 0x92, 0x34, 0x05, 0x20, 0x00, 0x01])


def test_a_pane_goes_from_one_camera_to_the_next_at_its_key_frame_in_one_unbroken_numbering() -> None:
    pane = Pane(65_534, 1_000)
    pane.want(A)
    assert pane.take(A, 7, 50, DELTA, 1) == (None, False)
    sent = [pane.take(A, 8, 3_050, KEY, 1), pane.take(A, 9, 6_050, DELTA, 1)]
    pane.want(B)
    sent += [pane.take(B, 500, 9, DELTA, 1), pane.take(A, 10, 9_050, DELTA, 1)]  # the old one stays until …
    sent += [pane.take(B, 501, 3_009, KEY, 1), pane.take(A, 11, 12_050, DELTA, 1), pane.take(B, 500, 9, DELTA, 1)]
    pieces = [piece for piece, _ in sent if piece is not None]
    assert [one.sequence for one in pieces] == [65_535, 0, 1, 2]
    assert [one.timestamp for one in pieces] == [4_000, 7_000, 10_000, 13_000]
    assert [begins for _, begins in sent] == [True, False, False, False, True, False, False]


def test_a_camera_that_went_and_came_back_begins_with_a_key_frame() -> None:
    pane = Pane(0, 0)
    pane.want(A)
    pane.take(A, 1, 1, KEY, 1)
    pane.gone(A)
    assert pane.take(A, 900, 1, DELTA, 1) == (None, False)
    assert pane.take(A, 901, 1, KEY, 1)[1]


def test_what_numbers_pictures_is_left_out() -> None:
    assert (begins_key_frame(KEY), begins_key_frame(DELTA), begins_key_frame(LONG_ID)) == (True, False, True)
    assert without_numbers(KEY) == bytes([0x10, 0x00, 0x01])
    assert without_numbers(LONG_ID) == bytes([0x10, 0x00, 0x01])


@given(st.binary(max_size=40))
def test_no_packet_of_a_hostile_camera_breaks_a_pane(payload: bytes) -> None:
    pane = Pane(0, 0)
    pane.want(A)
    pane.take(A, 1, 1, KEY, 1)
    piece, _ = pane.take(A, 2, 2, payload, 1)
    assert piece is not None
    assert len(piece.payload) <= len(payload)


def test_packets_that_come_out_of_order_twice_and_late_are_heard_once_in_order() -> None:
    ear = Ear()
    assert ear.pull() is None
    for number in (65_534, 0, 65_535, 0, 2):
        ear.push(number, str(number).encode())
    assert [ear.pull() for _ in range(5)] == [b"65534", b"65535", b"0", None, b"2"]
    ear.push(65_535, b"late")
    assert ear.pull() is None


def test_what_piles_up_is_not_heard_late() -> None:
    ear = Ear()
    for number in range(40):
        ear.push(number, str(number).encode())
        if number == 2:
            assert ear.pull() == b"0"
    waiting = [frame for frame in (ear.pull() for _ in range(60)) if frame]
    assert waiting[-1] == b"39"
    assert len(waiting) <= 11


@given(st.lists(st.tuples(st.integers(0, 65_535), st.binary(min_size=1, max_size=1_400))))
def test_no_packet_of_a_hostile_microphone_breaks_an_ear(packets: list[tuple[int, bytes]]) -> None:
    ear = Ear()
    for number, payload in packets:
        ear.push(number, payload)
        ear.decode(ear.pull())


def test_a_room_in_which_nobody_speaks_adds_nothing() -> None:
    ear = Ear()
    heard = []
    for frame in (tone(500)[10], *[None] * 60):
        ear.decode(frame)
        heard.append(ear.heard)
    assert heard == [True] * 50 + [False] * 11


def test_small_pictures_go_before_all_pictures_and_come_back_one_step_at_a_time() -> None:
    shedding = Shedding()
    assert [shedding.second(late) for late in (50, 5, 50)] == [False] * 3  # a moment is no reason
    steps = []
    for late in [50] * 4 + [0] * 25:
        if shedding.second(late):
            steps.append(shedding.step)
    assert steps == [SMALL_PANES, PICTURES, SMALL_PANES, NOTHING]


@pytest.mark.parametrize(
    "refusal",
    [UnknownLink("r", "s", Link.VIEW), BadSdp("no-codec", "none of them"), EngineFull("sites", 30)],
    ids=lambda one: type(one).__name__,
)
def test_a_refusal_comes_over_as_it_was(refusal: BroadcastError) -> None:
    with pytest.raises(type(refusal)) as heard:
        words.result_of("offer", words.read(words.refusal_line(1, refusal)))
    assert (str(heard.value), vars(heard.value)) == (str(refusal), vars(refusal))


def test_calls_events_and_figures_come_over_as_they_were() -> None:
    view = View((A, None), prepare=(B,))
    assert words.call_of(words.read(words.call_line(1, "set_view", ("r", "s", view)))) == ("set_view", ("r", "s", view))
    for event in (MediaLeft(3, "r", "s", Link.CONTENT, "kicked"), Ticks(3, 50, 1, 12.5, (A,))):
        assert words.event_of(words.read(words.event_line(event))) == event
    room = RoomStats("r", {"s": {Link.AUDIO: LinkStats(True, 0.5)}}, {"s": SiteAudio(AudioMode.TALK)}, {"s": view})
    stats = words.media.EngineStats(3, {"r": room}, ticks=7)
    assert words.result_of("stats", words.read(words.result_line(1, "stats", stats))) == stats


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"event":"Nothing","is":{}}', b'{"event":"Died"}'])
def test_what_an_engine_would_never_say_is_refused(raw: bytes) -> None:
    with pytest.raises(words.Garbled):
        words.event_of(words.read(raw))
