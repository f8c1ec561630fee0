"""No dead air: silence is found, filled and said; on real sounds, as they leave the codec."""

import shutil
from array import array
from collections.abc import Callable

import numpy as np
import pytest

from audio_assets.codec import decode, encode, normalise
from audio_assets.pcm import FRAME_BYTES, FRAME_MS, Pcm
from audio_assets.tones import ToneId, melody, tone
from endpoints.guard import FadeOut, Guarded, SilenceDetector
from endpoints.track import Clip, Pause, Segment, Slot, Track
from endpoints.vocabulary import Reason
from tests.correlation import find, samples

NONE, FALLBACK, SILENT = Reason.NONE, Reason.FALLBACK, Reason.SILENT


def frames(pcm: Pcm) -> list[bytes]:
    return [pcm.data[at : at + FRAME_BYTES] for at in range(0, len(pcm.data), FRAME_BYTES)]


def silent_at_ms(pcm: Pcm) -> int | None:
    """When a detector says so first."""
    detector = SilenceDetector()
    return next((n * FRAME_MS for n, frame in enumerate(frames(pcm), 1) if detector.hear(frame)), None)


def through_the_codec(pcm: Pcm) -> Pcm:
    return decode(encode(pcm))


def hiss(ms: int, dbfs: float) -> Pcm:
    noise = np.random.default_rng(1).normal(0, 32_768 * 10 ** (dbfs / 20), ms * 48)
    return Pcm(noise.round().astype("<i2").tobytes())


def the_speech() -> Pcm:
    from audio_assets.speech import say

    return normalise(say("黎河水位上涨。请沿河群众，立即向高处转移。不要取道漫水桥。"))


# ---- the detector -----------------------------------------------------------------------------------------------------


def test_five_seconds_of_nothing_after_a_tune_are_silence() -> None:
    tune = melody().slice_ms(0, 3_000)
    at = silent_at_ms(through_the_codec(Pcm.join([tune, Pcm.silence(7_000)])))
    assert at == pytest.approx(8_000, abs=200)


def test_four_seconds_of_nothing_in_a_play_are_not() -> None:
    tune = melody().slice_ms(0, 2_000)
    assert silent_at_ms(through_the_codec(Pcm.join([tune, Pcm.silence(4_500), tune, Pcm.silence(4_500), tune]))) is None


@pytest.mark.parametrize("which", [ToneId.ATTENTION, ToneId.CHIME, ToneId.ALL_CLEAR])
def test_no_built_in_sound_is_silence(which: ToneId) -> None:
    assert silent_at_ms(Pcm.join([tone(which)] * 5)) is None


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no speech here")
def test_speech_with_its_pauses_is_not_silence() -> None:
    spoken = through_the_codec(the_speech())
    assert silent_at_ms(Pcm.join([spoken] * 3)) is None


def test_a_hum_is_sound_and_the_hiss_of_an_empty_tape_is_not() -> None:
    assert silent_at_ms(hiss(8_000, -55)) is None
    assert silent_at_ms(hiss(8_000, -66)) == 5_000


def test_a_crackle_in_a_dead_file_is_no_sound() -> None:
    crackle = hiss(40, -10)
    dead = Pcm.join([Pcm.silence(2_000), crackle] * 5)
    assert silent_at_ms(dead) == pytest.approx(5_080, abs=40)


def test_planned_gaps_are_no_silence_but_what_is_silent_between_them_is() -> None:
    detector = SilenceDetector()
    assert not any(detector.hear(bytes(FRAME_BYTES), planned=True) for _ in range(1_000))
    heard = [detector.hear(bytes(FRAME_BYTES), planned=n % 100 < 50) for n in range(600)]
    assert heard.index(True) == 499, "five seconds of a dead clip that is repeated with gaps of one second"


def test_it_is_over_with_a_tenth_of_a_second_of_sound() -> None:
    detector = SilenceDetector()
    for frame in frames(Pcm.silence(6_000)):
        detector.hear(frame)
    heard = [detector.hear(frame) for frame in frames(melody().slice_ms(200, 500))]
    assert heard == [True] * 4 + [False] * 11


# ---- the guard --------------------------------------------------------------------------------------------------------


class Watch:
    """A guarded programme that is read to its end, and what was said when."""

    def __init__(self, segments: list[Segment], fallback: Callable[[], Track | None]) -> None:
        self.said: list[tuple[int, Reason]] = []
        self.silent: list[bool] = []
        self.heard = bytearray()
        self.guarded = Guarded(Track(segments), fallback=fallback, tell=self._tell)

    def _tell(self, reason: Reason, silent: bool) -> None:
        self.said.append((len(self.heard) * 1000 // 96_000, reason))
        self.silent.append(silent)

    def run(self, ms: int = 10**9) -> None:
        while not self.guarded.at_end and len(self.heard) < ms * 96:
            self.heard += self.guarded.read()


def filler() -> Track:
    return Track([Clip(tone(ToneId.ALL_CLEAR))])


def test_a_programme_that_sounds_is_left_alone() -> None:
    tune, gap = melody(), Pause(8_000)
    watch = Watch([Clip(tune), gap, Clip(tune)], filler)
    watch.run()
    assert bytes(watch.heard) == tune.data + bytes(8_000 * 96) + tune.data
    assert watch.said == []


def test_silence_is_filled_after_five_seconds_and_the_programme_comes_back_in_its_place() -> None:
    tune = melody()
    whole = Pcm.join([tune.slice_ms(0, 2_000), Pcm.silence(9_000), tune.slice_ms(2_000, 8_000)])
    watch = Watch([Clip(whole)], filler)
    watch.run()
    (at_ms, reason), (back_ms, over) = watch.said
    assert (reason, over, watch.silent) == (FALLBACK, NONE, [True, False])
    assert (at_ms, back_ms) == (pytest.approx(7_000, abs=60), pytest.approx(11_100, abs=120))
    heard, fallback = samples(bytes(watch.heard)), samples(tone(ToneId.ALL_CLEAR).data)
    match = find(fallback[4_800:48_000], heard)
    assert (match.score, match.at_ms) == (pytest.approx(1, abs=0.001), pytest.approx(7_100, abs=60))
    back = samples(whole.data)[11_300 * 48 :]
    assert np.array_equal(heard[11_300 * 48 :], back), "to the sample where it would have been"


def test_what_is_not_there_is_filled_at_once_and_given_up_for_the_file_when_it_comes() -> None:
    tune, got = melody(), list[Pcm]()
    watch = Watch([Slot(lambda: got[0] if got else None, 24_000)], filler)
    assert watch.guarded.ready
    watch.run(6_000)
    assert (watch.said, watch.silent) == ([(0, FALLBACK)], [False])
    whole = samples(bytes(watch.heard))
    assert find(samples(tone(ToneId.ALL_CLEAR).data)[960:], whole[:200_000]).score > 0.99
    assert np.sqrt(np.mean(whole[-48_000:] ** 2)) > 100, "it goes round"
    got.append(tune)
    watch.run()
    assert watch.said == [(0, FALLBACK), (6_000, NONE)]
    assert bytes(watch.heard)[6_020 * 96 :] == tune.data[6_020 * 96 :]


def test_a_missing_part_of_a_playlist_is_filled_for_as_long_as_it_would_have_sounded() -> None:
    first, last = melody().slice_ms(0, 3_000), melody().slice_ms(6_000, 9_000)
    watch = Watch([Slot(lambda: first, 3_000), Slot(lambda: None, 7_000), Slot(lambda: last, 3_000)], filler)
    watch.run()
    assert watch.said == [(3_000, FALLBACK), (10_000, NONE)]
    assert bytes(watch.heard)[: 3_000 * 96] == first.data
    assert bytes(watch.heard)[10_020 * 96 :] == last.data[20 * 96 :]


def test_without_a_fallback_silence_is_said_all_the_same() -> None:
    watch = Watch([Slot(lambda: None, 7_000), Slot(melody, 24_000)], lambda: None)
    watch.run()
    assert [(round(at, -2), reason) for at, reason in watch.said] == [(5_000, SILENT), (7_100, NONE)]
    assert bytes(watch.heard) == bytes(7_000 * 96) + melody().data


def test_a_fallback_that_is_silent_itself_is_said() -> None:
    watch = Watch([Slot(lambda: None, 30_000)], lambda: Track([Clip(Pcm.silence(1_000))]))
    watch.run()
    assert [(round(at, -2), reason) for at, reason in watch.said] == [(0, FALLBACK), (5_000, SILENT)]


def test_no_edge_clicks() -> None:
    silence = Pcm.silence(8_000)
    tune = melody()
    segments: list[Segment] = [Clip(tune.slice_ms(0, 2_000).faded(out_ms=20)), Clip(silence), Clip(tune)]
    watch = Watch(segments, filler)
    watch.run(14_000)
    steps = np.abs(np.diff(samples(bytes(watch.heard)))).max() / 32_768
    own = np.abs(np.diff(samples(tune.data))).max() / 32_768
    assert steps <= max(own, 0.02)


# ---- fading out -------------------------------------------------------------------------------------------------------


def levels(fade: FadeOut, count: int) -> list[int]:
    return [array("h", fade.read())[0] for _ in range(count)]


def test_it_fades_in_a_straight_line_to_the_end_and_stays_silent() -> None:
    fade = FadeOut(Track([Clip(Pcm(array("h", [10_000] * 48_000 * 2).tobytes()))]))
    assert levels(fade, 10) == [10_000] * 10
    fade.begin(left_ms=300, over_ms=200)
    assert levels(fade, 17) == [10_000] * 6 + [9_000, 8_000, 7_000, 6_000, 5_000, 4_000, 3_000, 2_000, 1_000, 0, 0]


def test_begun_late_it_begins_in_the_middle() -> None:
    fade = FadeOut(Track([Clip(Pcm(array("h", [10_000] * 48_000).tobytes()))]))
    fade.begin(left_ms=100, over_ms=200)
    assert levels(fade, 6) == [10_000, 4_000, 3_000, 2_000, 1_000, 0], "over the first frame"
    assert (fade.position_ms, fade.at_end) == (120, False)
