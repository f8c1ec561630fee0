"""What a sound is called, who sees it, when it may be used."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.assets import MAX_NAME, AssetKind, NewAsset, check, clean_name, misnamed, name_of_file, sees
from broadcast.domain.officers import Officer, Role
from tests.store.rows import NOW_MS
from tests.store.sounds import ASSET, MEASURED, asset

CITY, TOWN, OTHER, VILLAGE = "130281000000", "130281100000", "130281101000", "130281100200"


def officer(area: str) -> Officer:
    return Officer("o", "o", Role.DUTY, area)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("早安遵化", "早安遵化"),
        ("通知 1/3", "通知 1/3"),
        ("a <b>x</b>", "a <b>x</b>"),
        ("a\x00b", "a b"),
        ("song\u202egpj.exe", "song gpj.exe"),
        ("\u200f\u200b\ufeff", ""),
        ("  many   spaces\t\n", "many spaces"),
        ("..", ""),
        (".hidden", "hidden"),
        ("e\u0301", "é"),
        ("<script>", "<script>"),
        ("x" * 5_000, "x" * MAX_NAME),
    ],
)
def test_a_name_is_one_line_that_shows_what_it_is(text: str, name: str) -> None:
    assert clean_name(text) == name


@given(st.text(max_size=300))
def test_no_name_holds_anything_invisible(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= MAX_NAME
    assert all(unicodedata.category(char)[0] not in "CZ" or char == " " for char in name)
    assert clean_name(name) == name or "." in name


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\wang\\水位.mp3", "水位"),
        (".mp3", "mp3"),
        ("广播 3.1.wav", "广播 3.1"),
        ("/", ""),
        ("a/\u202e.wav", ""),
    ],
)
def test_a_file_names_its_sound_by_the_end_of_its_path(file_name: str, name: str) -> None:
    assert name_of_file(file_name) == name


@pytest.mark.parametrize(
    ("file_name", "container", "ending"),
    [
        ("a.mp3", "mp3", ""),
        ("a.MP3", "mp3", ""),
        ("a.wav", "mp3", "wav"),
        ("a.mp3.exe", "mp3", "exe"),
        ("a", "mp3", ""),
        ("a.m4a", "mp4", ""),
        ("录音.3gp", "mp4", ""),
        ("第1.5集", "mp3", ""),
        ("a.<b>", "mp3", ""),
        ("a." + "x" * 500, "mp3", ""),
    ],
)
def test_an_ending_that_promises_something_else_is_told(file_name: str, container: str, ending: str) -> None:
    assert misnamed(file_name, container) == ending


def test_own_and_below_are_seen_always_and_above_where_it_is_shared() -> None:
    for shared in (True, False):
        assert sees(officer(CITY), TOWN, shared=shared)
        assert sees(officer(TOWN), TOWN, shared=shared)
        assert not sees(officer(TOWN), OTHER, shared=shared)
    assert sees(officer(VILLAGE), CITY, shared=True)
    assert not sees(officer(VILLAGE), CITY, shared=False)


def test_an_approval_counts_for_the_file_that_was_heard_alone() -> None:
    assert asset(approved_by="li", approved_ms=NOW_MS, approved_sha256=ASSET.sha256).is_approved
    assert not asset(approved_by="li", approved_ms=NOW_MS, approved_sha256=b"\1" * 32).is_approved
    assert not ASSET.is_approved


def test_it_expires_at_its_instant_and_is_warned_of_for_a_fortnight() -> None:
    day = 86_400_000
    one = asset(expires_ms=NOW_MS + 20 * day)
    assert [one.is_expired(NOW_MS + days * day) for days in (0, 19, 20, 21)] == [False, False, True, True]
    assert [one.expires_soon(NOW_MS + days * day) for days in (0, 5, 6, 19, 20)] == [False, False, True, True, False]
    assert not ASSET.is_expired(2**62) and not ASSET.expires_soon(2**62)


def test_every_wrong_field_is_found_at_once() -> None:
    new = NewAsset(name="\u200f", licence=" ", kind=AssetKind.ROUTINE, area=CITY, expires_ms=NOW_MS - 1)
    assert [(one.field, one.code) for one in check(new, now_ms=NOW_MS)] == [
        ("name", "missing"),
        ("licence", "missing-licence"),
        ("expires", "in-the-past"),
    ]
    good = NewAsset(name="钟", licence="自行录制", kind=AssetKind.SIGNAL, area=CITY)
    assert check(good, now_ms=NOW_MS) == []


def test_a_waveform_in_fewer_pairs_keeps_its_peaks() -> None:
    pairs = MEASURED.pairs(100)
    assert len(pairs) <= 100
    assert min(low for low, _ in pairs) == min(low for low, _ in MEASURED.pairs())
    assert max(high for _, high in pairs) == max(high for _, high in MEASURED.pairs())
    assert all(low >= -128 and high <= 127 for low, high in pairs)
