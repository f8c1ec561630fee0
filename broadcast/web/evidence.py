"""Evidence (回执证据) as a table for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence

from broadcast.domain.broadcasts import Broadcast
from broadcast.service.estate import Estate
from broadcast.service.ports import DeliveryRow, ReportRow
from broadcast.service.reach import place_of
from broadcast.web.words import rfc3339

COLUMNS = (
    "line",  # `report` or `state`
    "broadcast",
    "speaker",
    "area",
    "place",
    "what",  # stage of a report, or state in the end
    "reason",
    "at",  # by the speaker's account of the server's time; empty when it had none
    "received",  # in the server's table
    "revision",
    "boot",
    "n",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(broadcast: Broadcast, rows: Mapping[str, DeliveryRow], reports: Sequence[ReportRow], estate: Estate) -> str:
    """A line for every report and one for where each speaker stands, those never heard of included."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for one in reports:
        what = (one.stage.name.lower(), one.reason.name.lower(), _time(one.at_ms), _time(one.received_ms))
        numbers = (one.revision, one.boot, one.n)
        table.writerow(["report", broadcast.id, *_who(one.speaker, estate), *what, *numbers])
    for name, row in sorted(rows.items()):
        what = (row.state.name.lower(), row.reason.name.lower(), "", _time(row.changed_ms))
        table.writerow(["state", broadcast.id, *_who(name, estate), *what, "", "", ""])
    return out.getvalue()


def _who(name: str, estate: Estate) -> tuple[str, str, str]:
    speaker = estate.speakers.get(name)
    area = speaker.area if speaker else ""
    return harmless(name), area, harmless(place_of(estate.tree, area)) if area else ""


def harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _time(ms: int) -> str:
    return rfc3339(ms) if ms else ""
