"""The settings of the broker, and the configuration of our own Mosquitto that follows from them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from endpoints.mqtt_dial import BrokerAddress


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files of our own broker. With `require_certificate`, speakers must show one signed by `ca` besides their password."""

    ca: Path
    certificate: Path
    key: Path
    require_certificate: bool = False


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """
    :param host: where our own broker listens; 127.0.0.1 admits this machine only.
    :param port: 0 takes any free one.
    :param folder: of our own broker alone: configuration, accounts, sessions, log.
    :param persistent: Mosquitto keeps sessions and retained messages in a file.
    :param max_queued: messages kept for one absent or slow client; beyond, they are dropped and counted.
    :param external: for engine `external`, with the account of the server.
    """

    folder: Path
    engine: Literal["auto", "mosquitto", "amqtt", "external"] = "auto"
    host: str = "127.0.0.1"
    port: int = 0
    tls: ServerTls | None = None
    persistent: bool = True
    max_queued: int = 100_000
    max_packet_bytes: int = 1024 * 1024
    sys_interval_s: int = 2
    external: BrokerAddress | None = None


def find_mosquitto() -> str | None:
    """Debian puts it where an ordinary user's PATH may not look."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def mosquitto_conf(settings: BrokerSettings, port: int) -> str:
    """Every limit set: with the defaults (1,000 queued, 20 in flight) 12,000 reports became 1,020, silently."""
    folder = settings.folder.absolute()
    lines = [
        "# Written by Lianbo at each start.",
        f"listener {port} {settings.host}",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
        f"max_queued_messages {settings.max_queued}",  # not 0: some 2.0 versions then drop everything
        "max_queued_bytes 0",
        "max_inflight_messages 1000",  # a batch of reports is acknowledged after its commit, so a window of 20 would stall
        "allow_duplicate_messages true",  # else each delivery is searched among those served: O(N²) for MQTT 3.1.1
        f"max_packet_size {settings.max_packet_bytes}",
        "max_connections -1",
        "set_tcp_nodelay true",
        "persistent_client_expiration 60d",  # of a speaker that was taken down
        f"sys_interval {settings.sys_interval_s}",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",  # take-overs, time-outs and overflowing queues stand here
        f"persistence {'true' if settings.persistent else 'false'}",
    ]
    if settings.persistent:
        lines += [f"persistence_location {folder}/", "autosave_interval 30"]
    if os.geteuid() == 0:
        lines.append("user root")  # else it drops to `mosquitto`, which may not enter our folder
    if settings.tls is not None:
        tls = settings.tls
        lines += [
            f"cafile {tls.ca.absolute()}",
            f"certfile {tls.certificate.absolute()}",
            f"keyfile {tls.key.absolute()}",
            f"require_certificate {'true' if tls.require_certificate else 'false'}",
            "tls_version tlsv1.2",
        ]
    return "\n".join(lines) + "\n"
