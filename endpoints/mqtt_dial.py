"""How a link reaches its broker: the address, TCP and TLS without blocking the loop, and few handshakes at a time."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

HANDSHAKES = 64  # in flight in one process; a broker's listen backlog is 100, and a lost SYN costs a second
READ_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: whom to trust, and (with mutual TLS) who we are."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: TlsFiles | None = None

    def __repr__(self) -> str:  # no secret in a log line
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.username or ''}@{self.host}:{self.port}"


class LoopShare:
    """What all links of one event loop have in common."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(HANDSHAKES)
        self.scratch = memoryview(bytearray(READ_BYTES))


_shares: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopShare] = WeakKeyDictionary()


def loop_share(loop: asyncio.AbstractEventLoop) -> LoopShare:
    return _shares.setdefault(loop, LoopShare())


@lru_cache(maxsize=16)
def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later, the server checked against `ca`; shared by all links with the same files.

    :raises OSError: a file is missing or not PEM.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(files.ca))
    context.check_hostname = files.check_hostname
    if files.certificate is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


async def open_socket(address: BrokerAddress) -> socket.socket:
    """A connected, non-blocking socket, with TLS shaken hands.

    :raises OSError: unreachable, refused, not trusted.
    """
    loop = asyncio.get_running_loop()
    try:
        version = ipaddress.ip_address(address.host).version
        targets = [(socket.AF_INET6 if version == 6 else socket.AF_INET, (address.host, address.port))]
    except ValueError:  # a name: asking for it costs a thread of the loop's pool, so addresses do not come this way
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        targets = [(family, where[:2]) for family, *_, where in found]  # type: ignore[misc]
    error: OSError = OSError(f"{address.host} has no address")
    for family, where in targets:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, where)
            return await _shake_hands(sock, address.host, address.tls) if address.tls else sock
        except OSError as err:
            sock.close()
            error = err
        except BaseException:
            sock.close()
            raise
    raise error


async def _shake_hands(sock: socket.socket, host: str, files: TlsFiles) -> ssl.SSLSocket:
    """TLS without blocking the loop."""
    loop = asyncio.get_running_loop()
    secure = tls_context(files).wrap_socket(
        sock, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=True
    )
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(loop.add_reader, loop.remove_reader, secure)
            except ssl.SSLWantWriteError:
                await _ready(loop.add_writer, loop.remove_writer, secure)
            else:
                return secure
    except BaseException:
        secure.close()
        raise


async def _ready(add: Callable[..., None], remove: Callable[[socket.socket], bool], sock: socket.socket) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(sock, _resolve, future)
    try:
        await future
    finally:
        remove(sock)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
