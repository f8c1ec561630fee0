"""Files in and out: what is uploaded is hostile, what is rendered is the same every time."""

import io
import subprocess
import sys
import wave

import pytest

from audio_assets.codec import Loudness, decode, encode, measure, normalise, resample
from audio_assets.levels import CEILING_DBTP
from audio_assets.pcm import Pcm
from audio_assets.rendering import AudioTooLong, UnsupportedAudio
from audio_assets.tones import ToneId, melody, tone
from tests.correlation import find_windows, samples


def wav(pcm: Pcm, *, channels: int = 1, rate_hz: int = 48_000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.data)
    return out.getvalue()


def test_a_sound_comes_back_from_ogg_opus_whole_in_place_and_recognisable() -> None:
    sound = normalise(melody())
    back = decode(encode(sound))
    assert back.samples == sound.samples
    for match in find_windows(samples(back.data)[4800:], samples(sound.data)):
        assert abs(match.at - 4800) <= 2
        assert match.score > 0.9


def test_a_length_that_is_no_whole_frame_comes_back_to_the_sample() -> None:
    sound = Pcm(tone(ToneId.CHIME).data[: 2 * 12_345])
    assert decode(encode(sound)).samples == 12_345


def test_the_same_samples_make_the_same_bytes_in_another_process_too() -> None:
    chime = encode(tone(ToneId.CHIME))
    script = (
        "import sys; from audio_assets.codec import encode; from audio_assets.tones import ToneId, tone;"
        "sys.stdout.buffer.write(encode(tone(ToneId.CHIME)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == chime
    assert chime[14:18] == bytes(4), "the serial number of the Ogg stream is not random"


def test_a_wav_of_any_rate_and_of_two_channels_becomes_ours() -> None:
    chime = tone(ToneId.CHIME)
    assert decode(wav(chime)) == chime
    assert decode(wav(chime, rate_hz=24_000)).samples == pytest.approx(2 * chime.samples, abs=64)
    assert decode(wav(chime, channels=2)).samples == chime.samples // 2
    assert resample(chime.data, 16_000).samples == pytest.approx(3 * chime.samples, abs=64)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"ID3\x04" + bytes(4000),
        b"fLaC" + bytes(4000),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"OggS" + b"OpusHead" * 40,
        encode(tone(ToneId.CHIME))[:400],
        wav(Pcm(b"")),
        wav(tone(ToneId.CHIME), channels=8),
    ],
    ids=["nothing", "playlist", "concat", "mp3", "flac", "cut wav", "false ogg", "cut ogg", "no sound", "8 channels"],
)
def test_what_is_no_sound_of_ours_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(UnsupportedAudio, match=r"file|sound|channels"):
        decode(data)


def test_a_damaged_file_never_does_worse_than_be_refused() -> None:
    good = encode(tone(ToneId.CHIME))
    for at in range(0, len(good), 97):
        try:
            decode(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        except UnsupportedAudio:
            continue


def test_a_sound_beyond_the_limit_is_refused_while_it_is_read() -> None:
    with pytest.raises(AudioTooLong):
        decode(encode(melody()), max_ms=5_000)


@pytest.mark.parametrize(
    "sound", [tone(ToneId.ATTENTION), tone(ToneId.CHIME), melody()], ids=["sweep", "chime", "melody"]
)
def test_loudness_is_brought_to_its_target_under_the_ceiling(sound: Pcm) -> None:
    levelled = normalise(sound, lufs=-16)
    got = measure(levelled)
    assert got.lufs == pytest.approx(-16, abs=0.5)
    assert got.peak_dbtp <= CEILING_DBTP
    assert levelled.samples == sound.samples
    assert measure(decode(encode(levelled))).peak_dbtp < 0


def test_silence_stays_silence_and_noise_is_not_blown_up() -> None:
    assert normalise(Pcm.silence(1000)) == Pcm.silence(1000)
    assert normalise(Pcm(b"")) == Pcm(b"")
    assert measure(Pcm(b"")) == Loudness(-70.0, -120.0)
    faint = melody().gain(-60)
    assert measure(normalise(faint)).lufs < -40


def test_what_is_too_short_to_measure_is_measured_all_the_same() -> None:
    assert -40 < measure(tone(ToneId.CHIME).slice_ms(0, 150)).lufs < -5
