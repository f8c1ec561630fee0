"""Backups on the disk: of a database that is being written, verified, thinned out, and put back; whatever is wrong with them."""

import asyncio
import hashlib
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from broadcast.domain.backups import BackupFailed, BadBackup
from broadcast.keyring import open_keyring, read_keyring
from broadcast.service.ports import ActRow, SessionRow, StoreUnavailable, Tx, Vault
from broadcast.store import recovery
from broadcast.store.errors import StoreInUse
from broadcast.store.recovery import BadCode, from_words, in_words, own_code
from broadcast.store.restoring import InTheWay, check, restore
from broadcast.store.store import open_store
from broadcast.store.vault import FolderVault
from tests.store.rows import NOW_MS, broadcast

COUNTY = "130281000000"
SOUND = b"OggS of a tune"


class Site:
    """A data folder with keys, a sound and a database with some acts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data, self.url, self.backups = folder / "var", url, folder / "elsewhere"
        self.data.mkdir(exist_ok=True)
        self.keyring = open_keyring(
            self.data / "keys", county="130281", algorithm="ed25519", key_days=365, now_ms=NOW_MS
        )
        (self.data / "assets").mkdir()
        self.sound = hashlib.sha256(SOUND).hexdigest()
        (self.data / "assets" / f"{self.sound}.opus").write_bytes(SOUND)
        (self.data / "broker-port").write_text("18830")

    @property
    def vault(self) -> FolderVault:
        return FolderVault(self.backups, url=self.url, data_folder=self.data, county=COUNTY)

    async def fill(self, acts: int = 30) -> None:
        store = open_store(self.url)

        def work(tx: Tx) -> None:
            tx.broadcasts.add(broadcast())
            tx.sessions.add(SessionRow(b"t" * 32, "wang", NOW_MS, NOW_MS))
            for n in range(acts):
                tx.acts.add(ActRow(n, "王\t\\n\n芳", "start", f"B{n}", "x" * (n % 300)))

        await store.write(work)
        await store.close()


@pytest.fixture
async def site(tmp_path: Path, url: str) -> Site:
    made = Site(tmp_path, url)
    if url.startswith("sqlite"):
        (tmp_path / "lianbo.db").rename(made.data / "lianbo.db")
        made.url = f"sqlite:///{made.data / 'lianbo.db'}"
    await made.fill()
    return made


def lose(site: Site) -> None:
    """The machine is gone: folder, keys, database."""
    shutil.rmtree(site.data)
    if not site.url.startswith("sqlite"):
        with psycopg.connect(site.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


async def test_a_backup_is_put_back_after_everything_is_lost_and_everything_is_there(site: Site) -> None:
    made = site.vault.make(NOW_MS, {})
    assert made.acts == 30 and site.vault.kept() == [made]
    code = own_code(site.data / "keys")
    public = [key.public for key in site.keyring.trusted]
    lose(site)
    found = restore(
        site.backups / made.name, url=site.url, data_folder=site.data, secret=code, replace=False, now_ms=NOW_MS
    )
    assert (found.sounds, found.missing, found.aside) == (1, (), None)
    store = open_store(site.url)
    kept = await store.read(
        lambda tx: (tx.broadcasts.get(broadcast().id), tx.acts.head().seq, tx.sessions.get(b"t" * 32))
    )
    assert kept == (broadcast(), 30, None)
    await store.write(lambda tx: tx.acts.add(ActRow(1, "a", "b", "c", "")))  # the chain goes on, its guards are there
    await store.close()
    again = read_keyring(site.data / "keys", county="130281")
    assert [key.public for key in again.trusted] == public and again.master == site.keyring.master
    assert (site.data / "assets" / f"{site.sound}.opus").read_bytes() == SOUND
    assert (site.data / "broker-port").read_text() == "18830"
    assert (site.data / "keys" / "live.json").stat().st_mode & 0o777 == 0o600
    changed = "UPDATE act SET detail = 'x'"
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError)):
        if site.url.startswith("sqlite"):
            with sqlite3.connect(site.data / "lianbo.db") as connection:
                connection.execute(changed)
        else:
            with psycopg.connect(site.url) as other:
                other.execute(changed)


async def test_a_folder_that_is_named_from_here_is_as_good_as_any(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.data.parent)
    vault = FolderVault(Path("elsewhere"), url=site.url, data_folder=Path("var"), county=COUNTY)
    made = vault.make(NOW_MS, {})
    assert made.acts == 30 and site.vault.kept() == [made]


async def test_a_backup_is_made_while_the_server_writes_and_keeps_it_from_nothing(site: Site) -> None:
    store = open_store(site.url)
    done = asyncio.Event()
    written = 0

    async def write_on() -> None:
        nonlocal written
        while not done.is_set():
            await store.write(lambda tx: tx.acts.add(ActRow(7, "b", "busy", "", "")))
            written += 1

    writing = asyncio.create_task(write_on())
    head = await store.read(lambda tx: tx.acts.head())
    made = await asyncio.get_running_loop().run_in_executor(None, site.vault.make, NOW_MS, {head.seq: head.link})
    done.set()
    await writing
    assert made.acts >= 30 and written > 1
    check(site.backups / made.name, engine="sqlite" if site.url.startswith("sqlite") else "postgresql")
    await store.close()


async def test_it_is_no_backup_when_the_trail_in_it_is_not_the_server_s(site: Site) -> None:
    with pytest.raises(BackupFailed, match="lacks act 30"):
        site.vault.make(NOW_MS, {30: b"x" * 32})
    with pytest.raises(BackupFailed, match="lacks act 31"):
        site.vault.make(NOW_MS, {31: b"x" * 32})
    assert site.vault.kept() == []
    assert not [one for one in site.backups.iterdir() if one.name.startswith(".unfinished")]


async def test_a_broken_trail_makes_no_backup(site: Site) -> None:
    if site.url.startswith("sqlite"):
        with sqlite3.connect(site.data / "lianbo.db") as connection:
            connection.execute("DROP TRIGGER act_no_update")
            connection.execute("UPDATE act SET detail = 'forged' WHERE id = 12")
    else:
        with psycopg.connect(site.url) as other:
            other.execute("ALTER TABLE act DISABLE TRIGGER ALL")
            other.execute("UPDATE act SET detail = 'forged' WHERE id = 12")
    with pytest.raises(BackupFailed, match="act 12 changed"):
        site.vault.make(NOW_MS, {})


async def test_into_a_running_server_nothing_is_restored(site: Site) -> None:
    made = site.vault.make(NOW_MS, {})
    store = open_store(site.url)
    with pytest.raises((StoreInUse, StoreUnavailable)):
        restore(site.backups / made.name, url=site.url, data_folder=site.data, secret=None, replace=True, now_ms=NOW_MS)
    assert (await store.read(lambda tx: tx.acts.head())).seq == 30
    await store.write(lambda tx: tx.facts.set("alive", "yes"))
    await store.close()


async def test_what_is_there_is_not_overwritten_unless_that_is_meant(site: Site) -> None:
    made = site.vault.make(NOW_MS, {})
    backup = site.backups / made.name
    code = own_code(site.data / "keys")
    with pytest.raises(InTheWay):
        restore(backup, url=site.url, data_folder=site.data, secret=code, replace=False, now_ms=NOW_MS)
    store = open_store(site.url)
    await store.write(lambda tx: tx.facts.set("later", "yes"))
    await store.close()
    found = restore(backup, url=site.url, data_folder=site.data, secret=code, replace=True, now_ms=NOW_MS)
    assert found.aside and (found.aside / "keys" / "live.json").exists()
    store = open_store(site.url)
    assert await store.read(lambda tx: tx.facts.get("later")) is None
    await store.close()


# ---- damage -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def lone(tmp_path: Path, sqlite_url: str) -> Site:
    made = Site(tmp_path, sqlite_url)
    (tmp_path / "lianbo.db").rename(made.data / "lianbo.db")
    made.url = f"sqlite:///{made.data / 'lianbo.db'}"
    await made.fill()
    return made


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte of the database": lambda backup: _flip(backup / "lianbo.db"),
    "a shorter database": lambda backup: (backup / "lianbo.db").write_bytes((backup / "lianbo.db").read_bytes()[:-1]),
    "no database": lambda backup: (backup / "lianbo.db").unlink(),
    "a byte of the keys": lambda backup: _flip(backup / "keys.sealed"),
    "no manifest": lambda backup: (backup / "manifest.json").unlink(),
    "half a manifest": lambda backup: (backup / "manifest.json").write_text('{"format": "lianbo-back'),
    "a manifest of bytes": lambda backup: (backup / "manifest.json").write_bytes(b"\xff\xfe" * 9),
    "a database under another name": lambda backup: (backup / "lianbo.db").rename(backup / "x"),
}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("what", list(DAMAGE))
async def test_a_damaged_backup_is_refused_before_anything_is_touched(lone: Site, what: str) -> None:
    made = lone.vault.make(NOW_MS, {})
    DAMAGE[what](lone.backups / made.name)
    before = (lone.data / "lianbo.db").read_bytes()
    code = own_code(lone.data / "keys")
    with pytest.raises(BadBackup):
        restore(lone.backups / made.name, url=lone.url, data_folder=lone.data, secret=code, replace=True, now_ms=NOW_MS)
    assert (lone.data / "lianbo.db").read_bytes() == before and (lone.data / "keys" / "live.json").exists()


async def test_a_backup_of_another_engine_is_refused(lone: Site) -> None:
    made = lone.vault.make(NOW_MS, {})
    with pytest.raises(BadBackup, match="sqlite"):
        restore(
            lone.backups / made.name,
            url="postgresql://x@127.0.0.1:1/y",
            data_folder=lone.data,
            secret=None,
            replace=True,
            now_ms=NOW_MS,
        )


async def test_a_lost_sound_is_named_and_the_rest_is_restored(lone: Site) -> None:
    made = lone.vault.make(NOW_MS, {})
    lose(lone)
    (lone.backups / "sounds" / f"{lone.sound}.opus").write_bytes(b"other")
    found = restore(
        lone.backups / made.name, url=lone.url, data_folder=lone.data, secret=None, replace=False, now_ms=NOW_MS
    )
    assert found.missing == (lone.sound,)


async def test_old_backups_go_with_the_sounds_that_only_they_name(lone: Site) -> None:
    first = lone.vault.make(NOW_MS, {})
    (lone.data / "assets" / f"{lone.sound}.opus").unlink()
    second = lone.vault.make(NOW_MS + 60_000, {})
    assert [one.name for one in lone.vault.kept()] == [first.name, second.name]
    lone.vault.drop([first.name, "../var", "sounds"])
    assert [one.name for one in lone.vault.kept()] == [second.name]
    assert list((lone.backups / "sounds").iterdir()) == [] and lone.data.exists()


async def test_what_a_power_cut_has_left_is_cleared_away_and_counts_for_nothing(lone: Site) -> None:
    left = lone.backups / ".unfinished-20260101T000000Z"
    left.mkdir(parents=True)
    (left / "lianbo.db").write_bytes(b"half")
    (lone.backups / "20260101T000000Z").mkdir()
    (lone.backups / "notes").mkdir()
    assert lone.vault.kept() == []
    made = lone.vault.make(NOW_MS, {})
    assert not left.exists() and lone.vault.kept() == [made]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own; skipped where nobody may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no disk of one's own here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_leaves_the_old_backups_and_nothing_half(lone: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "stick", "900k") as stick:
        lone.backups = stick
        made: list[str] = []
        with suppress(BackupFailed):
            for n in range(20):
                made.append(lone.vault.make(NOW_MS + n * 1_000, {}).name)
        with pytest.raises(BackupFailed, match=r"No space|full"):
            lone.vault.make(NOW_MS + 99_000, {})
        assert [one.name for one in lone.vault.kept()] == made and made
        assert not list(stick.glob(".unfinished-*"))


async def test_room_that_the_database_needs_is_left_to_it(lone: Site) -> None:
    greedy = FolderVault(lone.backups, url=lone.url, data_folder=lone.data, county=COUNTY, keep_free_bytes=2**60)
    with pytest.raises(BackupFailed, match="bytes left"):
        greedy.make(NOW_MS, {})


async def test_a_folder_that_can_not_be_written_is_said(lone: Site) -> None:
    lone.backups = lone.data / "broker-port"  # a file
    with pytest.raises(BackupFailed):
        lone.vault.make(NOW_MS, {})
    vault: Vault = lone.vault
    with pytest.raises(BackupFailed):
        vault.kept()


# ---- the recovery code --------------------------------------------------------------------------------------------------------


def test_a_code_survives_paper_and_slips_of_the_pen_are_noticed(tmp_path: Path) -> None:
    secret = own_code(tmp_path)
    words = in_words(secret)
    assert own_code(tmp_path) == secret and len(words.split("-")) == 14
    assert from_words(words) == from_words(words.lower().replace("-", " ")) == secret
    assert from_words(words.replace("O", "0").replace("I", "1").replace("B", "8")) == secret
    other = "A" if words[5] != "A" else "C"
    for wrong in (words[:5] + other + words[6:], words[:-1], "", "x" * 56, words + "-AAAA", "密码"):
        with pytest.raises(BadCode):
            from_words(wrong)


def test_keys_open_with_their_own_code_only(tmp_path: Path) -> None:
    open_keyring(tmp_path / "keys", county="130281", algorithm="ed25519", key_days=5, now_ms=NOW_MS)
    secret = own_code(tmp_path / "keys")
    sealed = recovery.seal_folder(tmp_path / "keys", secret)
    files = recovery.open_sealed(sealed, secret)
    assert set(files) == {"live.json", "exercise.json", "master.key", "broker.key"}
    assert files["master.key"] not in sealed
    for wrong in (b"\0" * 32, bytes(reversed(secret))):
        with pytest.raises(BadCode):
            recovery.open_sealed(sealed, wrong)
    with pytest.raises(BadCode):
        recovery.open_sealed(sealed[:-1], secret)
    with pytest.raises(BadCode):
        recovery.open_sealed(b"", secret)
