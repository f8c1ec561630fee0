"""Ogg Opus without a codec: what is written a decoder reads, and what a crash leaves can be mended."""

import random
from pathlib import Path

import av
import pytest

from audio_assets.codec import decode, encode
from audio_assets.ogg import NoOggOpus, duration_ms
from audio_assets.ogg_pages import NOTHING, PRE_SKIP, OpusPages, frames_of, mend
from audio_assets.pcm import FRAME_MS
from audio_assets.tones import melody
from tests.correlation import find, samples

MELODY = melody().slice_ms(0, 4_000)


def recorded(frames: list[bytes], *, ended: bool = True) -> bytes:
    pages = OpusPages(4711, title="现场喊话")
    data = pages.begin()
    for start in range(0, len(frames), 3):
        data += pages.page(frames[start : start + 3])
    return data + pages.page([], last=True) if ended else data


def test_what_is_written_sounds_as_what_went_in(tmp_path: Path) -> None:
    frames = frames_of(encode(MELODY))
    assert len(frames) * FRAME_MS - MELODY.duration_ms in range(FRAME_MS + 10)
    again = recorded(frames)
    assert frames_of(again) == frames
    heard = decode(again)
    assert find(samples(MELODY.data)[:96_000], samples(heard.data)).score > 0.95
    file = tmp_path / "x.opus"
    file.write_bytes(again)
    assert duration_ms(file) == (len(frames) * 960 - PRE_SKIP) // 48
    with av.open(str(file)) as opened:
        said = {key.lower(): value for key, value in {**opened.metadata, **opened.streams[0].metadata}.items()}
    assert said["title"] == "现场喊话"


def test_a_loss_keeps_its_time() -> None:
    frames = frames_of(encode(MELODY))
    frames[50:100] = [NOTHING] * 50
    heard = samples(decode(recorded(frames)).data)
    tail = samples(MELODY.data)[48_000 * 25 // 10 : 48_000 * 35 // 10]
    found = find(tail, heard)
    assert found.score > 0.9
    assert abs(found.at_ms - 2_500) < 10


def test_long_frames_take_two_segments() -> None:
    frames = [b"\xfc" + bytes(size) for size in (1, 200, 254, 255, 300, 600)]
    pages = OpusPages(1)
    assert frames_of(pages.begin() + pages.page(frames)) == frames
    with pytest.raises(ValueError, match="segments"):
        pages.page([b"x"] * 256)


def test_a_file_cut_off_anywhere_is_mended_to_its_last_whole_page(tmp_path: Path) -> None:
    frames = frames_of(encode(MELODY))
    whole = recorded(frames, ended=False)
    chance, file = random.Random(4), tmp_path / "x.opus"
    headers = len(OpusPages(4711, title="现场喊话").begin())
    one_page = len(recorded(frames[:3], ended=False))
    for _ in range(60):
        cut = chance.randrange(one_page, len(whole) + 1)
        file.write_bytes(whole[:cut] + (chance.randbytes(chance.randrange(40)) if chance.random() < 0.3 else b""))
        kept = mend(file)
        left = frames_of(file.read_bytes())
        assert left == frames[: len(left)]
        assert kept == len(left) * 960
        assert len(whole[:cut]) - file.stat().st_size < 3 * 260, "no whole page is given away"
        assert decode(file.read_bytes()).samples == kept - PRE_SKIP
        assert mend(file) == kept
    for cut in (0, 10, headers, one_page - 1):
        file.write_bytes(whole[:cut])
        with pytest.raises(NoOggOpus):
            mend(file)


def test_other_bytes_are_no_file_of_ours(tmp_path: Path) -> None:
    for data in (b"", b"OggS", b"RIFF" * 20, random.Random(1).randbytes(500)):
        with pytest.raises(NoOggOpus):
            frames_of(data)
        file = tmp_path / "y"
        file.write_bytes(data)
        with pytest.raises(NoOggOpus):
            mend(file)
