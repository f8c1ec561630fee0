"""`lianbo keys`, `db`, `config` and `areas --apply` on this machine."""

import json
import sqlite3
from pathlib import Path

import pytest

from broadcast.store.lock import FileLock
from config.areas import load_packaged
from tests.cli.conftest import Site


def test_keys_are_shown_without_their_secrets(site: Site) -> None:
    code, output = site.run("keys", "show")
    secret = json.loads((site.folder / "keys" / "live.json").read_text())["secret"]
    assert (code, secret in output) == (0, False)
    assert [line.split()[1:3] for line in output.splitlines()[1:3]] == [["live", "ed25519"], ["exercise", "ed25519"]]


def test_keys_that_have_ended_are_called_so(empty_site: Site) -> None:
    empty_site.prepare()
    file = empty_site.folder / "keys" / "live.json"
    past = {"not_before_ms": 1_600_000_000_000, "not_after_ms": 1_700_000_000_000}
    file.write_text(json.dumps(json.loads(file.read_text()) | past))
    assert "a key has ended: speakers refuse what it signs" in empty_site.run("keys", "show")[1]


def test_the_public_keys_are_exported_for_makers_of_speakers(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "keys.json"
    assert site.run("keys", "export", out) == (0, f"{out}: 2 public keys\n")
    made = json.loads(out.read_text())
    assert [(key["exercise"], key["area"], len(key["public"])) for key in made["keys"]] == [
        (False, "130281000000", 64),
        (True, "130281000000", 64),
    ]
    assert "secret" not in out.read_text()


def test_no_keys_are_made_by_looking_at_them(empty_site: Site) -> None:
    code, output = empty_site.run("keys", "show")
    assert (code, "makes them at its first start" in output) == (1, True)
    assert not (empty_site.folder / "keys").exists()


def test_db_upgrade_makes_the_tables_and_is_harmless_afterwards(empty_site: Site) -> None:
    assert "was empty and is of revision" in empty_site.run("db", "upgrade")[1]
    assert "already; nothing was done" in empty_site.run("db", "upgrade")[1]
    code, output = empty_site.run("db", "check")
    assert (code, "every page is whole" in output) == (0, True)


def test_db_upgrade_refuses_while_a_server_runs(site: Site) -> None:
    lock = FileLock(site.folder / "lianbo.db")
    code, output = site.run("db", "upgrade")
    lock.release()
    assert (code, "is in use by" in output) == (1, True)


def test_db_check_names_older_tables_and_broken_files(site: Site) -> None:
    with sqlite3.connect(site.folder / "lianbo.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    code, output = site.run("db", "check")
    assert (code, "run `lianbo db upgrade`" in output) == (1, True)
    assert "0000" in site.run("users", "list")[1]
    for name in ("lianbo.db-wal", "lianbo.db-shm"):
        (site.folder / name).unlink(missing_ok=True)
    (site.folder / "lianbo.db").write_bytes(b"this is no database " * 1000)
    code, output = site.run("db", "check")
    assert (code, "file is not a database" in output) == (1, True)


def test_config_check_names_the_nearest_key(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[server]\nprot = 80\n[brocker]\nhost = "x"\n')
    assert site.run("config", "check", "--config", own) == (
        2,
        f"{own}: there is no server.prot; did you mean port?\n{own}: there is no section [brocker]; did you mean broker?\n",
    )
    assert site.run("config", "check")[0] == 0
    assert "did you mean LIANBO_SERVER_LANGUAGE?" in site.run("config", "check", LIANBO_SERVER_LANGAGE="en")[1]


def test_config_show_hides_passwords_and_says_where_a_value_comes_from(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[broker]\npassword = "geheim-1"\n[database]\nurl = "postgresql://lianbo:geheim-2@db/lianbo"\n')
    code, output = site.run("config", "show", "--config", own)
    assert code == 0
    assert "geheim" not in output
    assert f'url = "postgresql://lianbo:********@db/lianbo"  # {own}' in output
    assert "port = 8719  # LIANBO_SERVER_PORT" in output
    assert 'language = "zh-CN"\n' in output


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    file = tmp_path / "areas.csv"
    file.write_text(load_packaged().decode().replace("华富社区", "华贵社区"), encoding="utf-8")
    return file


def test_an_area_table_comes_in_force_with_apply_alone(site: Site, renamed: Path) -> None:
    assert "nothing was stored" in site.run("areas", "import", renamed)[1]
    assert "华富社区" in site.run("areas", "show", "130281001001")[1]
    assert "The new table is in force" in site.run("areas", "import", renamed, "--apply")[1]
    assert "华贵社区" in site.run("areas", "show", "130281001001")[1]
    assert "nothing changes" in site.run("areas", "import", renamed, "--apply")[1]


def test_a_village_with_a_speaker_or_an_officer_can_not_vanish_from_the_table(site: Site, tmp_path: Path) -> None:
    site.run("speakers", "add", "--area", "130281001002")
    site.run("users", "add", "a", "--area", "130281001003")
    lines = load_packaged().decode().splitlines(keepends=True)
    for code, status in (("130281001002", 1), ("130281001003", 1), ("130281001004", 0)):
        file = tmp_path / f"{code}.csv"
        file.write_text("".join(line for line in lines if not line.startswith(code)), encoding="utf-8")
        assert site.run("areas", "import", file, "--apply")[0] == status


def test_there_is_nothing_to_apply_a_table_to_before_the_first_start(empty_site: Site, renamed: Path) -> None:
    code, output = empty_site.run("areas", "import", renamed, "--apply")
    assert (code, "`lianbo serve` makes it" in output) == (1, True)
    assert empty_site.run("areas", "show")[0] == 0
