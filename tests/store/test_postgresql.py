"""What can go wrong with a PostgreSQL server, for real."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcast.service.ports import StoreInDoubt, StoreUnavailable
from broadcast.store import postgresql
from broadcast.store.errors import SchemaNotCurrent
from broadcast.store.store import SqlStore, open_store, upgrade
from tests.postgres import Postgres
from tests.store.rows import broadcast, county

SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def own_cluster(cluster: Postgres) -> Iterator[Postgres]:
    """For tests that break it; asking for `cluster` skips where there is no PostgreSQL."""
    server = Postgres(cluster.bin)
    server.start()
    try:
        server.run("CREATE DATABASE own")
        upgrade(server.url("own"))
        yield server
    finally:
        server.remove()


async def until_it_works(store: SqlStore) -> None:
    for _ in range(100):
        try:
            await store.write(lambda tx: tx.facts.set("back", "yes"))
        except StoreUnavailable:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("it does not come back")


async def test_a_killed_server_is_an_error_and_the_store_goes_on_when_it_is_back(own_cluster: Postgres) -> None:
    store = open_store(own_cluster.url("own"))
    await store.write(lambda tx: tx.broadcasts.add(broadcast(1)))
    await store.keep_reports(county(100))
    own_cluster.kill()
    for attempt in (
        store.write(lambda tx: tx.broadcasts.add(broadcast(2))),
        store.keep_reports(county(718)),
        store.read(lambda tx: tx.facts.get("back")),
        store.write(lambda tx: 1),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await asyncio.to_thread(own_cluster.start)
    await until_it_works(store)
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == [broadcast(1)]
    await store.keep_reports(county(718))
    assert await store.read(lambda tx: tx.reports.of("o-1")) == county(718)
    await store.close()


async def test_a_restart_between_two_writes_goes_unnoticed(own_cluster: Postgres) -> None:
    store = open_store(own_cluster.url("own"))
    await store.write(lambda tx: tx.facts.set("n", "1"))
    await store.read(lambda tx: tx.facts.get("n"))
    await asyncio.to_thread(own_cluster.stop)
    await asyncio.to_thread(own_cluster.start)
    await store.write(lambda tx: tx.facts.set("n", "2"))
    assert await store.read(lambda tx: tx.facts.get("n")) == "2"
    await store.close()


async def test_a_commit_is_on_disk_whatever_the_configuration_says(cluster: Postgres, postgresql_url: str) -> None:
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    cluster.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = open_store(postgresql_url)

    def setting(tx: object) -> object:
        return tx.facts._session.connection().exec_driver_sql("SHOW synchronous_commit").scalar()  # type: ignore[attr-defined]

    assert await store.write(setting) == "on"
    await store.close()


def test_tables_of_another_revision_are_refused_until_they_are_upgraded(postgresql_url: str) -> None:
    import psycopg

    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNotCurrent, match=r"revision 9999.*use a newer program"):
        open_store(postgresql_url)


# ---- a commit whose answer is lost --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _both_closed(*ends: socket.socket) -> Iterator[None]:
    with contextlib.suppress(OSError):
        yield
    for one in ends:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class Wiretap:
    """Stands between the store and PostgreSQL, and cuts the connection at the next COMMIT, before or after it is done."""

    def __init__(self, folder: Path, server: Path) -> None:
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self.cut: str | None = None
        self.refuses = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(self._server / SOCKET))
            mute = threading.Event()  # from then on the answers of this connection are lost
            threading.Thread(target=self._ask, args=(client, upstream, mute), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, upstream, mute), daemon=True).start()

    def _ask(self, client: socket.socket, upstream: socket.socket, mute: threading.Event) -> None:
        with _both_closed(client, upstream):
            while data := client.recv(65_536):
                if self.cut and b"COMMIT" in data:
                    moment, self.cut = self.cut, None
                    if moment == "before":
                        return
                    mute.set()
                upstream.sendall(data)

    def _answer(self, client: socket.socket, upstream: socket.socket, mute: threading.Event) -> None:
        with _both_closed(client, upstream):
            while (data := upstream.recv(65_536)) and not mute.is_set():
                client.sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def wiretap(tmp_path: Path, cluster: Postgres) -> Iterator[Wiretap]:
    made = Wiretap(tmp_path, cluster.folder)
    yield made
    made.close()


@pytest.fixture
def tapped_url(postgresql_url: str, tmp_path: Path) -> str:
    return f"{postgresql_url.partition('?')[0]}?host={tmp_path}"


async def test_a_commit_that_was_done_counts_though_its_answer_was_lost(wiretap: Wiretap, tapped_url: str) -> None:
    store = open_store(tapped_url)
    wiretap.cut = "after"
    await store.write(lambda tx: tx.broadcasts.add(broadcast()))
    assert await store.read(lambda tx: tx.broadcasts.get(broadcast().id)) == broadcast()
    wiretap.cut = "after"
    await store.keep_reports(county(100))
    assert await store.read(lambda tx: tx.reports.of("o-1")) == county(100)
    await store.close()


async def test_a_commit_that_never_arrived_is_an_error_and_nothing_is_written(
    wiretap: Wiretap, tapped_url: str
) -> None:
    store = open_store(tapped_url)
    wiretap.cut = "before"
    with pytest.raises(StoreUnavailable) as caught:
        await store.write(lambda tx: tx.broadcasts.add(broadcast()))
    assert not isinstance(caught.value, StoreInDoubt)
    assert await store.read(lambda tx: tx.broadcasts.get(broadcast().id)) is None
    await store.write(lambda tx: tx.broadcasts.add(broadcast()))
    await store.close()


async def test_when_nobody_can_say_the_doubt_is_said(
    wiretap: Wiretap, tapped_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "DOUBT_WAIT_S", 0.3)
    store = open_store(tapped_url)
    wiretap.cut, wiretap.refuses = "after", True
    with pytest.raises(StoreInDoubt):
        await store.write(lambda tx: tx.broadcasts.add(broadcast()))
    wiretap.refuses = False
    assert await store.read(lambda tx: tx.broadcasts.get(broadcast().id)) == broadcast()
    await store.write(lambda tx: tx.broadcasts.save(broadcast(note="still ours")))
    await store.close()
