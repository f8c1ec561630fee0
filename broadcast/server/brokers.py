"""Which broker this server uses and who may connect to it, from the settings and the estate."""

from collections.abc import Iterable
from pathlib import Path

from broadcast.domain.speakers import Speaker
from broadcast.keyring import Keyring
from broadcast.transport.broker_config import BrokerSettings, ServerTls
from broadcast.transport.broker_users import BrokerUser, server_user, speaker_user
from config import settings
from endpoints.area_codes import ancestors
from endpoints.mqtt_dial import TlsFiles
from endpoints.mqtt_link import BrokerAddress
from endpoints.sealing import broker_password

PORT_FILE = "broker-port"  # speakers outlive a restart: the broker comes back where they look for it


def broker_settings(asked: settings.BrokerSettings, folder: Path) -> BrokerSettings:
    """What `open_broker` needs.

    :param folder: the server's data folder, in which the managed broker keeps its files and the port is remembered.
    """
    external, own_tls = None, None
    if asked.engine == "external":
        tls = TlsFiles(Path(asked.tls_ca)) if asked.tls_ca else None
        external = BrokerAddress(asked.host, asked.port, asked.username, asked.password, tls)
    elif asked.tls_certificate:
        own_tls = ServerTls(Path(asked.tls_ca), Path(asked.tls_certificate), Path(asked.tls_key))
    return BrokerSettings(
        folder=folder / "broker",
        engine=asked.engine,
        host=asked.host,
        port=asked.port or _remembered_port(folder),
        tls=own_tls,
        persistent=asked.persistence,
        external=external,
    )


def remember_port(folder: Path, port: int) -> None:
    """The managed broker listens here; the next start asks for the same."""
    (folder / PORT_FILE).write_text(str(port))


def broker_users(name: str, keyring: Keyring, speakers: Iterable[Speaker], *, now_ms: int) -> list[BrokerUser]:
    """The server under this name, and every speaker with a password of its own; none for one whose secrets are revoked."""
    users = [server_user(name, keyring.broker_password)]
    for one in speakers:
        if generation := one.broker_generation(now_ms):
            password = broker_password(keyring.master, one.id, generation)
            users.append(speaker_user(one.id, password, (one.area, *ancestors(one.area))))
    return users


def _remembered_port(folder: Path) -> int:
    try:
        return int((folder / PORT_FILE).read_text())
    except (OSError, ValueError):
        return 0
