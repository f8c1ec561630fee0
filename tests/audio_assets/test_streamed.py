"""A file read piece by piece sounds as if it had been decoded whole, from wherever it is begun."""

import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_assets.codec import decode, encode
from audio_assets.pcm import SAMPLES_PER_MS, Pcm
from audio_assets.rendering import UnsupportedAudio
from audio_assets.streamed import OpusFile
from audio_assets.tones import melody
from tests.correlation import samples

SECOND = 48_000


@cache
def programme() -> bytes:
    """12 s in which no two moments are alike: a tune with noise on it, which Opus codes with memory of what was before."""
    tune = samples(melody().data)[: 12 * SECOND]
    noise = np.random.default_rng(1).normal(0, 600, tune.size)
    return encode(Pcm((tune / 2 + noise).clip(-32_000, 32_000).astype("<i2").tobytes()))


@cache
def whole() -> Pcm:
    return decode(programme())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> OpusFile:
    path = tmp_path_factory.mktemp("streamed") / "one.opus"
    path.write_bytes(programme())
    return OpusFile.at(path)


def test_it_is_the_same_sound_as_when_decoded_whole(file: OpusFile) -> None:
    assert file.samples == whole().samples
    assert b"".join(file.read()) == whole().data


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 12 * SECOND))
@pytest.mark.parametrize("_", [0])
def test_begun_anywhere_it_goes_on_to_the_sample_as_if_it_had_been_heard_from_the_start(
    file: OpusFile, _: int, at: int
) -> None:
    heard, expected = samples(b"".join(file.read(at))), samples(whole().data)[at:]
    assert heard.size == expected.size
    assert np.abs(heard - expected).max(initial=0) <= 32, "nearly the same samples: the decoder has converged"
    error = np.sqrt(np.mean((heard - expected) ** 2)) if heard.size else 0.0
    assert error <= 2, "-84 dBFS; a place that is off by one sample is a hundred times as loud"


def test_a_place_in_the_middle_of_a_page_and_one_on_its_edge(file: OpusFile) -> None:
    for ms in (1, 79, 80, 81, 999, 1_000, 1_001, 5_500, 11_999):
        at = ms * SAMPLES_PER_MS
        heard, expected = samples(b"".join(file.read(at))), samples(whole().data)[at:]
        assert np.sqrt(np.mean((heard - expected) ** 2)) <= 12, ms


def test_behind_its_end_there_is_nothing(file: OpusFile) -> None:
    assert b"".join(file.read(file.samples)) == b""
    assert b"".join(file.read(file.samples + SECOND)) == b""


def test_what_is_no_ogg_opus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.opus"
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, 48_000, 0, "NONE", ""))
        wav.writeframes(bytes(9_600))
    with pytest.raises(UnsupportedAudio):
        OpusFile.at(path)
    path.write_text("#EXTM3U\nfile:///etc/passwd\n", encoding="utf-8")
    with pytest.raises(UnsupportedAudio):
        OpusFile.at(path)
    with pytest.raises(UnsupportedAudio):
        list(OpusFile(path, SECOND).read())
    with pytest.raises(OSError, match="No such file"):
        OpusFile.at(tmp_path / "gone.opus")


def test_a_file_cut_off_on_the_disk_gives_what_there_is(file: OpusFile, tmp_path: Path) -> None:
    path = tmp_path / "cut.opus"
    path.write_bytes(programme()[: len(programme()) // 2])
    try:
        heard = b"".join(OpusFile(path, file.samples).read())
    except UnsupportedAudio:
        return
    assert len(heard) < len(whole().data)
    assert heard[: 4 * SECOND] == whole().data[: 4 * SECOND]
