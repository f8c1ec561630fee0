"""What live sound needs from outside: sources, recordings, and a way to the speakers."""

from collections.abc import Sequence
from typing import Protocol

from broadcast.domain.broadcasts import Fault
from broadcast.domain.live_records import Taped
from endpoints.protocol import Order


class Tape(Protocol):
    """A recording that grows with what goes out; what was added survives a crash of the server."""

    @property
    def broken(self) -> bool: ...  # the disk does not take it; the sound goes on
    def add(self, frames: Sequence[bytes]) -> None: ...
    def skip(self, frames: int) -> None: ...  # so much did not go out
    async def finish(self) -> Taped | None: ...  # None: there was nothing in it


class Tapes(Protocol):
    def begin(self, order: str, from_ms: int, *, title: str) -> Tape: ...
    async def mend(self, order: str, from_ms: int) -> Taped | None: ...  # what a crash left
    def forget(self, order: str, from_ms: int) -> None: ...  # its row names the file in the library


class Ears(Protocol):
    """Who hears a source."""

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None: ...
    def level(self, level_db: float, peak_db: float) -> None: ...
    def ended(self, cause: str) -> None: ...  # by itself; nothing comes any more


class Source(Protocol):
    async def close(self) -> None: ...


class FedSource(Source, Protocol):
    """Fed from outside."""

    def samples(self, data: bytes) -> None: ...
    def measure(self, frames: Sequence[bytes]) -> None: ...


class Sources(Protocol):
    def fed(self, ears: Ears) -> FedSource: ...
    async def open(self, address: str, ears: Ears) -> Source: ...  # NoSource


class SourceRules(Protocol):
    """Which sources this server may open: asked before a relay is planned, and not only when its time has come."""

    async def fault(self, address: str, *, field: str) -> Fault | None: ...


class OutStream(Protocol):
    """One stream on its way to the speakers."""

    def head(self, *, frames: int, delay_ms: int, ended: bool = False) -> None: ...
    def send(self, frames: Sequence[bytes], media_us: int, *, silence: bool = False, last: bool = False) -> bool: ...
    def clear(self) -> None: ...  # its head is no longer retained


class LiveAir(Protocol):
    def open(self, order: Order, *, started_us: int) -> OutStream: ...
    def forget(self, order: Order) -> None: ...  # clear the head of a stream that an earlier run of the server left


class Words(Protocol):
    """The frames of a spoken file of the library: the words that mark an exercise."""

    async def frames(self, text: str) -> Sequence[bytes]: ...  # SpeechFailed
