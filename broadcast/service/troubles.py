"""What is wrong with speakers now, one line each, for alarms and lists: by their own word, by silence, and by comparison."""

from collections.abc import Iterator
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.estate_tests import Found, drift_of, township_of
from broadcast.domain.speakers import Speaker
from broadcast.service.estate import Estate
from broadcast.service.presence import Presence, Speakers
from broadcast.service.setups import Setups
from endpoints.protocol import Fault

SETTLE_MS = 120_000  # a setup that went out a moment ago is not yet drift


@dataclass(frozen=True, slots=True)
class Trouble:
    """:param cause: `offline`, `drift`, `revoked`, or the name of a fault: `sound`, `amplifier`, …"""

    speaker: str
    area: str
    township: str
    cause: str
    since_ms: int


class Troubles:
    """Answers from memory. A speaker in maintenance is in no trouble: somebody is there."""

    def __init__(self, *, clock: Clock, estate: Estate, speakers: Speakers, setups: Setups) -> None:
        self._clock, self._estate, self._speakers, self._setups = clock, estate, speakers, setups
        self._drifts: dict[str, int] = {}  # since when

    def now(self) -> list[Trouble]:
        """Of all speakers, each cause once, in order of their areas."""
        return [one for speaker in self._estate.speakers.values() for one in self.of(speaker)]

    def of(self, speaker: Speaker) -> Iterator[Trouble]:
        """Of this one."""
        now_ms = self._clock.now_ms()
        if now_ms < speaker.muted_until_ms:
            return
        status = self._speakers.status(speaker.id)
        where = speaker.id, speaker.area, township_of(speaker.area)
        if speaker.revoked:
            yield Trouble(*where, Found.REVOKED, 0)
        elif status.presence is Presence.OFFLINE:
            yield Trouble(*where, Found.OFFLINE, status.since_ms)
        elif status.presence is Presence.ONLINE:
            for fault in Fault:
                if status.faults & fault:
                    yield Trouble(*where, fault.name.lower(), status.since_ms)
            since_ms = self._drifting(speaker, now_ms)
            if since_ms and now_ms - since_ms >= SETTLE_MS:
                yield Trouble(*where, Found.DRIFT, since_ms)

    def _drifting(self, speaker: Speaker, now_ms: int) -> int:
        """Since when it goes by other settings than it should; 0: it does not."""
        said = self._setups.said(speaker.id)
        if said is None or not drift_of(speaker, said, self._setups.county, now_ms=now_ms):
            self._drifts.pop(speaker.id, None)
            return 0
        return self._drifts.setdefault(speaker.id, now_ms)
