"""`lianbo audit`: verify the audit trail, hand it out, hold it against a copy that was kept elsewhere. A server may run."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from broadcast.cli.common import FAILED, fail, table, warn, when
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock, from_ms
from broadcast.domain.audit import Checkpoint, Head
from broadcast.domain.audit_export import BadExport, checkpoint_line
from broadcast.domain.audit_faults import Finding, Wrong
from broadcast.keyring import BadKeyFile, NoKeys, read_keyring
from broadcast.server.watchkeeping import keys_of
from broadcast.service.audit import Keys, Verdict, check, check_against, exported
from broadcast.service.ports import ActFilter, ActRow
from broadcast.store.store import SqlStore
from config.settings import Settings
from endpoints.area_codes import padded
from endpoints.sealing import Algorithm, key_id_of

app = typer.Typer(help="The audit trail: verify it, hand it out, hold it against a copy.", no_args_is_help=True)

AT_ONCE = 5_000  # checkpoints
SAID = {
    Wrong.CHANGED: "was changed",
    Wrong.RELINKED: "was changed and its link made anew (perhaps acts right before it too)",
    Wrong.MISSING: "missing",
    Wrong.INSERTED: "was put in",
    Wrong.MOVED: "was moved",
    Wrong.REWRITTEN: "written anew since the checkpoint or copy was made",
    Wrong.CUT_OFF: "cut off: a checkpoint or copy knows them",
    Wrong.UNSIGNED: "has a checkpoint whose signature is not by the key that it names",
}
ExportFile = Annotated[
    Path | None, typer.Option("--export", exists=True, dir_okay=False, help="A copy or checkpoints kept elsewhere.")
]
KeysFile = Annotated[
    Path | None, typer.Option("--keys", exists=True, dir_okay=False, help="Public keys, from `lianbo keys export`.")
]


@app.command("verify")
def verify(
    export: ExportFile = None,
    keys: KeysFile = None,
    alone: Annotated[bool, typer.Option("--alone", help="Verify the copy by itself, where no database is.")] = False,
    config: ConfigFile = None,
) -> None:
    """Verify every act and checkpoint; names each that was changed, deleted, put in or moved. Ends with 1 when there is one."""
    settings = settings_of(config)
    trusted = _keys(settings, keys)
    if alone and export is None:
        fail("--alone verifies a copy: name it with --export")
    whole = True
    if not alone:
        verdict = with_store(settings, lambda store: check(store, trusted))
        whole = _tell("the database", verdict)
    if export is not None:
        whole &= _tell(str(export), _against(settings, export, trusted, alone=alone))
    if not whole:
        raise typer.Exit(FAILED)


def _against(settings: Settings, export: Path, keys: Keys, *, alone: bool) -> Verdict:
    try:
        if alone:
            return asyncio.run(check_against(None, _lines(export), keys))
        return with_store(settings, lambda store: check_against(store, _lines(export), keys))
    except BadExport as err:
        fail(f"{export}: {err}")
    except UnicodeDecodeError as err:
        fail(f"{export}: it is no text: {err}")


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file


@app.command("export")
def export_trail(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to; never over a file that is there.")],
    after: Annotated[int, typer.Option(min=0, help="Begin behind the act of this number.")] = 0,
    config: ConfigFile = None,
) -> None:
    """Write the trail with its checkpoints as JSON lines, to be kept where the database's owner has no hands."""
    settings = settings_of(config)
    acts = with_store(settings, lambda store: _export(store, settings, file, after))
    typer.echo(f"{file}: {acts} acts")


async def _export(store: SqlStore, settings: Settings, file: Path, after: int) -> int:
    head: Head = await store.read(lambda tx: tx.acts.head())
    now_ms, by = SystemClock().now_ms(), technician(settings)
    with file.open("x", encoding="utf-8") as out:
        async for lines in exported(store, padded(settings.server.county), now_ms, after=after, head=head):
            out.write(lines)
    told = ActRow(now_ms, by.name, "export audit trail", "", f"{after + 1}–{head.seq}")
    await store.write(lambda tx: tx.acts.add(told))
    return max(0, head.seq - after)


@app.command("checkpoints")
def checkpoints(
    after: Annotated[int, typer.Option(min=0, help="Those of acts behind this number.")] = 0,
    config: ConfigFile = None,
) -> None:
    """Print the signed checkpoints, a line each: a later `verify --export` finds with them what was written anew."""
    settings = settings_of(config)

    async def some(store: SqlStore, behind: int) -> Sequence[Checkpoint]:
        return await store.read(lambda tx: tx.checkpoints.after(behind, limit=AT_ONCE))

    async def all_of(store: SqlStore) -> None:
        at = after
        while found := await some(store, at):
            typer.echo("".join(map(checkpoint_line, found)), nl=False)
            at = found[-1].seq

    with_store(settings, all_of)


@app.command("show")
def show(
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest last.")] = 20,
    config: ConfigFile = None,
) -> None:
    """Print the last acts: number, time in Beijing, who, what."""
    settings = settings_of(config)
    found = with_store(settings, lambda store: store.read(lambda tx: tx.acts.find(ActFilter(), limit=count)))
    rows = [
        (one.seq, when(from_ms(one.at_ms).isoformat()), one.officer, one.verb, one.subject, one.detail)
        for one in reversed(found)
    ]
    typer.echo("\n".join(table(("act", "at", "officer", "verb", "subject", "detail"), rows)))


def _keys(settings: Settings, file: Path | None) -> Keys:
    """Of this machine, and those of the file beside them."""
    found: dict[bytes, tuple[int, bytes]] = {}
    try:
        found |= keys_of(read_keyring(settings.server.data_folder / "keys", county=settings.server.county))
    except (NoKeys, BadKeyFile, OSError) as err:
        if file is None:
            warn(f"signatures of checkpoints can't be verified: {err}")
    if file is not None:
        found |= _from_file(file)
    return found


def _from_file(file: Path) -> dict[bytes, tuple[int, bytes]]:
    """:param file: as `lianbo keys export` writes it, here or at the machine that the trail is of."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))["keys"]
        found = [
            (int(Algorithm[one["algorithm"]]), bytes.fromhex(one["public"])) for one in listed if not one["exercise"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        fail(f"{file} is no list of keys: {err!r}")
    return {key_id_of(public): (algorithm, public) for algorithm, public in found}


def _tell(where: str, verdict: Verdict) -> bool:
    typer.echo(
        f"{where}: {verdict.acts} acts, {verdict.checkpoints} checkpoints with a good signature,"
        f" covered to act {verdict.covered}"
    )
    for key in verdict.unknown_keys:
        warn(f"checkpoints signed with key {key} were not counted: name its public half with --keys")
    for finding in verdict.findings:
        typer.echo(f"{where}: {_sentence(finding)}", err=True)
    if verdict.is_whole:
        typer.echo(f"{where}: nothing was changed, deleted, put in or moved")
    return verdict.is_whole


def _sentence(one: Finding) -> str:
    what = f"act {one.first}" if one.first == one.last else f"acts {one.first} to {one.last}"
    where = f" to place {one.place}" if one.place else ""
    return f"{what} {SAID[one.wrong]}{where}"
