"""The drill: backup, the whole data folder is lost, restore, and the next alert reaches the speakers that knew the old server."""

import shutil
from pathlib import Path

import pytest

from broadcast.domain.backups import name_of
from broadcast.server import Server
from broadcast.server.watchkeeping import vault_of
from broadcast.store.recovery import from_words, in_words, own_code
from broadcast.store.restoring import restore
from config.settings import load
from endpoints.delivery import State
from endpoints.simulator import Simulator
from tests.system.city import OFFICER, RED, City, environment, free_port, some_speakers, until

COUNT = 12


@pytest.mark.parametrize("later", [0, 3])
async def test_after_a_restore_the_speakers_obey_and_no_alert_of_before_comes_back(tmp_path: Path, later: int) -> None:
    """:param later: broadcasts after the backup: the speakers have seen higher versions than the restored server knows."""
    data, stick, broker_port = tmp_path / "data", tmp_path / "stick", free_port()
    settings = load(environment=environment(data, BACKUP_FOLDER=stick, BROKER_PORT=broker_port))
    server = Server(settings)
    await server.start()
    await server.estate.enrol(some_speakers(server, COUNT), by=OFFICER)
    server.refresh_users()
    simulator = Simulator(server.provisioning(), seed=1)
    simulator.start()
    try:
        city = City(server, simulator)
        await city.all_online()
        first = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
        await city.all_in(first, State.SOUNDING)
        await server.broadcasts.stop(first, by=OFFICER)
        await city.all_in(first, State.STOPPED)
        made = await server.watch.backups.make(by=OFFICER)
        for _ in range(later):
            one = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
            await city.all_in(one, State.SOUNDING)
            await server.broadcasts.stop(one, by=OFFICER)
            await city.all_in(one, State.STOPPED)
        paper = in_words(own_code(data / "keys"))
        await server.stop()
        shutil.rmtree(data)

        restore(
            stick / made.name,
            url=settings.database_url,
            data_folder=data,
            secret=from_words(paper),
            replace=False,
            now_ms=made.made_ms,
        )
        server = Server(settings)
        await server.start()
        again = City(server, simulator)
        await again.all_online(within_s=60)
        assert server.broadcasts.live() == []
        assert not any(server.speakers.status(name).on_air for name in server.estate.speakers)
        second = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
        took = await again.all_in(second, State.SOUNDING, within_s=20)
        assert took < 10
        assert [one.name for one in vault_of(settings).kept()] == [made.name] == [name_of(made.made_ms)]
        await until(
            lambda: "fenced-off" not in {one.name for one in server.health.conditions}, "nobody holds later boards"
        )
    finally:
        await simulator.stop()
        await server.stop()
