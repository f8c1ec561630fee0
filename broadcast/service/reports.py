"""Gathers the report of a broadcast (播发报告) for one officer: the speakers of the area, and the acts that concern it."""

from collections.abc import Mapping

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.report import Act, Report, Stood, gather
from broadcast.domain.rights import may
from broadcast.service.estate import Estate
from broadcast.service.ports import ActFilter, DeliveryRow, Store, Tx
from broadcast.service.proofs import Evidence, Proofs
from broadcast.service.reach import place_of
from endpoints.area_codes import TOWNSHIP, padded, significant

MOST_ACTS = 1_000
ASKED_BEFORE = 200  # requests among which the one that led to it is looked for
ABOUT_A_SPEAKER = frozenset({"heard", "not heard"})


class Reports:
    """Makes them; it keeps nothing."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, proofs: Proofs) -> None:
        self._clock, self._store, self._estate, self._proofs = clock, store, estate, proofs

    async def of(self, broadcast: Broadcast, rows: Mapping[str, DeliveryRow], *, by: Officer) -> Report:
        """
        :param rows: where it stands at the speakers that the officer may see (`Wall.deliveries`).
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.READ, areas=[by.area], now_ms=now_ms)
        evidence = await self._proofs.of(broadcast.id)
        acts = await self._store.read(lambda tx: _acts(tx, broadcast.id))
        seen = [one for one in acts if one.verb not in ABOUT_A_SPEAKER or one.detail in rows]
        return gather(broadcast, [self._stood(row, evidence) for row in rows.values()], seen, now_ms=now_ms)

    def _stood(self, row: DeliveryRow, evidence: Evidence) -> Stood:
        found = self._estate.speakers.get(row.speaker)
        area = found.area if found else ""
        return Stood(
            speaker=row.speaker,
            name=found.name if found else "",
            place=place_of(self._estate.tree, area) if area else "",
            township=padded(significant(area)[:TOWNSHIP]) if area else "",
            state=row.state,
            reason=row.reason,
            started_ms=row.started_ms,
            known=evidence.known(row),
        )


def _acts(tx: Tx, broadcast: str) -> list[Act]:
    """Those of the broadcast, and those of the request that led to it."""
    asked = [one.id for one in tx.approvals.page(before=broadcast, limit=ASKED_BEFORE) if one.broadcast == broadcast]
    found = [
        entry for subject in (broadcast, *asked) for entry in tx.acts.find(ActFilter(subject=subject), limit=MOST_ACTS)
    ]
    return [Act(entry.at_ms, entry.officer, entry.verb, entry.detail) for entry in found]
