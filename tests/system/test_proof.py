"""Proof of play on the whole: a server, Mosquitto, and `lianbo speaker` processes with an ear; the ladder has the grade."""

import os
from pathlib import Path

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.proofs import Known
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.delivery import State
from endpoints.proof import Ear, Place
from endpoints.protocol import Kind, Severity
from tests.system.city import OFFICER, environment, until
from tests.system.test_sound import TOWNSHIP, VILLAGES, WORDS, processes


async def test_the_ladder_says_of_a_speaker_with_an_ear_that_its_sound_was_measured(tmp_path: Path) -> None:
    server = Server(load(environment=environment(tmp_path / "data")))
    await server.start()
    names = [default_id(village) for village in VILLAGES[:2]]
    try:
        await server.estate.enrol(
            [Speaker(name, area, "x") for name, area in zip(names, VILLAGES, strict=False)], by=OFFICER
        )
        server.refresh_users()
        sinks = {name: f"wav:{tmp_path / name}.wav" for name in names}
        async with processes(server, tmp_path, sinks, os.environ, "--ear", "sink"):
            await until(lambda: server.speakers.counts()[Presence.ONLINE] == 2, "all online", within_s=20)
            command = StartBroadcast(Kind.EMERGENCY, (TOWNSHIP,), severity=Severity.RED, text=WORDS, repeats=2)
            order = (await server.broadcasts.start(command, by=OFFICER)).ids[0]
            await until(lambda: server.ladder.counts(order) == {State.DONE: 2}, "played out", within_s=60)
            await until(lambda: server.health.counters.get("proofs", 0) == 2, "proved", within_s=15)
        evidence = await server.proofs.of(order)
        rows = server.ladder.rows(order)
        assert rows is not None
        assert [evidence.known(row) for row in rows] == [Known.MEASURED] * 2
        for name in names:
            (proved,) = evidence.proved[name]
            proof = proved.proof
            print(name, [(w.place.name, w.correlation_permille, w.start_error_us, w.level_cb) for w in proof.windows])
            assert (proof.ear, proof.played_out) == (Ear.MONITOR, True)
            assert [window.place for window in proof.windows] == [Place.START, Place.MIDDLE, Place.END]
            assert min(window.correlation_permille for window in proof.windows) > 900
            assert max(abs(window.start_error_us) for window in proof.windows) < 60_000
    finally:
        await server.stop()
