"""Long sounds, decoded ahead: what the sound thread gets, and when."""

import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from audio_assets.codec import decode, encode
from audio_assets.pcm import FRAME_BYTES
from audio_assets.rendering import UnsupportedAudio
from audio_assets.streamed import OpusFile
from audio_assets.tones import melody
from endpoints.reel import AHEAD_BYTES, LOW_BYTES, READY_BYTES, Reel, Reels


class Numbered:
    """A source of numbered pieces that may break off."""

    def __init__(self, pieces: int, *, breaks: Exception | None = None) -> None:
        self.samples, self._pieces, self._breaks = pieces * 960, pieces, breaks
        self.read_so_far = 0
        self.closed = False

    def read(self, from_sample: int = 0) -> Generator[bytes, None, None]:
        try:
            for number in range(from_sample // 960, self._pieces):
                self.read_so_far += 1
                yield number.to_bytes(2, "little") * 960
            if self._breaks is not None:
                raise self._breaks
        finally:
            self.closed = True


def drained(reel: Reel, reels: Reels) -> bytes:
    out = b""
    while not reel.ended:
        out += reel.take(FRAME_BYTES)
        while reels.work():
            pass
    return out


def test_it_is_decoded_ahead_so_far_and_no_further() -> None:
    reels, source = Reels(), Numbered(1_000)
    reel = reels.open(source)
    assert (reel.ready, source.read_so_far, reel.take(FRAME_BYTES)) == (False, 0, b""), (
        "nothing is read by who opens it"
    )
    while reels.work():
        pass
    assert AHEAD_BYTES <= reel.buffered_bytes < AHEAD_BYTES + READY_BYTES
    assert reel.ready


def test_it_is_filled_up_in_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    reels, wake = Reels(), threading.Event()
    monkeypatch.setattr(reels, "_wake", wake)
    reel = reels.open(Numbered(1_000))
    while reels.work():
        pass
    wake.clear()
    while reel.buffered_bytes > LOW_BYTES:
        reel.take(FRAME_BYTES)
        assert wake.is_set() is (reel.buffered_bytes < LOW_BYTES)
    reel.take(FRAME_BYTES)
    assert wake.is_set()


def test_every_sample_comes_once_and_in_order_whatever_the_size_of_the_bites() -> None:
    reels = Reels()
    reel = reels.open(Numbered(700), 100 * 960)
    heard = b""
    for size in [2, 1_918, 1_922, 4_000] * 400:
        heard += reel.take(size)
        while reels.work():
            pass
    assert heard == b"".join(Numbered(700).read(100 * 960))
    assert reel.ended


def test_the_emptiest_has_its_turn_first() -> None:
    reels = Reels()
    first = reels.open(Numbered(1_000))
    while reels.work():
        pass
    first.take(AHEAD_BYTES // 4)
    second = reels.open(Numbered(1_000))
    left = first.buffered_bytes
    while not second.ready:
        reels.work()
    assert first.buffered_bytes == left


@pytest.mark.parametrize("error", [UnsupportedAudio("damaged"), OSError(5, "Input/output error")])
def test_a_file_that_breaks_off_gives_all_that_could_be_read_and_then_says_so(error: Exception) -> None:
    reels = Reels()
    reel = reels.open(Numbered(5, breaks=error))
    while reels.work():
        pass
    assert reel.ready
    assert reel.take(10 * FRAME_BYTES) == b"".join(Numbered(5).read())
    with pytest.raises(type(error)):
        reel.take(FRAME_BYTES)


def test_what_nobody_wants_any_more_is_closed() -> None:
    reels, source = Reels(), Numbered(1_000)
    reel = reels.open(source)
    reels.work()
    reel.close()
    assert reels.work() is False
    assert source.closed


def test_a_thread_reads_real_files_and_ends_when_told(tmp_path: Path) -> None:
    path = tmp_path / "one.opus"
    path.write_bytes(encode(melody()))
    reels = Reels()
    reels.start()
    try:
        reel = reels.open(OpusFile.at(path))
        assert reel.wait(5)
        heard = bytearray()
        while not reel.ended:
            heard += reel.take(FRAME_BYTES) or (threading.Event().wait(0.001) and b"") or b""
        gone = reels.open(OpusFile(tmp_path / "gone.opus", 960))
        assert gone.wait(5)
        with pytest.raises(UnsupportedAudio):
            gone.take(FRAME_BYTES)
    finally:
        reels.close()
    assert heard == decode(encode(melody())).data
    assert reels._thread is not None
    assert not reels._thread.is_alive()
