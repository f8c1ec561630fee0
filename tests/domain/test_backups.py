"""Which backups stay, and that a manifest is believed only when it is one."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.backups import (
    BadBackup,
    Kept,
    Manifest,
    Part,
    is_name,
    manifest_text,
    name_of,
    read_manifest,
    to_drop,
)

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_790_000_000_000 // DAY * DAY + 20 * HOUR
DB = Part("lianbo.db", 5, "0" * 64)
MANIFEST = Manifest(NOW, "130281000000", "sqlite", "0009", 17, "ab" * 32, "c0de", "lianbo.db", (DB,), ())


def made(*at_ms: int, size: int = 10) -> list[Kept]:
    return [Kept(name_of(at), at, size) for at in at_ms]


def hourly(days: int) -> list[Kept]:
    return made(*(NOW - n * HOUR for n in range(days * 24)))


def test_of_a_month_of_hours_a_day_of_hours_and_two_weeks_of_days_stay() -> None:
    gone = set(to_drop(hourly(30)))
    left = [one for one in hourly(30) if one.name not in gone]
    assert [one.made_ms for one in left[:24]] == [NOW - n * HOUR for n in range(24)]
    assert len(left) == 24 + 14 - 2  # the last of today and of yesterday are among the hours
    assert NOW // DAY - left[-1].made_ms // DAY == 13


@given(st.lists(st.integers(0, 40 * 24 * 60), max_size=120), st.integers(0, 400))
def test_the_newest_always_stays_and_thinning_again_changes_nothing(minutes: list[int], most: int) -> None:
    kept = made(*sorted({NOW - n * 60_000 for n in minutes}))
    gone = to_drop(kept, most_bytes=most)
    left = [one for one in kept if one.name not in gone]
    assert not kept or kept[-1] in left
    assert to_drop(left, most_bytes=most) == []
    assert not most or len(left) <= 1 or sum(one.size_bytes for one in left) <= most


def test_the_oldest_go_when_there_is_no_room() -> None:
    kept = hourly(1)
    assert to_drop(kept, most_bytes=35) == [one.name for one in sorted(kept, key=lambda one: one.made_ms)[:-3]]


def test_a_manifest_comes_back_as_it_went_in() -> None:
    sounds = (Part(f"{'a' * 64}.opus", 7, "a" * 64),)
    whole = replace(MANIFEST, sounds=sounds)
    assert read_manifest(manifest_text(whole), "x") == whole


@pytest.mark.parametrize(
    "change",
    [
        {"format": "tar"},
        {"made_ms": -1},
        {"made_ms": "soon"},
        {"acts": True},
        {"acts": 2**64},
        {"county": None},
        {"files": []},
        {"files": [{"name": "../../etc/passwd", "size_bytes": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "/etc/passwd", "size_bytes": 1, "sha256": "0" * 64}]},
        {"files": [{"name": ".hidden", "size_bytes": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "lianbo.db", "size_bytes": -1, "sha256": "0" * 64}]},
        {"files": [{"name": "lianbo.db", "size_bytes": 1, "sha256": "short"}]},
        {"files": "lianbo.db"},
        {"sounds": [{"name": "a\nb", "size_bytes": 1, "sha256": "0" * 64}]},
        {"database": "other.db"},
        {"more": 1},
    ],
)
def test_a_manifest_that_says_what_can_not_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadBackup):
        read_manifest(json.dumps({**json.loads(manifest_text(MANIFEST)), **change}), "x")


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", "[" * 200_000, "{}"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(BadBackup):
        read_manifest(text, "x")


def test_names_sort_by_time_and_lead_nowhere() -> None:
    assert name_of(NOW) < name_of(NOW + 1_000) and is_name(name_of(NOW))
    assert not any(map(is_name, ["..", "20261123T100000Z/..", "sounds", ".unfinished-20261123T100000Z", ""]))
