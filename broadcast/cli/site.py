"""What `lianbo doctor` looks at of this installation: folder, disk, ports, database, keys, open files, variables."""

import asyncio
import http.client
import os
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from broadcast.cli.configuration import strange_variables
from broadcast.cli.finding import Finding, failure, ok, warning
from broadcast.clock import SystemClock
from broadcast.domain.errors import BroadcastError
from broadcast.keyring import FILES, WARN_DAYS, BadKeyFile, NoKeys, read_keyring
from broadcast.store import checkup
from broadcast.store.store import open_store
from config.settings import Settings

GIB = 2**30
LEAST_BYTES, FEW_BYTES = GIB // 4, 2 * GIB
SLOW_DISK_MS = 30.0  # every trigger waits for one flush
SPARE_FILES = 256  # beside the speakers: browsers, database, logs
BACK_MS = 60_000


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for line in strange_variables(environment):
        yield warning("settings", line)


def folder(settings: Settings) -> Iterator[Finding]:
    """The data folder can be written, is ours alone, has room, and its disk is quick enough."""
    where = settings.server.data_folder
    near = where
    while not near.exists():
        near = near.absolute().parent
    try:
        slowest_ms = _flush_ms(near)
    except OSError as err:
        who = f"chown -R $USER {near}" if os.access(near, os.F_OK) else f"mkdir -p {where}"
        yield failure("data folder", f"{near} can't be written: {err.strerror}", f"{who}, or set server.data_folder")
        return
    if where.exists() and where.stat().st_mode & 0o007:
        yield warning("data folder", f"everybody may look into {where}", f"chmod 750 {where}")
    else:
        yield ok(
            "data folder", f"{where.absolute()} can be written{'' if where.exists() else ' (it is made at the start)'}"
        )
    free = shutil.disk_usage(near).free
    said = f"{free / GIB:.1f} GiB free, a flush takes {slowest_ms:.1f} ms"
    if free < LEAST_BYTES:
        yield failure("disk", said, f"make room: `du -xh {near} | sort -h | tail`")
    elif free < FEW_BYTES or slowest_ms > SLOW_DISK_MS:
        yield warning(
            "disk", said, "every trigger waits for one flush and reports need room: another disk, or make room"
        )
    else:
        yield ok("disk", said)


def ports(settings: Settings) -> Iterator[Finding]:
    """The desk's and the managed broker's; taken by a running Lianbo is as good as free."""
    server, asked = settings.server, settings.broker
    runs = _answers(server.host, server.port)
    if server.port == 0:
        yield ok("port of the desk", "any free one; set server.port so that people and speakers know it")
    elif runs:
        yield ok("port of the desk", f"a Lianbo server answers on {server.port}")
    else:
        yield _port("port of the desk", "server.port", server.host, server.port)
    remembered = server.data_folder / "broker-port"
    port = asked.port or (int(remembered.read_text()) if remembered.exists() else 0)
    if asked.engine != "external" and port and not runs:
        yield _port("port of the broker", "broker.port", asked.host, port)


def database(settings: Settings) -> Iterator[Finding]:
    """It opens, has this program's tables, and its last server did not live in the future."""
    url = settings.database_url
    try:
        if not checkup.is_there(url):
            yield ok("database", "none yet; `lianbo serve` makes it at its first start")
            return
        found = checkup.check_up(url, pages=False)
        if not found.is_current:
            what = f"its tables are of revision {found.revision}, this program needs {found.wanted}"
            yield failure("database", what, "make a backup, then `lianbo db upgrade`")
            return
        speakers, seen_ms = asyncio.run(_speakers_and_time(url))
    except (BroadcastError, OSError) as err:
        yield failure("database", str(err), "`lianbo db check` says more; restore the last backup when it is broken")
        return
    yield ok("database", f"revision {found.revision}, {found.size_bytes / 2**20:.1f} MiB, {speakers} speakers")
    back_ms = seen_ms - SystemClock().now_ms()
    if back_ms > BACK_MS:
        yield failure(
            "clock", f"it is {back_ms / 60_000:.0f} min behind what this database has seen", "set it: date -s"
        )
    yield _files(speakers)


def keys(settings: Settings) -> Iterator[Finding]:
    """They can be read, and have not ended."""
    where = settings.server.data_folder / "keys"
    try:
        days = read_keyring(where, county=settings.server.county).days_left(SystemClock().now_ms())
    except NoKeys as err:
        fresh = len(err.missing) == len(FILES)
        yield (
            ok("keys", "none yet; `lianbo serve` makes them at its first start") if fresh else failure("keys", str(err))
        )
        return
    except (BadKeyFile, OSError) as err:
        yield failure("keys", str(err))
        return
    remedy = "plan the change of keys; `lianbo keys show` has the dates"
    if days < 0:
        yield failure("keys", f"a signing key ended {-days} days ago: speakers refuse what it signs", remedy)
    elif days <= max(WARN_DAYS):
        yield warning("keys", f"a signing key ends in {days} days", remedy)
    else:
        yield ok("keys", f"good for {days} days")


def _files(speakers: int) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = speakers + SPARE_FILES
    said = f"{soft} allowed, {needed} needed for {speakers} speakers (the broker holds one for each)"
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ok("open files", said)
    remedy = f"`ulimit -n {2 * needed}` before the start, or LimitNOFILE={2 * needed} in the systemd unit"
    return failure("open files", said, remedy if hard != soft else f"{remedy} (as root)")


def _flush_ms(where: Path) -> float:
    """The slowest of some small writes, each on disk when it returns."""
    slowest_s = 0.0
    with tempfile.NamedTemporaryFile(dir=where, prefix=".doctor-") as file:
        for _ in range(10):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            slowest_s = max(slowest_s, time.perf_counter() - began)
    return slowest_s * 1000


def _port(subject: str, setting: str, host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return ok(subject, f"{port} on {host} is free")
    except OSError as err:
        remedy = f"`ss -ltnp 'sport = :{port}'` names who has it; end that program or change {setting}"
        return failure(subject, f"{port} on {host} can't be had: {err.strerror}", remedy)


def _answers(host: str, port: int) -> bool:
    """Whether a Lianbo server is there."""
    if port == 0:
        return False
    connection = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=2)  # noqa: S104
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read().startswith(b'{"alive"')
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _speakers_and_time(url: str) -> tuple[int, int]:
    store = open_store(url, upgrades_itself=False, exclusive=False)
    try:
        return await store.read(
            lambda tx: (sum(not one.retired for one in tx.speakers.all()), int(tx.facts.get("seen_ms") or 0))
        )
    finally:
        await store.close()
