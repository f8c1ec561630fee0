"""A speaker's files: what is needed soonest stays, and half of one is not lost."""

import hashlib
import os
from pathlib import Path

import pytest

from audio_assets.cache import AssetCache, LibraryFull
from audio_assets.library import AssetDamaged


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def age(cache: AssetCache, *used: bytes) -> None:
    """Let them have been used in this order, a second apart."""
    for second, sha256 in enumerate(used):
        os.utime(cache.path(sha256), (1_000 + second, 1_000 + second))


def held(cache: AssetCache, *files: bytes) -> list[bool]:
    return [cache.has(sha256) for sha256 in files]


def test_what_nobody_needs_goes_first_used_longest_ago_before_the_others(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=30)
    first, second, third = (cache.put(bytes([letter]) * 10) for letter in b"abc")
    age(cache, first, second, third)
    cache.get(first)
    fourth = cache.put(b"d" * 15)
    assert held(cache, first, second, third, fourth) == [True, False, False, True]
    assert (cache.size_bytes(), cache.free_bytes()) == (25, 5)


def test_what_is_needed_last_makes_room_for_what_is_needed_sooner_and_never_the_reverse(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=30)
    a, b, c = (cache.put(letter * 10) for letter in (b"a", b"b", b"c"))
    soon = sha(b"d" * 10)
    cache.keep([a, soon, b, c])
    assert cache.put(b"d" * 10) == soon
    assert held(cache, a, soon, b, c) == [True, True, True, False]
    with pytest.raises(LibraryFull) as caught:
        cache.reserve(c, 10)
    assert (caught.value.size_bytes, caught.value.room_bytes) == (10, 0)
    assert held(cache, a, soon, b) == [True] * 3


def test_a_file_that_does_not_fit_costs_no_other_its_place(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=30)
    first, second = cache.put(b"a" * 10), cache.put(b"b" * 10)
    cache.keep([first, second])
    with pytest.raises(LibraryFull):
        cache.reserve(sha(b"d" * 31), 31)
    assert held(cache, first, second) == [True, True]


def test_what_nobody_announced_is_needed_now(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=30)
    first, second = cache.put(b"a" * 10), cache.put(b"b" * 10)
    cache.keep([first, second])
    cache.reserve(sha(b"c" * 20), 20)
    assert held(cache, first, second) == [True, False]


def test_a_file_that_came_in_parts_is_taken_in_when_it_is_whole(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=1_000)
    cache.part(sha(b"sound")).write_bytes(b"sou")
    again = AssetCache(tmp_path, max_bytes=1_000)
    assert again.part(sha(b"sound")).read_bytes() == b"sou", "a restart loses nothing"
    assert again.size_bytes() == 3
    with again.part(sha(b"sound")).open("ab") as part:
        part.write(b"nd")
    again.adopt(sha(b"sound"))
    assert again.get(sha(b"sound")) == b"sound"
    assert not again.part(sha(b"sound")).exists()


def test_a_part_that_is_something_else_is_thrown_away(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=1_000)
    cache.part(sha(b"sound")).write_bytes(b"sOund")
    with pytest.raises(AssetDamaged):
        cache.adopt(sha(b"sound"))
    assert list(tmp_path.iterdir()) == []


def test_the_beginning_of_a_file_that_nobody_needs_any_more_goes(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=1_000)
    one, other = sha(b"one"), sha(b"other")
    cache.part(one).write_bytes(b"o")
    cache.part(other).write_bytes(b"o")
    cache.keep([other])
    assert (cache.part(one).exists(), cache.part(other).exists()) == (False, True)
