"""Backups (备份): made every hour, verified, thinned out; and how old the last good one is."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from broadcast.clock import Clock
from broadcast.domain.backups import OLD_MS, BackupFailed, Kept, to_drop
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.service.health import Health
from broadcast.service.ports import ActRow, Store, Vault

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_AFTER_S = 300.0  # a start has other things to do
AGAIN_AFTER_S = 300.0  # after a failure


class BackupRunning(BroadcastError):
    """One is being made; one at a time."""

    def __init__(self) -> None:
        super().__init__("a backup is being made already")


@dataclass(frozen=True, slots=True)
class BackupRules:
    """:param most_bytes: of all that are kept; 0: no limit."""

    every_min: int = 60
    hourly: int = 24
    daily: int = 14
    most_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BackupState:
    """:param last_ms: when the last good one was made; 0: there is none.
    :param cause: why the last attempt failed; empty: it did not.
    """

    where: str
    last_ms: int
    running: bool
    cause: str
    kept: tuple[Kept, ...]


class Backups:
    """The backups of one server."""

    def __init__(
        self, *, clock: Clock, store: Store, health: Health, vault: Vault, rules: BackupRules, county: str
    ) -> None:
        self._clock, self._store, self._health, self._vault = clock, store, health, vault
        self._rules, self._county = rules, county
        self._kept: tuple[Kept, ...] = ()
        self._cause = ""
        self._began_ms = clock.now_ms()
        self._next_at = clock.monotonic() + FIRST_AFTER_S
        self._running = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backup")

    async def load(self) -> None:
        """Which there are. An unreadable folder is a condition, and no reason not to start."""
        try:
            self._kept = tuple(await self._off(self._vault.kept))
        except BackupFailed as err:
            self._failed(err)

    async def close(self) -> None:
        """Wait for the one that is being made."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    @property
    def last_ms(self) -> int:
        """When the last good one was made; 0: there is none."""
        return self._kept[-1].made_ms if self._kept else 0

    async def tick(self) -> None:
        """Make one when it is due; call every half minute."""
        self._look_at_age()
        if self._clock.monotonic() < self._next_at or self._running.locked():
            return
        if self._clock.now_ms() - self.last_ms < self._rules.every_min * 60_000:
            return
        try:
            await self._make()
        except BackupFailed as err:
            log.error("%s", err)

    async def make(self, *, by: Officer) -> Kept:
        """Now. :raises BackupRunning, BackupFailed, RoleNotGranted, AreaNotGranted:"""
        now_ms = self._clock.now_ms()
        may(by, Verb.BACK_UP, areas=(self._county,), exercise=None, now_ms=now_ms)
        if self._running.locked():
            raise BackupRunning
        made = await self._make()
        await self._store.write(lambda tx: tx.acts.add(ActRow(now_ms, by.name, "make backup", made.name, "")))
        return made

    async def _make(self) -> Kept:
        async with self._running:
            last = await self._store.read(lambda tx: tx.checkpoints.last())
            expected = {last.seq: last.link} if last else {}
            try:
                made = await self._off(self._vault.make, self._clock.now_ms(), expected)
                kept = await self._off(self._vault.kept)
                rules = self._rules
                gone = to_drop(kept, hourly=rules.hourly, daily=rules.daily, most_bytes=rules.most_bytes)
                await self._off(self._vault.drop, gone)
            except BackupFailed as err:
                self._failed(err)
                raise
            self._kept = tuple(one for one in kept if one.name not in gone)
            self._cause, self._next_at = "", self._clock.monotonic()
            self._health.clear("backup-failed")
            self._look_at_age()
            return made

    def _failed(self, err: BackupFailed) -> None:
        self._cause, self._next_at = err.cause, self._clock.monotonic() + AGAIN_AFTER_S
        self._health.raise_("backup-failed", cause=err.cause)
        self._health.count("backups_failed")

    def _look_at_age(self) -> None:
        """Two hours after the last good one, and not before this server had the time to make one."""
        now_ms = self._clock.now_ms()
        had_time = now_ms - self._began_ms > 2_000 * FIRST_AFTER_S if self.last_ms else now_ms - self._began_ms > OLD_MS
        if had_time and now_ms - self.last_ms > OLD_MS:
            minutes = str((now_ms - self.last_ms) // 60_000) if self.last_ms else "–"
            self._health.raise_("backup-old", minutes=minutes)
        else:
            self._health.clear("backup-old")

    def state(self, *, by: Officer) -> BackupState:
        """:raises RoleNotGranted: as for reading anything."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        return BackupState(self._vault.where, self.last_ms, self._running.locked(), self._cause, self._kept)

    async def _off(self, work: Callable[..., T], *arguments: object) -> T:
        """On the thread for it: hours of one backup keep nothing else from running."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
