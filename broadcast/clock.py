"""Time as a dependency: made once, in main.py. Machines take now as a number and hold no clock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime: ...  # aware UTC: what people read, the store keeps, a restart survives
    def now_ms(self) -> int: ...  # the same instant as the wire writes it
    def now_us(self) -> int: ...  # the same, as precisely as this machine knows it
    def monotonic(self) -> float: ...  # seconds: deadlines inside one run; never steps back
    async def sleep_until(self, deadline: float) -> None: ...  # on the scale of monotonic()


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_ms(self) -> int:
        return self.now_us() // 1_000

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, deadline: float) -> None:
        await asyncio.sleep(max(0.0, deadline - time.monotonic()))


def at_ms(instant: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return int(instant.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)
