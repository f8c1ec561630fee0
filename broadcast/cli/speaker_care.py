"""`lianbo speakers show|set|enrol|roll|revoke|morning`: care of speakers on the database of this machine.

A running server notices within seconds: its broker throws off who was revoked, and what was set goes out.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from broadcast.cli.common import fail, table, whole_code
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.enrolments import USUAL_MIN, shown
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest, drift_of, township_of
from broadcast.domain.speakers import COUNTY_RULE, Speaker, Wish
from broadcast.keyring import BadKeyFile, NoKeys, read_keyring
from broadcast.provisioning import quiet_hours
from broadcast.service.caretaking import USUAL_ROLL_MIN, Caretaking
from broadcast.service.enrolments import Enrolments
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.store.store import SqlStore
from config.settings import Settings
from endpoints.enrolling import print_of

T = TypeVar("T")
Id = Annotated[str, typer.Argument(help="Its id.")]
Ids = Annotated[list[str], typer.Argument(help="Their ids.")]


def show(speaker: Id, config: ConfigFile = None) -> None:
    """What is wanted of a speaker, and what it said of itself last."""
    settings = settings_of(config)
    one, said = _do(settings, lambda _, store: _read(store, speaker))
    county, now_ms = quiet_hours(settings.rules), SystemClock().now_ms()
    rows = [("", "wanted", "reported")]
    for name in ("volume_percent", "ceiling_percent", "floor_percent", "generation"):
        rows.append((name, str(getattr(one, name)), str(getattr(said, name)) if said else "-"))
    own = one.quiet_from_min, one.quiet_until_min
    wanted = "as everywhere" if own == COUNTY_RULE else _hours(*own)
    rows.append(("quiet", wanted, _hours(said.quiet_from_min, said.quiet_until_min) if said else "-"))
    mute = _at(one.muted_until_ms) if one.muted_until_ms > now_ms else "-"
    rows.append(("muted until", mute, _at(said.muted_until_ms) if said and said.muted_until_ms > now_ms else "-"))
    typer.echo(f"{one.id} at {one.area} {one.name}{' REVOKED' if one.revoked else ''}")
    for label, text in (("note", one.note), ("contacts", one.contacts)):
        if text:
            typer.echo(f"{label}: {text}")
    typer.echo("\n".join(table(rows[0], rows[1:])))
    if said is None:
        typer.echo("It has said nothing of itself yet.")
        return
    typer.echo(f"{said.model} {said.firmware}, said {_at(said.heard_ms)}")
    if drift := drift_of(one, said, county, now_ms=now_ms):
        typer.echo(f"It differs in: {', '.join(drift)}")


def set_(
    speakers: Ids,
    *,
    volume: Annotated[int | None, typer.Option(min=0, max=100, help="Its own volume, per cent.")] = None,
    ceiling: Annotated[int | None, typer.Option(min=0, max=100, help="Nothing is louder.")] = None,
    floor: Annotated[int | None, typer.Option(min=60, max=100, help="An emergency is at least so loud.")] = None,
    quiet: Annotated[str, typer.Option(help="HH:MM-HH:MM in which routine is silent; county: as everywhere.")] = "",
    mute_h: Annotated[
        float | None, typer.Option(min=0, max=24, help="Somebody works at the horn for so many hours; 0 ends it.")
    ] = None,
    area: Annotated[str, typer.Option(help="It was moved to this area.")] = "",
    note: Annotated[str | None, typer.Option(help="Where exactly it hangs.")] = None,
    contacts: Annotated[str | None, typer.Option(help="Who has the key to the cabinet.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it; for one speaker.")] = None,
    config: ConfigFile = None,
) -> None:
    """Change settings of speakers: of all of them, or of none."""
    settings = settings_of(config)
    by, now_ms = technician(settings), SystemClock().now_ms()
    mute_ms = None if mute_h is None else int(now_ms + mute_h * 3_600_000) if mute_h else 0
    wish = Wish(
        name=name,
        note=note,
        contacts=contacts,
        volume_percent=volume,
        ceiling_percent=ceiling,
        floor_percent=floor,
        quiet_min=_quiet(quiet) if quiet else None,
        muted_until_ms=mute_ms,
        area=whole_code(area) if area else None,
    )
    if wish == Wish():
        fail("say what to change; --help names the settings", 2)

    async def work(care: Caretaking, store: SqlStore) -> list[Speaker]:
        if name is None:
            return await care.change_all(speakers, wish, by=by)
        if len(speakers) != 1:
            fail("a name is for one speaker", 2)
        was = next((one for one in await store.read(lambda tx: tx.speakers.all()) if one.id == speakers[0]), None)
        return [await care.change(speakers[0], wish, by=by, revision=was.revision if was else 0)]

    for one in _do(settings, work):
        typer.echo(f"{one.id} is at version {one.revision}")


def enrol(
    *,
    area: Annotated[str, typer.Option(help="Where the new speaker stands.")] = "",
    speaker: Annotated[str, typer.Option(help="Or whose box is replaced.")] = "",
    name: Annotated[str, typer.Option(help="What people call it; else the name of its area.")] = "",
    valid_min: Annotated[int, typer.Option(help="So many minutes is the code good.")] = USUAL_MIN,
    config: ConfigFile = None,
) -> None:
    """Make a code by which a box gets its secrets from the running server: `lianbo speaker --enrol CODE --server URL`."""
    settings = settings_of(config)
    if bool(area) is bool(speaker):
        fail("say where the new speaker stands with --area, or whose box is replaced with --speaker", 2)
    try:
        keyring = read_keyring(settings.server.data_folder / "keys", county=settings.server.county)
    except (NoKeys, BadKeyFile, OSError) as err:
        fail(str(err))
    by, clock = technician(settings), SystemClock()

    async def work(store: SqlStore) -> tuple[str, str]:
        estate = Estate(store=store, master=keyring.master)
        await estate.load()
        enrolments = Enrolments(
            clock=clock,
            store=store,
            estate=estate,
            caretaking=Caretaking(clock=clock, estate=estate, on_change=_nothing),
            health=Health(clock.now_ms),
            secret=keyring.master,
            hand_out=_not_here,
            on_change=_nothing,
        )
        place = whole_code(area) if area else ""
        made, code = await enrolments.make(by=by, speaker=speaker, area=place, name=name, valid_min=valid_min)
        return made.speaker, code

    made, code = with_store(settings, lambda store: _said(work(store)))
    typer.echo(f"{shown(code)}  for {made}, once, within {timedelta(minutes=valid_min)}")
    typer.echo(f"The server's keys, to compare with what the box shows: {print_of(keyring.trusted)}")


def roll(
    speakers: Ids,
    *,
    within_min: Annotated[int, typer.Option(help="Then the older secrets are refused in any case.")] = USUAL_ROLL_MIN,
    config: ConfigFile = None,
) -> None:
    """Make newer secrets for speakers; each fetches its own from the running server."""
    settings = settings_of(config)
    by = technician(settings)
    for one in _do(settings, lambda care, _: care.roll(speakers, by=by, within_min=within_min)):
        typer.echo(f"{one.id}: generation {one.generation}")


def revoke(
    speaker: Id,
    *,
    reason: Annotated[str, typer.Option(help="For the duty log.")],
    config: ConfigFile = None,
) -> None:
    """Take no secret of a speaker any more: stolen, or nobody knows where the box is."""
    settings = settings_of(config)
    by = technician(settings)
    _do(settings, lambda care, _: care.revoke(speaker, by=by, reason=reason))
    typer.echo(f"{speaker} is revoked; a running server and its own broker refuse it within a few seconds.")


def morning(config: ConfigFile = None) -> None:
    """Who failed the last silent test, and why, by township."""
    settings = settings_of(config)

    async def work(store: SqlStore) -> tuple[SilentTest | None, list[Finding], Estate]:
        estate = Estate(store=store, master=b"")
        await estate.load()
        newest = await store.read(lambda tx: tx.silent_tests.newest(limit=1))
        found = await store.read(lambda tx: tx.silent_tests.findings(newest[0].id)) if newest else []
        return (newest[0] if newest else None), list(found), estate

    test, findings, estate = with_store(settings, work)
    if test is None:
        typer.echo("There was no silent test yet.")
        return
    typer.echo(f"{_at(test.at_ms)}: {test.passed} of {test.asked} passed")
    rows = []
    for one in findings:
        town = township_of(one.area)
        where = estate.tree.area(town).name if town in estate.tree else town
        known = estate.speakers.get(one.speaker)
        heard = _at(one.heard_ms) if one.heard_ms else "never"
        rows.append((where, one.speaker, known.name if known else "", ", ".join((*one.why, *one.drift)), heard))
    if rows:
        typer.echo("\n".join(table(("township", "speaker", "name", "why", "heard"), rows)))


def _do(settings: Settings, work: Callable[[Caretaking, SqlStore], Awaitable[T]]) -> T:
    async def inside(store: SqlStore) -> T:
        estate = Estate(store=store, master=b"")  # no key is derived here
        await estate.load()
        return await _said(work(Caretaking(clock=SystemClock(), estate=estate, on_change=_nothing), store))

    return with_store(settings, inside)


async def _said(work: Awaitable[T]) -> T:
    """What is wrong, line by line."""
    try:
        return await work
    except InvalidRequest as err:
        fail("nothing was changed: " + "; ".join(" ".join(map(str, one.values())) for one in err.errors))


async def _read(store: SqlStore, speaker: str) -> tuple[Speaker, SaidOf | None]:
    """The speaker, and what it said."""
    everyone, said = await store.read(lambda tx: (tx.speakers.all(), tx.abouts.all()))
    one = next((one for one in everyone if one.id == speaker), None)
    if one is None:
        fail(f"there is no speaker {speaker}; `lianbo speakers list` names them")
    return one, said.get(speaker)


def _quiet(text: str) -> tuple[int, int]:
    if text == "county":
        return COUNTY_RULE
    try:
        begins, ends = (hours.split(":") for hours in text.split("-"))
        return int(begins[0]) * 60 + int(begins[1]), int(ends[0]) * 60 + int(ends[1])
    except (ValueError, IndexError):
        fail(f"{text!r} is not like 21:30-06:00", 2)


def _at(ms: int) -> str:
    """In Beijing time."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC) + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"


def _hours(from_min: int, until_min: int) -> str:
    return f"{from_min // 60:02d}:{from_min % 60:02d}-{until_min // 60:02d}:{until_min % 60:02d}"


def _nothing() -> None:
    """The running server looks by itself."""


def _not_here(*_: object) -> str:
    raise RuntimeError("secrets are handed out by the running server alone")
