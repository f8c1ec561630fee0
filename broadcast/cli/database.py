"""`lianbo db`: bring the tables up to this program, and look whether the database is whole."""

import logging

import typer

from broadcast.cli.common import FAILED, fail
from broadcast.cli.local import ConfigFile, settings_of
from broadcast.domain.errors import BroadcastError
from broadcast.store import checkup
from broadcast.store import store as database

app = typer.Typer(help="The database: bring its tables up, look whether it is whole.", no_args_is_help=True)


@app.command("upgrade")
def upgrade(config: ConfigFile = None) -> None:
    """Bring the tables up to this program, all or nothing. Stop the server and make a backup before."""
    settings = settings_of(config)
    logging.getLogger("broadcast.store").setLevel(logging.ERROR)
    try:
        settings.server.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before, after = database.upgrade(settings.database_url)
    except (BroadcastError, OSError) as err:
        fail(str(err))
    if before == after:
        typer.echo(f"The database is of revision {after} already; nothing was done.")
    else:
        typer.echo(
            f"The database {'was of revision ' + before if before else 'was empty'} and is of revision {after} now."
        )


@app.command("check")
def check(config: ConfigFile = None) -> None:
    """Read every page and say whether the database is whole and of this program's revision. A server may run."""
    settings = settings_of(config)
    url = settings.database_url
    try:
        if not checkup.is_there(url):
            fail(
                f"there is no database yet in {settings.server.data_folder}; `lianbo serve` makes it at its first start"
            )
        found = checkup.check_up(url)
    except (BroadcastError, OSError) as err:
        fail(str(err))
    typer.echo(f"revision {found.revision or '(no tables of ours)'}, this program needs {found.wanted}")
    typer.echo(f"size {found.size_bytes / 2**20:.1f} MiB")
    for line in found.faults:
        typer.echo(f"fault: {line}", err=True)
    if not found.looked:
        typer.echo("pages: not read here; PostgreSQL checks them by itself (data_checksums, pg_amcheck)")
    elif not found.faults:
        typer.echo("every page is whole, and every row points to rows that are there")
    if found.faults:
        typer.echo("lianbo: stop the server, keep a copy of the file, and restore the last backup", err=True)
    if not found.is_current:
        typer.echo("lianbo: make a backup, then run `lianbo db upgrade`", err=True)
    if found.faults or not found.is_current:
        raise typer.Exit(FAILED)
