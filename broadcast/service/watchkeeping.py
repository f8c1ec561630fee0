"""What the duty room watches over, in one place: the audit trail, alarms, shifts, backups, and what people report."""

from dataclasses import dataclass

from broadcast.service.alarms import Alarms
from broadcast.service.audit import Audit
from broadcast.service.backups import Backups
from broadcast.service.fault_reports import FaultReports
from broadcast.service.shifts import Shifts


@dataclass(frozen=True, slots=True)
class Watchkeeping:
    """All of them."""

    audit: Audit
    alarms: Alarms
    shifts: Shifts
    backups: Backups
    fault_reports: FaultReports

    async def load(self) -> None:
        """Read what the last run has left."""
        await self.alarms.load()
        await self.backups.load()

    async def close(self) -> None:
        """The last checkpoint; a backup that is being made is waited for."""
        await self.backups.close()
        await self.audit.close()
