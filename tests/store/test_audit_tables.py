"""The audit trail in every store: it grows as a chain, does not fork, refuses changes, and a change by hand is named."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from broadcast.domain.alarms import Alarm, Member, Rank, Scope
from broadcast.domain.audit import GENESIS, Checkpoint, Entry, Head, fits
from broadcast.domain.audit_faults import Finding, Walk, Wrong
from broadcast.domain.shifts import Item, Shift
from broadcast.service.ports import ActFilter, ActRow, Store, StoreRefused, Tx
from broadcast.store import schema
from broadcast.store.engines import LOCK_WAIT_S, parse, writer_engine
from broadcast.store.store import SqlStore, open_store

ROOT = Path(__file__).parents[2]


def act(number: int, officer: str = "wang", verb: str = "start broadcast") -> ActRow:
    return ActRow(1_790_000_000_000 + number, officer, verb, f"B{number}", "水位上涨" if number % 2 else "")


async def add(store: Store, *acts: ActRow) -> None:
    def work(tx: Tx) -> None:
        for one in acts:
            tx.acts.add(one)

    await store.write(work)


async def findings(store: Store) -> list[Finding]:
    walk = Walk()
    walk.take(await store.read(lambda tx: tx.acts.entries(after=0, limit=10_000)))
    return walk.end()


# ---- the contract -----------------------------------------------------------------------------------------------------------


async def test_acts_follow_each_other_from_one(store: Store) -> None:
    assert await store.read(lambda tx: tx.acts.head()) == Head(0, GENESIS)
    await add(store, act(1), act(2))
    await add(store, act(3))
    rows = [Entry(*row) for row in await store.read(lambda tx: tx.acts.entries(after=0, limit=9))]
    assert [(row.seq, ActRow(*row[1:6])) for row in rows] == [(n, act(n)) for n in (1, 2, 3)]
    assert all(map(fits, rows)) and await findings(store) == []
    assert await store.read(lambda tx: tx.acts.head()) == Head(3, rows[-1].link)
    assert await store.read(lambda tx: tx.acts.links([2, 3, 9])) == {2: rows[1].link, 3: rows[2].link}
    assert [row[0] for row in await store.read(lambda tx: tx.acts.entries(after=1, limit=1))] == [2]


async def test_what_was_rolled_back_leaves_no_gap(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.acts.add(act(1))
        raise KeyError

    with pytest.raises(KeyError):
        await store.write(work)
    await add(store, act(2))
    assert await store.read(lambda tx: tx.acts.page(limit=9)) == [act(2)]
    assert (await store.read(lambda tx: tx.acts.head())).seq == 1


async def test_within_a_transaction_its_own_acts_are_seen(store: Store) -> None:
    def work(tx: Tx) -> tuple[object, ...]:
        tx.acts.add(act(1))
        seen = tx.acts.page(limit=9), tx.acts.head().seq
        tx.acts.add(act(2))
        return (*seen, len(tx.acts.entries(after=0, limit=9)))

    assert await store.write(work) == ([act(1)], 1, 2)


@pytest.mark.parametrize(
    "bad", [act(1, officer="\ud800"), ActRow(2**64, "a", "b", "c", ""), ActRow(2**63, "a", "b", "c", "")]
)
async def test_what_can_not_be_written_down_is_refused_with_the_work_it_stands_for(store: Store, bad: ActRow) -> None:
    def work(tx: Tx) -> None:
        tx.facts.set("done", "yes")
        tx.acts.add(bad)

    with pytest.raises(StoreRefused):
        await store.write(work)
    assert await store.read(lambda tx: (tx.facts.get("done"), tx.acts.head().seq)) == (None, 0)


async def test_long_and_strange_texts_come_back_as_they_went_in(store: Store) -> None:
    strange = ActRow(-5, "𠮷野家 'x' \\ %s :y ?", "v" * 5_000, "\t\n", "<script>" * 900)
    await add(store, strange)
    assert await store.read(lambda tx: tx.acts.page(limit=1)) == [strange]
    assert await findings(store) == []


async def test_acts_are_found_by_officer_verb_subject_and_time(store: Store) -> None:
    await add(store, act(1), act(2, "li"), act(3, verb="stop"), act(4, "li", "stop"), act(5))

    async def numbers(limit: int = 9, **wanted: object) -> list[int]:
        found = await store.read(lambda tx: tx.acts.find(ActFilter(**wanted), limit=limit))  # type: ignore[arg-type]
        return [entry.seq for entry in found]

    assert await numbers() == [5, 4, 3, 2, 1]
    assert await numbers(officer="li") == [4, 2]
    assert await numbers(verb="stop", officer="wang") == [3]
    assert await numbers(subject="B5") == [5]
    assert await numbers(from_ms=act(2).at_ms, until_ms=act(4).at_ms) == [3, 2]
    assert await numbers(before=4, limit=2) == [3, 2]
    assert await numbers(officer="nobody") == []


async def test_checkpoints_are_kept_in_order_and_once(store: Store) -> None:
    made = [Checkpoint(seq, bytes([seq] * 32), seq, "130281000000", -8, b"12345678", b"s" * 64) for seq in (5, 9, 12)]
    assert await store.read(lambda tx: tx.checkpoints.last()) is None
    for one in made:
        await store.write(lambda tx, one=one: tx.checkpoints.add(one))  # type: ignore[misc]
    assert await store.read(lambda tx: tx.checkpoints.last()) == made[2]
    assert await store.read(lambda tx: tx.checkpoints.after(5, limit=9)) == made[1:]
    assert await store.read(lambda tx: tx.checkpoints.after(0, limit=1)) == made[:1]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.checkpoints.add(made[0]))


ALARM = Alarm(
    "01K5M0Z0000000000000000001",
    "speaker-offline",
    Rank.HIGH,
    Scope.TOWNSHIP,
    "130281100000",
    {"why": "<b>"},
    (Member("s-1-1", "130281100001", "村口", 5), Member("s-1-2", "130281100002", "𠮷", 6, 9)),
    raised_ms=100,
    ranked_ms=100,
)


async def test_alarms_come_back_as_they_went_in_and_the_open_ones_after_any_time(store: Store) -> None:
    done = replace(ALARM, id="01K5M0Z0000000000000000002", cleared_ms=5, acked_ms=7, acked_by="王", reason="换保险")
    into = replace(ALARM, id="01K5M0Z0000000000000000003", cleared_ms=5, into=ALARM.id)
    await store.write(lambda tx: tx.alarms.save([ALARM, done, into]))
    assert await store.read(lambda tx: tx.alarms.page(before=None, limit=9)) == [into, done, ALARM]
    assert await store.read(lambda tx: tx.alarms.page(before=done.id, limit=9)) == [ALARM]
    assert await store.read(lambda tx: tx.alarms.current(101)) == [ALARM]
    assert await store.read(lambda tx: tx.alarms.current(100)) == [ALARM, done, into]
    acked = replace(ALARM, acked_ms=8, acked_by="李", rank=Rank.URGENT)
    await store.write(lambda tx: tx.alarms.save([acked]))
    assert await store.read(lambda tx: (tx.alarms.get(ALARM.id), tx.alarms.get("no"))) == (acked, None)


async def test_shifts_come_back_as_they_went_in(store: Store) -> None:
    first = Shift("01K5M0Z0000000000000000001", "wang", began_ms=5)
    second = Shift(
        "01K5M0Z0000000000000000002",
        "li",
        "wang",
        6,
        None,
        None,
        "",
        "夜里有雨",
        {Item.BACKUP: "12 min", Item.SOUND: "ok"},
    )
    for one in (first, second):
        await store.write(lambda tx, one=one: tx.shifts.save(one))  # type: ignore[misc]
    assert await store.read(lambda tx: tx.shifts.page(before=None, limit=9)) == [second, first]
    assert await store.read(lambda tx: tx.shifts.page(before=second.id, limit=9)) == [first]
    ended = replace(first, ended_ms=7)
    await store.write(lambda tx: tx.shifts.save(ended))
    assert await store.read(lambda tx: tx.shifts.unended()) == [second]


# ---- two programs at once ---------------------------------------------------------------------------------------------------

BESIDE = """
import asyncio, sys
from broadcast.service.ports import ActRow
from broadcast.store.store import open_store

async def main(url, name):
    store = open_store(url, exclusive=False, lock_wait_s=30)
    for n in range(40):
        def work(tx):
            tx.facts.set(name, str(n))
            tx.acts.add(ActRow(n, name, "beside", "", ""))
            tx.acts.add(ActRow(n, name, "again", "", ""))
        await store.write(work)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_programs_that_write_at_the_same_time_do_not_fork_the_chain(sql_store: SqlStore, url: str) -> None:
    tools = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", BESIDE, url, f"tool{n}", cwd=ROOT) for n in range(2)
    ]
    written = 0
    while any(tool.returncode is None for tool in tools):
        await add(sql_store, act(written))
        written += 1
    assert [tool.returncode for tool in tools] == [0, 0]
    assert await findings(sql_store) == []
    assert (await sql_store.read(lambda tx: tx.acts.head())).seq == 160 + written


async def test_the_lock_of_the_chain_is_not_held_while_somebody_works(postgresql_url: str) -> None:
    """Two transactions that add acts first and then touch each other's rows end both: no circle, nothing lost."""
    server, tool = open_store(postgresql_url), open_store(postgresql_url, exclusive=False)

    def work(first: str, second: str) -> Callable[[Tx], None]:
        def both(tx: Tx) -> None:
            tx.acts.add(act(1, first))
            tx.facts.set(first, "1")
            tx.facts.set(f"{first} {second}", "1")

        return both

    pairs = [(server, "a", "b"), (tool, "b", "a")] * 20
    await asyncio.gather(*(store.write(work(one, other)) for store, one, other in pairs))
    assert (await server.read(lambda tx: tx.acts.head())).seq == 40 and await findings(server) == []
    await tool.close()
    await server.close()


# ---- hands on the database --------------------------------------------------------------------------------------------------

FORBIDDEN = [
    "UPDATE act SET officer = 'li' WHERE id = 2",
    "DELETE FROM act WHERE id = 2",
    "DELETE FROM act",
    "UPDATE checkpoint SET at_ms = 0",
    "DELETE FROM checkpoint",
]
SQLITE_ONLY = [
    "INSERT OR REPLACE INTO act SELECT id, at_ms, 'li', verb, subject, detail, previous, link FROM act WHERE id = 2",
    "INSERT INTO act SELECT 9, at_ms, 'li', verb, subject, detail, X'00', link FROM act WHERE id = 2",
    "INSERT OR REPLACE INTO checkpoint SELECT seq, link, 0, county, algorithm, key_id, signature FROM checkpoint",
]
POSTGRESQL_ONLY = [
    "TRUNCATE act",
    "TRUNCATE checkpoint",
    "INSERT INTO act SELECT * FROM act WHERE id = 2 ON CONFLICT (id) DO UPDATE SET officer = 'li'",
    "INSERT INTO act SELECT 9, at_ms, 'li', verb, subject, detail, previous, link FROM act WHERE id = 2",
]


async def filled(url: str) -> None:
    store = open_store(url)
    await add(store, *map(act, range(1, 31)))
    head = await store.read(lambda tx: tx.acts.head())
    made = Checkpoint(head.seq, head.link, 5, "130281000000", -8, b"12345678", b"s" * 64)
    await store.write(lambda tx: tx.checkpoints.add(made))
    await store.close()


def by_hand(url: str, *statements: str) -> None:
    """As somebody who has the password, or the file, of the database."""
    connection: Any = (
        sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url)
    )
    try:
        with connection:
            for statement in statements:
                connection.execute(statement)
    finally:
        connection.close()


async def test_the_database_refuses_to_change_delete_or_replace_acts_and_checkpoints(url: str) -> None:
    await filled(url)
    more = SQLITE_ONLY if url.startswith("sqlite") else POSTGRESQL_ONLY
    for statement in FORBIDDEN + more:
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError)):
            by_hand(url, statement)
    store = open_store(url)
    assert await findings(store) == [] and (await store.read(lambda tx: tx.acts.head())).seq == 30
    await store.close()


def unguarded(url: str) -> list[str]:
    """What an intruder does first."""
    if url.startswith("sqlite"):
        return [f"DROP TRIGGER act_no_{what}" for what in ("update", "delete", "replace", "gap")]
    return ["ALTER TABLE act DISABLE TRIGGER ALL"]


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (["UPDATE act SET detail = 'x' WHERE id = 17"], [Finding(Wrong.CHANGED, 17, 17)]),
        (["UPDATE act SET at_ms = at_ms + 1 WHERE id = 30"], [Finding(Wrong.CHANGED, 30, 30)]),
        (["DELETE FROM act WHERE id BETWEEN 17 AND 18"], [Finding(Wrong.MISSING, 17, 18)]),
        (["DELETE FROM act WHERE id = 1"], [Finding(Wrong.MISSING, 1, 1)]),
        (
            ["DELETE FROM act WHERE id = 17", *(f"UPDATE act SET id = {n - 1} WHERE id = {n}" for n in range(18, 31))],
            [Finding(Wrong.MISSING, 17, 17)],
        ),
        (
            [
                *(f"UPDATE act SET id = {n + 1} WHERE id = {n}" for n in range(30, 16, -1)),
                "INSERT INTO act SELECT 17, 7, 'nobody', verb, subject, detail, substr(link, 1, 31), link FROM act WHERE id = 2",
            ],
            [Finding(Wrong.INSERTED, 17, 17)],
        ),
        (
            [
                "UPDATE act SET id = 99 WHERE id = 17",
                "UPDATE act SET id = 17 WHERE id = 18",
                "UPDATE act SET id = 18 WHERE id = 99",
            ],
            [Finding(Wrong.MOVED, 18, 18, place=17)],
        ),
    ],
)
async def test_tampering_by_hand_is_named(url: str, tampering: list[str], found: list[Finding]) -> None:
    await filled(url)
    by_hand(url, *unguarded(url), *tampering)
    store = open_store(url)
    assert await findings(store) == found
    await store.close()


# ---- the migration ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_the_acts_of_before_get_their_chain(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if engine == "sqlite":
        await _upgraded(f"sqlite:///{tmp_path / 'old.db'}")
    else:
        with request.getfixturevalue("cluster").database() as url:
            await _upgraded(url)


async def _upgraded(url: str) -> None:
    old = writer_engine(parse(url), lock_wait_s=LOCK_WAIT_S, exclusive=False)
    with old.connect() as connection, connection.begin():
        schema.migrate(connection, "0006")
        for number in [*range(1, 1_501), *range(1_700, 1_800)]:  # PostgreSQL's counter has gaps
            at_ms, officer, verb, subject, detail = act(number)
            connection.execute(
                text("INSERT INTO act VALUES (:id, :at, :officer, :verb, :subject, :detail)"),
                {"id": number, "at": at_ms, "officer": officer, "verb": verb, "subject": subject, "detail": detail},
            )
    old.dispose()
    store = open_store(url, upgrades_itself=True)
    assert await findings(store) == []
    assert (await store.read(lambda tx: tx.acts.head())).seq == 1_600
    assert await store.read(lambda tx: tx.acts.page(limit=1)) == [act(1_799)]
    await add(store, act(9_999))
    assert await findings(store) == []
    await store.close()
