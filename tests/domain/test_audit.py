"""The chain of acts: the bytes that are hashed, and that every kind of tampering is named with its act."""

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.audit import GENESIS, Checkpoint, Entry, Head, due, fits, link_of
from broadcast.domain.audit_faults import Finding, Walk, Wrong, compare, first_difference

Rows = list[Entry]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
WHOLE = st.integers(-(2**63), 2**63 - 1)


def chain(count: int) -> Rows:
    rows: Rows = []
    for seq in range(1, count + 1):
        previous = rows[-1].link if rows else GENESIS
        said = (
            1_790_000_000_000 + 977 * seq,
            f"王芳{seq % 3}",
            "start broadcast",
            f"B{seq}",
            "水位上涨" * (seq % 5),
        )
        rows.append(Entry(seq, *said, previous, link_of(seq, said, previous)))
    return rows


def relinked(entry: Entry) -> Entry:
    return entry._replace(link=link_of(entry.seq, entry[1:6], entry.previous))


def hashed(whole: list[object]) -> bytes:
    return hashlib.sha256(cbor2.dumps(whole, canonical=True)).digest()


def numbered(rows: Sequence[Entry]) -> Rows:
    """As they stand now, without a gap: what somebody does who knows that numbers are looked at."""
    return [row._replace(seq=seq) for seq, row in enumerate(rows, start=1)]


def found_in(rows: Sequence[Entry], *, batch: int = 7) -> list[Finding]:
    walk = Walk()
    for at in range(0, len(rows), batch):
        walk.take(rows[at : at + batch])
    return walk.end()


# ---- what is hashed -----------------------------------------------------------------------------------------------------------


@given(WHOLE, WHOLE, TEXTS, TEXTS, TEXTS, TEXTS, st.binary(min_size=32, max_size=32))
def test_a_link_is_the_hash_of_the_canonical_cbor_of_what_was_done(  # noqa: PLR0917
    seq: int, at_ms: int, officer: str, verb: str, subject: str, detail: str, previous: bytes
) -> None:
    whole = [seq, at_ms, officer, verb, subject, detail, previous]
    assert link_of(seq, (at_ms, officer, verb, subject, detail), previous) == hashed(whole)


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_texts_of_any_length_are_written_in_their_shortest_form(length: int) -> None:
    said = (1, 2, "x" * length, "v", "s", "d", GENESIS)
    entry = Entry(*said, hashed(list(said)))
    assert fits(entry) and found_in([entry]) == []


@pytest.mark.parametrize(
    "value",
    [{"officer": "\ud800"}, {"at_ms": 2**64}, {"officer": None}, {"at_ms": "soon"}, {"detail": b"x"}, {"link": b""}],
)
def test_what_no_act_can_hold_is_a_changed_act_and_no_crash(value: dict[str, Any]) -> None:
    rows = chain(9)
    rows[4] = rows[4]._replace(**value)
    assert found_in(rows) == [Finding(Wrong.CHANGED, 5, 5)]


# ---- an honest trail ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 6, 7, 8, 100])
def test_an_honest_trail_has_nothing_wrong_however_it_is_cut_into_batches(count: int) -> None:
    rows = chain(count)
    assert [found_in(rows, batch=batch) for batch in (1, 7, 1_000)] == [[], [], []]


def test_a_trail_is_verified_on_from_where_it_was() -> None:
    rows = chain(20)
    walk = Walk(Head(12, rows[11].link))
    walk.take(rows[12:])
    assert (walk.end(), walk.head, walk.rows) == ([], Head(20, rows[19].link), 8)


# ---- tampering: the exact act is named ------------------------------------------------------------------------------------------

FIELDS: list[dict[str, Any]] = [
    {"at_ms": 5},
    {"officer": "李强"},
    {"verb": "stop broadcast"},
    {"subject": "B0"},
    {"detail": "x"},
    {"previous": bytes(32)},
    {"link": bytes(32)},
    {"officer": "李强", "link": b"x" * 32},
    {"previous": b"y" * 32, "link": b"x" * 32},
]


@pytest.mark.parametrize("change", FIELDS)
@pytest.mark.parametrize("at", [2, 3, 30, 59, 60])
def test_a_changed_act_is_named(change: dict[str, Any], at: int) -> None:
    rows = chain(60)
    rows[at - 1] = rows[at - 1]._replace(**change)
    assert found_in(rows) == [Finding(Wrong.CHANGED, at, at)]


@pytest.mark.parametrize("at", [1, 2, 30, 58, 59])
def test_a_changed_act_whose_link_was_made_anew_is_named_by_the_one_behind_it(at: int) -> None:
    rows = chain(60)
    rows[at - 1] = relinked(rows[at - 1]._replace(officer="李强"))
    assert found_in(rows) == [Finding(Wrong.RELINKED, at, at)]


@pytest.mark.parametrize("at", [1, 2, 30, 58, 59])
@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("renumber", [False, True])
def test_deleted_acts_are_named(at: int, many: int, renumber: bool) -> None:
    rows = chain(60)
    del rows[at - 1 : at - 1 + many]
    at_the_end = at + many > 60  # only a checkpoint knows
    wrong = [] if at_the_end else [Finding(Wrong.MISSING, at, at + many - 1)]
    assert found_in(numbered(rows) if renumber else rows) == wrong


@pytest.mark.parametrize("at", [1, 2, 30, 59, 60])
@pytest.mark.parametrize("well_made", [False, True])
def test_an_inserted_act_is_named(at: int, well_made: bool) -> None:
    rows = chain(60)
    previous = rows[at - 2].link if at > 1 else GENESIS
    forged = Entry(at, 77, "nobody", "all clear", "B1", "", previous, b"z" * 32)
    rows.insert(at - 1, relinked(forged) if well_made else forged)
    assert found_in(numbered(rows)) == [Finding(Wrong.INSERTED, at, at)]


@pytest.mark.parametrize(("one", "other"), [(30, 31), (1, 2), (59, 60), (20, 24)])
def test_reordered_acts_are_named(one: int, other: int) -> None:
    rows = chain(60)
    rows[one - 1], rows[other - 1] = rows[other - 1], rows[one - 1]
    found = found_in(numbered(rows))
    assert found and {item.wrong for item in found} == {Wrong.MOVED}
    assert {item.first for item in found} <= {one, other}
    assert {item.place for item in found} <= {one, other}


def test_acts_far_apart_that_were_exchanged_are_named() -> None:
    rows = chain(900)
    rows[99], rows[799] = rows[799], rows[99]
    assert found_in(numbered(rows)) == [
        Finding(Wrong.MOVED, 100, 100, place=800),
        Finding(Wrong.MOVED, 800, 800, place=100),
    ]


def test_several_faults_are_each_named() -> None:
    rows = chain(300)
    rows[249] = rows[249]._replace(detail="x")
    del rows[149]
    rows[49] = relinked(rows[49]._replace(detail="x"))
    assert found_in(rows) == [
        Finding(Wrong.RELINKED, 50, 50),
        Finding(Wrong.MISSING, 150, 150),
        Finding(Wrong.CHANGED, 250, 250),
    ]


def test_a_trail_of_rubbish_ends_after_a_hundred_findings() -> None:
    rows = [row._replace(link=b"x" * 32, previous=b"y" * 32) for row in chain(3_000)]
    walk = Walk()
    walk.take(rows)
    assert walk.is_hopeless and len(walk.end()) == 100


TAMPERING: list[Callable[[Rows, int], Rows]] = [
    lambda rows, at: [*rows[:at], rows[at]._replace(detail="forged"), *rows[at + 1 :]],
    lambda rows, at: [*rows[:at], relinked(rows[at]._replace(detail="forged")), *rows[at + 1 :]],
    lambda rows, at: [*rows[:at], *rows[at + 1 :]],
    lambda rows, at: numbered([*rows[:at], *rows[at + 1 :]]),
    lambda rows, at: numbered([*rows[:at], rows[at]._replace(detail="forged"), *rows[at:]]),
    lambda rows, at: numbered([*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]),
]


@settings(deadline=None, max_examples=200)
@given(st.integers(4, 80), st.sampled_from(TAMPERING), st.integers(0, 10**6), st.integers(1, 90))
def test_no_single_tampering_before_the_last_act_stays_unseen_and_its_place_is_named(
    count: int, tamper: Callable[[Rows, int], Rows], seed: int, batch: int
) -> None:
    at = random.Random(seed).randrange(count - 1)
    found = found_in(tamper(chain(count), at), batch=batch)
    assert found and all(at + 1 <= one.first <= at + 2 for one in found)


# ---- what only checkpoints tell -------------------------------------------------------------------------------------------------


def checkpoint(rows: Rows, seq: int) -> Checkpoint:
    return Checkpoint(seq, rows[seq - 1].link, 0, "130281000000", -8, b"", b"")


def rewritten(rows: Rows, at: int) -> Rows:
    """Everything from there on made anew, with all links: the chain alone can't tell."""
    made = list(rows[: at - 1])
    for row in rows[at - 1 :]:
        made.append(relinked(row._replace(detail=row.detail + "!", previous=made[-1].link if made else GENESIS)))
    return made


def test_a_tail_that_was_written_anew_is_found_by_a_checkpoint_kept_elsewhere() -> None:
    rows = chain(60)
    kept = [checkpoint(rows, seq) for seq in (10, 25, 40, 55)]
    now = rewritten(rows, 31)
    assert found_in(now) == []
    links = {row.seq: row.link for row in now}
    assert list(compare(kept, links, Head(60, now[-1].link))) == [Finding(Wrong.REWRITTEN, 26, 40)]
    assert first_difference(rows, links) == 31
    assert list(compare(kept, {row.seq: row.link for row in rows}, Head(60, rows[-1].link))) == []


def test_an_end_that_was_cut_off_is_found_by_a_checkpoint() -> None:
    rows = chain(60)
    kept = [checkpoint(rows, seq) for seq in (10, 55)]
    links = {row.seq: row.link for row in rows[:50]}
    assert list(compare(kept, links, Head(50, rows[49].link))) == [Finding(Wrong.CUT_OFF, 51, 55)]


def test_a_checkpoint_with_a_foreign_signature_is_named_and_proves_nothing() -> None:
    rows = chain(9)
    forged = checkpoint(rows, 5)
    assert list(compare([], {}, Head(9), forged=[forged])) == [Finding(Wrong.UNSIGNED, 5, 5)]


def test_a_checkpoint_is_due_after_a_thousand_acts_or_a_minute_and_only_when_acts_came() -> None:
    last = Checkpoint(500, GENESIS, 0, "130281000000", -8, b"", b"")
    assert not due(last, Head(500), 0, 10**9)
    assert not due(last, Head(501), 1_000, 60_999)
    assert due(last, Head(501), 1_000, 61_000)
    assert not due(last, Head(1_499), 1_000, 1_001)
    assert due(last, Head(1_500), 1_000, 1_001)
    assert due(None, Head(1), 0, 60_000)
