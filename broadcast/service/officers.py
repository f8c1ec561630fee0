"""Officers (值班人员) at the door: accounts, signing in and out, sessions.

A flood of wrong passwords must neither slow a trigger nor lock the duty room out. So the rate limit stands before the hash, and
whoever comes from a place that has signed in before, or from the server's own machine, is counted apart from strangers.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.passwords import Hasher, faults_of, generated
from broadcast.service.ports import Account, ActRow, SessionRow, Store, StoreUnavailable, Tx
from broadcast.service.rate_limits import Buckets
from endpoints.protocol import Kind

log = logging.getLogger(__name__)

ABSOLUTE_MS = 12 * 3_600_000
IDLE_MS = 30 * 60_000
LONGEST_NAME = 64
MOST_WAITING = 16  # strangers' passwords that wait for the one thread: 0.4 s of work
LOOPBACK = frozenset({"127.0.0.1", "::1"})
DEVICE_SECRET = "device-secret"  # noqa: S105  the name of a fact


class WrongPassword(BroadcastError):
    """No such officer, or not this password; which of the two is not said."""

    def __init__(self) -> None:
        super().__init__("the name or the password is wrong")


class TooManyTries(BroadcastError):
    """Too many wrong passwords for this account or from this address."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"too many tries; wait {retry_after_s} s")


class NotSignedIn(BroadcastError):
    """Nobody is signed in here, or not any longer."""

    def __init__(self) -> None:
        super().__init__("sign in first")


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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser keeps.

    :param token: of the session; the server keeps only its SHA-256.
    :param device: proves later that this officer has signed in at this browser before (OWASP device cookie).
    """

    token: str
    device: str
    officer: Officer


@dataclass(slots=True)
class _Session:
    row: SessionRow
    officer: Officer
    seen_ms: int


class Officers:
    """Accounts and sessions.

    :param live: the broadcasts that are live; nobody is signed out while one of them is an alert.
    :param duty_rooms: addresses that are trusted like the server's own machine.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        hasher: Hasher,
        live: Callable[[], Iterable[Broadcast]] = tuple,
        duty_rooms: Iterable[str] = (),
    ) -> None:
        self._clock, self._store, self._hasher, self._live = clock, store, hasher, live
        self._own_addresses = LOOPBACK | frozenset(duty_rooms)
        self._strangers_by_name = Buckets(clock.monotonic)
        self._strangers_by_address = Buckets(clock.monotonic)
        self._known = Buckets(clock.monotonic)
        self._waiting = 0
        self._sessions: dict[bytes, _Session] = {}
        self._decoy = ""
        self._secret = b""

    # ---- accounts -------------------------------------------------------------------------------------------------------

    async def create_first(self, officer: Officer) -> str | None:
        """The first account, with a password that is told once and kept nowhere; None when there are accounts already."""
        password = generated()
        account = Account(officer, await self._hasher.hash(password))

        def work(tx: Tx) -> bool:
            if tx.accounts.all():
                return False
            tx.accounts.add(account)
            tx.acts.add(ActRow(self._clock.now_ms(), officer.name, "create first account", officer.name, ""))
            return True

        return password if await self._store.write(work) else None

    async def add(self, officer: Officer, password: str, *, by: Officer) -> None:
        """:raises RoleNotGranted, AreaNotGranted, InvalidRequest, OfficerExists: nothing was stored."""
        may(by, Verb.MANAGE_OFFICERS, areas=[officer.area])
        faults = [*_name_faults(officer.name), *faults_of(password, officer.name)]
        if faults:
            raise InvalidRequest(faults)
        account = Account(officer, await self._hasher.hash(password))

        def work(tx: Tx) -> None:
            if tx.accounts.get(officer.name) is not None:
                raise OfficerExists(officer.name)
            tx.accounts.add(account)
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "add officer", officer.name, officer.area))

        await self._store.write(work)

    async def disable(self, name: str, *, by: Officer, disabled: bool = True) -> None:
        """Nobody signs in with this account any longer, and who is signed in is out. It is never deleted: the log names it."""
        may(by, Verb.MANAGE_OFFICERS)

        def work(tx: Tx) -> None:
            account = _account(tx, name)
            may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            tx.accounts.save(replace(account, disabled=disabled))
            tx.sessions.drop_of(name)
            verb = "disable officer" if disabled else "enable officer"
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, verb, name, ""))

        await self._store.write(work)
        self._forget(name)

    async def set_password(self, name: str, password: str, *, by: Officer) -> None:
        """One's own, or as an administrator another's; every session of that officer ends."""
        may(by, Verb.OWN_ACCOUNT if name == by.name else Verb.MANAGE_OFFICERS)
        if faults := faults_of(password, name):
            raise InvalidRequest(faults)
        hashed = await self._hasher.hash(password)

        def work(tx: Tx) -> None:
            account = _account(tx, name)
            if name != by.name:
                may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            tx.accounts.save(replace(account, password_hash=hashed, must_change=False))
            tx.sessions.drop_of(name)
            tx.acts.add(ActRow(self._clock.now_ms(), by.name, "set password", name, ""))

        await self._store.write(work)
        self._forget(name)

    async def all(self, *, by: Officer) -> Sequence[Account]:
        """The accounts inside the administrator's area."""
        may(by, Verb.MANAGE_OFFICERS)
        return await self._store.read(lambda tx: tx.accounts.all())

    # ---- signing in -----------------------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, *, address: str, device: str = "") -> SignedIn:
        """:raises WrongPassword, TooManyTries: with the same work done whether or not there is such an officer."""
        secret = self._secret or await self._load_secret()
        known = _is_device(secret, name, device)
        if known or address in self._own_addresses:
            keys = [(self._known, f"{name}\n{device if known else address}")]
        else:
            keys = [(self._strangers_by_name, name), (self._strangers_by_address, _network(address))]
            if self._waiting >= MOST_WAITING:
                raise TooManyTries(1)
        wait_s = max(bucket.wait_s(key) for bucket, key in keys)
        if wait_s > 0:
            raise TooManyTries(int(wait_s) + 1)
        for bucket, key in keys:
            bucket.take(key)
        self._waiting += 1
        try:
            account = await self._checked(name, password)
        finally:
            self._waiting -= 1
        for bucket, key in keys:
            bucket.put_back(key)
        return await self._open(account, device if known else _new_device(secret, name), address)

    async def _checked(self, name: str, password: str) -> Account:
        if not self._decoy:
            self._decoy = await self._hasher.hash(secrets.token_hex(16))
        takeable = not _name_faults(name)
        account = await self._store.read(lambda tx: tx.accounts.get(name)) if takeable else None
        usable = account is not None and not account.disabled
        kept = account.password_hash if account is not None and usable else self._decoy
        right = await self._hasher.verify(kept, password[: LONGEST_NAME * 16])
        if not right or account is None or not usable:
            raise WrongPassword
        if self._hasher.is_outdated(account.password_hash):
            account = replace(account, password_hash=await self._hasher.hash(password))
            fresh = account
            await self._store.write(lambda tx: tx.accounts.save(fresh))
        return account

    async def _open(self, account: Account, device: str, address: str) -> SignedIn:
        token = secrets.token_urlsafe(32)
        now_ms = self._clock.now_ms()
        row = SessionRow(_digest(token), account.officer.name, now_ms, now_ms)

        def work(tx: Tx) -> None:
            tx.sessions.add(row)
            tx.acts.add(ActRow(now_ms, account.officer.name, "sign in", "", address))

        await self._store.write(work)
        self._sessions[row.token_hash] = _Session(row, account.officer, now_ms)
        return SignedIn(token, device, account.officer)

    async def _load_secret(self) -> bytes:
        """What device cookies are signed with; made once for this installation."""
        fresh = secrets.token_hex(32)

        def work(tx: Tx) -> str:
            kept = tx.facts.get(DEVICE_SECRET)
            if kept is None:
                tx.facts.set(DEVICE_SECRET, fresh)
            return kept or fresh

        self._secret = bytes.fromhex(await self._store.write(work))
        return self._secret

    # ---- sessions -------------------------------------------------------------------------------------------------------

    async def officer_of(self, token: str, *, touch: bool = True) -> Officer:
        """Who holds this token. It works without the database for whoever has been seen since the start.

        :param touch: whether a person did something; a page that refreshes itself keeps nobody signed in.
        :raises NotSignedIn: unknown, signed out, 12 hours old, or idle for 30 minutes while no alert is live.
        """
        digest = _digest(token)
        session = self._sessions.get(digest) or await self._read(digest)
        if session is None or self._is_over(session):
            self._sessions.pop(digest, None)
            raise NotSignedIn
        if touch:
            session.seen_ms = self._clock.now_ms()
        return session.officer

    async def sign_out(self, token: str) -> None:
        """Whoever holds this token is out; an unknown one is no error."""
        digest = _digest(token)
        self._sessions.pop(digest, None)
        await self._store.write(lambda tx: tx.sessions.drop(digest))

    async def housekeep(self) -> None:
        """Write when sessions were last seen, and forget those that are over; call every half minute."""
        for digest, session in list(self._sessions.items()):
            if self._is_over(session):
                del self._sessions[digest]
        seen = {digest: one.seen_ms for digest, one in self._sessions.items() if one.seen_ms > one.row.seen_ms}
        if not seen:
            return

        def work(tx: Tx) -> None:
            for digest, at_ms in seen.items():
                tx.sessions.seen(digest, at_ms)

        try:
            await self._store.write(work)
        except StoreUnavailable as err:
            log.warning("when sessions were last seen could not be written: %s", err.cause)
            return
        for digest, at_ms in seen.items():
            if (one := self._sessions.get(digest)) is not None:
                one.row = replace(one.row, seen_ms=at_ms)

    async def look_again(self) -> None:
        """Notice what a tool beside the server did: whose sign-in is gone from the table, or disabled, is out here too."""
        held = list(self._sessions)
        if not held:
            return

        def work(tx: Tx) -> list[bytes]:
            disabled = {account.officer.name for account in tx.accounts.all() if account.disabled}
            rows = {digest: tx.sessions.get(digest) for digest in held}
            return [digest for digest, row in rows.items() if row is None or row.officer in disabled]

        try:
            gone = await self._store.read(work)
        except StoreUnavailable:
            return  # who is signed in stays so: an alert must go out without the database
        for digest in gone:
            self._sessions.pop(digest, None)

    async def _read(self, digest: bytes) -> _Session | None:
        def work(tx: Tx) -> _Session | None:
            row = tx.sessions.get(digest)
            account = tx.accounts.get(row.officer) if row else None
            if row is None or account is None or account.disabled:
                return None
            return _Session(row, account.officer, row.seen_ms)

        session = await self._store.read(work)
        if session is not None and not self._is_over(session):
            self._sessions[digest] = session
        return session

    def _is_over(self, session: _Session) -> bool:
        """A session that had ended before the alert began is not brought back by it."""
        ends_ms = min(session.row.created_ms + ABSOLUTE_MS, session.seen_ms + IDLE_MS)
        if self._clock.now_ms() < ends_ms:
            return False
        alerts = [one.order.issued_at_ms for one in self._live() if one.order.kind is Kind.EMERGENCY]
        return not alerts or min(alerts) > ends_ms

    def _forget(self, name: str) -> None:
        for digest, session in list(self._sessions.items()):
            if session.officer.name == name:
                del self._sessions[digest]


def _account(tx: Tx, name: str) -> Account:
    account = tx.accounts.get(name)
    if account is None:
        raise UnknownOfficer(name)
    return account


def _name_faults(name: str) -> list[Fault]:
    if not name.strip():
        return [Fault("name", "missing")]
    if len(name) > LONGEST_NAME:
        return [Fault("name", "too-long", (("most", str(LONGEST_NAME)), ("length", str(len(name)))))]
    if name != name.strip() or not name.isprintable():
        return [Fault("name", "control-characters")]
    return []


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _network(address: str) -> str:
    """Who has one IPv6 address has a /64 of them."""
    return ":".join(address.split(":")[:4]) if ":" in address else address


def _device_mark(secret: bytes, name: str, nonce: str) -> str:
    return hmac.new(secret, f"{nonce}\n{name}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _new_device(secret: bytes, name: str) -> str:
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_device_mark(secret, name, nonce)}"


def _is_device(secret: bytes, name: str, device: str) -> bool:
    nonce, _, mark = device.partition(".")
    return bool(mark) and hmac.compare_digest(
        mark.encode("utf-8", "replace"), _device_mark(secret, name, nonce).encode()
    )
