"""A text as it will sound, over the API; with the real voice where one is installed."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio_assets.library import AssetLibrary
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.service.previews import AT_ONCE
from broadcast.transport.voice import WorkerSpeech, open_voice
from tests.town import VIEWER, town
from tests.web.browser import machine

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


async def test_an_officer_hears_and_reads_a_text_before_it_is_sent() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/speech", json={"text": "请转移。", "exercise": True})
        body = await answer.json()
        assert answer.status == 200
        assert body["url"] == f"/assets/{body['asset']}"
        assert len(body["asset"]) == 64
        assert (body["words"], body["voice"], body["notes"]) == ("演练。请转移。", "espeak", [])
        assert await (await client.get("/api/v1/voices")).json() == {"items": [{"name": "espeak", "instant": True}]}


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        ("zh-CN", "本机没有音色 zm_nobody，已改用默认音色"),
        ("en", "The voice zm_nobody is not on this machine; the default voice speaks"),
    ],
)
async def test_a_voice_that_is_not_there_is_told_in_the_officers_language(language: str, detail: str) -> None:
    async with town() as there, machine(there) as client:
        asked = {"text": "请转移。", "voice": "zm_nobody"}
        answer = await client.post("/api/v1/speech", json=asked, headers={"Accept-Language": language})
        assert (await answer.json())["notes"] == [{"code": "voice-missing", "fact": "zm_nobody", "detail": detail}]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"text": ""}, "text", "missing"),
        ({"text": "字" * 10_000}, "text", "too-long"),
        ({"rate": 99}, "rate", "out-of-range"),
        ({"rate": 251}, "rate", "out-of-range"),
        ({"rate": "160"}, "rate", "wrong-type"),
        ({"voice": "../x"}, "voice", "malformed"),
        ({"speed": 1}, "speed", "unknown-field"),
    ],
)
async def test_bad_input_names_the_field_and_the_reason(change: dict[str, object], field: str, code: str) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/speech", json={"text": "请转移。", **change})
        assert answer.status == 422
        (error,) = (await answer.json())["errors"]
        assert (error["field"], error["code"]) == (field, code)


async def test_a_viewer_has_nothing_to_send() -> None:
    async with town() as there, machine(there, VIEWER) as client:
        assert (await client.post("/api/v1/speech", json={"text": "请转移。"})).status == 403


async def test_whoever_asks_without_end_is_told_when_to_come_back() -> None:
    async with town() as there, machine(there) as client:
        for _ in range(AT_ONCE):
            assert (await client.post("/api/v1/speech", json={"text": "请转移。"})).status == 200
        refused = await client.post("/api/v1/speech", json={"text": "请转移。"})
        assert (refused.status, (await refused.json())["type"]) == (429, "/problems/too-many-previews")
        there.clock.advance(int(refused.headers["Retry-After"]))
        assert (await client.post("/api/v1/speech", json={"text": "请转移。"})).status == 200


async def test_without_a_voice_the_answer_says_so() -> None:
    async with town() as there, machine(there) as client:
        there.speech.fails = "no engine"
        answer = await client.post("/api/v1/speech", json={"text": "请转移。"})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")


@pytest.fixture
async def voice(tmp_path: Path) -> AsyncIterator[WorkerSpeech]:
    worker, speech = open_voice(AssetLibrary(tmp_path), rate=160, voice="espeak")
    yield speech
    await worker.close()


@needs_espeak
async def test_what_was_previewed_is_what_a_broadcast_sends(voice: WorkerSpeech, tmp_path: Path) -> None:
    preview = await voice.preview("水位105.2m，拨打119。", exercise=True, voice="", rate=0)
    sent = await voice.speak("水位105.2m，拨打119。", exercise=True)
    assert (preview.asset, preview.asset_bytes, preview.asset_ms) == (sent.asset, sent.asset_bytes, sent.asset_ms)
    assert preview.words == "演练，演练。水位一百零五点二米，拨打幺幺九。以上是演练。演练，演练"
    assert preview.text == "演练，演练。水位105.2m，拨打119。以上是演练。演练，演练。"
    assert len(AssetLibrary(tmp_path).get(preview.asset)) == preview.asset_bytes
    assert next(iter(await voice.voices())).name == "espeak"


@needs_espeak
async def test_the_text_of_a_preview_has_the_stop_that_is_heard(voice: WorkerSpeech) -> None:
    preview = await voice.preview("请转移 ", exercise=True, voice="", rate=0)
    assert preview.text == "演练，演练。请转移。以上是演练。演练，演练。"


@needs_espeak
async def test_a_sign_that_is_not_heard_is_told_with_the_preview(voice: WorkerSpeech) -> None:
    preview = await voice.preview("暴雨→停课", exercise=False, voice="", rate=0)
    assert [(note.code, note.fact) for note in preview.notes] == [("unknown-characters", "→")]


@needs_espeak
@pytest.mark.parametrize(
    ("text", "code"),
    [("！😀", "unspeakable"), ("字" * 601, "too-long"), ("W" * 500, "too-long-spoken"), ("<p>请注意</p>", "markup")],
)
async def test_a_text_that_cannot_be_spoken_is_refused_with_the_reason(
    voice: WorkerSpeech, text: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await voice.speak(text, exercise=False)
    assert [fault["code"] for fault in caught.value.errors] == [code]
