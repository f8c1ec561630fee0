"""`lianbo backup` and `lianbo restore`: a copy of everything, and everything from a copy."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from broadcast.cli.common import day, fail, warn
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.backups import Kept, is_name, to_drop
from broadcast.domain.errors import BroadcastError
from broadcast.server.watchkeeping import MB, vault_of
from broadcast.service.ports import ActRow, Vault
from broadcast.store import recovery
from broadcast.store.checkup import is_there
from broadcast.store.recovery import BadCode
from broadcast.store.restoring import InTheWay, Restored
from broadcast.store.restoring import restore as put_back
from config.settings import Settings


def backup(config: ConfigFile = None) -> None:
    """Make a backup (备份) now, beside a running server; it counts when it has been read back and verified."""
    settings = settings_of(config)
    if not is_there(settings.database_url):
        fail(f"there is no database yet in {settings.server.data_folder}; `lianbo serve` makes it at its first start")
    vault, now_ms = vault_of(settings), SystemClock().now_ms()
    try:
        made = vault.make(now_ms, {})
        _thin_out(vault, settings)
    except BroadcastError as err:
        fail(str(err))
    by = technician(settings)
    told = ActRow(now_ms, by.name, "make backup", made.name, "")
    with_store(settings, lambda store: store.write(lambda tx: tx.acts.add(told)))
    typer.echo(f"{Path(vault.where) / made.name}: {made.size_bytes / MB:.1f} MB, the audit trail to act {made.acts}")
    typer.echo("Its keys open with the recovery code: `lianbo keys recovery` shows it, paper in the safe keeps it.")


def _thin_out(vault: Vault, settings: Settings) -> None:
    asked = settings.backup
    kept: list[Kept] = list(vault.kept())
    vault.drop(to_drop(kept, hourly=asked.keep_hourly, daily=asked.keep_daily, most_bytes=asked.most_mb * MB))


def restore(
    source: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="One backup, or the folder of them: then the newest.")
    ],
    code: Annotated[
        str,
        typer.Option(
            help="The recovery code; asked for when it is needed and not given.", envvar="LIANBO_RECOVERY_CODE"
        ),
    ] = "",
    keep_keys: Annotated[bool, typer.Option("--keep-keys", help="The keys of this machine stay as they are.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="What is there is moved aside.")] = False,
    config: ConfigFile = None,
) -> None:
    """Put a backup in the place of this machine's data. No server may run; everything is checked before anything is touched."""
    settings = settings_of(config)
    logging.getLogger("broadcast.store").setLevel(logging.ERROR)
    chosen, now_ms = _chosen(source), SystemClock().now_ms()
    try:
        secret = None if keep_keys else recovery.from_words(code or typer.prompt("recovery code", hide_input=True))
        done = put_back(
            chosen,
            url=settings.database_url,
            data_folder=settings.server.data_folder,
            secret=secret,
            replace=replace,
            now_ms=now_ms,
        )
    except (BroadcastError, BadCode, InTheWay, OSError) as err:
        fail(str(err))
    by = technician(settings)
    told = ActRow(now_ms, by.name, "restore backup", chosen.name, f"act {done.manifest.acts} {done.manifest.link[:16]}")
    with_store(settings, lambda store: store.write(lambda tx: tx.acts.add(told)))
    _tell(chosen, done)


def _chosen(source: Path) -> Path:
    if (source / "manifest.json").exists() or is_name(source.name):
        return source
    found = sorted(one for one in source.iterdir() if is_name(one.name)) if source.is_dir() else []
    if not found:
        fail(f"there is no backup in {source}")
    return found[-1]


def _tell(chosen: Path, done: Restored) -> None:
    manifest = done.manifest
    typer.echo(f"{chosen.name} of {day(manifest.made_ms)} is restored: the audit trail to act {manifest.acts}.")
    if done.aside is not None:
        typer.echo(f"What was there before lies in {done.aside}.")
    if done.missing:
        warn(
            f"{len(done.missing)} sounds are nowhere to be found; what uses them is silent until they are sent in again"
        )
    typer.echo("Everybody signs in again. What was changed after the backup was made has to be done anew.")
