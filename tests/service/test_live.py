"""An officer's microphone: who may open one, what goes out and when, and how it ends."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from audio_assets.announcement import EXERCISE_HEAD as SPOKEN_HEAD
from audio_assets.announcement import EXERCISE_TAIL as SPOKEN_TAIL
from audio_assets.ogg_pages import frames_of
from broadcast.domain.broadcasts import InvalidRequest, Life
from broadcast.domain.live import (
    EXERCISE_HEAD,
    EXERCISE_TAIL,
    BadSound,
    LiveBusy,
    LiveEnd,
    LiveOver,
    LiveOverBudget,
    LiveState,
    LiveView,
    MicrophoneOpen,
    NoSource,
    OpenLive,
    UnknownLive,
    must_be_sound,
)
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.service.live_run import SILENT_FRAME
from broadcast.service.ports import SpeechFailed, StoreUnavailable
from endpoints.live_packets import LAST, SILENCE
from endpoints.protocol import Band, Kind, Tone
from tests.service.live_stage import ASKED, HEAD, NOON_US, TAIL, LiveStage, live_stage
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER
from tests.virtual_time import run

COLLEAGUE = Officer("colleague", "赵强", Role.DUTY, CITY)


async def record_of(stage: LiveStage, view: LiveView) -> object:
    (record,) = await stage.town.store.read(lambda tx: tx.live.of(view.order))
    return record


# ---- before it is on the air ------------------------------------------------------------------------------------------------


def test_a_microphone_is_listened_to_before_anything_leaves_the_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.live.prepare(ASKED, by=DUTY)
            await stage.speak(view, 2, db=-17.0)
            view = stage.live.view(view.id, by=DUTY)
            assert (view.state, view.order, view.level_db, view.peak_db) == (LiveState.PRELISTEN, "", -17.0, -11.0)
            assert (view.speakers, view.sounding, view.may_speak) == (41, 0, False)
            assert stage.town.wire.published == []
            assert len(stage.sources.opened[0].measured) == 100
            view = await stage.live.close(view.id, by=DUTY)
            assert (view.state, view.why) == (LiveState.ENDED, LiveEnd.ABANDONED)
            assert stage.sources.opened[0].closed

    run(story())


@pytest.mark.parametrize(
    ("command", "by", "refusal"),
    [
        (ASKED, VIEWER, RoleNotGranted),
        (replace(ASKED, areas=(OTHER_TOWNSHIP,)), TOWN_DUTY, AreaNotGranted),
        (OpenLive(areas=()), DUTY, InvalidRequest),
        (replace(ASKED, areas=("130281999000",)), DUTY, InvalidRequest),
        (replace(ASKED, minutes=31), DUTY, InvalidRequest),
        (replace(ASKED, minutes=0), DUTY, InvalidRequest),
        (replace(ASKED, volume_percent=101), DUTY, InvalidRequest),
        (replace(ASKED, headline="x" * 81), DUTY, InvalidRequest),
        (replace(ASKED, headline="a\nb"), DUTY, InvalidRequest),
        (replace(ASKED, source="http://elsewhere/"), DUTY, NoSource),
    ],
)
def test_what_may_not_be_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, command: OpenLive, by: Officer, refusal: type[Exception]
) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            with pytest.raises(refusal):
                await stage.live.prepare(command, by=by)
            assert stage.live.all() == []
            assert stage.town.wire.published == []

    run(story())


def test_an_officer_has_one_microphone_and_nobody_elses(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.live.prepare(ASKED, by=DUTY)
            with pytest.raises(MicrophoneOpen) as caught:
                await stage.live.prepare(ASKED, by=DUTY)
            assert caught.value.live == view.id
            for act in (
                lambda: stage.live.view(view.id, by=COLLEAGUE),
                lambda: stage.live.feed_opus(view.id, [SILENT_FRAME], by=COLLEAGUE),
                lambda: stage.live.feed_pcm(view.id, bytes(960), by=COLLEAGUE),
                lambda: stage.live.mute(view.id, on=True, by=COLLEAGUE),
                lambda: stage.live.gone(view.id, by=COLLEAGUE),
            ):
                with pytest.raises(UnknownLive):
                    act()
            await stage.live.close(view.id, by=DUTY)
            await stage.live.prepare(ASKED, by=DUTY)

    run(story())


# ---- on the air -------------------------------------------------------------------------------------------------------------


def test_the_head_goes_before_the_board_and_packets_after_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            assert (order.kind, order.band, order.level, order.stream > 0) == (
                Kind.LIVE, Band.LIVE_COMMAND, DUTY.level, True
            )  # fmt: skip
            head_at = stage.topics().index(f"eb/v1/live/{order.stream:08x}/head")
            assert head_at < stage.topics().index(f"eb/v1/board/{TOWNSHIP}")
            (head,) = stage.heads(order)
            assert head is not None
            assert (head.order, head.frames, head.delay_ms, head.ended) == (order.id, 3, 200, False)
            await stage.speak(view, 3)
            packets = stage.packets(order)
            assert [packet.seq for packet in packets] == list(range(50))
            assert stage.frames(order) == [b"\xf8%06d" % n for n in range(150)]
            steps = {later.media_us - one.media_us for one, later in pairwise(packets)}
            assert steps == {60_000}
            assert packets[0].media_us == order.not_before_ms * 1_000 - 20_000

    run(story())


def test_the_lamp_is_lit_by_the_speakers_and_not_before_their_chime_is_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready(replace(ASKED, tone=Tone.CHIME))
            await asyncio.sleep(1)
            assert stage.live.view(view.id, by=DUTY).state is LiveState.WAITING
            await stage.sound(view, count=5)
            await asyncio.sleep(1.5)
            now = stage.live.view(view.id, by=DUTY)
            assert (now.state, now.sounding, now.may_speak) == (LiveState.WAITING, 5, False)
            now = await stage.live.wait(view.id, by=DUTY, timeout_s=5)
            assert (now.state, now.sounding, now.may_speak) == (LiveState.ON_AIR, 5, True)

    run(story())


def test_a_cough_is_silence_and_not_a_gap(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            await stage.speak(view, 0.6)
            assert stage.live.mute(view.id, on=True, by=DUTY).muted
            await stage.speak(view, 0.6)
            stage.live.mute(view.id, on=False, by=DUTY)
            await stage.speak(view, 0.6)
            packets = stage.packets(stage.order(view))
            assert [packet.flags for packet in packets] == [0] * 10 + [SILENCE] * 10 + [0] * 10
            assert {frame for packet in packets[10:20] for frame in packet.frames} == {SILENT_FRAME}

    run(story())


def test_pcm_goes_to_the_worker_and_comes_back_as_frames(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            stage.live.feed_pcm(view.id, bytes(1_920), by=DUTY)
            fed = stage.sources.opened[0]
            assert fed.given == [bytes(1_920)]
            for n in range(3):
                fed.ears.frames([b"\xf8%d" % n], stage.clock.now_us() + n * 20_000)
            assert stage.frames(stage.order(view)) == [b"\xf80", b"\xf81", b"\xf82"]

    run(story())


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [b""],
        [bytes(256)],
        [b"\xf8"] * 51,
        [b"\xfc\x00"],  # two channels
        [b"\xf0\x00"],  # 10 ms
        [b"\x18\x00"],  # 60 ms
        [b"\xfb"],  # so many frames as its second byte says, and there is none
        [b"\xfb\x03abc"],
        [SILENT_FRAME, b"\xf9\x00"],
    ],
)
def test_what_is_no_sound_of_ours_is_refused_whole(tmp_path: Path, bad: list[bytes]) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            with pytest.raises(BadSound):
                stage.live.feed_opus(view.id, bad, by=DUTY)
            for data in (b"", b"\0", bytes(96_002)):
                with pytest.raises(BadSound):
                    stage.live.feed_pcm(view.id, data, by=DUTY)
            assert stage.packets(stage.order(view)) == []
            assert stage.sources.opened[0].measured == []

    run(story())


def test_every_way_to_say_twenty_milliseconds_of_one_channel_is_taken() -> None:
    for config, code, rest in ((1, 0, b""), (13, 0, b""), (15, 0, b""), (31, 0, b""), (30, 1, b""), (29, 3, b"\x04")):
        must_be_sound(bytes([config << 3 | code]) + rest + b"abcd")


# ---- who is in the way ------------------------------------------------------------------------------------------------------


def test_who_speaks_there_is_named_to_the_next_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            with pytest.raises(LiveBusy) as caught:
                await stage.live.prepare(replace(ASKED, areas=(CITY,)), by=COLLEAGUE)
            assert (caught.value.officer, caught.value.broadcast) == ("duty", view.order)
            with pytest.raises(LiveBusy):
                await stage.live.prepare(ASKED, by=TOWN_DUTY)
            elsewhere = await stage.ready(replace(ASKED, areas=(OTHER_TOWNSHIP,)), by=COLLEAGUE)
            assert len(stage.live.all()) == 2
            await stage.live.close(elsewhere.id, by=COLLEAGUE)
            await stage.live.close(view.id, by=DUTY)
            await stage.ready(by=COLLEAGUE)

    run(story())


def test_two_officers_at_the_same_instant_and_one_of_them_speaks(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            views = [await stage.live.prepare(ASKED, by=by) for by in (DUTY, COLLEAGUE)]
            done = await asyncio.gather(
                *(stage.live.open(view.id, by=by) for view, by in zip(views, (DUTY, COLLEAGUE), strict=True)),
                return_exceptions=True,
            )
            assert sorted(type(one).__name__ for one in done) == ["LiveBusy", "LiveView"]
            assert [one.kind for one in (stage.order(v) for v in done if isinstance(v, LiveView))] == [Kind.LIVE]
            assert stage.studio.airtime.running_per_s == 684

    run(story())


def test_the_city_speaks_over_a_township(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            town = await stage.ready(by=TOWN_DUTY)
            await stage.ready(replace(ASKED, areas=(CITY,)), by=DUTY)
            assert len(stage.live.all()) == 2
            assert stage.live.view(town.id, by=TOWN_DUTY).why is LiveEnd.NONE

    run(story())


def test_longer_packets_are_taken_before_anybody_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path, max_deliveries_per_s=8_000) as stage:
            first = await stage.ready(replace(ASKED, areas=(CITY,)), by=DUTY)
            assert (first.speakers, first.frames_a_packet, first.delay_ms, first.deliveries_per_s) == (
                718,
                5,
                240,
                7_180,
            )
            (head,) = stage.heads(stage.order(first))
            assert head is not None and (head.frames, head.delay_ms) == (5, 240)
            with pytest.raises(LiveOverBudget) as caught:
                await stage.live.prepare(
                    replace(ASKED, areas=(CITY,), exercise=False), by=Officer("x", "x", Role.DUTY, "130200000000")
                )
            facts = caught.value
            assert (facts.listeners, facts.asked_per_s, facts.running_per_s, facts.most_per_s) == (
                718,
                3_590,
                7_180,
                8_000,
            )
            await stage.live.close(first.id, by=DUTY)
            assert stage.studio.airtime.running_per_s == 0

    run(story())


# ---- the end ----------------------------------------------------------------------------------------------------------------


def test_the_last_word_is_heard_before_the_order_goes(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1.0)
            began = stage.clock.monotonic()
            closing = asyncio.create_task(stage.live.close(view.id, by=DUTY))
            await asyncio.sleep(0.3)
            assert stage.live.view(view.id, by=DUTY).state is LiveState.CLOSING
            assert stage.town.services.broadcasts.live() != []
            view = await closing
            assert (view.state, view.why) == (LiveState.ENDED, LiveEnd.CLOSED)
            assert stage.clock.monotonic() - began == pytest.approx(0.5, abs=0.05)
            packets = stage.packets(order)
            assert [packet.flags for packet in packets[-2:]] == [0, LAST]
            heads = stage.heads(order)
            assert [head and head.ended for head in heads] == [False, True, None]
            assert stage.town.services.broadcasts.live() == []
            kept = await stage.town.services.broadcasts.get(order.id)
            assert (kept.life, kept.ended_by) == (Life.STOPPED, "duty")

    run(story())


def test_everything_that_went_out_is_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            (unfinished,) = await stage.town.store.read(lambda tx: tx.live.unfinished())
            assert (unfinished.order, unfinished.stream) == (order.id, order.stream)
            await stage.speak(view, 2)
            await stage.live.close(view.id, by=DUTY)
            (record,) = await stage.town.store.read(lambda tx: tx.live.of(order.id))
            assert frames_of(stage.library.get(record.sha256)) == stage.frames(order)
            assert (record.packets, record.lost, record.why) == (len(stage.packets(order)), 0, "closed")
            assert record.sound_ms == len(stage.frames(order)) * 20
            assert record.from_ms <= NOON_US // 1_000 + 100 and record.to_ms - record.from_ms == pytest.approx(
                2_500, abs=50
            )
            assert list((tmp_path / "live").iterdir()) == []

    run(story())


def test_who_says_nothing_for_thirty_seconds_is_closed(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            await stage.speak(view, 5)
            await stage.speak(view, 29, db=-60.0)
            now = stage.live.view(view.id, by=DUTY)
            assert now.state is LiveState.WAITING and now.silent_s == pytest.approx(29, abs=0.3)
            await stage.speak(view, 2, db=-60.0)
            now = await stage.live.wait(view.id, by=DUTY, timeout_s=2)
            assert (now.state, now.why) == (LiveState.ENDED, LiveEnd.SILENCE)
            assert stage.town.services.broadcasts.live() == []

    run(story())


def test_a_forgotten_mute_is_silence_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            stage.live.mute(view.id, on=True, by=DUTY)
            await stage.speak(view, 32)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.SILENCE

    run(story())


def test_who_cannot_be_measured_is_not_cut_off_for_silence(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            stage.sources.opened[0].ears.ended("the worker died")
            await stage.speak(view, 40, db=-90.0)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.NONE

    run(story())


def test_the_longest_time_ends_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready(replace(ASKED, minutes=1))
            await stage.speak(view, 59)
            assert stage.live.view(view.id, by=DUTY).left_s == pytest.approx(1, abs=0.2)
            await stage.speak(view, 2)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.TIME

    run(story())


def test_the_same_officer_brings_a_lost_microphone_back_within_ten_seconds(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1)
            stage.live.gone(view.id, by=DUTY)
            sent = len(stage.packets(order))
            await asyncio.sleep(9)
            now = stage.live.view(view.id, by=DUTY)
            assert (now.state, len(stage.packets(order))) == (LiveState.HELD, sent), "silence is not sent in its place"
            assert now.left_s == pytest.approx(1, abs=0.1)
            assert stage.live.back(view.id, by=DUTY).state is LiveState.WAITING
            await stage.speak(view, 1)
            packets = stage.packets(order)
            assert len(packets) == sent + 16
            assert packets[sent].seq == sent
            assert packets[sent].media_us - packets[sent - 1].end_us == pytest.approx(9_000_000, abs=50_000)

    run(story())


def test_a_microphone_that_stays_away_is_ended_and_an_alarm_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            await stage.speak(view, 1)
            stage.live.gone(view.id, by=DUTY)
            await asyncio.sleep(11)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.LOST
            assert "live-lost" in [one.name for one in stage.town.services.health.conditions]
            assert stage.town.services.broadcasts.live() == []
            with pytest.raises(LiveOver):
                stage.live.back(view.id, by=DUTY)
            await asyncio.sleep(600)
            assert "live-lost" not in [one.name for one in stage.town.services.health.conditions]

    run(story())


@pytest.mark.parametrize("all_of_it", [False, True])
def test_who_stops_the_broadcast_closes_the_microphone(tmp_path: Path, all_of_it: bool) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            await stage.speak(view, 1)
            broadcasts = stage.town.services.broadcasts
            if all_of_it:
                await broadcasts.stop_all(by=COLLEAGUE)
            else:
                await broadcasts.stop(view.order, by=COLLEAGUE)
            await asyncio.sleep(0.3)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.STOPPED
            stage.live.feed_opus(view.id, [SILENT_FRAME] * 3, by=DUTY)
            assert (await record_of(stage, view)).why == "stopped"  # type: ignore[attr-defined]

    run(story())


# ---- an exercise ------------------------------------------------------------------------------------------------------------


def test_an_exercise_says_so_before_and_after_and_the_microphone_opens_in_between(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready(replace(ASKED, exercise=True))
            order = stage.order(view)
            assert order.exercise
            await stage.speak(view, 5.3)  # nobody says that he listens: it begins all the same
            assert stage.live.view(view.id, by=DUTY).state is LiveState.ANNOUNCING
            await stage.speak(view, 1)
            assert stage.live.view(view.id, by=DUTY).state in (LiveState.ON_AIR, LiveState.WAITING)
            closed = await stage.live.close(view.id, by=DUTY)
            assert closed.why is LiveEnd.CLOSED
            frames = stage.frames(order)
            first, last = frames.index(HEAD[0]), frames.index(TAIL[0])
            assert frames[first : first + 30] == list(HEAD)
            assert frames[last : last + 20] == list(TAIL)
            assert set(frames[:first]) == {SILENT_FRAME}, "nothing of the microphone before the words"
            assert all(frame.startswith(b"\xf80") for frame in frames[first + 30 : last])
            assert last - first > 30
            assert {topic.partition("/")[0] for topic in stage.topics()} == {"ex"}

    run(story())


def test_the_words_of_an_exercise_do_not_stumble_however_long_it_was_waited_for_somebody_to_listen(
    tmp_path: Path,
) -> None:
    """On a machine that wakes up two milliseconds late each time."""

    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            stage.clock.wakes_late_s = 0.002
            view = await stage.ready(replace(ASKED, exercise=True))
            await asyncio.sleep(7)
            packets = stage.packets(stage.order(view))
            frames = [frame for packet in packets for frame in packet.frames]
            assert frames[-30:] == list(HEAD)
            steps = [later.media_us - one.end_us for one, later in pairwise(packets)]
            assert max(map(abs, steps)) <= 60, "what the clocks of two crystals differ by, and no more"

    run(story())


def test_an_exercise_that_cannot_say_so_is_not_begun(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            stage.words.fails = True
            view = await stage.live.prepare(replace(ASKED, exercise=True), by=DUTY)
            with pytest.raises(SpeechFailed):
                await stage.live.open(view.id, by=DUTY)
            assert stage.town.wire.published == []
            assert stage.town.services.broadcasts.live() == []
            assert stage.live.view(view.id, by=DUTY).state is LiveState.PRELISTEN

    run(story())


def test_the_words_are_those_of_every_exercise() -> None:
    assert (EXERCISE_HEAD, EXERCISE_TAIL) == (SPOKEN_HEAD, SPOKEN_TAIL)


# ---- trouble ----------------------------------------------------------------------------------------------------------------


def test_without_the_database_nothing_goes_on_the_air(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.live.prepare(ASKED, by=DUTY)
            stage.town.store.goes_away("disk full")
            with pytest.raises(StoreUnavailable):
                await stage.live.open(view.id, by=DUTY)
            assert [topic for topic in stage.topics() if "/board/" in topic] == []
            assert stage.town.wire.published[-1][1] == b"", "the head is gone again"
            assert stage.studio.airtime.running_per_s == 0
            stage.town.store.comes_back()
            view = await stage.live.open(view.id, by=DUTY)
            assert view.state is LiveState.WAITING

    run(story())


def test_a_database_that_goes_away_later_keeps_nobody_on_the_air(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1)
            stage.town.store.goes_away("locked")
            closing = asyncio.create_task(stage.live.close(view.id, by=DUTY))
            await asyncio.sleep(3)
            assert stage.packets(order)[-1].is_last, "the speakers have ended it"
            stage.town.store.comes_back()
            assert (await closing).why is LiveEnd.CLOSED
            assert (await record_of(stage, view)).why == "closed"  # type: ignore[attr-defined]

    run(story())


def test_a_broker_that_goes_away_costs_what_was_said_meanwhile_and_no_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1.2)
            stage.town.wire.is_up = False
            await stage.speak(view, 1.2)
            stage.town.wire.is_up = True
            stage.live.wire_up()
            await stage.speak(view, 1.2)
            now = stage.live.view(view.id, by=DUTY)
            assert (now.packets, now.lost) == (40, 20)
            assert [packet.seq for packet in stage.packets(order)] == [*range(20), *range(40, 60)]
            assert len(stage.heads(order)) == 2, "said again: a broker may have lost it"
            await stage.live.close(view.id, by=DUTY)
            (record,) = await stage.town.store.read(lambda tx: tx.live.of(order.id))
            assert (record.packets, record.lost) == (41, 20)
            assert record.sound_ms == 3_600 + 20, "the loss keeps its place"

    run(story())


def test_after_a_crash_nobody_is_left_on_the_air_and_the_recording_is_evidence(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 2)
            sent = stage.frames(order)
            stage.live._mics.clear()  # the process is gone, and all that it knew
            with (tmp_path / "live" / f"{order.id}-{NOON_US // 1_000}.recording").open("ab") as file:
                file.write(b"OggS\0half a page")
            await stage.live.recover()
            stage.live.wire_up()
            assert stage.town.services.broadcasts.live() == []
            assert stage.heads(order)[-1] is None
            (record,) = await stage.town.store.read(lambda tx: tx.live.of(order.id))
            assert frames_of(stage.library.get(record.sha256)) == sent
            assert (record.why, record.sound_ms, record.to_ms - record.from_ms) == ("crash", 1_980, 1_980)
            assert "live-lost" in [one.name for one in stage.town.services.health.conditions]

    run(story())


def test_the_control_rooms_card_comes_back_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready(replace(ASKED, source="card"))
            order = stage.order(view)
            card = stage.sources.opened[0]
            for n in range(6):
                card.ears.frames([b"\xf8%d" % n], stage.clock.now_us())
                await asyncio.sleep(0.02)
            stage.sources.there.clear()
            card.ears.ended("unplugged")
            await asyncio.sleep(3)
            assert stage.live.view(view.id, by=DUTY).state is LiveState.HELD
            stage.sources.there.add("card")
            await asyncio.sleep(2)
            assert stage.live.view(view.id, by=DUTY).state is LiveState.WAITING
            for n in range(3):
                stage.sources.opened[-1].ears.frames([b"\xf8again%d" % n], stage.clock.now_us())
                await asyncio.sleep(0.02)
            assert b"\xf8again2" in stage.frames(order)

    run(story())


def test_a_server_that_ends_ends_its_microphones_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1)
            await stage.live.stop()
            assert stage.packets(order)[-1].is_last
            assert stage.town.services.broadcasts.live() == []
            assert (await record_of(stage, view)).why == "failed"  # type: ignore[attr-defined]

    run(story())
