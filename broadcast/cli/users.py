"""`lianbo users`: officers' accounts, on the database of this machine; a running server notices within seconds.

A password is made here, asked for, or read from a file. It never stands in the command line, where every user of the machine and
the shell's history would see it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from broadcast.cli.common import FAILED, fail, table, whole_code
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Officer, Role
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher, generated
from broadcast.service.ports import Account
from broadcast.store.store import SqlStore
from broadcast.web.words import Words
from config.settings import Settings
from endpoints.area_codes import is_area_code, padded

T = TypeVar("T")

app = typer.Typer(help="The officers' accounts, for the technician at this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the officer signs in with.")]
Ask = Annotated[bool, typer.Option("--ask", help="Ask for the password here; else one is made and shown once.")]
PasswordFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Take the first line of this file as the password.")
]


@app.command("add")
def add(
    name: Name,
    *,
    title: Annotated[str, typer.Option(help="What the officer is called on the pages; else the name.")] = "",
    role: Annotated[Role, typer.Option(help="What the officer may do.")] = Role.DUTY,
    area: Annotated[str, typer.Option(help="Where: an area code; the whole county when not given.")] = "",
    ask: Ask = False,
    password_file: PasswordFile = None,
    config: ConfigFile = None,
) -> None:
    """Make an account."""
    settings = settings_of(config)
    place = _place(area, settings)
    password, made = _password(ask=ask, file=password_file)
    officer = Officer(name, title or name, role, place)

    async def work(officers: Officers, store: SqlStore) -> str:
        tree: AreaTree = await store.read(lambda tx: tx.areas.tree())
        if place not in tree:
            fail(f"there is no area {place}; `lianbo areas show` lists them")
        await officers.add(officer, password, by=technician(settings))
        return tree.area(place).name

    where = _do(settings, work)
    typer.echo(f"{name} ({role.value}) may sign in and act in {where} {place}.")
    _tell(password, made=made)


@app.command("list")
def list_(config: ConfigFile = None) -> None:
    """Every account: role, area, whether it is disabled."""
    settings = settings_of(config)

    async def work(officers: Officers, store: SqlStore) -> tuple[list[Account], AreaTree]:
        tree: AreaTree = await store.read(lambda tx: tx.areas.tree())
        return list(await officers.all(by=technician(settings))), tree

    accounts, tree = _do(settings, work)
    if not accounts:
        typer.echo("There is no account yet; the first start of `lianbo serve` makes one and shows its password.")
    rows = [
        (
            one.officer.name,
            one.officer.title,
            one.officer.role.value,
            one.officer.area,
            tree.area(one.officer.area).name if one.officer.area in tree else "(not in the area table)",
            "disabled" if one.disabled else "",
        )
        for one in accounts
    ]
    typer.echo("\n".join(table(("name", "title", "role", "area", "", ""), rows)))


@app.command("disable")
def disable(
    name: Name,
    enable: Annotated[bool, typer.Option("--enable", help="The other way: let the officer in again.")] = False,
    config: ConfigFile = None,
) -> None:
    """Let nobody in with this account, and out whoever is in. It is never deleted: the duty log names it."""
    settings = settings_of(config)
    _do(settings, lambda officers, _: officers.disable(name, by=technician(settings), disabled=not enable))
    typer.echo(f"{name} may sign in again." if enable else f"{name} is disabled and signed out everywhere.")


@app.command("set-password")
def set_password(name: Name, ask: Ask = False, password_file: PasswordFile = None, config: ConfigFile = None) -> None:
    """Give an account another password; whoever is signed in with it is out."""
    settings = settings_of(config)
    password, made = _password(ask=ask, file=password_file)
    _do(settings, lambda officers, _: officers.set_password(name, password, by=technician(settings)))
    typer.echo(f"{name} has a new password and is signed out everywhere.")
    _tell(password, made=made)


def _do(settings: Settings, work: Callable[[Officers, SqlStore], Awaitable[T]]) -> T:
    async def inside(store: SqlStore) -> T:
        hasher = Argon2Hasher()
        try:
            return await work(Officers(clock=SystemClock(), store=store, hasher=hasher), store)
        except InvalidRequest as err:
            words = Words("en")
            for fault in err.errors:
                typer.echo(f"lianbo: {fault['field']}: {words('fault.' + fault['code'], **fault)}", err=True)
            raise typer.Exit(FAILED) from None
        finally:
            hasher.close()

    return with_store(settings, inside)


def _place(area: str, settings: Settings) -> str:
    if not area:
        return padded(settings.server.county)
    place = whole_code(area)
    if not is_area_code(place):
        fail(f"{area} is no area code; `lianbo areas show` lists them")
    return place


def _password(*, ask: bool, file: Path | None) -> tuple[str, bool]:
    """The password, and whether we made it."""
    if ask:
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked, False
    if file is not None:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0], False
    return generated(), True


def _tell(password: str, *, made: bool) -> None:
    if made:
        typer.echo(f"Password: {password}   (it is shown only now)")
