"""`lianbo trigger` and `lianbo update`: start a broadcast from a terminal, after reading whom it reaches.

One Idempotency-Key an invocation: a request that is sent again after a broken connection starts nothing twice.
"""

import sys
import uuid
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from broadcast.cli.common import FAILED, SOME_MISSING, fail, warn, when, whole_code
from broadcast.cli.desk import (
    DEFAULT_URL,
    Desk,
    Json,
    PasswordFile,
    Refused,
    Unreachable,
    Url,
    User,
    segment,
    signed_in,
)
from broadcast.cli.ladder import wait_for_start

NAMED_MOST = 10
BROKEN = 500


class Kind(StrEnum):
    """What is broadcast; the API's words."""

    ROUTINE = "routine"
    NOTICE = "notice"
    EMERGENCY = "emergency"


class Severity(StrEnum):
    """The warning colours (预警等级); the API's words."""

    UNKNOWN = "unknown"
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    BLUE = "blue"


Old = Annotated[str, typer.Argument(help="Id of the live broadcast that it takes the place of.")]
What = Annotated[Kind, typer.Argument(help="What it is.")]
Area = Annotated[
    list[str] | None,
    typer.Option("--area", help="Code or whole name of an area; may be repeated. None is nobody, never all."),
]
Excluded = Annotated[list[str] | None, typer.Option("--except", help="An area inside these that is left out.")]
Speaker = Annotated[list[str] | None, typer.Option("--speaker", help="A single speaker by its id; may be repeated.")]
Text = Annotated[str, typer.Option("--text", help="What is said; - reads it from stdin. Without it the signal alone.")]
Headline = Annotated[str, typer.Option("--headline", help="What lists show; else the first words of the text.")]
Color = Annotated[Severity, typer.Option("--severity", help="Warning level of an emergency.")]
Minutes = Annotated[
    int | None, typer.Option("--minutes", min=1, help="How long it stays live; the server's rule else.")
]
NotBefore = Annotated[
    str, typer.Option("--not-before", help="When it begins: 2026-11-23T10:00:00+08:00; at once when not given.")
]
Repeats = Annotated[int | None, typer.Option("--repeats", min=1, help="How often the text is said.")]
Volume = Annotated[int | None, typer.Option("--volume", min=0, max=100, help="Per cent; each speaker's own else.")]
LifeSafety = Annotated[bool, typer.Option("--life-safety", help="Above everything else: lives are at stake.")]
Exercise = Annotated[bool, typer.Option("--exercise", help="Only to speakers that are locked in an exercise.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; for scripts.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every online speaker has begun; 3 when some have not.")]
Within = Annotated[float, typer.Option("--within-s", min=1, help="How long --wait waits.")]
Key = Annotated[str, typer.Option("--key", help="The Idempotency-Key of an earlier try whose answer was lost.")]


def trigger(
    kind: What,
    *,
    area: Area = None,
    excluded: Excluded = None,
    speaker: Speaker = None,
    text: Text = "",
    headline: Headline = "",
    severity: Color = Severity.UNKNOWN,
    minutes: Minutes = None,
    not_before: NotBefore = "",
    repeats: Repeats = None,
    volume: Volume = None,
    life_safety: LifeSafety = False,
    exercise: Exercise = False,
    yes: Yes = False,
    wait: Wait = False,
    within_s: Within = 30.0,
    key: Key = "",
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Start a broadcast (播发), after showing whom it reaches.

    Ends with 0 only when the server has taken it on; its id is the last line.
    """
    with signed_in(url, user, password_file) as desk:
        body = _body(
            desk, kind=kind, areas=area, excluded=excluded, speakers=speaker, text=text, headline=headline,
            severity=severity, minutes=minutes, not_before=not_before, repeats=repeats, volume_percent=volume,
            life_safety=life_safety, exercise=exercise,
        )  # fmt: skip
        _start(desk, "/broadcasts", body, yes=yes, key=key, wait_s=within_s if wait else None)


def update(
    broadcast: Old,
    kind: What,
    *,
    area: Area = None,
    excluded: Excluded = None,
    speaker: Speaker = None,
    text: Text = "",
    headline: Headline = "",
    severity: Color = Severity.UNKNOWN,
    minutes: Minutes = None,
    not_before: NotBefore = "",
    repeats: Repeats = None,
    volume: Volume = None,
    life_safety: LifeSafety = False,
    exercise: Exercise = False,
    yes: Yes = False,
    wait: Wait = False,
    within_s: Within = 30.0,
    key: Key = "",
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Correct a live broadcast (更正): the new one takes its place in one step.

    It is told whole: what is not named here is not taken over from the old one.
    """
    with signed_in(url, user, password_file) as desk:
        body = _body(
            desk, kind=kind, areas=area, excluded=excluded, speakers=speaker, text=text, headline=headline,
            severity=severity, minutes=minutes, not_before=not_before, repeats=repeats, volume_percent=volume,
            life_safety=life_safety, exercise=exercise,
        )  # fmt: skip
        old = desk.get(f"/broadcasts/{segment(broadcast)}")
        typer.echo(f"Takes the place of {old['id']} “{old['headline']}” ({old['life']}).")
        path = f"/broadcasts/{segment(broadcast)}/update"
        _start(desk, path, body, yes=yes, key=key, wait_s=within_s if wait else None)


def places(desk: Desk, words: list[str] | None) -> list[str]:
    """Codes of areas that were given as codes or by whole name."""
    named = [word for word in words or [] if not word.isdigit()]
    areas = desk.get("/areas")["items"] if named else []
    return [_named(word, areas) if word in named else whole_code(word) for word in words or []]


def _named(word: str, areas: list[Json]) -> str:
    found = [area for area in areas if area["name"] == word]
    if len(found) != 1:
        _not_one(word, found, areas)
    return str(found[0]["code"])


def _not_one(word: str, found: list[Json], areas: list[Json]) -> NoReturn:
    near = found or [area for area in areas if word in area["name"]][:NAMED_MOST]
    listed = "; ".join(f"{area['code']} {area['name']}" for area in near)
    what = "more than one area is called" if found else "there is no area that you may act in called"
    fail(f"{what} {word}{f'. Perhaps: {listed}' if listed else ''}")


def _body(desk: Desk, **given: object) -> Json:
    """The request; what was not given is left to the server's rule."""
    text = given["text"]
    given["text"] = sys.stdin.read().strip() if text == "-" else text
    for name in ("areas", "excluded"):
        words = given[name]
        given[name] = places(desk, words if isinstance(words, list) else None)
    given["speakers"] = given["speakers"] or []
    return {name: value for name, value in given.items() if value not in (None, "")}


def _start(desk: Desk, path: str, body: Json, *, yes: bool, key: str, wait_s: float | None) -> None:
    _show_reach(desk, body, yes=yes)
    if not yes and not typer.confirm(f"Start this {'EXERCISE ' if body['exercise'] else ''}broadcast now?"):
        fail("nothing was started")
    key = key or uuid.uuid4().hex
    try:
        done = desk.post(path, body, key=key)
    except Unreachable as err:
        fail(
            f"{err.lines[0]}\nIt is not known whether it was taken on: `lianbo broadcasts` shows it if it was.\n"
            f"The same command with --key {key} repeats it without starting it twice."
        )
    if not started(desk, done):
        raise typer.Exit(SOME_MISSING)
    complete = wait_s is None or wait_for_start(desk, done["id"], within_s=wait_s, begins_later="not_before" in body)
    typer.echo(done["id"])
    if not complete:
        raise typer.Exit(SOME_MISSING)


def started(desk: Desk, done: Json) -> bool:
    """Say what became of it; false: it waits for a second person, whose id of the request is the last line."""
    if done["repeated"]:
        warn("the server had this request before; nothing was started twice")
    if done["approval"]:
        warn("nothing has gone out: a second person has to hear and approve it (`lianbo approvals approve`)")
        typer.echo(done["approval"])
        return False
    broadcast = desk.get(f"/broadcasts/{segment(done['id'])}")
    if broadcast["on_air_pending"]:
        warn("the server has it; the broker has not confirmed it yet, and it goes out by itself. Look at the desk now")
    if broadcast["note"]:
        warn(broadcast["note"])
    typer.echo(f"Taken on: “{broadcast['headline']}”, until {when(broadcast['not_after'])}.")
    return True


def _show_reach(desk: Desk, body: Json, *, yes: bool) -> None:
    """What the officer reads before confirming. That it can't be shown does not hold up an alert that was confirmed already."""
    try:
        reach = desk.post("/broadcasts/preview", body)
    except Refused as err:
        if err.status < BROKEN or not yes:
            raise
        warn(f"whom it reaches can't be said: {err.lines[0]}")
        return
    typer.echo("\n".join(reach_lines(reach)))
    if reach["speakers"] == 0:
        why = "no speaker of an exercise stands there" if body["exercise"] else "no speaker stands there"
        fail(f"it would reach nobody: {why}. Nothing was started", FAILED)


def reach_lines(reach: Json) -> Iterator[str]:
    """Whom it would reach and what it would interrupt there."""
    counts = f"{reach['townships']} townships, {reach['villages']} villages"
    yield f"Reaches {reach['speakers']} speakers in {counts}; {reach['online']} of them online."
    for word in ("offline", "unknown", "faulty"):
        if names := reach[word]:
            more = f" and {len(names) - NAMED_MOST} more" if len(names) > NAMED_MOST else ""
            listed = ", ".join(f"{one['place']} {one['id']}" for one in names[:NAMED_MOST])
            yield f"  {len(names)} {word}: {listed}{more}"
    for one in reach["on_air"]:
        then = "is interrupted" if one["gives_way"] else "has precedence: this one waits there"
        yield f"  on air at {one['speakers']} of them: {one['broadcast']} “{one['headline']}” {then}"
    yield f"  from {when(reach['not_before'])} to {when(reach['not_after'])}"
