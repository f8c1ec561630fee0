"""What alarms, shifts, backups and the audit trail refuse, as answers; a part of the table in `problems`."""

from collections.abc import Mapping
from http import HTTPStatus

from broadcast.domain.alarms import AlreadyAcknowledged, UnknownAlarm
from broadcast.domain.audit_export import BadExport
from broadcast.domain.backups import BackupFailed, BadBackup
from broadcast.domain.errors import BroadcastError
from broadcast.domain.shifts import NotOffered, NotOnDuty, ShiftTaken
from broadcast.service.audit import Verifying
from broadcast.service.backups import BackupRunning
from broadcast.service.ports import PrintingFailed

S = HTTPStatus
WATCH: Mapping[type[BroadcastError], tuple[HTTPStatus, str]] = {
    AlreadyAcknowledged: (S.CONFLICT, "already-acknowledged"),
    BackupFailed: (S.SERVICE_UNAVAILABLE, "backup-failed"),
    BackupRunning: (S.CONFLICT, "backup-running"),
    BadBackup: (S.UNPROCESSABLE_ENTITY, "bad-backup"),
    BadExport: (S.UNPROCESSABLE_ENTITY, "bad-export"),
    NotOffered: (S.CONFLICT, "not-offered"),
    NotOnDuty: (S.CONFLICT, "not-on-duty"),
    ShiftTaken: (S.CONFLICT, "shift-taken"),
    PrintingFailed: (S.SERVICE_UNAVAILABLE, "printing-failed"),
    UnknownAlarm: (S.NOT_FOUND, "unknown-alarm"),
    Verifying: (S.CONFLICT, "verifying"),
}
