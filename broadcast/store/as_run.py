"""What was planned against what sounded: questions over broadcasts and deliveries; and how long routine evidence is kept."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, select
from sqlalchemy.orm import Session, join

from broadcast.domain.as_run import ON_TIME_MS
from broadcast.service.ports import AsRunRow, Tally
from broadcast.store.broadcasts import BroadcastRecord
from broadcast.store.deliveries import DeliveryRecord
from broadcast.store.reports import ReportRecord
from broadcast.store.speakers import SpeakerRecord

_ORDER, _DELIVERY, _SPEAKER = BroadcastRecord, DeliveryRecord, SpeakerRecord
_JOINED = join(join(_DELIVERY, _ORDER, _ORDER.id == _DELIVERY.order_id), _SPEAKER, _SPEAKER.id == _DELIVERY.speaker_id)


class AsRun:
    """Repository of the as-run log: derived from deliveries, which are derived from reports."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tally(self, orders: Collection[str], area_digits: str) -> Sequence[Tally]:
        """How many speakers of an area stand how, for each of these orders.

        :param area_digits: the significant digits of its code.
        """
        late = (_DELIVERY.started_ms > _ORDER.not_before_ms + ON_TIME_MS).label("late")
        began = (_DELIVERY.started_ms > 0).label("began")
        columns = (_DELIVERY.order_id, _DELIVERY.state, _DELIVERY.reason, _DELIVERY.start_reason, began, late)
        query = select(*columns, func.count()).select_from(_JOINED).where(*_in(orders, area_digits))
        rows = self._session.execute(query.group_by(*columns).order_by(*columns))
        return [Tally(*row) for row in rows]

    def at_speakers(self, orders: Collection[str], area_digits: str) -> Sequence[AsRunRow]:
        """Each speaker of an area, by order and speaker."""
        columns = (
            _DELIVERY.order_id,
            _DELIVERY.speaker_id,
            _DELIVERY.state,
            _DELIVERY.reason,
            _DELIVERY.started_ms,
            _DELIVERY.start_reason,
            _DELIVERY.changed_ms,
            _ORDER.not_before_ms,
        )
        query = select(*columns).select_from(_JOINED).where(*_in(orders, area_digits))
        rows = self._session.execute(query.order_by(_DELIVERY.order_id, _DELIVERY.speaker_id))
        return [AsRunRow(*row) for row in rows]

    def opened(self, orders: Collection[str]) -> frozenset[str]:
        """Those of these orders that have deliveries."""
        query = select(_DELIVERY.order_id).where(_DELIVERY.order_id.in_(list(orders))).distinct()
        return frozenset(self._session.scalars(query))

    def forget_reports(self, before_ms: int, *, at_most: int) -> int:
        """Drop the line-by-line evidence of routine that ended before then; where it stood at each speaker stays.

        :param at_most: so many occurrences; how many had something to forget is returned.
        """
        has_lines = select(ReportRecord.order_id).where(ReportRecord.order_id == _ORDER.id).exists()
        query = select(_ORDER.id).where(_ORDER.programme != "", _ORDER.not_after_ms < before_ms, has_lines)
        old = list(self._session.scalars(query.limit(at_most)))
        if old:
            self._session.execute(delete(ReportRecord).where(ReportRecord.order_id.in_(old)))
        return len(old)

    def forget_occurrences(self, before_ms: int, *, at_most: int) -> int:
        """Drop occurrences that ended before then with all that is known of them; how many."""
        query = select(_ORDER.id).where(_ORDER.programme != "", _ORDER.not_after_ms < before_ms)
        old = list(self._session.scalars(query.order_by(_ORDER.not_after_ms).limit(at_most)))
        if not old:
            return 0
        self._session.execute(delete(ReportRecord).where(ReportRecord.order_id.in_(old)))
        self._session.execute(delete(DeliveryRecord).where(DeliveryRecord.order_id.in_(old)))
        result = self._session.execute(delete(BroadcastRecord).where(BroadcastRecord.id.in_(old)))
        return cast(CursorResult[Any], result).rowcount


def _in(orders: Collection[str], area_digits: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _DELIVERY.order_id.in_(list(orders)), _SPEAKER.area.like(f"{area_digits}%")
