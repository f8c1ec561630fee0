"""What can go wrong with a database on disk, for real: nothing acknowledged is lost, nothing is half written, and it goes on."""

import asyncio
import contextlib
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broadcast.service.ports import Store, StoreUnavailable, Tx
from broadcast.store.errors import StoreInUse
from broadcast.store.store import SqlStore, open_store
from tests.store.rows import broadcast, county

CHILD = Path(__file__).parent / "writing_child.py"
ROOT = Path(__file__).parents[2]


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


# ---- killed -----------------------------------------------------------------------------------------------------------------


def killed_child(url: str) -> set[str]:
    """The whole lines that a child said before it was killed at some moment."""
    program = [sys.executable, str(CHILD), url]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": "."}) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(random.uniform(0.05, 0.25))
        child.kill()
        return {line.strip() for line in (first, *child.stdout) if line.endswith("\n")}


async def test_all_that_a_killed_server_had_acknowledged_is_there_and_whole(url: str) -> None:
    said: set[str] = set()
    for _ in range(4):
        said |= await asyncio.to_thread(killed_child, url)
    store = open_store(url)
    try:
        kept = await store.read(lambda tx: tx.broadcasts.page(before=None, limit=1_000_000))
        numbers = {int(one.id[7:]) for one in kept}
        assert {int(line.split()[1]) for line in said if line.startswith("trigger")} <= numbers
        assert await store.read(lambda tx: tx.facts.get("next")) == str(max(numbers) + 1)
        assert await store.read(lambda tx: tx.boards.versions()) == {
            (False, area): len(numbers) for area in broadcast().order.areas
        }
        reported = {int(line.split()[1]) for line in said if line.startswith("reports")}
        assert await store.read(lambda tx: {len(tx.reports.of(f"o-{number}")) for number in reported}) == {150}
    finally:
        await store.close()
    assert len(said) > 8


# ---- two servers ------------------------------------------------------------------------------------------------------------


async def test_a_second_server_on_the_same_database_is_refused_with_a_clear_sentence(url: str) -> None:
    first = open_store(url)
    with pytest.raises(StoreInUse, match=r"is in use by .*two servers on one database would contradict each other"):
        open_store(url)
    tool = open_store(url, exclusive=False)
    await tool.write(lambda tx: tx.facts.set("by", "tool"))
    await tool.close()
    assert await first.read(lambda tx: tx.facts.get("by")) == "tool"
    await first.close()
    await open_store(url).close()


async def test_after_closing_everything_is_refused(sql_store: SqlStore) -> None:
    await sql_store.close()
    await sql_store.close()
    for attempt in (sql_store.write(lambda tx: 1), sql_store.read(lambda tx: 1), sql_store.keep_reports(county(1))):
        with pytest.raises(StoreUnavailable, match="closed"):
            await attempt


# ---- a full disk ------------------------------------------------------------------------------------------------------------


def _mount(options: str, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """The folder has 3 MB; the value gives it more."""
    try:
        _mount("size=3m", folder)
    except subprocess.CalledProcessError:
        pytest.skip("no right to mount a small disk")
    try:
        yield lambda: _mount("remount,size=64m", folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def small_files(_: Path) -> Iterator[Callable[[], None]]:
    """No file of this process grows beyond 1 MB, where no disk may be mounted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("limit", [small_disk, small_files])
async def test_a_full_disk_is_an_error_and_half_an_order_is_nowhere(
    tmp_path: Path, limit: Callable[[Path], contextlib.AbstractContextManager[Callable[[], None]]]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with limit(folder) as give_room:
        store = open_store(f"sqlite:///{folder / 'lianbo.db'}")
        kept = 0
        with pytest.raises(StoreUnavailable, match=r"disk is full|disk I/O error"):
            for kept in range(1_000):
                await store.keep_reports(county(500, order=f"o-{kept}"))

        def trigger(tx: Tx) -> None:
            for number in range(1, 50):
                tx.broadcasts.add(broadcast(number, text="水" * 60_000))

        with pytest.raises(StoreUnavailable):
            await store.write(trigger)
        await check(store, kept, [])
        give_room()
        await store.write(lambda tx: tx.broadcasts.add(broadcast()))
        await store.keep_reports(county(500, order=f"o-{kept}"))
        await check(store, kept + 1, [broadcast()])
        await store.close()
        reopened = open_store(f"sqlite:///{folder / 'lianbo.db'}")
        await check(reopened, kept + 1, [broadcast()])
        await reopened.close()


async def check(store: Store, orders: int, broadcasts: list[object]) -> None:
    counts = await store.read(lambda tx: [len(tx.reports.of(f"o-{n}")) for n in range(orders + 1)])
    assert counts == [500] * orders + [0]
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == broadcasts


# ---- locked, broken, not there ----------------------------------------------------------------------------------------------


async def test_a_database_that_another_program_has_locked_is_an_error_and_works_when_it_lets_go(
    sqlite_url: str,
) -> None:
    store = open_store(sqlite_url, lock_wait_s=0.2)
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="database is locked"):
        await store.write(lambda tx: tx.broadcasts.add(broadcast()))
    with pytest.raises(StoreUnavailable, match="database is locked"):
        await store.keep_reports(county(5))
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == []
    other.execute("ROLLBACK")
    other.close()
    await store.write(lambda tx: tx.broadcasts.add(broadcast(2)))
    await store.keep_reports(county(7))
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == [broadcast(2)]
    assert len(await store.read(lambda tx: tx.reports.of("o-1"))) == 7
    await store.close()


async def test_what_queues_behind_a_lock_does_not_wait_for_it_one_by_one(sqlite_url: str) -> None:
    store = open_store(sqlite_url, lock_wait_s=1.1)
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answers = await asyncio.gather(*(store.write(lambda tx: 1) for _ in range(8)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 8
    assert time.monotonic() - began < 3
    other.close()
    assert await store.write(lambda tx: 1) == 1
    await store.close()


async def test_looking_can_not_write(sql_store: SqlStore) -> None:
    with pytest.raises(StoreUnavailable, match=r"readonly|read-only"):
        await sql_store.read(lambda tx: tx.facts.set("epoch", "9"))
    assert await sql_store.read(lambda tx: tx.facts.get("epoch")) is None


async def test_a_look_sees_one_moment(sql_store: SqlStore) -> None:
    loop = asyncio.get_running_loop()

    def look(tx: Tx) -> tuple[object, object]:
        before = tx.facts.get("epoch")
        asyncio.run_coroutine_threadsafe(sql_store.write(lambda tx: tx.facts.set("count", "1")), loop).result(5)
        return before, tx.facts.get("count")

    assert await sql_store.read(look) == (None, None)
    assert await sql_store.read(lambda tx: tx.facts.get("count")) == "1"


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ("mysql://localhost/x", "no database of kind mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:////nowhere/at/all/x.db", "No such file or directory"),
        ("postgresql://lianbo:secret@127.0.0.1:1/x", "refused"),
        ("not a url", "can't be read"),
    ],
)
def test_a_database_that_can_not_be_opened_is_one_clear_error(where: str, cause: str) -> None:
    with pytest.raises(StoreUnavailable, match=cause) as caught:
        open_store(where)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "photo.db"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == b"not a database at all" * 100


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lianbo.db'}")
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == dict.fromkeys(
        ["lianbo.db", "lianbo.db-wal", "lianbo.db-shm", "lianbo.db.lock"], "0o600"
    )
    asyncio.run(store.close())
