"""Which speakers are there (在线): what their heartbeats say, and what silence means. Unknown is a state of its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from broadcast.clock import Clock
from endpoints.protocol import Held, Hello

MOST_UNCONFIRMED = 1_024  # a speaker's journal holds 256 entries; what it claims beyond is not kept track of
SILENT_AFTER_S = 50.0  # two heartbeats of 20 s ± 10 % and some; a fault has to be shown within 60 s (EN 54-16: 100 s)


class Presence(StrEnum):
    """Whether a speaker can be reached, as far as is known."""

    UNKNOWN = "unknown"  # nothing heard since this server or its broker connection came up
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(slots=True)
class SpeakerStatus:
    """What is known of one speaker now.

    :param on_air: the order that it says sounds; empty for silence. Only meaningful while online.
    :param faults: bits of `endpoints.protocol.Fault`.
    :param refused_frames: its own counters since boot: unreadable, not authentic, foreign, old.
    :param time_error_us: how wrong its clock can be, as it says; 0: it has not said.
    """

    presence: Presence = Presence.UNKNOWN
    since_ms: int = 0
    heard_at: float = -1e9
    heard_ms: int = 0
    boot: int = 0
    boots: int = 0
    on_air: str = ""
    faults: int = 0
    refused_frames: tuple[int, int, int, int] = (0, 0, 0, 0)
    held: dict[str, Held] = field(default_factory=dict)
    boards_whole: bool = True
    bad_reports: int = 0
    oldest_n: int = 1
    time_error_us: int = 0
    in_table: set[int] = field(default_factory=set)


class Speakers:
    """The status of every speaker.

    :param on_change: told the ids whose presence, fault or on-air changed.
    """

    def __init__(self, *, clock: Clock, on_change: Callable[[Sequence[str]], None]) -> None:
        self._clock, self._on_change = clock, on_change
        self._status: dict[str, SpeakerStatus] = {}

    def expect(self, speakers: Iterable[str]) -> None:
        """These exist and no others; nothing is known of the new ones."""
        names = frozenset(speakers)
        for name in self._status.keys() - names:
            del self._status[name]
        for name in names:
            self._status.setdefault(name, SpeakerStatus(since_ms=self._clock.now_ms()))

    def status(self, speaker: str) -> SpeakerStatus:
        return self._status.get(speaker) or SpeakerStatus()

    def counts(self) -> dict[Presence, int]:
        """How many are in each state; every state is there."""
        counts = dict.fromkeys(Presence, 0)
        for one in self._status.values():
            counts[one.presence] += 1
        return counts

    def hello(self, hello: Hello) -> SpeakerStatus:
        """A heartbeat that was verified."""
        one = self._status.setdefault(hello.speaker, SpeakerStatus())
        before = (one.presence, one.on_air, one.faults)
        self._set(one, Presence.ONLINE)
        one.heard_at, one.heard_ms = self._clock.monotonic(), self._clock.now_ms()
        if hello.boot != one.boot:
            one.boots += one.boot != 0
            one.boot, one.in_table = hello.boot, set()
        one.on_air, one.faults, one.refused_frames = hello.on_air, hello.faults, hello.refused_frames
        one.held = {held.scope: held for held in hello.held}
        one.oldest_n, one.time_error_us = hello.oldest_n, hello.time_error_us
        if one.in_table:
            one.in_table = {n for n in one.in_table if n >= hello.oldest_n}
        if (one.presence, one.on_air, one.faults) != before:
            self._on_change([hello.speaker])
        return one

    def in_table(self, speaker: str, boot: int, numbers: Iterable[int]) -> None:
        """These report entries are committed."""
        one = self._status.get(speaker)
        if one is None:
            return
        if one.boot != boot:  # its reports overtook its first heartbeat
            one.boot, one.in_table = boot, set()
        one.in_table.update(n for n in numbers if one.oldest_n <= n < one.oldest_n + MOST_UNCONFIRMED)

    def confirmed_n(self, one: SpeakerStatus) -> int:
        """Up to which number all entries are in the table; those below `oldest_n` the speaker itself has let go."""
        n = one.oldest_n - 1
        while n + 1 in one.in_table:
            n += 1
        return n

    def gone(self, speaker: str) -> None:
        """The broker says that its connection broke."""
        one = self._status.get(speaker)
        if one is not None and one.presence is Presence.ONLINE:
            self._set(one, Presence.OFFLINE)
            self._on_change([speaker])

    def wire_lost(self) -> None:
        """We are cut off from the broker: who is there is not known."""
        changed = [name for name, one in self._status.items() if one.presence is not Presence.UNKNOWN]
        for name in changed:
            self._set(self._status[name], Presence.UNKNOWN)
            self._status[name].heard_at = self._clock.monotonic()
        if changed:
            self._on_change(changed)

    def tick(self, *, wire_up: bool) -> None:
        """Draw the conclusion from silence; call every few seconds."""
        if not wire_up:
            return
        now, silent = self._clock.monotonic(), []
        for name, one in self._status.items():
            if one.presence is Presence.ONLINE and now - one.heard_at > SILENT_AFTER_S:
                self._set(one, Presence.OFFLINE)
                silent.append(name)
            elif one.presence is Presence.UNKNOWN:
                if one.heard_at < 0:
                    one.heard_at = now
                if now - one.heard_at > SILENT_AFTER_S:
                    self._set(one, Presence.OFFLINE)
                    silent.append(name)
        if silent:
            self._on_change(silent)

    def _set(self, one: SpeakerStatus, presence: Presence) -> None:
        if one.presence is not presence:
            one.presence, one.since_ms = presence, self._clock.now_ms()
