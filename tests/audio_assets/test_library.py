"""Files by their content hash: whole or not there."""

import hashlib
from pathlib import Path

import pytest

from audio_assets.library import AssetDamaged, AssetLibrary, AssetMissing


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


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


def test_a_file_is_checked_without_being_held_in_memory(tmp_path: Path) -> None:
    library = AssetLibrary(tmp_path)
    sha256 = library.put(b"sound")
    assert library.check(sha256) == 5
    library.path(sha256).write_bytes(b"sOund")
    with pytest.raises(AssetDamaged):
        library.check(sha256)
    assert not library.has(sha256)
    with pytest.raises(AssetMissing):
        library.check(sha256)


def test_a_power_cut_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-abc").write_bytes(b"half a so")
    library = AssetLibrary(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert library.size_bytes() == 0


@pytest.mark.parametrize("name", [b"", b"../../etc/passwd", bytes(31)])
def test_a_name_that_is_no_hash_is_no_path(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AssetLibrary(tmp_path).path(name)
