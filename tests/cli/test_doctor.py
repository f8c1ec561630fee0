"""`lianbo doctor`: what is missing, and whether a broker loses reports."""

import asyncio
import json
import re
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from audio_assets.sandbox import Sandbox
from broadcast.cli import lost_reports, machine
from broadcast.cli import site as installation
from broadcast.cli.finding import Finding, Grade
from broadcast.transport.broker_config import find_mosquitto
from broadcast.transport.child import Child
from config.settings import Settings, load
from tests.cli.conftest import Site


def settings_of(where: Site, **more: str) -> Settings:
    return load(environment=where.environment | more)


def of_the_installation(where: Site) -> dict[str, Grade]:
    settings = settings_of(where)
    found: list[Finding] = [*installation.database(settings), *installation.keys(settings)]
    return {one.subject: one.grade for one in found}


def test_a_fresh_machine_is_well_before_the_first_start(empty_site: Site) -> None:
    code, output = empty_site.run("doctor")
    lines = output.splitlines()
    assert code == 0
    assert not [line for line in lines if line.startswith("FAIL")]
    for subject in (
        "Python",
        "speech",
        "sandbox",
        "clock",
        "settings",
        "broker",
        "data folder",
        "disk",
        "database",
        "keys",
    ):
        assert [line for line in lines if line[6:].startswith(f"{subject}:")], subject
    assert sorted(empty_site.folder.iterdir()) == [], "it changes nothing"


def test_every_failure_has_a_remedy_and_the_program_ends_with_one(site: Site) -> None:
    code, output = site.run("doctor", LIANBO_BROKER_ENGINE="external", LIANBO_BROKER_PORT="1")
    lines = output.splitlines()
    fails = [n for n, line in enumerate(lines) if line.startswith("FAIL")]
    assert (code, len(fails)) == (1, 1)
    assert "no connection to 127.0.0.1:1" in lines[fails[0]]
    assert lines[fails[0] + 1].startswith("      → ")


def test_wrong_settings_are_named_and_the_machine_is_examined_all_the_same(empty_site: Site) -> None:
    code, output = empty_site.run("doctor", LIANBO_SERVER_PORT="many", LIANBO_SERVER_PROT="1")
    assert code == 1
    assert "FAIL  settings: server.port" in output
    assert "WARN  settings: the variable LIANBO_SERVER_PROT means nothing" in output
    assert "OK    Python" in output


def test_a_port_that_another_program_has_is_a_failure(empty_site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = list(installation.ports(settings_of(empty_site, LIANBO_SERVER_PORT=port)))
    assert [(one.grade, "change server.port" in one.remedy) for one in found] == [(Grade.FAIL, True)]


def test_broken_and_foreign_databases_and_keys_are_failures(site: Site) -> None:
    (site.folder / "keys" / "live.json").write_text("{")
    assert of_the_installation(site)["keys"] is Grade.FAIL
    with sqlite3.connect(site.folder / "lianbo.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert of_the_installation(site)["database"] is Grade.FAIL


def test_a_key_that_ends_soon_is_a_warning(site: Site) -> None:
    file = site.folder / "keys" / "live.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"not_after_ms": kept["not_before_ms"] + 30 * 86_400_000}))
    assert of_the_installation(site)["keys"] is Grade.WARN


def test_a_clock_behind_what_the_database_has_seen_is_a_failure(site: Site) -> None:
    with sqlite3.connect(site.folder / "lianbo.db") as connection:
        connection.execute("INSERT INTO fact (name, value) VALUES ('seen_ms', '4000000000000')")
    assert of_the_installation(site)["clock"] is Grade.FAIL


def test_a_machine_without_bubblewrap_is_told_so_and_works(
    empty_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = empty_site.run("doctor")
    assert "OK    sandbox: uploaded sounds are taken apart by bubblewrap" in output
    nowhere: dict[str, str | None] = dict(Sandbox.__init__.__kwdefaults__) | {"bubblewrap": None}
    monkeypatch.setattr(Sandbox.__init__, "__kwdefaults__", nowhere)
    code, output = empty_site.run("doctor")
    assert code == 0
    assert "WARN  sandbox: uploaded sounds are taken apart under resource limits alone: bubblewrap is not" in output
    assert "apt install bubblewrap" in output


def test_no_broker_at_all_says_which_package_brings_one(empty_site: Site) -> None:
    mosquitto = settings_of(empty_site, LIANBO_BROKER_ENGINE="mosquitto")
    found = list(machine.broker(mosquitto, binary=None))
    assert [(one.grade, one.remedy) for one in found] == [(Grade.FAIL, "apt install mosquitto")]
    found = list(machine.broker(settings_of(empty_site), binary=None))
    assert [one.grade for one in found] == [Grade.WARN], "amqtt steps in"


@pytest.mark.alone
@pytest.mark.parametrize(("engine", "messages"), [("mosquitto", 3_000), ("amqtt", 300)])
def test_our_own_broker_loses_no_report(empty_site: Site, engine: str, messages: int) -> None:
    """amqtt drops what waits unacknowledged for 5 s, as it says at its start: on a busy machine a flood is too much for it."""
    found = list(lost_reports.measure(settings_of(empty_site, LIANBO_BROKER_ENGINE=engine), messages=messages))
    assert [(one.grade, "lost 0" in one.found) for one in found] == [(Grade.OK, True), (Grade.OK, True)]


@asynccontextmanager
async def mosquitto_as_installed(folder: Path) -> AsyncIterator[int]:
    """With the limits that the package comes with."""
    binary = find_mosquitto()
    assert binary is not None
    child = Child("mosquitto", [binary, "-c", str(folder / "conf")], folder=folder, host="127.0.0.1", port=0)
    child.on_start = lambda: _configure(folder, child.port)
    await child.start()
    try:
        yield child.port
    finally:
        await child.stop()


def _configure(folder: Path, port: int) -> None:
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")


async def test_a_broker_with_default_limits_is_found_out(empty_site: Site, tmp_path: Path) -> None:
    async with mosquitto_as_installed(tmp_path / "broker") as port:
        settings = settings_of(empty_site, LIANBO_BROKER_ENGINE="external", LIANBO_BROKER_PORT=str(port))
        away, slow = await asyncio.to_thread(lambda: list(lost_reports.measure(settings, messages=5_000)))
    assert (away.grade, slow.grade) == (Grade.FAIL, Grade.FAIL)
    assert re.match(r"sent 5,000, acknowledged 5,000, arrived 1,0[02]0, lost (4,000|3,980) ", away.found)
    assert "max_queued_messages 100000" in away.remedy
    assert "max_inflight_messages 1000" in slow.remedy


def test_a_broker_that_is_not_there_is_not_called_good(empty_site: Site) -> None:
    settings = settings_of(empty_site, LIANBO_BROKER_ENGINE="external", LIANBO_BROKER_PORT="1")
    found = list(lost_reports.measure(settings, up_within_s=0.3))
    assert [(one.grade, "not measured: no connection to" in one.found) for one in found] == [(Grade.FAIL, True)]
