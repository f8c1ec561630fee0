"""What people on the spot say is wrong with a speaker (报修): kept in the duty log, and an alarm for whoever looks after it."""

from collections.abc import Callable
from enum import StrEnum

from broadcast.clock import Clock
from broadcast.domain.alarms import Signal
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.estate import Estate
from broadcast.service.once import OnceKey
from broadcast.service.ports import ActRow, KeptAnswer, Store, Tx

MAX_NOTE = 200
KIND = "fault-reported"


class Complaint(StrEnum):
    """What a person can see or hear."""

    SILENT = "silent"
    DISTORTED = "distorted"
    DAMAGED = "damaged"
    OTHER = "other"


class FaultReports:
    """Takes them in. The speaker's own word on its faults is another thing, and neither overwrites the other.

    :param ring: told after the report is on disk.
    """

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, ring: Callable[[Signal], None]) -> None:
        self._clock, self._store, self._estate, self._ring = clock, store, estate, ring

    async def report(
        self, speaker: str, complaint: Complaint, note: str, *, by: Officer, once: OnceKey | None = None
    ) -> None:
        """An officer of the place says that something is wrong there.

        :raises UnknownSpeaker, AreaNotGranted, InvalidRequest, KeyReused, StoreUnavailable: nothing was stored.
        """
        where, now_ms = self._estate.speaker(speaker), self._clock.now_ms()
        may(by, Verb.WITNESS, areas=[where.area], exercise=None, now_ms=now_ms)
        note = note.strip()
        if len(note) > MAX_NOTE:
            raise InvalidRequest([Fault("note", "too-long", (("most", str(MAX_NOTE)), ("length", str(len(note)))))])

        def work(tx: Tx) -> bool:
            if once is not None:
                if (kept := tx.answers.get(by.name, once.key)) is not None:
                    once.words(kept)
                    return False
                tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, "reported", now_ms))
            tx.acts.add(ActRow(now_ms, by.name, "report fault", speaker, f"{complaint.value} {note}".strip()))
            return True

        if await self._store.write(work):
            facts = {"officer": by.name, "complaint": complaint.value, "note": note}
            self._ring(Signal(KIND, speaker, where.area, where.name, None, facts))
