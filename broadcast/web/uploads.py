"""Files that come in: piece by piece, never whole in memory, with a limit on how slowly; nothing is unpacked.

Two forms are taken: `multipart/form-data`, as a browser's form sends it, with the fields before the file, and the file itself as
the body, with the fields in the query.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from aiohttp import BodyPartReader, ClientPayloadError, MultipartReader, web

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.web.errors import BodyTooLarge, TooSlow, UnsupportedBody

FILE = "file"
MOST_FIELD_BYTES = 4_096
MOST_FIELDS = 16
PIECE_BYTES = 64 * 1024
BREATH_S = 0.002  # after each piece: an upload gets 32 MB/s at most, and a trigger never waits for ten of them
STALLED_S = 30  # without a byte
GRACE_S, LEAST_BYTES_A_S = 60, 16 * 1024  # after a minute, slower than 128 kbit/s on the whole is not an upload
WANTED = "multipart/form-data, application/octet-stream or audio/*"


class UploadBroken(BroadcastError):
    """The sender went away, or what came is no form."""

    def __init__(self) -> None:
        super().__init__("the file did not come whole; nothing of it was kept")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file whose fields are known and whose bytes are still to be read.

    :param chunks: to be read once, to the end. Raises TooSlow, UploadBroken.
    :param size_bytes: as announced, with what stands around it; None when nothing was.
    """

    fields: Mapping[str, str]
    file_name: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


async def incoming(request: web.Request) -> Incoming:
    """The fields, and a file to be read.

    :raises UnsupportedBody, BodyTooLarge, TooSlow, UploadBroken, InvalidRequest: there is no file in it.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedBody(WANTED)
    kind = request.content_type.lower()
    if kind == "multipart/form-data":
        return await _form(request)
    if kind != "application/octet-stream" and not kind.startswith("audio/"):
        raise UnsupportedBody(WANTED)
    fields = {name: value[:MOST_FIELD_BYTES] for name, value in request.query.items()}
    file_name = fields.pop("file_name", "")
    chunks = _paced(lambda: request.content.read(PIECE_BYTES))
    return Incoming(fields, file_name, request.content_length, chunks)


async def _form(request: web.Request) -> Incoming:
    fields: dict[str, str] = {}
    try:
        async with asyncio.timeout(STALLED_S):
            reader = await request.multipart()
            for _ in range(MOST_FIELDS):
                part = await _next(reader)
                if part.name == FILE:
                    return _of_file(request, fields, part)
                fields[part.name or ""] = await _text(part)
    except TimeoutError:
        raise TooSlow(STALLED_S) from None
    except (ValueError, OSError, ClientPayloadError, RuntimeError, KeyError) as err:
        raise UploadBroken from err
    raise InvalidRequest([Fault(FILE, "missing")])


async def _next(reader: MultipartReader) -> BodyPartReader:
    part = await reader.next()
    if part is None:
        raise InvalidRequest([Fault(FILE, "missing")])
    if not isinstance(part, BodyPartReader):
        raise UploadBroken
    return part


async def _text(part: BodyPartReader) -> str:
    value = b""
    while piece := await part.read_chunk(MOST_FIELD_BYTES):
        value += piece
        if len(value) > MOST_FIELD_BYTES:
            raise BodyTooLarge(MOST_FIELD_BYTES)
    return value.decode("utf-8", "replace")


def _of_file(request: web.Request, fields: Mapping[str, str], part: BodyPartReader) -> Incoming:
    if not part.filename:  # a browser sends an empty one when nothing was chosen
        raise InvalidRequest([Fault(FILE, "missing")])
    chunks = _paced(lambda: part.read_chunk(PIECE_BYTES))
    return Incoming(fields, part.filename[:MOST_FIELD_BYTES], request.content_length, chunks)


async def _paced(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    """:raises TooSlow: it trickles. :raises UploadBroken: it ends before its end."""
    began, received = monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(STALLED_S):
                piece = await read()
        except TimeoutError:
            raise TooSlow(STALLED_S) from None
        except (ValueError, OSError, ClientPayloadError, RuntimeError) as err:
            raise UploadBroken from err
        if not piece:
            return
        received += len(piece)
        if monotonic() - began > GRACE_S + received / LEAST_BYTES_A_S:
            raise TooSlow(GRACE_S)
        yield piece
        await asyncio.sleep(BREATH_S)
