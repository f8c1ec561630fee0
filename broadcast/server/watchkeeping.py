"""Composition of audit trail, alarms, shifts and backups: what they are handed, and their loops."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta, timezone
from pathlib import Path

from broadcast.clock import Clock
from broadcast.domain.approval import Request, Stage
from broadcast.domain.shifts import Item, near_change, parse_times
from broadcast.keyring import Keyring
from broadcast.server.loops import Loops
from broadcast.service.alarm_sources import ApprovalsWaiting, BroadcastFailures, Conditions, Ill, SpeakerTroubles
from broadcast.service.alarms import Alarms, Source
from broadcast.service.audit import Audit, Keys
from broadcast.service.backups import BackupRules, Backups
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.fault_reports import FaultReports
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.ports import Store, Vault
from broadcast.service.presence import Speakers
from broadcast.service.shifts import Shifts
from broadcast.service.watchkeeping import Watchkeeping
from broadcast.store.vault import FolderVault
from config.settings import Settings
from endpoints.area_codes import padded

MB = 1_000_000


def keep_watch(
    *,
    clock: Clock,
    store: Store,
    estate: Estate,
    speakers: Speakers,
    broadcasts: Broadcasts,
    ladder: Ladder,
    feed: Feed,
    health: Health,
    keyring: Keyring,
    settings: Settings,
    troubles: Callable[[], Iterable[Ill]],
    requests: Callable[[], Iterable[Request]],
) -> Watchkeeping:
    """Make them.

    :param troubles: of speakers, now.
    :param requests: for approval, that wait or want to be reviewed.
    """
    county = padded(settings.server.county)
    sources: list[Source] = [
        Conditions(health, county),
        SpeakerTroubles(estate=estate, speakers=speakers, troubles=troubles),
        BroadcastFailures(live=broadcasts.live, counts=ladder.counts, county=county),
        ApprovalsWaiting(requests=requests, county=county, wait_min=settings.alarms.approval_wait_min),
    ]
    alarms = Alarms(
        clock=clock,
        store=store,
        sources=sources,
        escalate_min=settings.alarms.escalate_min,
        changed=lambda: feed.spoke(()),
    )
    asked = settings.backup
    backups = Backups(
        clock=clock,
        store=store,
        health=health,
        vault=vault_of(settings),
        rules=BackupRules(asked.every_min, asked.keep_hourly, asked.keep_daily, asked.most_mb * MB),
        county=county,
    )
    elsewhere = settings.audit.checkpoints_to
    audit = Audit(
        clock=clock,
        store=store,
        health=health,
        signer=keyring.live.signer,
        keys=keys_of(keyring),
        county=county,
        keep_elsewhere=_Appending(Path(elsewhere)) if elsewhere else None,
    )

    def state() -> Mapping[Item, str]:
        waiting = sum(one.stage is Stage.WAITING for one in requests())
        age_min = (clock.now_ms() - backups.last_ms) // 60_000 if backups.last_ms else -1
        return {
            Item.ALERTS: str(len(broadcasts.live())),
            Item.ALARMS: str(alarms.ringing(county).sounding),
            Item.APPROVALS: str(waiting),
            Item.FAULTS: str(len({one.speaker for one in troubles()})),
            Item.BACKUP: str(age_min),
            Item.SOUND: "",
        }

    changes = parse_times(settings.shifts.changes)
    shifts = Shifts(clock=clock, store=store, state=state, ring=alarms.tell, county=county, changes=changes)
    fault_reports = FaultReports(clock=clock, store=store, estate=estate, ring=alarms.tell)
    return Watchkeeping(audit, alarms, shifts, backups, fault_reports)


def start_loops(watch: Watchkeeping, loops: Loops) -> None:
    """Keep them going."""
    loops.every("alarms", 1.0, watch.alarms.tick)
    loops.every("audit", 1.0, watch.audit.tick)
    loops.every("backups", 30.0, watch.backups.tick)


def keys_of(keyring: Keyring) -> Keys:
    """With which checkpoints may be signed."""
    return {one.key_id: (int(one.algorithm), one.public) for one in keyring.trusted if not one.exercise}


def vault_of(settings: Settings) -> Vault:
    """Where the settings say that backups go."""
    data = settings.server.data_folder
    return FolderVault(
        Path(settings.backup.folder) if settings.backup.folder else data / "backups",
        url=settings.database_url,
        data_folder=data,
        county=padded(settings.server.county),
        keep_free_bytes=settings.backup.keep_free_mb * MB,
    )


def shift_change(settings: Settings) -> Callable[[int], bool]:
    """Whether a shift changes near that moment: no scheduled test begins then."""
    times = parse_times(settings.shifts.changes)
    zone = timezone(timedelta(minutes=settings.rules.utc_offset_min))
    return lambda now_ms: near_change(now_ms, times, zone)


class _Appending:
    """Lines at the end of a file, on the disk when it returns; off the event loop, for a share may be slow."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, lines: str) -> None:
        await asyncio.to_thread(self._append, lines)

    def _append(self, lines: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
