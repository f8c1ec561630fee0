"""What a file is, by its first bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.containers import CONTAINERS, NoSound, recognise
from broadcast.domain.assets import ENDINGS
from tests.audio_assets.samples import CONTAINER_OF, KINDS, id3, sample


def kind_of(data: bytes) -> str:
    try:
        return recognise(io.BytesIO(data)).name
    except NoSound as err:
        return f"no sound: {err.looks_like}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_recognised_whatever_its_name(kind: str) -> None:
    assert kind_of(sample(kind)) == CONTAINER_OF.get(kind, kind)


@pytest.mark.parametrize("kind", ["mp3", "aac", "flac"])
def test_tags_with_pictures_of_megabytes_are_skipped(kind: str) -> None:
    picture = b"\x89PNG" + bytes(3_000_000)
    assert kind_of(id3(picture) + sample(kind)) == kind
    assert kind_of(id3(picture) + id3(b"again") + sample(kind)) == kind


def test_padding_behind_a_tag_is_skipped() -> None:
    assert kind_of(id3(b"x") + bytes(700) + sample("aac")) == "aac"


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"#EXTM3U\n/etc/passwd\n", "playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n#EXT-X-VERSION:3\n", "playlist"),
        (b"[playlist]\nFile1=/etc/passwd\n", "playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "playlist"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "playlist"),
        (b'<?xml version="1.0"?><playlist version="1"><trackList/>', "playlist"),
        (b'<?xml version="1.0"?><MPD><BaseURL>/etc/passwd</BaseURL>', "text"),
        (b"<asx version='3.0'><entry/></asx>", "playlist"),
        (b"http://127.0.0.1:1/a.mp3\n", "playlist"),
        (b"concat:/etc/passwd|/etc/shadow", "playlist"),
        (b"file '/etc/passwd'\n", "playlist"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video"),
        (b"\x1aE\xdf\xa3\x01\x00\x00\x00", "video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "picture"),
        (b"%PDF-1.7\n", "document"),
        (b"PK\3\4" + bytes(30), "archive"),
        (b"\x1f\x8b\x08" + bytes(30), "archive"),
        (b"MThd\0\0\0\6", "midi"),
        ("早上好，遵化".encode(), "text"),
        (b"<html><script>alert(1)</script>", "text"),
        (bytes(5_000), "nothing"),
        (b"", "nothing"),
        (b"\xff\xfb", "unknown"),
        (b"\xff\xfbnot a frame at all", "unknown"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f", "tag"),
        (b"ID3", "tag"),
        (b"ID3\x04\0\0\0\0\0\x08" + bytes(8), "tag"),
        (b"ID3\x04\0\0\0\0\0\x08" + bytes(900), "tag"),
        (b"ID3\x04\0\0\xff\xff\xff\xff" + bytes(10), "unknown"),
    ],
)
def test_what_is_no_sound_is_called_by_its_name(data: bytes, looks_like: str) -> None:
    assert kind_of(data) == f"no sound: {looks_like}"


@given(st.binary(max_size=600))
def test_no_bytes_at_all_are_too_much_for_it(data: bytes) -> None:
    file = io.BytesIO(data)
    kind_of(data)
    assert file.tell() == 0


def test_the_console_knows_the_endings_of_every_container() -> None:
    assert {one.name for one in CONTAINERS} == set(ENDINGS)
