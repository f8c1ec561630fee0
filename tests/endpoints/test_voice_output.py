"""What a real speaker sounds, sample by sample, in virtual time: long programmes, playlists, what is missing, what is silent."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from audio_assets.pcm import amplify
from audio_assets.tones import ToneId, tone
from endpoints.effects import Wanted
from endpoints.protocol import Kind, Resume, Tone
from endpoints.vocabulary import Reason
from endpoints.voice_output import gain_db
from tests.correlation import Samples, find, samples
from tests.endpoints.studio import NOON_MS, Studio, an_order, silent_tape, studio, tape
from tests.virtual_time import run

FADE = 960  # samples over which sounds change places
NONE, FALLBACK, SILENT, MISSING = Reason.NONE, Reason.FALLBACK, Reason.SILENT, Reason.ASSET_MISSING


def at_hand(stage: Studio, *tapes: object) -> None:
    """These are wanted now, so that they are checked and open."""
    stage.output.expect(tuple(Wanted(one.part, NOON_MS) for one in tapes))  # type: ignore[attr-defined]


def same(heard: Samples, expected: Samples) -> bool:
    """But for the fade at the beginning."""
    return bool(np.array_equal(heard[FADE : expected.size], expected[FADE:]))


def test_a_long_programme_sounds_to_the_sample_and_is_not_held_in_memory(tmp_path: Path) -> None:
    long = tape(95)

    async def story() -> None:
        async with studio(tmp_path, held=(long,)) as stage:
            at_hand(stage, long)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", long))
            await asyncio.sleep(100)
            assert told.words == [("started", NONE), ("finished", NONE)]
            assert told.said[-1][0] == pytest.approx(96_000, abs=60)
            begun = told.said[0][0] * 48
            assert same(stage.heard()[begun : begun + long.samples.size], long.samples)

    run(story())


@pytest.mark.parametrize("from_ms", [20, 12_340, 39_980, 40_000, 61_000, 70_020])
def test_a_playlist_goes_on_anywhere_without_a_gap_and_ends_with_its_closing(tmp_path: Path, from_ms: int) -> None:
    one, two = tape(20, 1), tape(15, 2)
    order = an_order("p", one, two, repeats=2, gap_ms=500, closing=Tone.CHIME, tone=Tone.CHIME)
    chime, gap = samples(tone(ToneId.CHIME).data), np.zeros(500 * 48)
    once = np.concatenate([one.samples, two.samples])
    whole = np.concatenate([chime, once, gap, once, chime])
    assert whole.size == order.sound_ms * 48

    async def story() -> None:
        async with studio(tmp_path, held=(one, two)) as stage:
            at_hand(stage, one, two)
            await asyncio.sleep(1)
            told = stage.play(order, from_ms=from_ms)
            await asyncio.sleep(80)
            assert told.words == [("started", NONE), ("finished", NONE)]
            expected = whole[from_ms * 48 :]
            heard = stage.heard(1_000)
            error = heard[FADE : expected.size] - expected[FADE:]
            assert np.sqrt(np.mean(error**2)) < 12, "a decoder that begins in the middle has heard 80 ms before"
            assert np.abs(heard[expected.size : expected.size + 9_600]).max() == 0
            second = max(0, 20_000 + 15_000 + 500 + 1_600 - from_ms) * 48  # parts that were begun at their beginning
            if from_ms < 37_000:
                assert np.array_equal(heard[second : expected.size], expected[second:])

    run(story())


def test_what_is_not_here_is_filled_by_the_fallback_and_joined_where_the_neighbours_are(tmp_path: Path) -> None:
    long, filler = tape(60, 1), tape(5, 2)

    async def story() -> None:
        async with studio(tmp_path, long, held=(filler,)) as stage:
            stage.line.cut = True
            at_hand(stage, filler)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", long), fallback=filler.part, at_ms=NOON_MS + 1_000)
            await asyncio.sleep(20)
            assert told.words == [("started", FALLBACK)]
            assert stage.output.short_of_files
            stage.line.cut = False
            await asyncio.sleep(50)
            assert told.words == [("started", FALLBACK), ("started", NONE), ("finished", NONE)]
            assert not stage.output.short_of_files
            back_ms = told.said[1][0]
            heard = stage.heard()
            assert 21_000 < back_ms < 30_000, "tried again every few seconds"
            loop = np.concatenate([filler.samples] * 4)
            assert same(heard[48_000 : 48_000 + 19 * 48_000], loop[: 19 * 48_000]), "over and over without a gap"
            after = (back_ms + 100) * 48
            error = heard[after : 61 * 48_000] - long.samples[after - 48_000 :]
            assert np.sqrt(np.mean(error**2)) < 12, "where it would have been had it begun in time"

    run(story())


@pytest.mark.parametrize("held", [True, False])
def test_a_slot_whose_text_could_not_be_spoken_is_filled_by_the_fallback(tmp_path: Path, held: bool) -> None:
    filler = tape(5, 2)

    async def story() -> None:
        async with studio(tmp_path, *(() if held else (filler,)), held=(filler,) if held else ()) as stage:
            at_hand(stage, filler)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", lasting_ms=30_000, tone=Tone.NONE), fallback=filler.part)
            await asyncio.sleep(25)
            assert told.words == [("started", FALLBACK)]
            begun = told.said[0][0] * 48
            heard = stage.heard()[begun + 4_800 : begun + 10 * 48_000]
            loop = np.concatenate([filler.samples] * 3)
            assert same(heard, loop[4_800 : 10 * 48_000])
            await asyncio.sleep(10)
            assert told.words == [("started", FALLBACK), ("finished", NONE)]

    run(story())


def test_a_programme_without_a_fallback_waits_and_rejoins(tmp_path: Path) -> None:
    long = tape(60, 1)

    async def story() -> None:
        async with studio(tmp_path, long) as stage:
            stage.line.cut = True
            told = stage.play(an_order("p", long, resume=Resume.REJOIN), at_ms=NOON_MS)
            await asyncio.sleep(20)
            assert (told.said, np.abs(stage.heard()).max()) == ([], 0), "not said to sound before it does"
            stage.line.cut = False
            await asyncio.sleep(50)
            assert told.words == [("started", NONE), ("finished", NONE)]
            assert told.said[1][0] == pytest.approx(60_000, abs=60), "in step to the end"
            heard = stage.heard(40_000, 55_000)
            assert find(heard, long.samples).at == pytest.approx(40_000 * 48, abs=1)

    run(story())


def test_a_notice_begins_at_its_beginning_however_late(tmp_path: Path) -> None:
    words = tape(10, 1)

    async def story() -> None:
        async with studio(tmp_path, words) as stage:
            stage.line.cut = True
            told = stage.play(an_order("n", words, kind=Kind.NOTICE, resume=Resume.RESTART))
            await asyncio.sleep(5)
            stage.line.cut = False
            await asyncio.sleep(30)
            assert told.words == [("started", NONE), ("finished", NONE)]
            assert find(words.samples[FADE:], stage.heard()).score > 0.999

    run(story())


def test_what_the_server_does_not_have_fails_at_once_unless_it_can_be_filled(tmp_path: Path) -> None:
    long, filler = tape(10, 1), tape(5, 2)

    async def story() -> None:
        async with studio(tmp_path, held=(filler,)) as stage:
            at_hand(stage, filler)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", long))
            await asyncio.sleep(2)
            assert told.words == [("failed", MISSING)]
            told = stage.play(an_order("p", long), fallback=filler.part)
            await asyncio.sleep(15)
            assert told.words == [("started", FALLBACK), ("finished", NONE)]
            told = stage.play(an_order("e", long, kind=Kind.EMERGENCY, tone=Tone.CHIME))
            await asyncio.sleep(3)
            assert told.words == [("started", NONE), ("failed", MISSING)]

    run(story())


def test_a_dead_file_is_filled_and_said_and_the_programme_comes_back_when_it_is_heard_again(tmp_path: Path) -> None:
    dead, alive, filler = silent_tape(12, lead_s=2.0), tape(10, 3), tape(5, 2)

    async def story() -> None:
        async with studio(tmp_path, held=(dead, alive, filler)) as stage:
            at_hand(stage, dead, alive, filler)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", dead, alive), fallback=filler.part)
            await asyncio.sleep(9)
            assert told.words == [("started", NONE), ("started", FALLBACK)]
            assert told.said[1][0] == pytest.approx(1_000 + 7_000, abs=150)
            assert stage.output.silent
            assert find(filler.samples[FADE:48_000], stage.heard(7_500)).score > 0.99
            await asyncio.sleep(7)
            assert told.words[2:] == [("started", NONE)]
            assert not stage.output.silent
            await asyncio.sleep(10)
            assert told.words[3:] == [("finished", NONE)]
            assert find(alive.samples[48_000:], stage.heard()).at == 1_000 * 48 + dead.samples.size + 48_000

    run(story())


def test_an_emergency_whose_words_are_silent_sounds_the_attention_signal(tmp_path: Path) -> None:
    dead = silent_tape(20)

    async def story() -> None:
        async with studio(tmp_path, held=(dead,)) as stage:
            stage.output.expect((Wanted(dead.part, NOON_MS + 60_000, urgent=True),))
            await asyncio.sleep(1)
            told = stage.play(an_order("e", dead, kind=Kind.EMERGENCY, tone=Tone.ATTENTION))
            await asyncio.sleep(18)
            assert told.words == [("started", NONE), ("started", FALLBACK)]
            assert stage.output.silent
            attention = samples(tone(ToneId.ATTENTION).data)
            heard = stage.heard(10_500, 18_500)
            assert find(attention[FADE:], heard).score > 0.999

    run(story())


def test_a_file_that_is_cut_short_or_gone_when_its_time_comes_is_filled(tmp_path: Path) -> None:
    long, filler = tape(30, 1), tape(5, 2)

    async def story() -> None:
        async with studio(tmp_path, held=(long, filler)) as stage:
            at_hand(stage, long, filler)
            await asyncio.sleep(1)
            path = stage.cache.path(long.sha256)
            path.write_bytes(long.data[: len(long.data) // 2])
            told = stage.play(an_order("p", long), fallback=filler.part)
            await asyncio.sleep(35)
            assert told.words == [("started", NONE), ("started", FALLBACK), ("finished", NONE)]
            assert told.said[1][0] == pytest.approx(16_000, abs=1_500)
            assert told.said[2][0] == pytest.approx(31_000, abs=60), "what follows comes when it should"
            path.unlink()
            told = stage.play(an_order("q", long), fallback=filler.part)
            await asyncio.sleep(35)
            assert told.words == [("started", FALLBACK), ("finished", NONE)]
            told = stage.play(an_order("n", long, kind=Kind.NOTICE))
            await asyncio.sleep(3)
            assert told.words == [("failed", Reason.ASSET_BAD)], "a notice has no other words"

    run(story())


def test_a_notice_in_which_nothing_is_heard_has_failed(tmp_path: Path) -> None:
    dead = silent_tape(8)

    async def story() -> None:
        async with studio(tmp_path, held=(dead,)) as stage:
            at_hand(stage, dead)
            await asyncio.sleep(1)
            told = stage.play(an_order("n", dead, kind=Kind.NOTICE, tone=Tone.CHIME))
            await asyncio.sleep(8)
            assert stage.output.silent
            await asyncio.sleep(5)
            assert told.words == [("started", NONE), ("started", SILENT), ("failed", SILENT)]
            assert not stage.output.silent

    run(story())


def test_it_fades_out_before_its_end(tmp_path: Path) -> None:
    long = tape(30, 1)

    async def story() -> None:
        async with studio(tmp_path, held=(long,)) as stage:
            at_hand(stage, long)
            await asyncio.sleep(1)
            stage.play(an_order("p", long, lasting_ms=11_000, fade_ms=3_000))
            await asyncio.sleep(10)
            stage.output.stop("p")
            await asyncio.sleep(1)
            heard, source = stage.heard(1_000), long.samples
            assert np.array_equal(heard[FADE : 6_900 * 48], source[FADE : 6_900 * 48])
            for second, share in ((7.5, 5 / 6), (8.5, 0.5), (9.5, 1 / 6)):
                at = round(second * 48_000)
                ratio = np.sqrt(np.mean(heard[at : at + 960] ** 2) / np.mean(source[at : at + 960] ** 2))
                assert ratio == pytest.approx(share, abs=0.02)
            assert np.abs(heard[10_000 * 48 :]).max() <= 1
            assert np.abs(np.diff(heard[9_800 * 48 :])).max() < 0.02 * 32_768

    run(story())


def test_an_end_that_is_put_off_ends_the_fade_and_one_that_comes_sooner_begins_it(tmp_path: Path) -> None:
    long = tape(40, 1)

    async def story() -> None:
        async with studio(tmp_path, held=(long,)) as stage:
            at_hand(stage, long)
            await asyncio.sleep(1)
            stage.play(an_order("p", long, lasting_ms=11_000, fade_ms=3_000))
            await asyncio.sleep(8)
            stage.output.set_end("p", left_s=22.0, fade_ms=3_000)
            await asyncio.sleep(7)
            stage.output.set_end("p", left_s=3.0, fade_ms=2_000)
            await asyncio.sleep(3)
            stage.output.stop("p")
            heard, source = stage.heard(1_000), long.samples
            frames = {at: slice(at * 48, at * 48 + 960) for at in (7_500, 9_000, 15_900, 17_000)}
            levels = {at: np.sqrt(np.mean(heard[one] ** 2) / np.mean(source[one] ** 2)) for at, one in frames.items()}
            assert levels == pytest.approx({7_500: 5 / 6, 9_000: 1, 15_900: 1, 17_000: 0.5}, abs=0.02)

    run(story())


def test_louder_and_softer_without_beginning_anew(tmp_path: Path) -> None:
    long = tape(30, 1)

    async def story() -> None:
        async with studio(tmp_path, held=(long,)) as stage:
            at_hand(stage, long)
            await asyncio.sleep(1)
            told = stage.play(an_order("p", long), volume_percent=40)
            await asyncio.sleep(10)
            stage.output.set_volume("p", 80)
            stage.output.set_volume("another", 1)
            await asyncio.sleep(10)
            stage.output.set_volume("p", 40)
            await asyncio.sleep(15)
            assert told.words == [("started", NONE), ("finished", NONE)]
            heard, data = stage.heard(1_000), long.pcm.data
            soft, loud = (samples(amplify(data, gain_db(percent))) for percent in (40, 80))
            assert same(heard[: 9_900 * 48], soft[: 9_900 * 48])
            assert np.array_equal(heard[10_100 * 48 : 19_900 * 48], loud[10_100 * 48 : 19_900 * 48])
            assert np.array_equal(heard[20_100 * 48 : soft.size], soft[20_100 * 48 :])

    run(story())


def test_what_may_be_needed_at_any_time_begins_with_the_next_frame(tmp_path: Path) -> None:
    words = tape(20, 1)

    async def story() -> None:
        async with studio(tmp_path, words) as stage:
            stage.output.expect((Wanted(words.part, NOON_MS + 60_000, urgent=True),))
            await asyncio.sleep(1)
            stage.cache.remove(words.sha256)
            asked = stage.now_ms
            told = stage.play(an_order("e", words, kind=Kind.EMERGENCY))
            await asyncio.sleep(25)
            assert told.words == [("started", NONE), ("finished", NONE)], "it is in memory"
            assert told.said[0][0] - asked <= 20
            assert find(words.samples[FADE:], stage.heard()).score > 0.9999

    run(story())


def test_words_that_nobody_had_announced_begin_with_the_next_frame_when_they_are_on_the_disk(tmp_path: Path) -> None:
    words = tape(20, 1)

    async def story() -> None:
        async with studio(tmp_path, held=(words,)) as stage:
            told = stage.play(an_order("e", words, kind=Kind.EMERGENCY))
            await asyncio.sleep(25)
            assert told.words == [("started", NONE), ("finished", NONE)]
            assert told.said[0][0] <= 20
            heard = stage.heard()
            at = find(words.samples[FADE:], heard)
            assert (at.score > 0.9999, at.at) == (True, FADE), "and no attention signal before them"

    run(story())


def test_the_next_programme_follows_without_anybody_hearing_of_the_last(tmp_path: Path) -> None:
    one, two = tape(30, 1), tape(30, 2)

    async def story() -> None:
        async with studio(tmp_path, held=(one, two)) as stage:
            at_hand(stage, one, two)
            await asyncio.sleep(1)
            first = stage.play(an_order("p", one))
            await asyncio.sleep(5)
            second = stage.play(an_order("q", two))
            stage.output.stop("p")
            await asyncio.sleep(5)
            stage.output.stop("q")
            await asyncio.sleep(1)
            assert (first.words, second.words) == ([("started", NONE)], [("started", NONE)])
            heard = stage.heard()
            at = 6_000 * 48
            assert same(heard[at : at + 5_000 * 48], two.samples[: 5_000 * 48])
            assert np.abs(heard[at + 5_100 * 48 :]).max() == 0
            assert np.abs(np.diff(heard)).max() < 0.2 * 32_768

    run(story())


def test_gaps_of_the_card_while_an_order_sounds_are_in_the_log_with_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = tape(3)

    async def story() -> None:
        async with studio(tmp_path, held=(short,)) as stage:
            at_hand(stage, short)
            stage.play(an_order("before", short))
            await asyncio.sleep(5)
            assert "gaps" not in caplog.text
            stage.play(an_order("during", short))
            await asyncio.sleep(1)
            stage.sink.starved += 2
            await asyncio.sleep(5)
            assert "during#2: the sound card had 2 gaps" in caplog.text

    run(story())
