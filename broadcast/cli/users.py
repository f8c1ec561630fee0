"""`lianbo users`: officers' accounts, on the database of this machine; a running server notices within seconds.

A password is made here, asked for, or read from a file. It never stands in the command line, where every user of the machine and
the shell's history would see it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from broadcast.cli.common import FAILED, fail, table, whole_code
from broadcast.cli.local import ConfigFile, settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.accounts import DAY_MS, AccountRules
from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.domain.rights import GRANTABLE
from broadcast.service.account_changes import AccountChanges
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher, generated
from broadcast.service.ports import Account
from broadcast.store.store import SqlStore
from broadcast.web.words import Words, rfc3339
from config.settings import Settings
from endpoints.area_codes import is_area_code, padded

T = TypeVar("T")

ALONE = AccountRules(
    two_person=False
)  # who sits at the machine needs no second person: its files allow everything anyway

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
        await officers.add(officer, password, by=technician(settings), initial=True)
        return tree.area(place).name

    where = _do(settings, work)
    typer.echo(f"{name} ({role.value}) may sign in and act in {where} {place}.")
    _tell(password, made=made)


@app.command("list")
def list_(config: ConfigFile = None) -> None:
    """Every account: role, area, whether it is disabled."""
    settings = settings_of(config)

    async def work(officers: Officers, store: SqlStore) -> tuple[list[Account], AreaTree, frozenset[str]]:
        tree: AreaTree = await store.read(lambda tx: tx.areas.tree())
        return list(await officers.all(by=technician(settings))), tree, await officers.with_factor()

    accounts, tree, factors = _do(settings, work)
    if not accounts:
        typer.echo("There is no account yet; the first start of `lianbo serve` makes one and shows its password.")
    rows = [
        (
            one.officer.name,
            one.officer.title,
            one.officer.role.value,
            one.officer.area,
            tree.area(one.officer.area).name if one.officer.area in tree else "(not in the area table)",
            ", ".join(_state(one, factors)),
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


@app.command("grant")
def grant(
    name: Name,
    verbs: Annotated[list[str], typer.Argument(help="What is delegated: start_routine, start_notice, live …")],
    *,
    area: Annotated[str, typer.Option(help="Where: an area code.")],
    days: Annotated[int, typer.Option(help="For how many days from now.")] = 30,
    hours: Annotated[str, typer.Option(help="Only between these times of day: 06:00-22:00.")] = "",
    config: ConfigFile = None,
) -> None:
    """Delegate a right: townships and villages broadcast only by such a grant."""
    settings = settings_of(config)
    now_ms = SystemClock().now_ms()
    wanted = Grant("", _verbs(verbs), _place(area, settings), now_ms, now_ms + days * DAY_MS, "", _hours(hours))

    async def work(officers: Officers, store: SqlStore) -> None:
        await (await _changes(officers, store)).grant(name, wanted, by=technician(settings))

    _do(settings, work)
    typer.echo(f"{name} may {', '.join(sorted(wanted.verbs))} in {wanted.area} for {days} days.")


@app.command("grants")
def grants(name: Name, config: ConfigFile = None) -> None:
    """What is delegated to an officer, with the ids by which it is taken back."""
    settings = settings_of(config)
    account = _do(settings, lambda officers, _: officers.get(name, by=technician(settings)))
    rows = [
        (one.id, one.area, rfc3339(one.from_ms), rfc3339(one.until_ms), one.by, " ".join(sorted(one.verbs)))
        for one in account.officer.grants
    ]
    typer.echo("\n".join(table(("id", "area", "from", "until", "by", ""), rows)))


@app.command("ungrant")
def ungrant(name: Name, grant_id: Annotated[str, typer.Argument(help="Its id.")], config: ConfigFile = None) -> None:
    """Take a delegated right back."""
    settings = settings_of(config)
    _do(settings, lambda officers, _: officers.ungrant(name, grant_id, by=technician(settings)))
    typer.echo(f"{name} has it no longer.")


@app.command("role")
def role(
    name: Name,
    to: Annotated[Role, typer.Argument(help="What the officer may do from now on.")],
    area: Annotated[str, typer.Option(help="Where; the same as before when not given.")] = "",
    config: ConfigFile = None,
) -> None:
    """Give an account another role or area."""
    settings = settings_of(config)

    async def work(officers: Officers, store: SqlStore) -> Officer:
        by = technician(settings)
        account = await officers.get(name, by=by)
        place = _place(area, settings) if area else account.officer.area
        wanted = replace(account.officer, role=to, area=place)
        await (await _changes(officers, store)).alter(wanted, revision=account.revision, by=by)
        return wanted

    done = _do(settings, work)
    typer.echo(f"{name} is {done.role.value} in {done.area} now.")


@app.command("remove-second-factor")
def remove_second_factor(name: Name, config: ConfigFile = None) -> None:
    """For an officer whose telephone and codes on paper are gone: the password alone signs in again."""
    settings = settings_of(config)
    _do(settings, lambda officers, _: officers.drop_factor(name, by=technician(settings)))
    typer.echo(f"{name} signs in with the password alone; tell the officer to begin with a new second factor.")


@app.command("drill-passed")
def drill_passed(name: Name, config: ConfigFile = None) -> None:
    """Let somebody send live who has passed a drill elsewhere."""
    settings = settings_of(config)

    async def work(officers: Officers, store: SqlStore) -> None:
        await officers.get(name, by=technician(settings))
        await officers.drill_passed(name, "at the console")

    _do(settings, work)
    typer.echo(f"{name} may send live.")


def _state(account: Account, factors: frozenset[str]) -> list[str]:
    officer = account.officer
    said = {
        "disabled": account.disabled,
        "exercises only": officer.exercise_only,
        "drill to pass": officer.must_drill,
        "second factor": officer.name in factors,
        f"{len(officer.grants)} grants": bool(officer.grants),
    }
    return [word for word, holds in said.items() if holds]


def _verbs(words: list[str]) -> frozenset[Verb]:
    try:
        return frozenset(Verb(word.replace("-", "_")) for word in words)
    except ValueError:
        fail(f"these can be delegated: {', '.join(sorted(GRANTABLE))}")


def _hours(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        fail(f"{text} are no hours; they look like 06:00-22:00")
    first, second, third, fourth = map(int, found.groups())
    return first * 60 + second, third * 60 + fourth


async def _changes(officers: Officers, store: SqlStore) -> AccountChanges:
    tree: AreaTree = await store.read(lambda tx: tx.areas.tree())
    hasher = Argon2Hasher()  # it hashes nothing here
    return AccountChanges(clock=SystemClock(), store=store, hasher=hasher, officers=officers, tree=lambda: tree)


def _do(settings: Settings, work: Callable[[Officers, SqlStore], Awaitable[T]]) -> T:
    async def inside(store: SqlStore) -> T:
        hasher = Argon2Hasher()
        try:
            return await work(Officers(clock=SystemClock(), store=store, hasher=hasher, rules=ALONE), store)
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
