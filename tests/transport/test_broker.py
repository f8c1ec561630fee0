"""The same truths for Mosquitto and amqtt; where an engine cannot keep one, a test of its own says so."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from broadcast.transport.broker import (
    AmqttChild,
    BrokerNotFound,
    BrokerSettings,
    ExternalBroker,
    ManagedBroker,
    MosquittoChild,
    open_broker,
)
from broadcast.transport.broker_config import ServerTls
from broadcast.transport.child import PortTaken, free_port, record_pid
from endpoints.mqtt_link import BrokerAddress, LinkDown, SubscriptionRefused, TlsFiles, Will
from tests.brokers import (
    COUNTY,
    FOREIGN_VILLAGE,
    NEIGHBOUR,
    SERVER,
    SPEAKER,
    USERS,
    VILLAGE,
    Peer,
    running,
    settled,
    speaker_user,
    until,
)

# ---- who may what ---------------------------------------------------------------------------------------------------------


async def test_a_speaker_hears_the_boards_of_its_areas_and_its_own(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up()
    mine = {f"{root}/board/{scope}" for root in ("eb/v1", "ex/v1") for scope in (COUNTY, VILLAGE, SPEAKER)}
    for topic in mine:
        await server.link.publish(topic, topic.encode(), 1, retain=True)
    speaker = await Peer(broker, SPEAKER).up(*mine)
    await until(lambda: {topic for topic, _ in speaker.retained} == mine)
    assert dict(speaker.retained) == {topic: topic.encode() for topic in mine}
    await speaker.link.stop()
    await server.link.stop()


@pytest.mark.parametrize("wanted", [f"eb/v1/board/{FOREIGN_VILLAGE}", "eb/v1/board/#", "+/v1/report/#", "#", "$SYS/#"])
async def test_a_speaker_cannot_read_what_is_not_its_own(broker: ManagedBroker, wanted: str) -> None:
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{FOREIGN_VILLAGE}", b"kept", 1, retain=True)
    neighbour = await Peer(broker, NEIGHBOUR).up(f"eb/v1/board/{FOREIGN_VILLAGE}")
    speaker = await Peer(broker, SPEAKER).up(wanted)
    await server.link.publish(f"eb/v1/board/{FOREIGN_VILLAGE}", b"fresh", 1)
    await neighbour.link.publish(f"eb/v1/report/{NEIGHBOUR}", b"report", 1)
    await until(lambda: neighbour.heard)
    await settled()
    assert (speaker.heard, speaker.retained) == ([], [])
    for peer in (speaker, neighbour, server):
        await peer.link.stop()


async def test_amqtt_tells_the_speaker_that_its_subscription_is_refused(tmp_path: Path) -> None:
    async with running("amqtt", tmp_path) as broker:
        speaker = await Peer(broker, SPEAKER).up()
        with pytest.raises(SubscriptionRefused) as caught:
            await speaker.link.subscribe([(f"eb/v1/board/{FOREIGN_VILLAGE}", 1), (f"eb/v1/board/{SPEAKER}", 1)])
        assert caught.value.filters == (f"eb/v1/board/{FOREIGN_VILLAGE}",)
        await until(lambda: broker.health().denied == 1)
        await speaker.link.stop()


@pytest.mark.parametrize(
    "forged",
    [
        f"eb/v1/report/{NEIGHBOUR}",
        f"eb/v1/board/{SPEAKER}",
        f"eb/v1/board/{COUNTY}",
        f"ex/v1/time/{SPEAKER}",
        "else/report",
    ],
)
async def test_a_speaker_writes_nothing_but_its_own_reports(broker: ManagedBroker, forged: str) -> None:
    server = await Peer(broker, SERVER.name).up("eb/#", "ex/#")
    speaker = await Peer(broker, SPEAKER).up()
    await speaker.link.publish(forged, b"forged", 1, retain=True)
    await speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"mine", 1)
    await until(lambda: server.heard)
    await settled(0.1)
    assert server.heard == [(f"eb/v1/report/{SPEAKER}", b"mine")]
    await speaker.link.stop()
    await server.link.stop()


async def test_a_will_is_published_when_the_power_fails_and_not_on_goodbye(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up("eb/v1/gone/+")
    speaker = await Peer(broker, SPEAKER, will=Will(f"eb/v1/gone/{SPEAKER}", b"gone")).up()
    await speaker.link.stop()
    await settled()
    assert server.heard == []
    await speaker.up()
    speaker.link.drop()
    await until(lambda: server.heard == [(f"eb/v1/gone/{SPEAKER}", b"gone")])
    await server.link.stop()


async def test_a_forged_will_is_not_published(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up("eb/#")
    forger = await Peer(broker, SPEAKER, will=Will(f"eb/v1/gone/{NEIGHBOUR}", b"gone")).up()
    forger.link.drop()
    await settled(0.5)
    assert server.heard == []
    await server.link.stop()


@pytest.mark.parametrize(("user", "password"), [(SPEAKER, "wrong"), ("s-nobody", "x"), (None, None)])
async def test_who_has_no_account_stays_outside(broker: ManagedBroker, user: str | None, password: str | None) -> None:
    address = broker.address("", "")
    stranger = Peer(broker, SPEAKER, address=BrokerAddress(address.host, address.port, user, password))
    stranger.link.start()
    await until(lambda: stranger.link.counters.failed_dials)
    assert not stranger.ups
    assert not stranger.link.connected
    stranger.link.drop()
    await until(lambda: broker.health().refused_logins)


async def test_two_devices_with_one_id_are_an_alarm_that_names_it(broker: ManagedBroker) -> None:
    """They throw each other out in turn; a single take-over is only a speaker that comes back over a new path."""
    await until(lambda: broker.health().reachable)
    devices = [await Peer(broker, SPEAKER, first_retry_s=0.1).up() for _ in range(2)]
    await until(lambda: broker.health().contested == (SPEAKER,), timeout_s=30)
    assert broker.health().alarms == ("broker-taken-over",)
    for device in devices:
        device.link.drop()


async def test_a_stranger_with_a_speakers_id_does_not_push_it_off(broker: ManagedBroker) -> None:
    speaker = await Peer(broker, SPEAKER, clean=False).up(f"eb/v1/board/{COUNTY}")
    address = broker.address("", "")
    for clean in (True, False):
        stranger = Peer(
            broker, SPEAKER, address=BrokerAddress(address.host, address.port, SPEAKER, "guessed"), clean=clean
        )
        stranger.link.start()
        await until(lambda stranger=stranger: stranger.link.counters.failed_dials)
        stranger.link.drop()
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{COUNTY}", b"board", 1)
    await until(lambda: speaker.heard == [(f"eb/v1/board/{COUNTY}", b"board")])
    assert speaker.downs == []
    for peer in (speaker, server):
        await peer.link.stop()


async def test_an_account_added_at_run_time_may_connect_and_those_there_stay(broker: ManagedBroker) -> None:
    speaker = await Peer(broker, SPEAKER).up()
    late = "s-130281001001-2"
    broker.set_users((*USERS, speaker_user(late, f"secret-of-{late}", (COUNTY,))))
    newcomer = await Peer(broker, late).up(f"eb/v1/board/{COUNTY}")
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{COUNTY}", b"all", 1, retain=True)
    await until(lambda: newcomer.heard)
    assert (speaker.ups, speaker.downs) == ([False], [])
    for peer in (speaker, newcomer, server):
        await peer.link.stop()


async def test_a_speaker_whose_account_is_taken_away_is_cut_off_at_once_and_the_others_stay(
    broker: ManagedBroker,
) -> None:
    """A box that was stolen, or has newer secrets, says and hears nothing more; not only from its next start on."""
    gone = await Peer(broker, SPEAKER, first_retry_s=60).up(f"eb/v1/board/{COUNTY}")
    stays = await Peer(broker, NEIGHBOUR).up(f"eb/v1/board/{COUNTY}")
    broker.set_users(tuple(one for one in USERS if one.name != SPEAKER))
    await until(lambda: gone.downs)
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{COUNTY}", b"after", 1)
    await until(lambda: stays.heard)
    assert (gone.heard, stays.downs) == ([], [])
    gone.link.drop()
    for peer in (stays, server):
        await peer.link.stop()


# ---- what breaks in the field ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [True, False])
async def test_a_second_client_with_a_speakers_id_ends_the_first_and_is_counted(
    broker: ManagedBroker, clean: bool
) -> None:
    first = await Peer(broker, SPEAKER, clean=clean, first_retry_s=60).up()
    second = await Peer(broker, SPEAKER, clean=clean).up(f"eb/v1/board/{COUNTY}")
    await until(lambda: first.downs)
    await until(lambda: broker.health().take_overs == 1)
    assert broker.health().suspects == (SPEAKER,)
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{COUNTY}", b"board", 1)
    await until(lambda: second.heard == [(f"eb/v1/board/{COUNTY}", b"board")])
    first.link.drop()
    for peer in (second, server):
        await peer.link.stop()


async def test_a_speaker_that_vanished_without_a_word_is_noticed_by_keepalive(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up("eb/v1/gone/+")
    address = broker.address(SPEAKER, f"secret-of-{SPEAKER}")
    silent = _raw_connect(address.host, address.port, SPEAKER, address.password or "", keepalive_s=1)
    await until(lambda: server.heard == [(f"eb/v1/gone/{SPEAKER}", b"gone")], timeout_s=15)
    await until(lambda: broker.health().timed_out == 1)
    silent.close()
    await server.link.stop()


async def test_a_dead_broker_is_noticed_by_the_link_though_its_connection_stays_open(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path) as broker:
        speaker = await Peer(broker, SPEAKER, keepalive_s=1).up()
        broker.child.signal(signal.SIGSTOP)
        await until(lambda: speaker.downs, timeout_s=5)
        assert speaker.downs == ["no answer to a ping in 1 s"]
        broker.child.signal(signal.SIGCONT)
        await until(lambda: len(speaker.ups) == 2)
        await speaker.link.stop()


async def test_reports_of_a_speaker_that_says_goodbye_at_once_all_arrive(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name, clean=False).up("eb/v1/report/+")
    speaker = await Peer(broker, SPEAKER).up()
    await asyncio.gather(*(speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"%d" % n) for n in range(1_000)))
    await speaker.link.stop()
    await until(lambda: len(server.heard) == 1_000)
    assert {payload for _, payload in server.heard} == {b"%d" % n for n in range(1_000)}
    await server.link.stop()


@pytest.mark.alone
async def test_a_stalled_subscriber_does_not_hold_up_the_others(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up()
    address = broker.address(SPEAKER, f"secret-of-{SPEAKER}")
    stalled = _raw_connect(address.host, address.port, SPEAKER, address.password or "", keepalive_s=60)
    topic = f"eb/v1/board/{COUNTY}".encode()
    body = b"\0\1" + len(topic).to_bytes(2, "big") + topic + b"\1"
    stalled.sendall(bytes([0x82, len(body)]) + body)  # subscribes, and never reads again
    neighbour = await Peer(broker, NEIGHBOUR).up(topic.decode())
    worst_s = 0.0
    for n in range(100):
        began = time.perf_counter()
        await server.link.publish(topic.decode(), n.to_bytes(2, "big") * 10_000, 1)
        await until(lambda wanted=n + 1: len(neighbour.heard) == wanted)
        worst_s = max(worst_s, time.perf_counter() - began)
    assert worst_s < 1.0
    assert _resident_mib(broker) < 150
    stalled.close()
    for peer in (neighbour, server):
        await peer.link.stop()


async def test_a_queue_below_its_limit_loses_nothing_and_above_it_raises_an_alarm(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path, max_queued=2_000) as broker:
        absent = await Peer(broker, SERVER.name, clean=False).up("eb/v1/report/+")
        await absent.link.stop()
        speaker = await Peer(broker, SPEAKER).up()
        await until(lambda: broker.health().dropped == 0 and broker.health().reachable)
        await asyncio.gather(*(speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"%d" % n) for n in range(2_000)))
        await settled(1.5)  # one `sys_interval`
        assert broker.health().dropped == 0
        assert "broker-dropped" not in broker.health().alarms
        await asyncio.gather(*(speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"late") for _ in range(50)))
        await until(lambda: broker.health().dropped == 50)
        assert "broker-dropped" in broker.health().alarms
        assert broker.health().overflowing == 1
        assert broker.health().suspects == (SERVER.name,)
        await absent.up()
        await until(lambda: len(absent.heard) == 2_000)
        assert [payload for _, payload in absent.heard] == [b"%d" % n for n in range(2_000)]
        for peer in (absent, speaker):
            await peer.link.stop()


async def test_twelve_thousand_reports_to_an_absent_server_all_arrive(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path) as broker:
        server = await Peer(broker, SERVER.name, clean=False).up("eb/v1/report/+")
        await server.link.stop()
        speaker = await Peer(broker, SPEAKER).up()
        await asyncio.gather(*(speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"%d" % n) for n in range(12_000)))
        await server.up()
        await until(lambda: len(server.heard) == 12_000)
        assert {payload for _, payload in server.heard} == {b"%d" % n for n in range(12_000)}
        assert broker.health().dropped in (0, None)
        for peer in (server, speaker):
            await peer.link.stop()


async def test_a_broker_killed_is_back_within_three_seconds_and_so_is_the_link(broker: ManagedBroker) -> None:
    speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{COUNTY}")
    before = broker.child.pid
    assert before is not None
    waiting = speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"under way", 1)
    began = time.monotonic()
    os.kill(before, signal.SIGKILL)
    await until(lambda: speaker.downs)
    if not waiting.done() or waiting.exception() is not None:
        with pytest.raises(LinkDown):
            await waiting
    await until(lambda: len(speaker.ups) == 2)
    assert time.monotonic() - began < 3.0
    assert broker.child.pid != before
    assert (broker.child.restarts, broker.health().restarts) == (1, 1)
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{COUNTY}", b"again", 1)
    await until(lambda: speaker.heard == [(f"eb/v1/board/{COUNTY}", b"again")])
    for peer in (speaker, server):
        await peer.link.stop()


async def test_sessions_and_retained_boards_survive_an_orderly_restart_of_mosquitto(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    async with running("mosquitto", tmp_path, persistent=True, port=port) as broker:
        server = await Peer(broker, SERVER.name, clean=False).up("eb/v1/report/+")
        await server.link.publish(f"eb/v1/board/{SPEAKER}", b"board", 1, retain=True)
        await server.link.stop()
        speaker = await Peer(broker, SPEAKER).up()
        await speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"kept", 1)
        await speaker.link.stop()
    async with running("mosquitto", tmp_path, persistent=True, port=port) as broker:
        server = await Peer(broker, SERVER.name, clean=False).up()
        await until(lambda: server.heard == [(f"eb/v1/report/{SPEAKER}", b"kept")])
        assert server.ups == [True]
        speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{SPEAKER}")
        await until(lambda: speaker.retained == [(f"eb/v1/board/{SPEAKER}", b"board")])
        for peer in (server, speaker):
            await peer.link.stop()


async def test_a_broker_that_starts_again_keeps_the_sum_of_what_it_dropped(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path, max_queued=100) as broker:
        for round_ in (1, 2):
            absent = await Peer(broker, SERVER.name, clean=False).up("eb/v1/report/+")
            await absent.link.stop()
            speaker = await Peer(broker, SPEAKER).up()
            await asyncio.gather(*(speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"x") for _ in range(105)))
            await until(lambda wanted=5 * round_: broker.health().dropped == wanted)
            await speaker.link.stop()
            if round_ == 1:
                assert broker.child.pid is not None
                os.kill(broker.child.pid, signal.SIGKILL)
                await until(lambda: broker.health().restarts == 1 and broker.health().running)


# ---- the child process ----------------------------------------------------------------------------------------------------


async def test_it_listens_at_once_and_leaves_nothing_behind(broker: ManagedBroker) -> None:
    assert broker.health().running
    await until(lambda: broker.health().reachable)
    pid = broker.child.pid
    await broker.stop()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert broker.health().alarms == ("broker-down",)


@pytest.mark.alone
async def test_mosquitto_starts_quickly(tmp_path: Path) -> None:
    began = time.perf_counter()
    async with running("mosquitto", tmp_path):
        assert time.perf_counter() - began < 0.5  # 0.03 s alone on the machine


async def test_its_files_are_for_us_alone(broker: ManagedBroker) -> None:
    files = [path for path in broker.child.folder.iterdir() if path.is_file()]
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == {path.name: 0o600 for path in files}
    assert broker.child.folder.stat().st_mode & 0o777 == 0o700
    assert not any(b"secret-of-" in path.read_bytes() for path in files)


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is used by another program"):
            async with running("mosquitto", tmp_path, port=port):
                pass


async def test_what_a_killed_server_left_behind_is_ended_at_the_next_start(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    async with running("mosquitto", tmp_path, port=port) as broker:
        folder, argv = broker.child.folder, broker.child._argv
    left_over = await asyncio.create_subprocess_exec(
        *argv
    )  # as after kill -9 of a server on a kernel without PDEATHSIG
    record_pid(folder / "child.pid", left_over.pid)
    async with running("mosquitto", tmp_path, port=port) as broker:
        assert await left_over.wait() in (0, -signal.SIGTERM)
        assert broker.child.pid != left_over.pid


async def test_a_process_that_got_the_recorded_id_anew_is_not_ended(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path) as broker:
        folder = broker.child.folder
    (folder / "child.pid").write_text(json.dumps({"pid": os.getpid(), "started": 1}))
    async with running("mosquitto", tmp_path):
        pass  # we live


async def test_the_broker_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from broadcast.transport.broker import BrokerSettings, open_broker\n"
        "async def main():\n"
        "    broker = open_broker(BrokerSettings(folder=Path(sys.argv[1]), engine='mosquitto'))\n"
        "    await broker.start()\n"
        "    print(broker.child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        str(tmp_path / "own"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    await until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


async def test_tls_by_setting_and_a_stranger_is_not_trusted(tmp_path: Path, tls_files: dict[str, Path]) -> None:
    tls = ServerTls(tls_files["ca"], tls_files["certificate"], tls_files["key"])
    for engine in ("mosquitto", "amqtt"):
        async with running(engine, tmp_path, tls=tls) as broker:
            assert broker.address("a", "b").tls is not None
            speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{COUNTY}")
            server = await Peer(broker, SERVER.name).up()
            await server.link.publish(f"eb/v1/board/{COUNTY}", bytes(200_000), 1)
            await until(lambda speaker=speaker: speaker.heard == [(f"eb/v1/board/{COUNTY}", bytes(200_000))])
            address = broker.address(SPEAKER, f"secret-of-{SPEAKER}")
            other_ca = BrokerAddress(
                address.host, address.port, address.username, address.password, TlsFiles(tls_files["other"])
            )
            distrustful = Peer(broker, NEIGHBOUR, address=other_ca)
            distrustful.link.start()
            await until(lambda distrustful=distrustful: distrustful.link.counters.failed_dials)
            assert "CERTIFICATE_VERIFY_FAILED" in distrustful.link.last_reason
            distrustful.link.drop()
            for peer in (speaker, server):
                await peer.link.stop()


# ---- which engine ---------------------------------------------------------------------------------------------------------


def test_auto_takes_mosquitto_where_it_is_installed_and_says_so(tmp_path: Path) -> None:
    chosen = open_broker(BrokerSettings(folder=tmp_path))
    assert isinstance(chosen, MosquittoChild)
    assert chosen.why.endswith("/mosquitto is installed")


def test_auto_takes_amqtt_where_there_is_no_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broadcast.transport.broker.find_mosquitto", lambda: None)
    chosen = open_broker(BrokerSettings(folder=tmp_path))
    assert isinstance(chosen, AmqttChild)
    assert "no mosquitto" in chosen.why
    with pytest.raises(BrokerNotFound, match="apt install mosquitto"):
        open_broker(BrokerSettings(folder=tmp_path, engine="mosquitto"))


async def test_an_external_broker_is_used_as_it_is_and_what_it_does_not_tell_is_unknown(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path) as theirs:
        settings = BrokerSettings(
            folder=tmp_path / "ours", engine="external", external=theirs.address(SERVER.name, "server-secret")
        )
        ours = open_broker(settings)
        assert isinstance(ours, ExternalBroker)
        await ours.start()
        await until(lambda: ours.health().clients is not None)
        health = ours.health()
        assert (health.take_overs, health.denied, health.restarts) == (None, None, None)
        assert health.version == "mosquitto version 2.0.11" or health.version is not None
        assert health.alarms == ()
        assert ours.address(SPEAKER, "x").port == theirs.child.port
        await ours.stop()


# ---- helpers --------------------------------------------------------------------------------------------------------------


def _raw_connect(host: str, port: int, client: str, password: str, *, keepalive_s: int) -> socket.socket:
    """CONNECT with a will, by hand; the socket then does nothing by itself."""
    fields = (client, f"eb/v1/gone/{client}", "gone", client, password)
    texts = b"".join(len(one).to_bytes(2, "big") + one.encode() for one in fields)
    body = b"\0\4MQTT\4\xc6" + keepalive_s.to_bytes(2, "big") + texts
    sock = socket.create_connection((host, port), timeout=5)
    sock.sendall(b"\x10" + bytes([len(body) & 127 | 128, len(body) >> 7] if len(body) > 127 else [len(body)]) + body)
    assert sock.recv(4) == b"\x20\x02\0\0"
    return sock


def _resident_mib(broker: ManagedBroker) -> float:
    pages = int(Path(f"/proc/{broker.child.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
