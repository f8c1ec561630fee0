"""`lianbo audit`, `backup` and `restore` as a technician types them."""

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from broadcast.clock import SystemClock
from broadcast.keyring import read_keyring
from broadcast.server.watchkeeping import keys_of
from broadcast.service.audit import Audit
from broadcast.service.health import Health
from broadcast.service.ports import ActRow
from broadcast.store.lock import FileLock
from broadcast.store.store import open_store
from tests.cli.conftest import Site


def act(site: Site, count: int = 40, *, sign: bool = True) -> None:
    """Some acts, and the checkpoint that a server makes when it ends."""

    async def work() -> None:
        store, clock = open_store(site.url, exclusive=False), SystemClock()

        def add(tx: object) -> None:
            for n in range(count):
                tx.acts.add(ActRow(n, "duty", "start broadcast", f"B{n}", "水位"))  # type: ignore[attr-defined]

        await store.write(add)
        if sign:
            keyring = read_keyring(site.folder / "keys", county="130281")
            await Audit(
                clock=clock,
                store=store,
                health=Health(clock.now_ms),
                signer=keyring.live.signer,
                keys=keys_of(keyring),
                county="130281000000",
            ).close()
        await store.close()

    asyncio.run(work())


def by_hand(site: Site, *statements: str) -> None:
    with sqlite3.connect(site.folder / "lianbo.db") as connection:
        for name in ("update", "delete", "replace"):
            connection.execute(f"DROP TRIGGER IF EXISTS act_no_{name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_whole_trail_is_said_to_be_whole(site: Site) -> None:
    act(site)
    assert site.run("audit", "verify") == (
        0,
        "the database: 40 acts, 1 checkpoints with a good signature, covered to act 40\n"
        "the database: nothing was changed, deleted, put in or moved\n",
    )


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE act SET officer = 'li' WHERE id = 17", "act 17 was changed"),
        ("DELETE FROM act WHERE id BETWEEN 17 AND 19", "acts 17 to 19 missing"),
    ],
)
def test_a_trail_that_was_tampered_with_names_the_act_and_ends_with_1(
    site: Site, statement: str, sentence: str
) -> None:
    act(site)
    by_hand(site, statement)
    code, said = site.run("audit", "verify")
    assert code == 1 and f"the database: {sentence}\n" in said


def test_a_copy_kept_elsewhere_finds_what_was_cut_off_with_its_checkpoints(site: Site, tmp_path: Path) -> None:
    act(site)
    copy = tmp_path / "usb.jsonl"
    assert site.run("audit", "export", copy) == (0, f"{copy}: 40 acts\n")
    assert site.run("audit", "export", copy)[0] == 1  # never over a file that is there
    code, lines = site.run("audit", "checkpoints")
    (tmp_path / "points.jsonl").write_text(lines)
    assert (code, json.loads(lines)["checkpoint"]) == (0, 40)
    assert site.run("audit", "verify", "--export", copy)[0] == 0
    by_hand(site, "DELETE FROM act WHERE id > 30", "DROP TRIGGER checkpoint_no_delete", "DELETE FROM checkpoint")
    assert site.run("audit", "verify")[0] == 0  # the chain alone can't know
    code, said = site.run("audit", "verify", "--export", copy)
    assert code == 1 and "acts 31 to 40 cut off" in said
    code, said = site.run("audit", "verify", "--export", tmp_path / "points.jsonl")
    assert code == 1 and "acts 31 to 40 cut off" in said


def test_an_auditor_verifies_a_copy_where_no_database_is(site: Site, tmp_path: Path) -> None:
    act(site)
    copy, keys = tmp_path / "copy.jsonl", tmp_path / "keys.json"
    site.run("audit", "export", copy)
    site.run("keys", "export", keys)
    elsewhere = Site(tmp_path / "auditor")
    code, said = elsewhere.run("audit", "verify", "--alone", "--export", copy, "--keys", keys)
    assert code == 0 and "40 acts, 1 checkpoints with a good signature" in said
    copy.write_text(copy.read_text().replace("B20", "B99"))
    code, said = elsewhere.run("audit", "verify", "--alone", "--export", copy, "--keys", keys)
    assert code == 1 and "act 21 was changed" in said
    copy.write_bytes(b"\xff\xfe\x00")
    assert elsewhere.run("audit", "verify", "--alone", "--export", copy, "--keys", keys)[0] == 1
    keys.write_text("[]")
    assert "no list of keys" in elsewhere.run("audit", "verify", "--alone", "--export", copy, "--keys", keys)[1]


def test_the_last_acts_are_shown(site: Site) -> None:
    act(site, 3, sign=False)
    code, said = site.run("audit", "show", "--count", "2")
    assert code == 0 and said.count("start broadcast") == 2 and "B2" in said.splitlines()[-1]


def test_everything_is_lost_and_put_back(site: Site, tmp_path: Path) -> None:
    act(site)
    stick = tmp_path / "stick"
    settings = {"LIANBO_BACKUP_FOLDER": str(stick)}
    code, said = site.run("backup", **settings)
    assert code == 0 and "the audit trail to act 40" in said
    words = site.run("keys", "recovery")[1].strip()
    assert words not in said
    before = {one.name: one.read_bytes() for one in (site.folder / "keys").iterdir()}
    shutil.rmtree(site.folder)
    wrong = words.replace(words[0], "A" if words[0] != "A" else "C", 1)
    assert "mistyped" in site.run("restore", stick, "--code", wrong)[1]
    assert not site.folder.exists()
    code, said = site.run("restore", stick, typed=f"{words}\n")
    assert code == 0 and "is restored: the audit trail to act 40" in said
    assert {one.name: one.read_bytes() for one in (site.folder / "keys").iterdir()} == before
    assert site.run("audit", "verify")[0] == 0
    assert "restore backup" in site.run("audit", "show")[1]
    assert site.run("db", "check")[0] == 0


def test_what_is_there_and_a_running_server_are_safe(site: Site, tmp_path: Path) -> None:
    act(site)
    assert site.run("backup")[0] == 0
    folder = site.folder / "backups"
    code, said = site.run("restore", folder, "--keep-keys")
    assert code == 1 and "--replace moves it aside" in said
    lock = FileLock(site.folder / "lianbo.db")
    code, said = site.run("restore", folder, "--keep-keys", "--replace")
    lock.release()
    assert code == 1 and "in use" in said
    code, said = site.run("restore", folder, "--keep-keys", "--replace")
    assert code == 0 and "What was there before lies in" in said
    assert "there is no backup in" in site.run("restore", tmp_path, "--keep-keys")[1]


def test_where_nothing_is_nothing_is_backed_up(empty_site: Site) -> None:
    code, said = empty_site.run("backup")
    assert code == 1 and "there is no database yet" in said
