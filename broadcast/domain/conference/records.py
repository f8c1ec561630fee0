"""What stays of a conference: attendance (会议考勤), roll calls (点名签到), minutes to be filled in, and the ICS invitation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Booked, Reservation
from broadcast.domain.conference.states import JoinedBy, LeftBy

ICS_LINE = 75  # octets without the line break (RFC 5545 §3.1)


@dataclass(frozen=True, slots=True)
class Attended:
    """One site. :param first_ms, last_ms: 0: it never came. `total_s`: in all its stays; `lost_s` of them without media."""

    site: str
    name: str
    area: str
    identity: str
    joined_by: JoinedBy
    left_by: LeftBy
    first_ms: int
    last_ms: int
    total_s: int
    lost_s: int
    stays: int


def attendance(conference: Conference, now_ms: int) -> Sequence[Attended]:
    """Every site of the list, those that never came as well; who is in counts until now."""
    rows = []
    for one in conference.sites:
        ends = [stay.to_ms or now_ms for stay in one.stays]
        total_ms = sum(end - stay.from_ms for end, stay in zip(ends, one.stays, strict=True))
        lost_ms = sum(stay.lost_ms for stay in one.stays) + (now_ms - one.lost_ms if one.lost_ms else 0)
        rows.append(
            Attended(
                one.id,
                one.name,
                one.area,
                one.identity,
                one.joined_by,
                one.left_by,
                one.stays[0].from_ms if one.stays else 0,
                ends[-1] if ends else 0,
                total_ms // 1_000,
                lost_ms // 1_000,
                len(one.stays),
            )
        )
    return rows


def invitation(reservation: Reservation, *, now_ms: int, host: str) -> str:
    """iCalendar (RFC 5545), one event; a cancelled one says so. :param host: of this server, for the unique id."""
    plan = reservation.plan
    cancelled = reservation.state is Booked.CANCELLED
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Lianbo//Conference//ZH",
        f"METHOD:{'CANCEL' if cancelled else 'PUBLISH'}",
        "BEGIN:VEVENT",
        f"UID:{reservation.id}@{_text(host)}",
        f"SEQUENCE:{1 if cancelled else 0}",
        f"DTSTAMP:{_utc(now_ms)}",
        f"DTSTART:{_utc(reservation.starts_ms)}",
        f"DTEND:{_utc(reservation.ends_ms)}",
        f"SUMMARY:{_text(plan.title)}",
        f"DESCRIPTION:{_text('，'.join(one.name for one in plan.seats))}",
        f"STATUS:{'CANCELLED' if cancelled else 'CONFIRMED'}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(folded + "\r\n" for line in lines for folded in _fold(line))


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """Escaped as RFC 5545 §3.3.11 says."""
    for mark, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r", ""), ("\n", "\\n")):
        text = text.replace(mark, escaped)
    return text


def _fold(line: str) -> Sequence[str]:
    """No line is longer than 75 octets, and no character is cut in two."""
    folded, room = [""], ICS_LINE
    for char in line:
        size = len(char.encode())
        if size > room:
            folded.append(" ")
            room = ICS_LINE - 1
        folded[-1] += char
        room -= size
    return folded
