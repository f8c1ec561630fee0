"""The neural voices: the letters the model is given, the limits of a piece, and real sound where the extra is installed."""

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets import kokoro, voices
from audio_assets.announcement import EXERCISE_HEAD
from audio_assets.codec import decode, measure
from audio_assets.kokoro import MOST_TOKENS, Kokoro, chunks
from audio_assets.lane import LaneRules
from audio_assets.lexicon import parse, shipped
from audio_assets.library import AssetLibrary
from audio_assets.phones import VOCABULARY, phones, phones_of
from audio_assets.pinyin import _SYLLABLES
from audio_assets.reading import read
from audio_assets.rendering import Note, NoteCode, SpeechUnavailable
from audio_assets.speech import say
from audio_assets.spoken import spoken
from audio_assets.voices import DEFAULT_VOICE, KOKORO_VOICES, VOICE_BYTES, chosen, neural_is_installed, voice_file
from audio_assets.worker import RenderWorker

needs_neural = pytest.mark.skipif(not neural_is_installed(), reason="the extra tts-neural is not installed")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
VOICE = "zf_xiaoxiao"
TEXT = "请立即转移到安全地带。"
MISAKI = "6d18e2"  # of the letters that misaki 0.9.4 writes for every syllable and tone


def letters(text: str) -> list[str]:
    """The pieces of a text as the model gets them."""
    return list(phones(read(spoken(text), parse(shipped()))))


@pytest.mark.parametrize(
    ("syllable", "said"),
    [
        ("zhi1", "ꭧɨ→"), ("zi4", "ʦɨ↘"), ("ri4", "ɻɨ↘"), ("jue2", "ʨɥe↗"), ("er4", "ɚ↘"), ("lv4", "ly↘"), ("yue1", "ɥe→"),
        ("dui4", "twei↘"), ("liu2", "ljou↗"), ("zhong4", "ꭧʊ↘ŋ"), ("yong3", "jʊ↓ŋ"), ("bo1", "pwo→"), ("yuan2", "ɥɛ↗n"),
        ("jun1", "ʨy→n"), ("xiong2", "ɕjʊ↗ŋ"), ("de5", "tɤ"),
    ],
)  # fmt: skip
def test_a_syllable_is_written_as_the_model_learned_it(syllable: str, said: str) -> None:
    assert phones_of(syllable) == said


def test_every_syllable_and_tone_is_as_misaki_writes_it() -> None:
    """The digest was made from misaki's own output, when both were compared one by one."""
    table = {f"{letters}{tone}": phones_of(f"{letters}{tone}") for letters in sorted(_SYLLABLES) for tone in "12345"}
    assert len(table) == 2070
    assert hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:6] == MISAKI
    assert {letter for said in table.values() for letter in said} <= set(VOCABULARY)


@needs_neural
def test_words_stand_apart_and_pauses_end_a_piece() -> None:
    assert letters("堡子店镇，请立即转移。119") == ["pu↓ʦɨtjɛ↘n ꭧə↘n,", "ʨʰi↓ŋ li↘ʨi↗ ꭧwa↓ni↗.", "jau→ jau→ ʨjou↓."]


@given(
    st.lists(st.sampled_from(["请", "注意", "转移", "，", "。", "安全地带", "1234", "长"]), max_size=300).map("".join)
)
def test_no_piece_is_longer_than_the_model_takes_and_nothing_is_lost(text: str) -> None:
    pieces = letters(text)
    made = list(chunks(pieces))
    assert all(0 < len(piece) <= MOST_TOKENS for piece in made)
    assert re.sub(" ", "", "".join(made)) == re.sub(" ", "", "".join(pieces))


def test_a_file_that_is_not_the_tested_one_is_no_voice(tmp_path: Path) -> None:
    (tmp_path / "zm_yunxi.bin").write_bytes(b"short")
    assert voice_file("zm_yunxi", tmp_path) is None, "half a download"
    (tmp_path / "zm_yunxi.bin").write_bytes(bytes(VOICE_BYTES))
    with pytest.raises(SpeechUnavailable, match="not the one that was tested"):
        Kokoro(tmp_path).say(read("你好", parse(shipped())), voice="zm_yunxi", rate=175)
    assert voice_file("../../etc/passwd", tmp_path) is None


def test_the_voice_that_comes_with_the_program_is_whole() -> None:
    path = voice_file(VOICE, None)
    assert path is not None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == KOKORO_VOICES[VOICE]


def test_without_the_extra_there_are_the_instant_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "PARTS", ("kokoro_that_nobody_has",))
    assert [one.name for one in voices.voices()] == ["espeak", "espeak-f"]
    assert chosen(VOICE).name == DEFAULT_VOICE


@needs_neural
def test_the_neural_voice_speaks_with_the_length_of_speech_and_the_same_every_time() -> None:
    sound = say(TEXT, VOICE)
    assert 2.5 < 10 / (sound.duration_ms / 1000) < 5.0, "syllables a second"
    assert 5_000 < sound.peak <= 32_767
    assert say(TEXT, VOICE) == sound
    assert say(TEXT, VOICE, 220).duration_ms < sound.duration_ms < say(TEXT, VOICE, 140).duration_ms
    assert measure(sound).lufs > -40


@needs_neural
def test_a_model_that_is_not_the_tested_one_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "MODEL_SHA256", "0" * 64)
    kokoro._session.cache_clear()
    with pytest.raises(SpeechUnavailable, match="not the one that was tested"):
        say(TEXT, VOICE)
    kokoro._session.cache_clear()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[RenderWorker]:
    worker = RenderWorker(AssetLibrary(tmp_path))
    yield worker
    await worker.close()


@needs_neural
@needs_espeak
async def test_a_trigger_never_waits_for_a_neural_voice_but_takes_what_it_has_spoken(worker: RenderWorker) -> None:
    at_once = await worker.render(TEXT, exercise=False, voice=VOICE, urgent=True)
    assert (at_once.voice, at_once.notes) == (DEFAULT_VOICE, (Note(NoteCode.VOICE_LATE, VOICE),))
    assert worker.lanes["neural"].pid is None
    approved = await worker.render(TEXT, exercise=False, voice=VOICE)
    assert (approved.voice, approved.notes) == (VOICE, ())
    assert await worker.render(TEXT, exercise=False, voice=VOICE, urgent=True) == approved
    assert decode(approved.data).duration_ms == approved.duration_ms
    assert measure(decode(approved.data)).lufs == pytest.approx(-16, abs=1.5), "voices differ by 7 LU: made equal"


@needs_neural
@needs_espeak
async def test_two_processes_of_the_neural_voice_make_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        worker = RenderWorker(AssetLibrary(tmp_path / name))
        made.append(await worker.render(TEXT, exercise=True, voice=VOICE))
        await worker.close()
    assert made[0] == made[1]
    assert made[0].text.startswith(EXERCISE_HEAD)


@needs_neural
@needs_espeak
async def test_a_neural_voice_without_memory_or_time_gives_way_to_the_default(tmp_path: Path) -> None:
    plain = RenderWorker(AssetLibrary(tmp_path / "plain"))
    wanted = await plain.render(TEXT, exercise=False)
    await plain.close()
    for name, rules in {"memory": LaneRules(400, 10, 60, 4), "time": LaneRules(3072, 10, 0.05, 4)}.items():
        worker = RenderWorker(AssetLibrary(tmp_path / name), lanes={"neural": rules})
        made = await worker.render(TEXT, exercise=False, voice=VOICE)
        await worker.close()
        assert (made.sha256, made.voice) == (wanted.sha256, DEFAULT_VOICE)
        assert made.notes == (Note(NoteCode.VOICE_FAILED, VOICE),)


@needs_neural
@needs_espeak
async def test_an_emergency_is_spoken_while_the_neural_voice_is_at_work(worker: RenderWorker) -> None:
    await worker.warm_up()
    slow = asyncio.create_task(worker.render("请各村村民注意安全，远离河道。" * 12, exercise=False, voice=VOICE))
    async with asyncio.timeout(10):
        while worker.lanes["neural"].waiting == 0:  # noqa: ASYNC110 there is nothing to wait for but the state itself
            await asyncio.sleep(0)
    assert (await worker.render("紧急。", exercise=False, urgent=True)).voice == DEFAULT_VOICE
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
