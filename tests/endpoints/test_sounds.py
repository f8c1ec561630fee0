"""Sounds at hand: what is open, what is in memory, and what is neither."""

from pathlib import Path

import pytest

from audio_assets.cache import AssetCache
from audio_assets.pcm import Pcm
from endpoints import sounds as module
from endpoints.sounds import Sounds
from endpoints.track import Long
from tests.endpoints.studio import InlineReels, Tape, silent_tape, tape


def kept(folder: Path, *tapes: Tape) -> tuple[AssetCache, Sounds]:
    cache = AssetCache(folder, max_bytes=10**9)
    for one in tapes:
        cache.put(one.data)
    return cache, Sounds(cache, InlineReels())


async def test_short_words_are_held_in_memory_and_long_ones_are_read_from_the_disk(tmp_path: Path) -> None:
    short, long = tape(3), tape(61)
    _, sounds = kept(tmp_path, short, long)
    for one in (short, long):
        assert sounds.get(one.sha256) is None
        await sounds.take_up(one.sha256, in_memory=True)
    assert sounds.get(short.sha256) == short.pcm
    found = sounds.get(long.sha256)
    assert isinstance(found, Long)
    assert (found.samples, found.open_now(0).take(9_600)) == (long.pcm.samples, long.pcm.data[:9_600])


async def test_a_programme_is_not_held_in_memory_however_short(tmp_path: Path) -> None:
    short = tape(3)
    _, sounds = kept(tmp_path, short)
    await sounds.take_up(short.sha256, in_memory=False)
    assert isinstance(sounds.get(short.sha256), Long)


async def test_when_memory_runs_short_those_used_longest_ago_are_read_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = tape(3, 1), tape(3, 2), tape(3, 3)
    _, sounds = kept(tmp_path, first, second, third)
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 2 * len(first.pcm.data))
    for one in (first, second, first, third):
        await sounds.take_up(one.sha256, in_memory=True)
    assert [type(sounds.get(one.sha256)) for one in (first, second, third)] == [Pcm, Long, Pcm]


async def test_what_is_no_sound_is_bad_until_another_file_comes(tmp_path: Path) -> None:
    cache, sounds = kept(tmp_path)
    noise = cache.put(b"no sound at all")
    await sounds.take_up(noise, in_memory=False)
    assert (sounds.get(noise), sounds.is_bad(noise)) == (None, True)
    sounds.keep(frozenset())
    assert not sounds.is_bad(noise)


async def test_what_went_away_is_not_at_hand(tmp_path: Path) -> None:
    short = silent_tape(1)
    cache, sounds = kept(tmp_path, short)
    await sounds.take_up(short.sha256, in_memory=True)
    sounds.keep(frozenset({short.sha256}))
    assert sounds.get(short.sha256) is not None
    sounds.keep(frozenset())
    assert sounds.get(short.sha256) is None
    cache.remove(short.sha256)
    await sounds.take_up(short.sha256, in_memory=True)
    assert (sounds.get(short.sha256), sounds.is_bad(short.sha256)) == (None, False)


async def test_a_small_file_is_at_hand_at_once_when_it_is_whole(tmp_path: Path) -> None:
    short, other = tape(3, 1), tape(3, 2)
    cache, sounds = kept(tmp_path, short, other)
    cache.path(other.sha256).write_bytes(short.data)
    for one in (short, other, tape(3, 3)):
        sounds.open_now(one.sha256)
    assert [type(sounds.get(one.sha256)) for one in (short, other, tape(3, 3))] == [Long, type(None), type(None)]
    assert not cache.has(other.sha256), "it can be fetched again"
