"""How far apart the speakers of one broadcast began: from the ladder's rows and what their heartbeats say of their clocks."""

from collections.abc import Mapping

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.skew import Skew, Start, skew_of
from broadcast.service.estate import Estate
from broadcast.service.ports import DeliveryRow
from broadcast.service.presence import Speakers
from endpoints.area_codes import padded, significant

VILLAGE = 12  # digits


def achieved(
    broadcast: Broadcast, rows: Mapping[str, DeliveryRow], *, estate: Estate, speakers: Speakers
) -> Skew | None:
    """None while nobody has said that it began in time.

    :param rows: where it stands at each speaker; those of which nothing is known any more are left out.
    """
    order = broadcast.order
    starts = [
        Start(
            name,
            padded(significant(estate.speakers[name].area)[:VILLAGE]),
            row.started_ms - order.not_before_ms,
            speakers.status(name).time_error_us,
        )
        for name, row in rows.items()
        if row.started_ms and name in estate
    ]
    return skew_of(starts, planned=order.not_before_ms > order.issued_at_ms)
