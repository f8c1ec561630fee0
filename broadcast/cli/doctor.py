"""`lianbo doctor`: what is missing on this machine and how to get it. It changes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from broadcast.cli import lost_reports, machine, site
from broadcast.cli.common import FAILED
from broadcast.cli.finding import Finding, Grade, failure, ok
from broadcast.cli.local import ConfigFile
from broadcast.transport.broker_config import find_mosquitto
from config.settings import BadSettings, load


def doctor(
    broker: Annotated[
        bool, typer.Option("--broker", help="Also measure whether the broker loses reports; takes half a minute.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Say what is missing on this machine and how to get it.

    Each line is OK, WARN or FAIL; ends with 1 when there is a FAIL.
    """
    worst = Grade.OK
    grades = list(Grade)
    for found in examine(config, broker=broker):
        typer.echo(str(found))
        worst = max(worst, found.grade, key=grades.index)
    typer.echo(
        {Grade.OK: "Nothing is missing.", Grade.WARN: "It works; look at the WARN lines."}.get(worst, "Not well.")
    )
    if worst is Grade.FAIL:
        raise typer.Exit(FAILED)


def examine(config: Path | None, *, broker: bool) -> Iterator[Finding]:
    """Every finding as it is made; without usable settings only those of the machine."""
    yield from machine.python()
    yield from machine.voice()
    yield from machine.sound()
    yield from machine.sandbox()
    yield from machine.clock()
    yield from site.variables(os.environ)
    try:
        settings = load(config)
    except BadSettings as err:
        for line in err.lines:
            yield failure("settings", line, "config/defaults.toml is the manual of settings")
        return
    yield ok("settings", f"{config or 'the defaults'} can be used")
    yield from machine.broker(settings, binary=find_mosquitto())
    yield from site.folder(settings)
    yield from site.ports(settings)
    yield from site.database(settings)
    yield from site.keys(settings)
    if broker:
        yield from lost_reports.measure(settings)
