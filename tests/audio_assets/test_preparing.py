"""Real small files of every kind through the whole pipeline, and what is wrong with a sound: each is named with its time."""

import io
import struct

import av
import numpy as np
import pytest

from audio_assets.intake import NOTICE, ROUTINE, SIGNAL, Limits, Prepared, Recipe, Refusal, Refused
from audio_assets.preparing import prepare
from tests.audio_assets.samples import (
    CONTAINER_OF,
    KINDS,
    MONO_ONLY,
    Samples,
    id3,
    made,
    quiet,
    sample,
    voice,
    wav,
)

LIMITS = Limits()


def taken(data: bytes, recipe: Recipe = ROUTINE, limits: Limits = LIMITS) -> tuple[Prepared, bytes]:
    out = io.BytesIO()
    return prepare(io.BytesIO(data), out, recipe, limits), out.getvalue()


def refused(data: bytes, recipe: Recipe = ROUTINE, limits: Limits = LIMITS) -> Refused:
    with pytest.raises(Refused) as err:
        taken(data, recipe, limits)
    return err.value


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


# ---- what is taken -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", [ROUTINE, NOTICE, SIGNAL])
def test_every_kind_becomes_ogg_opus_of_the_right_loudness_and_peaks(kind: str, recipe: Recipe) -> None:
    prepared, file = taken(sample(kind), recipe)
    assert prepared.container == CONTAINER_OF.get(kind, kind)
    assert prepared.channels == (1 if kind in MONO_ONLY else 2)
    assert 2_900 <= prepared.duration_ms <= 3_100
    assert abs(prepared.lufs - recipe.lufs) <= 1.0
    assert prepared.peak_dbtp <= recipe.ceiling_dbtp
    assert 1_900 <= len(prepared.waveform) <= 2_000
    with av.open(io.BytesIO(file)) as opened:
        stream = opened.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.channels) == ("opus", 1)


def test_the_same_file_gives_the_same_bytes() -> None:
    assert taken(sample("mp3")) == taken(sample("mp3"))


def test_a_cover_is_left_out_and_never_decoded() -> None:
    prepared, _ = taken(id3(bomb_of_a_picture()) + sample("mp3"))
    assert prepared.picture and prepared.container == "mp3"
    assert taken(sample("mp3"))[0].waveform == prepared.waveform


def bomb_of_a_picture() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few bytes: 10 GB when decoded."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + bytes(4) + b"\0" * 40_000


def test_silence_at_the_edges_is_taken_away_but_for_a_moment() -> None:
    prepared, _ = taken(made(joined(quiet(4), voice(5), quiet(12))))
    assert prepared.source_ms == 21_000
    assert (prepared.trimmed_head_ms, prepared.trimmed_tail_ms) == (3_900, 11_900)
    assert prepared.duration_ms == 5_200


def test_a_chime_of_a_third_of_a_second_is_a_sound() -> None:
    prepared, _ = taken(made(voice(0.3)), SIGNAL)
    assert prepared.duration_ms == 300
    assert abs(prepared.lufs - SIGNAL.lufs) <= 1.0


def test_peaks_are_limited_when_the_loudness_asks_for_it() -> None:
    claps = quiet(6)
    claps[::22_050] = 0.9
    prepared, _ = taken(made(claps + voice(6, peak=0.05)), NOTICE)
    assert prepared.limited
    assert prepared.peak_dbtp <= NOTICE.ceiling_dbtp


def test_two_recordings_joined_are_one_sound_although_the_rate_changes() -> None:
    prepared, _ = taken(made(voice(2), "mp3") + made(voice(2, rate_hz=22_050), "mp3", rate_hz=22_050, channels=1))
    assert 3_900 <= prepared.duration_ms <= 4_200


def test_surround_is_mixed_down() -> None:
    prepared, _ = taken(made(voice(2), "flac", channels=6))
    assert prepared.channels == 6
    assert abs(prepared.lufs - ROUTINE.lufs) <= 1.0


def test_the_waveform_is_that_of_the_sound() -> None:
    sound = joined(voice(2, peak=0.4), quiet(2), voice(2, peak=0.1))
    prepared, _ = taken(made(sound))
    values = np.frombuffer(prepared.waveform, np.int8).reshape(-1, 2)
    heights = values[:, 1].astype(int) - values[:, 0]
    third = len(heights) // 3
    first, middle, last = heights[: third - 5], heights[third + 5 : 2 * third - 5], heights[2 * third + 5 :]
    assert first.max() > 3 * last.max() > 3 * middle.max()


# ---- what is refused, with the time ---------------------------------------------------------------------------------------


def test_a_silence_inside_is_refused_with_its_beginning_and_end() -> None:
    err = refused(made(joined(voice(12), quiet(19), voice(3), quiet(6), voice(2))))
    assert err.code is Refusal.SILENT
    assert err.facts["spans"] == [(12_000, 31_000), (34_000, 40_000)]
    assert taken(made(joined(voice(3), quiet(4), voice(3))))[0].duration_ms == 10_000, "a pause is none"


def test_hiss_is_silence_too_when_nobody_would_hear_it() -> None:
    rng = np.random.default_rng(3)
    hiss = np.asarray(rng.standard_normal(44_100 * 8) * 0.0003, np.float32)
    assert refused(made(joined(voice(3), hiss, voice(3)))).facts["spans"] == [(3_000, 11_000)]


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "m4a", "opus"])
def test_nothing_but_silence_is_refused_from_beginning_to_end(kind: str) -> None:
    err = refused(made(quiet(3), kind))
    assert (err.code, err.facts["spans"][0][0]) == (Refusal.SILENT, 0)
    assert 2_900 <= err.facts["spans"][0][1] <= 3_100


@pytest.mark.parametrize("kind", ["wav", "wav24", "wavf", "flac", "alac"])
def test_flat_tops_are_refused_with_their_times(kind: str) -> None:
    overdriven = np.clip(voice(2, peak=3.0), -1, 1)
    err = refused(made(joined(voice(4), overdriven, voice(4)), kind))
    assert err.code is Refusal.CLIPPED
    (start, end) = err.facts["spans"][0][0], err.facts["spans"][-1][1]
    assert 4_000 <= start <= 4_300 and 5_600 <= end <= 6_100


def test_what_was_overdriven_before_it_became_an_mp3_is_refused_too() -> None:
    assert refused(made(np.clip(voice(4, peak=3.0), -1, 1), "mp3")).code is Refusal.CLIPPED


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac"])
def test_loud_is_not_clipped(kind: str) -> None:
    assert taken(made(voice(4, peak=0.999), kind))[0].clipped_ms == 0


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("gain", [0.9, 0.5, 0.25])
def test_what_was_turned_down_after_it_was_clipped_is_refused_too(kind: str, gain: float) -> None:
    overdriven = np.clip(voice(2, peak=3.0), -1, 1)
    err = refused(made(np.float32(gain) * joined(voice(4, peak=0.6), overdriven, voice(4, peak=0.6)), kind))
    assert err.code is Refusal.CLIPPED
    (start, end) = err.facts["spans"][0][0], err.facts["spans"][-1][1]
    assert 4_000 <= start <= 4_300 and 5_600 <= end <= 6_100


@pytest.mark.parametrize("hz", [50, 60, 100, 440])
@pytest.mark.parametrize("peak", [0.2, 0.7])
def test_a_low_pure_tone_is_round_at_its_top(hz: float, peak: float) -> None:
    tone = np.asarray(peak * np.sin(2 * np.pi * hz * np.arange(3 * 44_100) / 44_100), np.float32)
    assert taken(made(tone))[0].clipped_ms == 0


def test_a_square_tone_is_meant_so() -> None:
    square = np.asarray(0.5 * np.sign(np.sin(2 * np.pi * 500 * np.arange(3 * 44_100) / 44_100 + 0.01)), np.float32)
    assert taken(made(square))[0].clipped_ms == 0


def test_one_channel_that_is_clipped_is_enough() -> None:
    both = np.stack([voice(4), np.clip(voice(4, peak=3.0), -1, 1)])
    assert refused(made(both)).code is Refusal.CLIPPED


def test_too_soft_is_refused_before_the_noise_is_brought_up() -> None:
    err = refused(made(voice(3, peak=0.002), "wav24"))
    assert (err.code, err.facts["least"]) == (Refusal.TOO_SOFT, -48.0)


def test_a_constant_offset_is_silence() -> None:
    assert refused(made(np.full(20 * 48_000, 0.5, dtype=np.float32))).code in {Refusal.SILENT, Refusal.TOO_SOFT}


def test_an_offset_under_a_voice_is_taken_away() -> None:
    prepared, _ = taken(made(voice(4, peak=0.4) + np.float32(0.5)))
    clean, _ = taken(made(voice(4, peak=0.4)))
    assert abs(prepared.source_lufs - clean.source_lufs) < 0.5
    assert abs(prepared.duration_ms - clean.duration_ms) <= 200


def test_too_short_and_too_long_and_nothing_at_all() -> None:
    assert refused(made(voice(0.1))).code is Refusal.TOO_SHORT
    assert refused(made(voice(5)), limits=Limits(duration_ms=2_000)).code is Refusal.TOO_LONG
    assert refused(wav(b"")).code is Refusal.EMPTY
    assert refused(b"").code is Refusal.EMPTY


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e30])
def test_samples_that_are_no_number_are_refused_with_their_time(value: float) -> None:
    sound = voice(3, rate_hz=48_000).copy()
    sound[96_000] = value
    err = refused(wav(sound.tobytes(), bits=32, kind=3))
    assert err.code is Refusal.NOT_FINITE
    (start, end) = err.facts["spans"][0]
    assert start <= 2_000 <= end


# ---- what is broken, or lies ----------------------------------------------------------------------------------------------

TELLS = ("mp3", "wav", "wav24", "wavf", "flac", "opus", "vorbis", "oggflac", "m4a", "alac", "3gp")


@pytest.mark.parametrize("kind", TELLS)
@pytest.mark.parametrize("share", [0.9, 0.6, 0.3, 0.05])
def test_a_file_that_was_cut_off_is_refused(kind: str, share: float) -> None:
    data = sample(kind)
    err = refused(data[: int(len(data) * share)])
    assert err.code in (Refusal.CUT_OFF, Refusal.DAMAGED, Refusal.EMPTY, Refusal.TOO_SHORT), err


@pytest.mark.parametrize("kind", ["aac", "amr", "wma"])
@pytest.mark.parametrize("share", [0.9, 0.6, 0.3])
def test_where_the_head_tells_no_length_what_is_there_is_taken_or_it_is_refused(kind: str, share: float) -> None:
    data = sample(kind)
    try:
        prepared, _ = taken(data[: int(len(data) * share)])
    except Refused as err:
        assert err.code in (Refusal.CUT_OFF, Refusal.DAMAGED)
    else:
        assert prepared.duration_ms <= 3_000 * share + 300


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (wav(b"\1\2" * 1_000, rate_hz=1), Refusal.RATE),
        (wav(b"\1\2" * 100_000, rate_hz=768_000), Refusal.RATE),
        (wav(b"\1\2" * 1_000, rate_hz=0), Refusal.DAMAGED),
        (wav(b"\1\2" * 1_000, channels=0), Refusal.CHANNELS),
        (wav(b"\1\2" * 10_000, channels=255), Refusal.CHANNELS),
        (wav(b"\1\2" * 80_000, channels=8), Refusal.CHANNELS),
        (wav(b"\1\2" * 1_000, kind=0x55), Refusal.CODEC),
        (wav(b"\1\2" * 1_000, kind=0x161), Refusal.CODEC),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + b"x" * 1_000, Refusal.DAMAGED),
        (b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff" + b"x" * 1_000, Refusal.DAMAGED),
        (b"fLaC" + bytes(100), Refusal.DAMAGED),
        (b"OggS" + bytes(100), Refusal.DAMAGED),
        (b"#!AMR\n" + b"\xff" * 100, Refusal.DAMAGED),
    ],
)
def test_a_head_that_lies_is_refused(data: bytes, code: Refusal) -> None:
    got = refused(data).code
    assert got is code or (
        code is Refusal.DAMAGED and got in (Refusal.EMPTY, Refusal.CUT_OFF, Refusal.CODEC, Refusal.CHANNELS)
    )


def test_eight_channels_whose_frames_have_planes_of_their_own_do_not_crash_it() -> None:
    assert refused(made(voice(1), "opus", channels=8)).code is Refusal.CHANNELS


def test_atoms_within_atoms_are_refused_in_no_time() -> None:
    nested = bytearray(b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom")
    for level in range(50_000):
        nested += struct.pack(">I", 8 * (50_000 - level)) + b"moov"
    assert refused(bytes(nested)).code in (Refusal.DAMAGED, Refusal.EMPTY)


def test_a_film_is_refused_and_a_playlist_is_never_followed() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            film.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        film.mux(stream.encode(None))
    assert refused(out.getvalue()).code is Refusal.VIDEO
    err = refused(b"#EXTM3U\nfile:///etc/passwd\n")
    assert (err.code, err.facts["looks_like"]) == (Refusal.NOT_A_SOUND, "playlist")


def test_time_is_limited_within_too() -> None:
    with pytest.raises(Refused) as err:
        taken(sample("flac"), limits=Limits(cpu_s=0))
    assert err.value.code is Refusal.TOO_SLOW


def test_so_is_what_is_decoded_and_what_is_written() -> None:
    assert refused(sample("flac"), limits=Limits(samples=1_000)).code is Refusal.TOO_LARGE
    assert refused(sample("flac"), limits=Limits(result_bytes=1_000)).code is Refusal.TOO_LARGE
