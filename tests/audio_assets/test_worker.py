"""Rendering in processes of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio_assets.lane import Lane, LaneRules
from audio_assets.library import AssetLibrary
from audio_assets.render_protocol import (
    Announce,
    BadMessage,
    Failed,
    Made,
    Melody,
    Warm,
    answer_of,
    lengths,
    packed,
    request_of,
)
from audio_assets.rendering import (
    Note,
    NoteCode,
    RenderBusy,
    RenderError,
    RenderFailed,
    SpeechTooLong,
    TextEmpty,
    TextHasMarkup,
    TextTooLong,
)
from audio_assets.worker import LANES, RenderWorker

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
TEXT = "请立即转移。"


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[RenderWorker]:
    worker = RenderWorker(AssetLibrary(tmp_path))
    yield worker
    await worker.close()


def pids(worker: RenderWorker) -> dict[str, int]:
    """The children that live, by lane."""
    return {name: lane.pid for name, lane in worker.lanes.items() if lane.pid is not None}


async def test_what_was_heard_in_the_preview_is_what_is_sent(worker: RenderWorker, tmp_path: Path) -> None:
    preview = await worker.render(TEXT, exercise=False)
    assert await worker.render(TEXT, exercise=False, urgent=True) == preview
    await worker.close()
    assert await worker.render(TEXT, exercise=False) == preview
    assert pids(worker) == {}, "remembered, also after a restart: nothing is rendered"
    assert AssetLibrary(tmp_path).get(preview.sha256) == preview.data
    assert (await worker.render(TEXT, exercise=True)).sha256 != preview.sha256
    assert (preview.words, preview.voice, preview.notes) == ("请立即转移", "espeak", ())


async def test_two_processes_make_the_same_bytes_of_the_same_words(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        worker = RenderWorker(AssetLibrary(tmp_path / name))
        made.append(await worker.render("水位105.2m，拨打119", exercise=True, rate=150, voice="espeak-f"))
        await worker.close()
    assert made[0] == made[1]
    assert made[0].words == "演练，演练。水位一百零五点二米，拨打幺幺九。以上是演练。演练，演练"


async def test_a_file_lost_or_damaged_on_disk_is_rendered_again_the_same(worker: RenderWorker, tmp_path: Path) -> None:
    first = await worker.render(TEXT, exercise=False)
    AssetLibrary(tmp_path).path(first.sha256).write_bytes(b"rot")
    assert await worker.render(TEXT, exercise=False) == first


@pytest.mark.parametrize("rot", [b"", b"[]", b'{"sha256": "zz"}', b'{"sha256": "00", "duration_ms": -1}', b"\xff"])
async def test_what_is_remembered_wrongly_is_made_anew(worker: RenderWorker, tmp_path: Path, rot: bytes) -> None:
    first = await worker.render(TEXT, exercise=False)
    for kept in (tmp_path / "rendered").iterdir():
        kept.write_bytes(rot)
    assert await worker.render(TEXT, exercise=False) == first


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", TextEmpty()),
        ("！？……😀", TextEmpty()),
        ("长" * 601, TextTooLong(601, 600)),
        ("长" * 10_000, TextTooLong(10_000, 600)),
        ("W" * 600, SpeechTooLong(1800, 1000)),
        ("<b>注意</b>", TextHasMarkup()),
    ],
)
async def test_errors_come_through_with_their_facts(worker: RenderWorker, text: str, error: RenderError) -> None:
    with pytest.raises(type(error)) as caught:
        await worker.render(text, exercise=True)
    assert vars(caught.value) == vars(error)


async def test_the_demonstration_has_its_tune(worker: RenderWorker) -> None:
    tune = await worker.melody()
    assert tune.duration_ms == 24_000
    assert tune.lufs == pytest.approx(-18, abs=0.5)


async def test_a_voice_that_is_not_there_gives_way_to_the_default_and_says_so(worker: RenderWorker) -> None:
    plain = await worker.render(TEXT, exercise=False)
    made = await worker.render(TEXT, exercise=False, voice="zm_nobody")
    assert (made.sha256, made.voice) == (plain.sha256, "espeak")
    assert made.notes == (Note(NoteCode.VOICE_MISSING, "zm_nobody"),)


async def test_the_operators_readings_count_from_the_next_sound_on(tmp_path: Path) -> None:
    readings = tmp_path / "readings.txt"
    worker = RenderWorker(AssetLibrary(tmp_path / "assets"), readings=readings)
    before = await worker.render("堡子店镇", exercise=False)
    readings.write_text("堡子店 pu4 zi5 dian4\n", encoding="utf-8")
    after = await worker.render("堡子店镇", exercise=False)
    readings.write_text("堡子店 pu4\n", encoding="utf-8")
    broken = await worker.render("堡子店镇", exercise=False)
    await worker.close()
    assert after.sha256 != before.sha256 == broken.sha256
    assert broken.notes == (Note(NoteCode.READINGS_BROKEN, "line 1: 堡子店 has 3 characters and 1 syllables"),)


async def test_a_character_that_nobody_can_read_is_told(worker: RenderWorker) -> None:
    made = await worker.render("请到𠮷村𠮷家", exercise=False)
    assert made.notes == (Note(NoteCode.UNKNOWN_CHARACTERS, "𠮷"),)


async def test_a_child_that_is_killed_is_replaced(worker: RenderWorker) -> None:
    await worker.warm_up()
    os.kill(pids(worker)["urgent"], 9)
    assert (await worker.render(TEXT, exercise=False, urgent=True)).duration_ms > 0


async def test_a_child_that_hangs_is_given_up_and_ended(tmp_path: Path) -> None:
    worker = RenderWorker(AssetLibrary(tmp_path), lanes={"urgent": LaneRules(2048, 0, 0.01, 4)})
    with pytest.raises(RenderFailed, match="not ready"):
        await worker.warm_up()
    assert pids(worker) == {}


async def test_a_child_without_enough_memory_says_so_or_dies_and_the_server_lives(tmp_path: Path) -> None:
    lane = Lane("tiny", LaneRules(memory_mib=8, niceness=0, timeout_s=20, most_waiting=1), sounds=Path())
    with pytest.raises(RenderFailed, match=r"memory|died twice"):
        await lane.ask(Melody())
    await lane.close()


async def test_who_gives_up_waiting_leaves_no_half_answer_for_the_next(worker: RenderWorker) -> None:
    lane = worker.lanes["routine"]
    await lane.ask(Warm())
    waiting = asyncio.create_task(lane.ask(Announce("水库水位上涨，请立即转移。" * 20, False, 175, "espeak", "")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    made, _ = await lane.ask(Announce("请注意。", False, 175, "espeak", ""))
    assert made.text == "请注意。"


async def test_many_who_ask_the_same_wait_for_one(worker: RenderWorker) -> None:
    made = await asyncio.gather(*(worker.render(TEXT, exercise=False) for _ in range(100)))
    assert len({one.sha256 for one in made}) == 1, "and the queue of 16 was not full"


async def test_a_queue_that_is_full_refuses_and_the_trigger_is_served_past_it(tmp_path: Path) -> None:
    rules = {"routine": LaneRules(2048, 5, 60, most_waiting=2)}
    worker = RenderWorker(AssetLibrary(tmp_path), lanes={**LANES, **rules})  # type: ignore[dict-item]
    await worker.warm_up()
    waiting = [asyncio.create_task(worker.render(f"第{n}条。" * 60, exercise=False)) for n in range(2)]
    async with asyncio.timeout(10):
        while worker.lanes["routine"].waiting < 2:  # noqa: ASYNC110 there is nothing to wait for but the state itself
            await asyncio.sleep(0)
    with pytest.raises(RenderBusy) as caught:
        await worker.render("第三条。", exercise=False)
    assert caught.value.waiting == 2
    assert (await worker.render("紧急。", exercise=False, urgent=True)).duration_ms > 0
    assert not waiting[1].done(), "the trigger did not stand behind it"
    await asyncio.gather(*waiting)
    await worker.close()


async def test_an_idle_child_is_ended(tmp_path: Path) -> None:
    lane = Lane("idle", LaneRules(2048, 0, 20, 4, idle_s=0), sounds=Path())
    await lane.ask(Warm())
    first = lane.pid
    async with asyncio.timeout(10):
        while lane.pid == first:  # noqa: ASYNC110 likewise
            await asyncio.sleep(0)
    made, _ = await lane.ask(Melody())
    assert made.duration_ms == 24_000
    await lane.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"[]",
        b'{"error": 1, "facts": {}}',
        b'{"duration_ms": -1, "lufs": 0, "text": "", "words": "", "voice": "", "notes": []}',
    ],
)
def test_an_answer_that_does_not_fit_is_not_believed(answer: bytes) -> None:
    with pytest.raises(BadMessage):
        answer_of(answer)


def test_a_message_that_is_too_long_is_not_read() -> None:
    with pytest.raises(BadMessage):
        lengths((1 << 30).to_bytes(4) + bytes(4))
    with pytest.raises(BadMessage):
        lengths(bytes(4) + (1 << 31).to_bytes(4))


def test_an_error_that_nobody_knows_is_a_failure_of_the_worker() -> None:
    assert isinstance(Failed("SystemExit", {}).exception(), RenderFailed)
    assert isinstance(Failed("TextTooLong", {"nonsense": 1}).exception(), RenderFailed)


@pytest.mark.parametrize("request_", [Warm(), Melody(), Announce('你好\0\n"', True, 160, "espeak", "")])
def test_a_request_arrives_as_it_was_sent(request_: Warm | Melody | Announce) -> None:
    message = packed(request_, b"xy")
    head, data = lengths(message[:8])
    assert (len(message), data) == (8 + head + 2, 2)
    assert request_of(message[8 : 8 + head]) == request_


async def test_half_a_character_is_left_out(worker: RenderWorker) -> None:
    made = await worker.render("请立即\ud83d转移。", exercise=False)
    assert made.text == TEXT


def test_a_sound_arrives_as_it_was_made() -> None:
    made = Made(1200, -16.0, "a", "b", "espeak", (Note(NoteCode.VOICE_LATE, "x"),))
    assert answer_of(packed(made)[8:]) == made


def test_the_process_that_asks_never_loads_the_codec() -> None:
    heavy = "('av', 'pypinyin', 'pydub', 'numpy', 'onnxruntime')"
    script = f"import audio_assets.worker, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.strip() == b"[]"


def test_what_is_kept_on_disk_is_json(tmp_path: Path) -> None:
    worker = RenderWorker(AssetLibrary(tmp_path))

    async def one() -> None:
        await worker.render(TEXT, exercise=False)
        await worker.close()

    asyncio.run(one())
    (kept,) = (tmp_path / "rendered").iterdir()
    assert json.loads(kept.read_text(encoding="utf-8"))["words"] == "请立即转移"
