"""`lianbo keys`: what the signing keys are good for and how long; their public halves for the makers of speakers. No secrets."""

import json
from pathlib import Path
from typing import Annotated

import typer

from broadcast.cli.common import BEIJING, day, fail, table, warn
from broadcast.cli.local import ConfigFile, settings_of
from broadcast.clock import SystemClock
from broadcast.keyring import DAY_MS, WARN_DAYS, BadKeyFile, Keyring, NoKeys, read_keyring
from broadcast.store.recovery import BadCode, in_words, own_code
from config.settings import Settings
from endpoints.provisioning import key_to_json

app = typer.Typer(help="The signing keys: how long they last, and their public halves.", no_args_is_help=True)


@app.command("show")
def show(config: ConfigFile = None) -> None:
    """Every signing key: id, algorithm, area, dates and days left."""
    settings = settings_of(config)
    keyring, now_ms = keyring_of(settings), SystemClock().now_ms()
    rows = [
        (
            key.key_id.hex(),
            "exercise" if key.exercise else "live",
            key.algorithm.name.lower(),
            key.area,
            key.highest_band.name.lower(),
            day(key.not_before_ms),
            day(key.not_after_ms),
            (key.not_after_ms - now_ms) // DAY_MS,
        )
        for key in keyring.trusted
    ]
    head = ("key id", "for", "algorithm", "area", "highest band", "from", "until", "days left")
    typer.echo("\n".join(table(head, rows)))
    days = keyring.days_left(now_ms)
    if days < 0:
        warn("a key has ended: speakers refuse what it signs")
    elif days <= max(WARN_DAYS):
        warn(f"a key ends in {days} days; speakers refuse everything after that")


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(dir_okay=False, help="Where to; else to the terminal.")] = None,
    config: ConfigFile = None,
) -> None:
    """The public keys that speakers must trust, as JSON for their makers (docs/wire.md); there is nothing secret in it."""
    settings = settings_of(config)
    keyring = keyring_of(settings)
    listed = [{"key_id": key.key_id.hex(), **key_to_json(key)} for key in keyring.trusted]
    made = {
        "format": "lianbo-trusted-keys/1",
        "county": settings.server.county,
        "made": SystemClock().now().astimezone(BEIJING).isoformat(timespec="seconds"),
        "keys": listed,
    }
    text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
    if file is None:
        typer.echo(text, nl=False)
        return
    file.write_text(text, encoding="utf-8")
    typer.echo(f"{file}: {len(listed)} public keys")


@app.command("recovery")
def recovery_code(config: ConfigFile = None) -> None:
    """Show the recovery code (恢复码) that opens the keys in backups. It belongs on paper, in the safe, away from the backups."""
    settings = settings_of(config)
    try:
        code = own_code(settings.server.data_folder / "keys")
    except (BadCode, OSError) as err:
        fail(str(err))
    typer.echo(in_words(code))


def keyring_of(settings: Settings) -> Keyring:
    """The keys of this machine, or the end of the program with a sentence; none are made."""
    try:
        return read_keyring(settings.server.data_folder / "keys", county=settings.server.county)
    except (NoKeys, BadKeyFile, OSError) as err:
        fail(str(err))
