"""What the estate of the demonstration shows: two faulty villages, a setting of its own, and the list of the morning."""

import contextlib
from pathlib import Path

from broadcast.domain.officers import Officer
from broadcast.domain.speakers import Wish
from broadcast.server import Server
from endpoints.simulator_control import BadCommand, ask

BROKEN, MUTED, DARK = 3, 7, 45  # of the speakers in order of their ids: any will do, and the same each time


async def night(server: Server, officer: Officer, control: Path) -> str:
    """Let one fail the silent test of the night, which begins now and is judged within a minute and a half; who will fail."""
    names = sorted(name for name, one in server.estate.speakers.items() if not one.exercise)
    if len(names) <= DARK:
        return ""
    broken = names[BROKEN]
    with contextlib.suppress(BadCommand, OSError):  # a demonstration without it is one all the same
        await ask(control, {"speaker": broken, "fault": "amplifier"})
        await ask(control, {"speaker": names[DARK], "fault": "power"})
    one = server.estate.speaker(names[MUTED])
    wish = Wish(volume_percent=35, note="村委会门前电杆，离住户 8 米", contacts="村委会 刘主任")
    await server.care.caretaking.change(one.id, wish, by=officer, revision=one.revision)
    await server.care.tests.begin_the_nights()
    return broken
