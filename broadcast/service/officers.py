"""Officers (值班人员): their accounts, signing in and out, the locked screen; for the web and for `lianbo users`.

What gives somebody more rights stands in `account_changes.py`, because it wants a second person. What takes rights away is here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from broadcast.clock import Clock
from broadcast.domain.accounts import (
    TOKEN_MARK,
    AccountRules,
    LastAdministrator,
    UnknownGrant,
    name_faults,
    pin_faults,
    title_faults,
)
from broadcast.domain.broadcasts import Broadcast, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Role, Verb
from broadcast.domain.rights import holds, may
from broadcast.service.challenges import Origin
from broadcast.service.door import Door, TooManyTries, WrongPassword
from broadcast.service.guessing import Bell
from broadcast.service.passkeys import Passkeys
from broadcast.service.passwords import Hasher, faults_of, generated
from broadcast.service.ports import Account, ActRow, Sealing, Store, Tx
from broadcast.service.second_factors import NoSecondFactor, SecondFactorNeeded, SecondFactors, WrongCode
from broadcast.service.sessions import NotSignedIn, Session, Sessions
from broadcast.service.tokens import Tokens

__all__ = [
    "NoSecondFactor",
    "NotSignedIn",
    "OfficerExists",
    "Officers",
    "SecondFactorNeeded",
    "SignedIn",
    "TooManyTries",
    "UnknownOfficer",
    "WrongCode",
    "WrongPassword",
    "WrongPin",
]

MOST_PINS = 5


class UnknownOfficer(BroadcastError):
    """No account has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no officer {name}")


class OfficerExists(BroadcastError):
    """An account has this name already."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is an officer {name} already")


class WrongPin(BroadcastError):
    """Not the PIN; after five the password is asked for.

    :param left: so many tries; 0: the password.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__(f"the PIN is wrong; {left} tries are left" if left else "unlock with the password")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser keeps.

    :param token: of the session; the server keeps only its SHA-256.
    :param device: proves later that this officer has signed in at this browser before (OWASP device cookie).
    """

    token: str
    device: str
    officer: Officer


class Officers:
    """Accounts and sessions.

    :param live: the broadcasts that are live; nobody is signed out while one of them is an alert.
    :param duty_rooms: addresses that are trusted like the server's own machine.
    :param sealing: of the secrets of second factors.
    :param bell: told while somebody guesses passwords.
    :param on_change: called when somebody who is signed in is out, or may do something else: open windows look again.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        hasher: Hasher,
        live: Callable[[], Iterable[Broadcast]] = tuple,
        duty_rooms: Iterable[str] = (),
        rules: AccountRules = AccountRules(),  # noqa: B008  frozen
        sealing: Sealing | None = None,
        on_change: Callable[[], None] = lambda: None,
        bell: Bell | None = None,
    ) -> None:
        self._clock, self._store, self._hasher, self.rules = clock, store, hasher, rules
        self.factors = SecondFactors(clock=clock, store=store, sealing=sealing)
        self.door = Door(
            clock=clock, store=store, hasher=hasher, factors=self.factors, duty_rooms=duty_rooms, bell=bell
        )
        self.passkeys = Passkeys(clock=clock, store=store, door=self.door)
        self.sessions = Sessions(clock=clock, store=store, rules=rules, live=live, on_change=on_change)
        self.tokens = Tokens(clock=clock, store=store, on_change=on_change)

    # ---- accounts -------------------------------------------------------------------------------------------------------

    async def create_first(self, officer: Officer, *, initial: bool = False) -> str | None:
        """The first account, with a password that is told once and kept nowhere; None when there are accounts already."""
        password = generated()
        account = Account(officer, await self._hasher.hash(password), must_change=initial)

        def work(tx: Tx) -> bool:
            if tx.accounts.all():
                return False
            tx.accounts.add(account)
            tx.acts.add(ActRow(self._clock.now_ms(), officer.name, "create first account", officer.name, ""))
            return True

        return password if await self._store.write(work) else None

    async def add(self, officer: Officer, password: str, *, by: Officer, initial: bool = False) -> None:
        """An account at once: for whoever sits at the machine. The web invites instead (`account_changes.py`).

        :param initial: its owner has to choose another password before anything else.

        :raises RoleNotGranted, AreaNotGranted, InvalidRequest, OfficerExists: nothing was stored.
        """
        may(by, Verb.MANAGE_OFFICERS, areas=[officer.area])
        faults = [*name_faults(officer.name), *title_faults(officer.title), *faults_of(password, officer.name)]
        if faults:
            raise InvalidRequest(faults)
        account = Account(officer, await self._hasher.hash(password), must_change=initial)

        def work(tx: Tx) -> None:
            if tx.accounts.get(officer.name) is not None:
                raise OfficerExists(officer.name)
            tx.accounts.add(account)
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "add officer", officer.name, officer.area))

        await self._store.write(work)

    async def disable(self, name: str, *, by: Officer, disabled: bool = True) -> None:
        """Nobody signs in with this account any longer, and who is signed in is out. It is never deleted: the log names it.

        :param disabled: False lets in again, at once: for whoever sits at the machine.
        :raises UnknownOfficer, LastAdministrator, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        may(by, Verb.MANAGE_OFFICERS)

        def work(tx: Tx) -> None:
            account = account_of(tx, name)
            may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            if disabled:
                must_leave_an_administrator(tx, account)
            tx.accounts.save(replace(account, disabled=disabled, revision=account.revision + 1))
            tx.sessions.drop_of(name)
            verb = "disable officer" if disabled else "enable officer"
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, verb, name, ""))

        await self._store.write(work)
        self.sessions.forget(name)

    async def set_password(self, name: str, password: str, *, by: Officer) -> None:
        """One's own, or as an administrator at the machine another's, who then chooses one; every session of that officer ends."""
        may(by, Verb.OWN_ACCOUNT if name == by.name else Verb.MANAGE_OFFICERS)
        if faults := faults_of(password, name):
            raise InvalidRequest(faults)
        hashed = await self._hasher.hash(password)

        def work(tx: Tx) -> None:
            account = account_of(tx, name)
            if name != by.name:
                may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            tx.accounts.save(replace(account, password_hash=hashed, must_change=name != by.name))
            if name != by.name:
                tx.passkeys.drop_of(name)
            tx.sessions.drop_of(name)
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "set password", name, ""))

        await self._store.write(work)
        self.sessions.forget(name)

    async def set_pin(self, pin: str, *, password: str, token: str, by: Officer) -> None:
        """What opens this officer's locked screens; empty: the password alone.

        :raises WrongPassword, TooManyTries, InvalidRequest: it stays as it was.
        """
        may(by, Verb.OWN_ACCOUNT)
        if faults := pin_faults(pin) if pin else []:
            raise InvalidRequest(faults)
        await self.check_password(token, password)
        hashed = await self._hasher.hash(pin) if pin else ""

        def work(tx: Tx) -> None:
            tx.accounts.save(replace(account_of(tx, by.name), pin_hash=hashed))
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "set PIN", by.name, ""))

        await self._store.write(work)

    async def ungrant(self, name: str, grant: str, *, by: Officer) -> None:
        """Take a grant back, at once and for what is asked next.

        :raises UnknownOfficer, UnknownGrant, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        may(by, Verb.MANAGE_OFFICERS)

        def work(tx: Tx) -> Officer:
            account = account_of(tx, name)
            found = next((one for one in account.officer.grants if one.id == grant), None)
            if found is None:
                raise UnknownGrant(grant)
            may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            left = replace(account.officer, grants=tuple(one for one in account.officer.grants if one.id != grant))
            tx.accounts.save(replace(account, officer=left, revision=account.revision + 1))
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "take grant back", name, f"{found.area} {grant}"))
            return left

        self.sessions.renew(await self._store.write(work))

    async def drill_passed(self, name: str, drill: str = "") -> None:
        """From now on this officer may send live; a repeat has no effect, nor who has no account.

        :param drill: which one it was.
        """

        def work(tx: Tx) -> Officer | None:
            account = tx.accounts.get(name)
            if account is None or not account.officer.must_drill:
                return None
            passed = replace(account.officer, must_drill=False)
            tx.accounts.save(replace(account, officer=passed))
            tx.acts.add(ActRow(self._clock.now_ms(), name, "pass drill", name, drill))
            return passed

        if (passed := await self._store.write(work)) is not None:
            self.sessions.renew(passed)

    async def all(self, *, by: Officer) -> Sequence[Account]:
        """The accounts inside the administrator's area, by name."""
        may(by, Verb.MANAGE_OFFICERS)
        accounts = await self._store.read(lambda tx: tx.accounts.all())
        return [one for one in accounts if holds(by, Verb.MANAGE_OFFICERS, areas=[one.officer.area])]

    async def get(self, name: str, *, by: Officer) -> Account:
        """One's own, or one inside the administrator's area. :raises UnknownOfficer: there is none."""
        if name != by.name:
            may(by, Verb.MANAGE_OFFICERS)
        account = await self._store.read(lambda tx: account_of(tx, name))
        if name != by.name and not holds(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area]):
            raise UnknownOfficer(name)
        return account

    async def with_factor(self) -> frozenset[str]:
        """Who has a second factor."""
        return await self._store.read(lambda tx: tx.factors.active())

    async def drop_factor(self, name: str, *, by: Officer) -> None:
        """One's own, which has just been proved; or at the machine another's.

        :raises NoSecondFactor: there is none.
        """
        may(by, Verb.OWN_ACCOUNT if name == by.name else Verb.MANAGE_OFFICERS)

        def work(tx: Tx) -> None:
            if name != by.name:
                may(by, Verb.MANAGE_OFFICERS, areas=[account_of(tx, name).officer.area])
            if tx.factors.get(name) is None and (name == by.name or not tx.passkeys.of(name)):
                raise NoSecondFactor(name)
            tx.factors.drop(name)
            if name != by.name:  # the telephone that is lost may hold those too
                tx.passkeys.drop_of(name)
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "remove second factor", name, ""))

        await self._store.write(work)

    # ---- signing in -----------------------------------------------------------------------------------------------------

    async def sign_in(
        self, name: str, password: str, *, address: str, device: str = "", code: str = "", exercise: bool = False
    ) -> SignedIn:
        """:param exercise: for exercises only: nothing live can be touched with it.

        :raises WrongPassword, TooManyTries, SecondFactorNeeded, WrongCode: see `Door.admit`.
        """
        account, device = await self.door.admit(name, password, code, address=address, device=device)
        token = await self.sessions.open(account, address=address, exercise=exercise)
        return SignedIn(token, device, await self.officer_of(token))

    async def sign_in_with(
        self, credential: Mapping[str, Any], where: Origin, *, address: str, exercise: bool = False
    ) -> SignedIn:
        """With a passkey. :raises TooManyTries, PasskeyRefused: see `Passkeys.admit`."""
        account = await self.passkeys.admit(where, credential, address=address)
        token = await self.sessions.open(account, address=address, exercise=exercise)
        device = await self.door.new_device(account.officer.name)
        return SignedIn(token, device, await self.officer_of(token))

    async def officer_of(self, token: str, *, touch: bool = True, cookie: bool = False, address: str = "") -> Officer:
        """Who holds this token, person or machine. It works without the database for whoever has been seen since the start.

        :param touch: whether a person did something; a page that refreshes itself keeps nobody signed in.
        :param cookie: a browser holds it.
        :raises NotSignedIn: unknown, signed out, 12 hours old, or idle for 30 minutes while no alert is live.
        """
        if token.startswith(TOKEN_MARK):
            return await self.tokens.officer_of(token, cookie=cookie, address=address)
        return await self.sessions.officer_of(token, touch=touch, screen=cookie)

    async def open_screen(self, token: str, *, address: str) -> Officer:
        """Whether a big screen may keep this as its cookie. :raises NotSignedIn, TooManyTries: it is no screen's token."""
        tried = self.door.stranger(address)
        officer = await self.tokens.officer_of(token, cookie=True, address=address)
        tried.worked()
        return officer

    async def sign_out(self, token: str) -> None:
        """Whoever holds this token is out; an unknown one is no error."""
        await self.sessions.sign_out(token)

    async def lock(self, token: str) -> None:
        """Lock the screen: looking and stopping are left. :raises NotSignedIn: nobody is."""
        session = await self.sessions.find(token)
        if not session.row.locked:
            await self.sessions.change(session, locked=True)

    async def unlock(self, token: str, *, pin: str = "", password: str = "") -> Officer:
        """:raises WrongPin: with the tries that are left; after five, and without a PIN, the password is asked for.

        :raises WrongPassword, TooManyTries, NotSignedIn: it stays locked.
        """
        session = await self.sessions.find(token)
        if password:
            await self.door.check_password(session.officer.name, password, session=session.row.token_hash)
        else:
            await self._check_pin(session, pin)
        await self.sessions.unlock(session)
        return await self.officer_of(token)

    async def check_password(self, token: str, password: str) -> None:
        """Before something of the own account changes. :raises WrongPassword, TooManyTries, NotSignedIn: it is not proved."""
        session = await self.sessions.find(token)
        await self.door.check_password(session.officer.name, password, session=session.row.token_hash)

    async def step_up(self, token: str, *, password: str = "", code: str = "") -> None:
        """Say again who it is: by code where there is a second factor, else by password.

        :raises WrongPassword, WrongCode, SecondFactorNeeded, TooManyTries, NotSignedIn: it is not shown.
        """
        session = await self.sessions.find(token)
        may(await self.officer_of(token, touch=False), Verb.OWN_ACCOUNT)  # not past a locked screen
        name, digest = session.officer.name, session.row.token_hash
        await self.door.prove(name, password=password, code=code, session=digest)
        now_ms = self._clock.now_ms()
        await self.sessions.change(session, confirmed_ms=now_ms)
        await self._store.write(lambda tx: tx.acts.add(ActRow(now_ms, name, "confirm identity", "", "")))

    async def _check_pin(self, session: Session, pin: str) -> None:
        account = await self._store.read(lambda tx: account_of(tx, session.officer.name))
        fails = session.row.pin_fails
        if fails >= MOST_PINS or not account.pin_hash:
            raise WrongPin(0)
        await self.sessions.change(
            session, pin_fails=fails + 1
        )  # counted before it is tried: two at once are two tries
        if not await self._hasher.verify(account.pin_hash, pin[:12]):
            raise WrongPin(MOST_PINS - fails - 1)

    async def housekeep(self) -> None:
        """Write when sessions were last seen, and forget those that are over; call every half minute."""
        self.door.guessing.look()
        await self.sessions.housekeep()

    async def look_again(self) -> None:
        """Notice what a tool beside the server did; call every few seconds."""
        await self.sessions.look_again()
        await self.tokens.look_again()


def account_of(tx: Tx, name: str) -> Account:
    """:raises UnknownOfficer: no account has this name."""
    account = tx.accounts.get(name)
    if account is None:
        raise UnknownOfficer(name)
    return account


def must_leave_an_administrator(tx: Tx, account: Account) -> None:
    """:raises LastAdministrator: without this one nobody could look after the accounts here."""
    if account.officer.role is not Role.ADMINISTRATOR or account.disabled:
        return
    accounts: Mapping[str, Account] = {one.officer.name: one for one in tx.accounts.all()}
    others = [
        one
        for name, one in accounts.items()
        if name != account.officer.name
        and not one.disabled
        and one.officer.role is Role.ADMINISTRATOR
        and holds(one.officer, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
    ]
    if not others:
        raise LastAdministrator(account.officer.name)
