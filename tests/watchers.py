"""Audit trail, alarms, shifts and backups for tests; the backups are kept in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from broadcast.clock import Clock
from broadcast.domain.approval import Request
from broadcast.domain.backups import BackupFailed, Kept, name_of
from broadcast.domain.shifts import Item
from broadcast.service.alarm_sources import ApprovalsWaiting, BroadcastFailures, Conditions, SpeakerTroubles
from broadcast.service.alarms import Alarms
from broadcast.service.audit import Audit
from broadcast.service.backups import BackupRules, Backups
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.fault_reports import FaultReports
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.ports import Store
from broadcast.service.presence import Presence, Speakers
from broadcast.service.shifts import Shifts
from broadcast.service.watchkeeping import Watchkeeping
from endpoints.sealing import Signer

COUNTY = "130281000000"


@dataclass
class Shelf:
    """A vault that is told when it fails."""

    where: str = "stick"
    fails: str = ""
    made: list[Kept] = field(default_factory=list)
    asked: list[Mapping[int, bytes]] = field(default_factory=list)

    def make(self, now_ms: int, expected: Mapping[int, bytes]) -> Kept:
        if self.fails:
            raise BackupFailed(self.fails)
        self.asked.append(expected)
        self.made.append(Kept(name_of(now_ms), now_ms, 100))
        return self.made[-1]

    def kept(self) -> Sequence[Kept]:
        if self.fails == "unreadable":
            raise BackupFailed(self.fails)
        return list(self.made)

    def drop(self, names: Sequence[str]) -> None:
        self.made = [one for one in self.made if one.name not in names]


@dataclass(frozen=True)
class Silent:
    """A speaker that is not there."""

    speaker: str
    area: str
    cause: str = "offline"


def watch_over(
    *,
    clock: Clock,
    store: Store,
    estate: Estate,
    speakers: Speakers,
    broadcasts: Broadcasts,
    ladder: Ladder,
    feed: Feed,
    health: Health,
    signer: Signer,
    requests: Callable[[], Iterable[Request]],
) -> Watchkeeping:
    """As the server makes it, but for the disk."""

    def troubles() -> Iterator[Silent]:
        for name, one in estate.speakers.items():
            if speakers.status(name).presence is Presence.OFFLINE:
                yield Silent(name, one.area)

    alarms = Alarms(
        clock=clock,
        store=store,
        sources=[
            Conditions(health, COUNTY),
            SpeakerTroubles(estate=estate, speakers=speakers, troubles=troubles),
            BroadcastFailures(live=broadcasts.live, counts=ladder.counts, county=COUNTY),
            ApprovalsWaiting(requests=requests, county=COUNTY, wait_min=3),
        ],
        escalate_min=5,
        changed=lambda: feed.spoke(()),
    )
    backups = Backups(clock=clock, store=store, health=health, vault=Shelf(), rules=BackupRules(), county=COUNTY)
    audit = Audit(
        clock=clock,
        store=store,
        health=health,
        signer=signer,
        keys={signer.key_id: (int(signer.algorithm), signer.public)},
        county=COUNTY,
    )
    shifts = Shifts(clock=clock, store=store, state=lambda: dict.fromkeys(Item, "0"), ring=alarms.tell, county=COUNTY)
    fault_reports = FaultReports(clock=clock, store=store, estate=estate, ring=alarms.tell)
    return Watchkeeping(audit, alarms, shifts, backups, fault_reports)
