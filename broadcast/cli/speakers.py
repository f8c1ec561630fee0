"""`lianbo speakers`: the estate on the database of this machine; a running server and its broker notice within seconds."""

import csv
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from broadcast.cli import speaker_care
from broadcast.cli.common import fail, table, warn, whole_code
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.areas import AreaTree
from broadcast.domain.speakers import Speaker, default_id
from broadcast.keyring import BadKeyFile, NoKeys, read_keyring
from broadcast.provisioning import provision
from broadcast.service.estate import Estate
from broadcast.store.store import SqlStore
from config.settings import Settings
from endpoints.fields import is_speaker_id
from endpoints.mqtt_dial import BrokerAddress, TlsFiles
from endpoints.provisioning import write_provisioning

T = TypeVar("T")
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  addresses to listen on, not to be reached at
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

app = typer.Typer(
    help="The speaker estate (终端): list, enrol, retire, hand out what a box needs.", no_args_is_help=True
)


@app.command("list")
def list_(
    area: Annotated[str, typer.Option(help="Only those in this area.")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Those that were taken down too.")] = False,
    config: ConfigFile = None,
) -> None:
    """Every speaker and where it stands. Whether it is online, the desk and `lianbo ladder` say."""
    settings = settings_of(config)
    tree, everyone = with_store(settings, _all)
    place = _place(tree, area) if area else ""
    rows = [
        (one.id, one.area, _where(tree, one.area), one.name, f"{one.volume_percent} %", _marks(one))
        for one in everyone
        if (retired or not one.retired) and (not place or _inside(tree, one.area, place))
    ]
    typer.echo("\n".join(table(("id", "area", "place", "name", "volume", ""), rows)))
    typer.echo(f"{len(rows)} speakers")


@app.command("add")
def add(
    *,
    area: Annotated[str, typer.Option(help="Code of the village (or township, or city) it stands in.")] = "",
    speaker: Annotated[str, typer.Option("--id", help="Its id; else the next one of its area.")] = "",
    name: Annotated[str, typer.Option(help="What people call it; else the name of its area.")] = "",
    exercise: Annotated[bool, typer.Option("--exercise", help="It follows exercises and refuses live orders.")] = False,
    volume: Annotated[int, typer.Option(min=0, max=100, help="Per cent.")] = 70,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Many at once: CSV with area and, if wanted, id, name."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Take speakers in; `lianbo speakers export` then writes what their boxes need."""
    settings = settings_of(config)
    if bool(area) is (file is not None):
        fail("say where the speaker stands with --area, or give a --file of many", 2)
    asked = [(area, speaker, name)] if file is None else _read(file)

    async def work(estate: Estate, store: SqlStore) -> list[Speaker]:
        taken = {one.id for one in (await _all(store))[1]}
        fresh: list[Speaker] = []
        for code, wanted, called in asked:
            place = _place(estate.tree, code)
            made = wanted or _free_id(place, taken)
            if not is_speaker_id(made):
                fail(f"{made!r} is no speaker id: a small letter, then small letters, digits and '-', 3 to 32 in all")
            if made in taken:
                fail(f"there is a speaker {made} already (retired ones keep their id); nothing was taken")
            taken.add(made)
            fresh.append(Speaker(made, place, called or estate.tree.area(place).name, exercise, volume))
        await estate.enrol(fresh, by=technician(settings))
        return fresh

    fresh = _do(settings, work)
    for one in fresh:
        typer.echo(f"{one.id} at {one.area} {one.name}")
    typer.echo(f"{len(fresh)} taken in. A running server and its own broker know them within a few seconds;")
    typer.echo("an external broker needs their accounts: the exported file names user and password of each.")


@app.command("retire")
def retire(
    speaker: Annotated[str, typer.Argument(help="Its id.")],
    config: ConfigFile = None,
) -> None:
    """Take a speaker down for good. Its id stays taken: the record of old broadcasts names it."""
    settings = settings_of(config)
    by, now_ms = technician(settings), SystemClock().now_ms()
    _do(settings, lambda estate, _: estate.retire(speaker, by=by, at_ms=now_ms))
    typer.echo(f"{speaker} is retired; a running server's own broker refuses it within a few seconds.")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, mode 0600: it holds secrets.")],
    speaker: Annotated[
        list[str] | None, typer.Option(help="Only this one, as a box wants it; may be repeated. Else all.")
    ] = None,
    host: Annotated[str, typer.Option(help="Name or address at which speakers reach this machine.")] = "",
    config: ConfigFile = None,
) -> None:
    """Write what boxes or the simulator need: keys to trust, own secrets, where broker and sound files are."""
    settings = settings_of(config)
    folder = settings.server.data_folder
    _, everyone = with_store(settings, _all)
    here = {one.id: one for one in everyone if not one.retired}
    if unknown := [name for name in speaker or [] if name not in here]:
        fail(f"there is no speaker {', '.join(unknown)}; `lianbo speakers list` names them")
    try:
        keyring = read_keyring(folder / "keys", county=settings.server.county)
    except (NoKeys, BadKeyFile, OSError) as err:
        fail(str(err))
    chosen = [here[name] for name in dict.fromkeys(speaker)] if speaker else list(here.values())
    made = provision(
        chosen,
        keyring=keyring,
        rules=settings.rules,
        broker=_broker(settings, host),
        assets_url=_assets_url(settings, host),
    )
    try:
        write_provisioning(file, made)
    except OSError as err:
        fail(str(err))
    if made.host in LOOPBACK:
        warn(f"the broker is at {made.host}, so only speakers on this machine reach it; --host names another address")
    typer.echo(f"{file}: {len(chosen)} speaker(s), broker {made.host}:{made.port}, sound files {made.assets_url}")


for _name, _command in (
    ("show", speaker_care.show),
    ("set", speaker_care.set_),
    ("enrol", speaker_care.enrol),
    ("roll", speaker_care.roll),
    ("revoke", speaker_care.revoke),
    ("morning", speaker_care.morning),
):
    app.command(_name)(_command)


async def _all(store: SqlStore) -> tuple[AreaTree, Sequence[Speaker]]:
    return await store.read(lambda tx: (tx.areas.tree(), tx.speakers.all()))


def _do(settings: Settings, work: Callable[[Estate, SqlStore], Awaitable[T]]) -> T:
    async def inside(store: SqlStore) -> T:
        estate = Estate(store=store, master=b"")  # no key is derived here
        await estate.load()
        return await work(estate, store)

    return with_store(settings, inside)


def _read(file: Path) -> list[tuple[str, str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        if rows.fieldnames is None or "area" not in rows.fieldnames:
            fail(f"{file}: the first line must name the columns: area, and if wanted id and name")
        return [
            ((row["area"] or "").strip(), (row.get("id") or "").strip(), (row.get("name") or "").strip())
            for row in rows
        ]


def _place(tree: AreaTree, code: str) -> str:
    """The code of an area that there is."""
    place = whole_code(code)
    if place not in tree:
        fail(f"there is no area {code or '(empty)'}; `lianbo areas show` lists them. Nothing was changed")
    return place


def _inside(tree: AreaTree, code: str, place: str) -> bool:
    return code == place or (code in tree and place in {above.code for above in tree.ancestors(code)})


def _where(tree: AreaTree, code: str) -> str:
    if code not in tree:
        return "(not in the area table)"
    return " / ".join(area.short_name for area in (*reversed(tree.ancestors(code)), tree.area(code)))


def _marks(one: Speaker) -> str:
    marks = (("exercise", one.exercise), ("revoked", one.revoked), ("retired", one.retired))
    return ", ".join(mark for mark, on in marks if on)


def _free_id(area: str, taken: set[str]) -> str:
    number = 1
    while default_id(area, number) in taken:
        number += 1
    return default_id(area, number)


def _broker(settings: Settings, host: str) -> BrokerAddress:
    asked = settings.broker
    tls = TlsFiles(Path(asked.tls_ca).absolute()) if asked.tls_ca else None
    if asked.engine == "external":
        return BrokerAddress(asked.host, asked.port, tls=tls)
    remembered = settings.server.data_folder / "broker-port"
    try:
        port = asked.port or int(remembered.read_text())
    except (OSError, ValueError):
        fail("the broker has no port yet: start the server once, or set broker.port")
    where = host or ("127.0.0.1" if asked.host in EVERYWHERE else asked.host)
    return BrokerAddress(where, port, tls=tls if asked.tls_certificate else None)


def _assets_url(settings: Settings, host: str) -> str:
    server = settings.server
    if server.port == 0:
        warn("server.port is 0, so nobody knows where sound files will be served; speakers take them as a live stream")
        return ""
    where = host or ("127.0.0.1" if server.host in EVERYWHERE else server.host)
    return f"http://[{where}]:{server.port}" if ":" in where else f"http://{where}:{server.port}"
