"""The demonstration's nine plans (预案), made from the templates that come with it; speakers for drills; a request that waits."""

import contextlib
import logging
from collections.abc import Mapping

from broadcast.domain.areas import Level
from broadcast.domain.broadcasts import InvalidRequest, StartBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Role
from broadcast.domain.plans import Plan
from broadcast.domain.speakers import Speaker
from broadcast.domain.templates import Filling
from broadcast.server import Server
from broadcast.service.officers import OfficerExists
from broadcast.service.passwords import generated
from broadcast.service.wording import UnknownTemplate
from endpoints.protocol import Kind, Severity

log = logging.getLogger(__name__)

WRITER = "lianbo"  # wrote what comes with the demonstration; nobody signs in under this name
ASKER = Officer("wangfang", "王芳", Role.DUTY, "")
WHOLE, ONE = "whole", "one"
PLANS: tuple[
    tuple[str, str, Severity, Mapping[str, str], str, int], ...
] = (  # title, template, severity, gaps, reach, minutes
    ("洪水", "flood", Severity.RED, {"river": "沙河"}, WHOLE, 60),
    ("暴雨", "rainstorm", Severity.RED, {"amount": "100"}, WHOLE, 60),
    ("火灾", "fire", Severity.ORANGE, {}, ONE, 30),
    ("燃气泄漏", "gas", Severity.ORANGE, {}, ONE, 30),
    ("地震", "earthquake", Severity.RED, {"magnitude": "5"}, WHOLE, 60),
    ("地质灾害", "geological", Severity.ORANGE, {"hazard": "滑坡、泥石流"}, WHOLE, 60),
    ("重污染天气", "air-quality", Severity.ORANGE, {"aqi": "300"}, WHOLE, 60),
    ("停水", "water-cut", Severity.UNKNOWN, {"cause": "管网检修"}, ONE, 240),
    ("全员试播", "test", Severity.UNKNOWN, {}, WHOLE, 30),
)


def exercise_speakers(server: Server) -> list[Speaker]:
    """One in each township that is locked in an exercise, so that a drill is heard by somebody and by nobody else."""
    townships = server.estate.tree.of_level(Level.TOWNSHIP, under=server.county)
    return [Speaker(f"x-{area.code}-1", area.code, f"{area.short_name}演练", exercise=True) for area in townships]


async def plans(server: Server, by: Officer) -> int:
    """Nine cards, approved by the administrator as delivered; what is there already stays. How many there are.

    Who wrote them is not who approved them: that holds here too.
    """
    service = server.governance.plans
    if service.seen(by, retired=True):
        return len(service.seen(by))
    writer = Officer(WRITER, "演示预案", Role.ADMINISTRATOR, server.county)
    first = server.estate.tree.of_level(Level.TOWNSHIP, under=server.county)[0].code
    for number, (title, template, severity, values, reach, minutes) in enumerate(PLANS, 1):
        areas = (server.county,) if reach == WHOLE else (first,)
        command = StartBroadcast(kind=Kind.EMERGENCY, areas=areas, minutes=minutes)
        draft = Plan("", title, "", command, hotkey=number, template=template, filling=Filling(severity, values=values))
        try:
            made = await service.add(draft, by=writer)
            await service.approve(made.plan.id, by=by, revision=made.revision)
        except (InvalidRequest, UnknownTemplate) as err:  # the operator's own templates may say otherwise
            log.warning("no plan %s: %s", title, err)
    return len(service.seen(by))


async def waiting(server: Server, by: Officer) -> str:
    """A colleague has asked for an alert that one person may not send: what it says, or why there is none."""
    asker = Officer(ASKER.name, ASKER.title, ASKER.role, server.county)
    approvals = server.governance.approvals
    known = approvals.open(by=by)
    if known:
        return known[0].headline
    command = StartBroadcast(
        kind=Kind.EMERGENCY,
        severity=Severity.ORANGE,
        areas=(server.county,),
        text="遵化市应急广播发布暴雨橙色预警。遵化市，今天夜间，有强降雨。请远离河道和低洼地带。",
        headline="暴雨橙色预警",
        minutes=60,
    )
    try:
        with contextlib.suppress(OfficerExists):
            await server.officers.add(asker, generated(), by=by)
        await approvals.submit(command, by=asker)
    except BroadcastError as err:
        log.warning("nothing waits for approval: %s", err)
        return f"none: {err}"
    return command.headline
