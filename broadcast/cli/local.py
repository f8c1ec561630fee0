"""For commands that work on the data folder and the database of this machine, also beside a running server."""

import asyncio
import getpass
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from broadcast.cli.common import MISUSED, fail
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Role
from broadcast.store.checkup import is_there
from broadcast.store.store import SqlStore, open_store
from config.settings import BadSettings, Settings, load
from endpoints.area_codes import padded

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with your settings; see config/defaults.toml")
]


def settings_of(config: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings, or the end of the program with every line that is wrong."""
    try:
        return load(config, environment=environment)
    except BadSettings as err:
        for line in err.lines:
            typer.echo(line, err=True)
        raise typer.Exit(MISUSED) from None


def technician(settings: Settings) -> Officer:
    """Who sits at the machine may do what its files allow; the duty log names the account of the operating system."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Officer(f"{name}@console", "technician", Role.ADMINISTRATOR, padded(settings.server.county))


def with_store(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Do it on the database of the settings; what can be mended ends the program with its sentence.

    A server may run on it. Where there is no database yet, none is made: that is the server's first start.
    """
    logging.getLogger("broadcast.store").setLevel(logging.ERROR)
    if not is_there(settings.database_url):
        fail(f"there is no database yet in {settings.server.data_folder}; `lianbo serve` makes it at its first start")

    async def run() -> T:
        store = open_store(settings.database_url, upgrades_itself=False, exclusive=False)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (BroadcastError, OSError) as err:
        fail(str(err))
