"""Announcements put together from real speech and real music: order, levels, edges, loudness."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audio_assets import composer
from audio_assets.announcement import EXERCISE_HEAD, EXERCISE_TAIL, Bed, compose, exercise_of
from audio_assets.codec import decode, encode, measure
from audio_assets.composer import Joined
from audio_assets.library import AssetLibrary
from audio_assets.pcm import RATE_HZ, SAMPLES_PER_MS, Pcm
from audio_assets.rendering import AudioTooLong, Rendered, SpeechUnavailable, UnsupportedAudio
from audio_assets.speech import Said, Speech, say
from audio_assets.tones import ToneId, melody, tone
from audio_assets.worker import RenderWorker, Under
from tests.correlation import Samples, find, samples

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

TEXT = "黎河水位上涨，请沿河群众立即向高处转移，不要返回取物。"
LEAD_MS, TAIL_MS = 2_500, 3_000


@cache
def words() -> Joined:
    """Two parts of real speech, so far apart that the music comes up between them."""
    return composer.join([composer.trimmed(say(TEXT)), composer.trimmed(say("请听从村干部指挥。"))], gap_ms=1_500)


def beginning(ms: int) -> Pcm:
    return melody().slice_ms(0, ms)


def part_of(pcm: Pcm, start_ms: int, end_ms: int) -> Samples:
    return samples(pcm.slice_ms(start_ms, end_ms).data)


def shares(mixed: Pcm, start_ms: int, end_ms: int) -> tuple[float, float]:
    """How much of the words and of the music as they went in is in a stretch of the mix, by least squares."""
    said = Pcm.join([Pcm.silence(LEAD_MS), words().pcm, Pcm.silence(TAIL_MS)])
    sources = np.stack([part_of(one, start_ms, end_ms) for one in (said, long_music())])
    found, *_ = np.linalg.lstsq(sources.T, part_of(mixed, start_ms, end_ms), rcond=None)
    return float(found[0]), float(found[1])


def long_music() -> Pcm:
    return melody()


def lufs_of(pcm: Pcm, spans: tuple[tuple[int, int], ...]) -> float:
    return measure(Pcm.join(pcm.slice_ms(start, end) for start, end in spans)).lufs


def test_the_music_lies_18_db_under_the_words_and_comes_up_between_them() -> None:
    assert words().pcm.duration_ms + LEAD_MS + TAIL_MS < melody().duration_ms, "the music need not follow itself here"
    mixed = composer.with_bed(words(), melody(), lead_ms=LEAD_MS, tail_ms=TAIL_MS)
    spans = tuple((start + LEAD_MS, end + LEAD_MS) for start, end in words().spans)
    said = lufs_of(words().pcm, words().spans)
    music = lufs_of(long_music(), spans)
    under = [shares(mixed, start, end) for start, end in spans]
    for voice, bed in under:
        assert voice == pytest.approx(1, abs=0.01), "the words are left as they are"
        assert music + 20 * np.log10(bed) == pytest.approx(said - 18, abs=1)
    between = spans[0][1] + composer.DUCK_MS + 20, spans[1][0] - composer.DUCK_MS - 20
    before = composer.BED_IN_MS + 20, LEAD_MS - composer.DUCK_MS - 20
    for start, end in (before, between):
        up = shares_of_music(mixed, start, end)
        assert music + 20 * np.log10(up) == pytest.approx(said - 6, abs=1)


def shares_of_music(mixed: Pcm, start_ms: int, end_ms: int) -> float:
    music = part_of(long_music(), start_ms, end_ms)
    return float(music @ part_of(mixed, start_ms, end_ms) / (music @ music))


def test_the_music_leads_in_from_silence_and_fades_away_after_the_last_word() -> None:
    mixed = composer.with_bed(words(), melody(), lead_ms=LEAD_MS, tail_ms=TAIL_MS)
    assert mixed.duration_ms == LEAD_MS + words().pcm.duration_ms + TAIL_MS
    assert np.abs(part_of(mixed, 0, 1)).max() < 100
    assert np.abs(part_of(mixed, mixed.duration_ms - 1, mixed.duration_ms)).max() < 100
    end = LEAD_MS + words().spans[-1][1]
    tail = [shares_of_music(mixed, at, at + 300) for at in range(end + 300, end + TAIL_MS - 300, 300)]
    assert tail == sorted(tail, reverse=True), "it only becomes softer"


def test_no_edge_clicks() -> None:
    mixed = composer.with_bed(words(), melody(), lead_ms=LEAD_MS, tail_ms=TAIL_MS)
    inside = np.abs(np.diff(samples(words().pcm.data))).max() + np.abs(np.diff(samples(melody().data))).max()
    heard = samples(mixed.data)
    edges = [0, len(heard) - 1, *((at + LEAD_MS) * SAMPLES_PER_MS for span in words().spans for at in span)]
    for at in edges:
        steps = np.abs(np.diff(heard[max(0, at - 480) : at + 480]))
        assert steps.max() < inside / 8, "an edge is softer than the sound itself"
    ramp = samples(composer.join([Pcm(b"\xe8\x03" * RATE_HZ)]).pcm.data)
    assert ramp[0] == 0 and ramp[-1] < 5 and ramp[960] == 1000, "20 ms"
    assert np.abs(np.diff(ramp)).max() <= 3


def test_a_short_piece_of_music_follows_itself_and_words_close_together_keep_it_down() -> None:
    close = composer.join([composer.trimmed(say("请转移。")), composer.trimmed(say("请转移。"))], gap_ms=300)
    mixed = composer.with_bed(close, melody().slice_ms(0, 1_000), lead_ms=150, tail_ms=0)
    assert mixed.duration_ms == 150 + close.pcm.duration_ms
    gap = part_of(mixed, 150 + close.spans[0][1] + 20, 150 + close.spans[1][0] - 20)
    assert 0 < 20 * np.log10(np.sqrt(np.mean(samples(close.pcm.data) ** 2)) / np.sqrt(np.mean(gap**2))) > 12


@pytest.mark.parametrize("exercise", [False, True])
def test_an_announcement_with_music_is_as_loud_as_any(exercise: bool) -> None:
    made = compose(TEXT, exercise=exercise, bed=Bed(beginning, LEAD_MS, TAIL_MS))
    loud = measure(decode(made.data))
    assert loud.lufs == pytest.approx(-16, abs=1)
    assert loud.peak_dbtp <= -1.5
    plain = compose(TEXT, exercise=exercise)
    assert made.duration_ms == plain.duration_ms + LEAD_MS + TAIL_MS
    assert (made.text, made.words) == (plain.text, plain.words)


def said_part(text: str) -> Samples:
    return samples(composer.trimmed(say(text)).data)


def test_an_exercise_is_said_before_and_after_in_that_order() -> None:
    heard = samples(decode(compose(TEXT, exercise=True).data).data)
    at = [find(said_part(one), heard) for one in (EXERCISE_HEAD, TEXT, EXERCISE_TAIL)]
    assert min(one.score for one in at) > 0.9
    head, text, tail = (one.at for one in at)
    assert abs(head) < 480
    assert head + len(said_part(EXERCISE_HEAD)) < text and text + len(said_part(TEXT)) < tail


def test_a_recorded_sound_is_exercised_between_the_same_words_and_as_loud_as_they_are() -> None:
    soft = melody().gain(-12)
    made = exercise_of(soft)
    pcm = decode(made.data)
    heard = samples(pcm.data)
    head, sound, tail = (
        find(one, heard) for one in (said_part(EXERCISE_HEAD), samples(soft.data), said_part(EXERCISE_TAIL))
    )
    assert min(head.score, sound.score, tail.score) > 0.9
    assert abs(head.at) < 480
    assert head.at + len(said_part(EXERCISE_HEAD)) <= sound.at <= tail.at - len(samples(soft.data))
    loud = measure(pcm)
    assert loud.lufs == pytest.approx(-16, abs=1) and loud.peak_dbtp <= -1.5
    middle = pcm.slice_ms(sound.at // 48, sound.at // 48 + soft.duration_ms)
    assert measure(middle).lufs == pytest.approx(measure(pcm.slice_ms(0, 2_000)).lufs, abs=2)
    assert made.text == EXERCISE_HEAD + EXERCISE_TAIL


class Mute(Speech):
    """A machine without a voice."""

    def speak(self, text: str, *, voice: str = "", rate: int = 0) -> Said:
        raise SpeechUnavailable("no engine")


def test_without_a_voice_no_sound_can_be_had_as_an_exercise() -> None:
    with pytest.raises(SpeechUnavailable):
        exercise_of(melody(), speech=Mute())


def test_music_that_is_silence_is_refused() -> None:
    with pytest.raises(UnsupportedAudio):
        compose(TEXT, exercise=False, bed=Bed(Pcm.silence, 500, 500))


def test_the_whole_is_tone_file_gap_file_closing() -> None:
    file, signal, chime = melody().slice_ms(0, 5_000), tone(ToneId.ATTENTION), tone(ToneId.CHIME)
    made = composer.whole(file, tone=signal, repeats=2, gap_ms=1_500, closing=chime)
    assert made.data == signal.data + file.data + Pcm.silence(1_500).data + file.data + chime.data
    alone = composer.whole(None, tone=signal, repeats=2, gap_ms=1_500, closing=tone(ToneId.NONE))
    assert alone.data == signal.data + Pcm.silence(1_500).data + signal.data
    with pytest.raises(AudioTooLong):
        composer.whole(melody(), tone=signal, repeats=100, gap_ms=0, closing=chime)


# ---- by the worker ------------------------------------------------------------------------------------------------------


async def test_the_worker_puts_together_what_lies_in_its_library_and_only_that(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path)
    tune = library.put(encode(melody()))
    worker = RenderWorker(library)
    try:
        bedded = await worker.render(TEXT, exercise=False, bed=Under(tune, 1_000, 1_000))
        plain = await worker.render(TEXT, exercise=False)
        assert bedded.duration_ms == plain.duration_ms + 2_000
        assert await worker.render(TEXT, exercise=False, urgent=True, bed=Under(tune, 1_000, 1_000)) == bedded
        drill = await worker.exercise(tune)
        assert library.get(drill.sha256) == drill.data
        assert drill.duration_ms > melody().duration_ms + 2_000
        both: list[Rendered] = []
        for closing in (ToneId.NONE, ToneId.CHIME):
            both.append(await worker.whole(plain.sha256, tone=ToneId.CHIME, repeats=2, gap_ms=500, closing=closing))
        parts_ms = tone(ToneId.CHIME).duration_ms + 2 * plain.duration_ms + 500
        assert both[0].duration_ms == pytest.approx(parts_ms, abs=3)
        assert both[1].duration_ms == both[0].duration_ms + tone(ToneId.CHIME).duration_ms
        with pytest.raises(UnsupportedAudio):
            await worker.exercise(bytes(32))
        library.path(tune).write_bytes(b"OggS" + bytes(400))
        with pytest.raises(UnsupportedAudio):
            await worker.render(TEXT, exercise=True, bed=Under(tune, 1_000, 1_000))
    finally:
        await worker.close()
