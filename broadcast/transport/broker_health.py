"""What the broker says about itself, as numbers that the desk shows. Not known is None, never 0."""

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SYS_FILTER = "$SYS/broker/#"
LOG_LIMIT_BYTES = 8 * 1024 * 1024
LOSING_FOR_S = 3600.0
CONTESTED_TIMES, CONTESTED_WITHIN_S = 3, 600.0  # two links of one id throw each other out with pauses of up to 60 s
_SYS = {  # topic below $SYS/broker/ → (our counter, grows only)
    "publish/messages/dropped": ("dropped", True),
    "clients/connected": ("clients", False),
    "retained messages/count": ("retained", False),
    "messages/stored": ("stored", False),
}
LOG_LINES = {  # Mosquitto's wording; our amqtt child uses the same
    "take_overs": re.compile(r"Client (\S+) already connected, closing old connection"),
    "timed_out": re.compile(r"Client (\S+) has exceeded timeout, disconnecting"),
    "refused_logins": re.compile(r"Client (\S+) disconnected, not authorised"),
    "overflowing": re.compile(r"Outgoing messages are being dropped for client (\S+?)\.?$"),
    "socket_errors": re.compile(r"Socket error on client (\S+), disconnecting"),
    "denied": re.compile(
        r"Denied (?:PUBLISH|SUBSCRIBE|WILL) from (\S+)"
    ),  # Mosquitto says it at a level that logs every message
    "oversized": re.compile(r"Client (\S+) disconnected due to oversize payload"),
}


@dataclass(frozen=True, slots=True)
class BrokerHealth:
    """The state of the broker and its counters, which only grow over its restarts.

    :param dropped: messages that it threw away because a queue was full; any at all is an alarm.
    :param overflowing: times a client's queue began to overflow.
    :param take_overs: a second client came with the id of a connected one.
    :param timed_out: clients that fell silent without closing (half-open) and were cut by keepalive.
    :param denied: publishes and subscriptions that the access list refused.
    :param suspects: the client ids that the last lines about take-overs, overflow and time-outs named, newest last.
    :param losing: messages were dropped within the last hour.
    :param contested: client ids that were taken over so often lately that two devices must be using them; a single take-over is
        only a speaker that came back before its old connection was known to be dead.
    """

    engine: str
    running: bool
    reachable: bool
    version: str | None
    restarts: int | None
    clients: int | None
    retained: int | None
    stored: int | None
    dropped: int | None
    overflowing: int | None
    take_overs: int | None
    timed_out: int | None
    refused_logins: int | None
    denied: int | None
    suspects: tuple[str, ...]
    losing: bool
    contested: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Names of what a technician must look at."""
        alarms = {
            "broker-down": not (self.running and self.reachable),
            "broker-dropped": self.losing,
            "broker-taken-over": bool(self.contested),
        }
        return tuple(name for name, on in alarms.items() if on)


class BrokerCounters:
    """Adds up what `$SYS` and the log say; a broker that starts anew begins at 0, our sums go on.

    :param known: the counters that this engine can tell at all; they begin at 0, the others stay None.
    """

    def __init__(self, known: tuple[str, ...], *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lost_at = -LOSING_FOR_S
        self._taken: deque[tuple[float, str]] = deque(maxlen=1_000)
        self._values: dict[str, int] = dict.fromkeys(known, 0)
        self._known = frozenset(known)
        self._last: dict[str, int] = {}
        self.version: str | None = None
        self.suspects: list[str] = []

    def __getitem__(self, name: str) -> int | None:
        return self._values.get(name)

    def hear_sys(self, topic: str, payload: bytes) -> None:
        """One message below `$SYS/broker/`; others are ignored."""
        name = topic.removeprefix("$SYS/broker/")
        text = payload.decode("ascii", "replace")
        if name == "version":
            self.version = text
        counter, grows = _SYS.get(name, ("", False))
        if not counter or not text.isdigit():
            return
        value = int(text)
        if grows:
            before = self._last.get(counter, 0)
            self._add(counter, value - before if value >= before else value)
            self._last[counter] = value
        else:
            self._values[counter] = value

    def hear_line(self, line: str) -> None:
        """One line of the broker's log."""
        for counter, pattern in LOG_LINES.items():
            if found := pattern.search(line):
                self._add(counter, 1)
                if counter == "take_overs":
                    self._taken.append((self._now(), found[1]))
                if counter in ("take_overs", "overflowing", "timed_out"):
                    self.suspects = [*self.suspects[-19:], found[1]]
                return

    def _add(self, counter: str, by: int) -> None:
        self._values[counter] = self._values.get(counter, 0) + by
        if by and counter in ("dropped", "overflowing"):
            self._lost_at = self._now()

    @property
    def losing(self) -> bool:
        return self._now() - self._lost_at < LOSING_FOR_S

    @property
    def contested(self) -> tuple[str, ...]:
        recent = Counter(client for at, client in self._taken if self._now() - at < CONTESTED_WITHIN_S)
        return tuple(sorted(client for client, times in recent.items() if times >= CONTESTED_TIMES))

    def broker_restarted(self) -> None:
        """The next values of `$SYS` count from 0."""
        self._last.clear()

    def values(self) -> Mapping[str, int]:
        return self._values


class LogTail:
    """Reads what was added to a log file since last time, and keeps the file small.

    The broker writes it by itself: a pipe to us would stop the broker whenever we are busy.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, path.stat().st_size if path.exists() else 0, b""

    def lines(self) -> list[str]:
        """Whole new lines."""
        try:
            size = self._path.stat().st_size
            if size < self._at:
                self._at = 0
            if size == self._at:
                return []
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = self._rest + file.read()
                self._at = file.tell()
        except OSError:
            return []
        *lines, self._rest = data.split(b"\n")
        if self._at > LOG_LIMIT_BYTES:  # the broker appends, so it goes on at the new end
            self._path.with_suffix(".log.old").write_bytes(self._path.read_bytes())
            with self._path.open("r+b") as file:
                file.truncate(0)
            self._at = 0
        return [line.decode(errors="replace") for line in lines]
