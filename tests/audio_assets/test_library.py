"""Files by their content hash: whole or not there."""

import hashlib
import os
from pathlib import Path

import pytest

from audio_assets.library import AssetDamaged, AssetLibrary, AssetMissing, LibraryFull


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def age(library: AssetLibrary, *used: bytes) -> None:
    """Let them have been used in this order, a second apart."""
    for second, sha256 in enumerate(used):
        os.utime(library.path(sha256), (1_000 + second, 1_000 + second))


def test_what_is_put_is_got_by_its_hash(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path / "new" / "folder")
    assert library.put(b"sound") == sha(b"sound") == library.put(b"sound")
    assert library.has(sha(b"sound"))
    assert library.get(sha(b"sound")) == b"sound"
    assert [path.name for path in library.folder.iterdir()] == [sha(b"sound").hex() + ".opus"]
    assert library.path(sha(b"sound")).stat().st_mode & 0o777 == 0o644


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path)
    assert not library.has(sha(b"x"))
    with pytest.raises(AssetMissing) as caught:
        library.get(sha(b"x"))
    assert caught.value.sha256 == sha(b"x")


def test_a_damaged_file_is_reported_once_and_can_be_put_again(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path)
    sha256 = library.put(b"sound")
    library.path(sha256).write_bytes(b"sOund")
    with pytest.raises(AssetDamaged):
        library.get(sha256)
    with pytest.raises(AssetMissing):
        library.get(sha256)
    library.put(b"sound")
    library.path(sha256).write_bytes(b"so")
    assert library.get(library.put(b"sound")) == b"sound", "putting it again repairs it"


def test_a_power_cut_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-abc").write_bytes(b"half a so")
    library = AssetLibrary(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert library.size_bytes() == 0


def test_a_cache_drops_what_was_not_used_for_longest(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path, max_bytes=30)
    first, second, third = (library.put(bytes([letter]) * 10) for letter in b"abc")
    age(library, first, second, third)
    library.get(first)
    fourth = library.put(b"d" * 15)
    assert [library.has(sha256) for sha256 in (first, second, third, fourth)] == [True, False, False, True]
    assert library.size_bytes() == 25


def test_a_cache_never_drops_what_is_pinned(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path, max_bytes=30)
    first, second = library.put(b"a" * 10), library.put(b"b" * 10)
    age(library, first, second)
    library.pin(frozenset({first}))
    library.put(b"c" * 20)
    assert (library.has(first), library.has(second)) == (True, False)
    with pytest.raises(LibraryFull) as caught:
        library.put(b"d" * 21)
    assert (caught.value.size_bytes, caught.value.room_bytes) == (21, 20)
    assert library.size_bytes() == 30, "a file that does not fit costs no other its place"


@pytest.mark.parametrize("name", [b"", b"../../etc/passwd", bytes(31)])
def test_a_name_that_is_no_hash_is_no_path(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AssetLibrary(tmp_path).path(name)
