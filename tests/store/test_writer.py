"""The writer's queue, on tables in memory."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from broadcast.service.ports import StoreRefused, StoreUnavailable, Tx
from broadcast.store import writer as module
from broadcast.store.writer import Writer
from tests.memory_store import MemoryTx
from tests.store.rows import county, report


class Transactions:
    """Runs work on tables in memory, and nothing while the gate is shut."""

    def __init__(self) -> None:
        self.tables = MemoryTx()
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.sizes: list[int] = []
        self.fails: Callable[[], Exception | None] = lambda: None

    def __call__(self, work: Callable[[Tx], Any]) -> Any:
        self.began.set()
        self.gate.wait(10)
        if (err := self.fails()) is not None:
            raise err
        draft = self.tables.snapshot()
        value = work(draft)
        if any(row.speaker == "bad" for row in draft.reports.rows.values()):
            raise StoreRefused("a row that can't be kept")
        self.sizes.append(len(draft.reports.rows) - len(self.tables.reports.rows))
        self.tables = draft
        return value


@pytest.fixture
async def transactions() -> Transactions:
    return Transactions()


@pytest.fixture
async def writer(transactions: Transactions) -> AsyncIterator[Writer]:
    made = Writer(transactions, pace_s=0)
    made.start()
    yield made
    transactions.gate.set()
    await asyncio.to_thread(made.close)


async def hold(writer: Writer, transactions: Transactions) -> asyncio.Future[Any]:
    """Keep the thread busy with a piece of work until the gate opens."""
    transactions.gate.clear()
    transactions.began.clear()
    held = writer.write(lambda tx: None)
    await asyncio.to_thread(transactions.began.wait, 5)
    return held


async def test_a_trigger_overtakes_the_reports_that_wait(writer: Writer, transactions: Transactions) -> None:
    await hold(writer, transactions)
    batches = [writer.keep_reports(county(3_000, order=f"o-{n}")) for n in range(4)]
    trigger = writer.write(lambda tx: len(tx.reports.of("o-0")))
    transactions.gate.set()
    assert await trigger == 0
    await asyncio.gather(*batches)
    assert transactions.sizes == [0, 0, 3_000, 3_000, 3_000, 3_000]


async def test_reports_that_waited_long_take_a_turn_between_triggers(
    writer: Writer, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    await hold(writer, transactions)
    batch = writer.keep_reports(county(10))
    seen = [writer.write(lambda tx: len(tx.reports.of("o-1"))) for _ in range(3)]
    transactions.gate.set()
    await batch
    assert await asyncio.gather(*seen) == [10, 10, 10]


async def test_calls_that_wait_share_a_commit_up_to_its_size(writer: Writer, transactions: Transactions) -> None:
    await hold(writer, transactions)
    batches = [writer.keep_reports(county(1_500, order=f"o-{n}")) for n in range(5)]
    huge = writer.keep_reports(county(5_000, order="o-9"))
    transactions.gate.set()
    await asyncio.gather(*batches, huge)
    assert transactions.sizes == [0, 3_000, 3_000, 1_500, 5_000]


@pytest.mark.alone
async def test_commits_of_reports_keep_their_distance(transactions: Transactions) -> None:
    paced = Writer(transactions, pace_s=0.3)
    paced.start()
    began = time.monotonic()
    await paced.keep_reports([report("s-1-1")])
    first_s = time.monotonic() - began
    together = [paced.keep_reports([report(f"s-2-{n}")]) for n in range(20)]
    await asyncio.gather(*together)
    assert first_s < 0.3 <= time.monotonic() - began
    assert transactions.sizes == [1, 20]
    await asyncio.to_thread(paced.close)


async def test_one_bad_row_fails_its_own_call_only(writer: Writer, transactions: Transactions) -> None:
    await hold(writer, transactions)
    good, bad, other = (
        writer.keep_reports(county(5)),
        writer.keep_reports([report("bad")]),
        writer.keep_reports(county(9)),
    )
    transactions.gate.set()
    await asyncio.gather(good, other)
    with pytest.raises(StoreRefused):
        await bad
    assert len(transactions.tables.reports.rows) == 9


async def test_a_failed_batch_fails_every_call_in_it_and_may_come_again(
    writer: Writer, transactions: Transactions
) -> None:
    await hold(writer, transactions)
    transactions.fails = lambda: StoreUnavailable("disk full") if transactions.gate.is_set() else None
    batches = [writer.keep_reports(county(5)), writer.keep_reports(county(9))]
    transactions.gate.set()
    answers = await asyncio.gather(*batches, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["the database does not take it: disk full"] * 2
    transactions.fails = lambda: None
    await writer.keep_reports(county(9))
    assert len(transactions.tables.reports.rows) == 9


async def test_after_a_slow_failure_what_waited_for_the_same_fails_with_it(
    writer: Writer, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW_FAILURE_S", 0.0)
    await hold(writer, transactions)
    failures = iter([StoreUnavailable("database is locked")])
    transactions.fails = lambda: next(failures, None)
    waiting = [writer.write(lambda tx: 1), writer.keep_reports(county(5))]
    transactions.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
    assert await writer.write(lambda tx: 2) == 2


async def test_the_thread_outlives_whatever_work_does(writer: Writer) -> None:
    def exits(tx: Tx) -> None:
        raise SystemExit

    with pytest.raises(RuntimeError):  # a future can't hold a SystemExit without ending the loop
        await writer.write(exits)
    assert await writer.write(lambda tx: 1) == 1


async def test_work_that_nobody_waits_for_any_more_is_not_begun(writer: Writer, transactions: Transactions) -> None:
    await hold(writer, transactions)
    given_up = writer.write(lambda tx: tx.facts.set("begun", "yes"))
    given_up.cancel()
    after = writer.write(lambda tx: tx.facts.get("begun"))
    transactions.gate.set()
    assert await after is None


async def test_a_full_queue_refuses_and_says_so(
    writer: Writer, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 100)
    monkeypatch.setattr(module, "MAX_WRITES", 2)
    await hold(writer, transactions)
    fits, too_many = writer.keep_reports(county(100)), writer.keep_reports(county(1))
    writes = [writer.write(lambda tx: 1) for _ in range(3)]
    for refused in (too_many, writes[2]):
        with pytest.raises(StoreUnavailable, match="too much is waiting"):
            await refused
    transactions.gate.set()
    await asyncio.gather(fits, *writes[:2])
    await writer.keep_reports(county(100, order="o-2"))


async def test_closing_does_what_waits_and_takes_nothing_more(writer: Writer, transactions: Transactions) -> None:
    await hold(writer, transactions)
    batch, work = writer.keep_reports(county(5)), writer.write(lambda tx: 1)
    closing = asyncio.create_task(asyncio.to_thread(writer.close))
    await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.write(lambda tx: 2)
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.keep_reports(county(1))
    transactions.gate.set()
    await closing
    await batch
    assert await work == 1


async def rounds_in(seconds: float) -> int:
    """How often a loop that has always something to do comes round."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        rounds += 1
        await asyncio.sleep(0)
    return rounds


async def test_a_busy_loop_gives_way_to_late_work_and_only_then(writer: Writer, transactions: Transactions) -> None:
    at_ease = await rounds_in(0.1)
    held = await hold(writer, transactions)
    await rounds_in(2 * module.WORK_LATE_S)
    giving_way = await rounds_in(0.1)
    transactions.gate.set()
    await held
    await writer.write(lambda tx: None)
    await rounds_in(2 * module.REPORTS_LATE_S)
    assert giving_way <= 0.1 / module.GIVE_WAY_S
    assert min(at_ease, await rounds_in(0.1)) > 3 * giving_way
