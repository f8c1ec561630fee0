"""Sign-ins (登录会话): who holds a token, for how long, and whether the screen is locked. They work without the database."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from broadcast.clock import Clock
from broadcast.domain.accounts import AccountRules
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.service.ports import Account, ActRow, SessionRow, Store, StoreUnavailable, Tx
from endpoints.protocol import Kind

log = logging.getLogger(__name__)

ABSOLUTE_MS = 12 * 3_600_000
IDLE_MS = 30 * 60_000
MIN_MS = 60_000


class NotSignedIn(BroadcastError):
    """Nobody is signed in here, or not any longer."""

    def __init__(self) -> None:
        super().__init__("sign in first")


@dataclass(slots=True)
class Session:
    """One sign-in, as it is in memory; `seen_ms` runs ahead of the table."""

    row: SessionRow
    officer: Officer
    seen_ms: int


class Sessions:
    """
    :param live: the broadcasts that are live; nobody is signed out while one of them is an alert.
    :param on_change: called when somebody who is signed in is out, or may do something else.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        rules: AccountRules,
        live: Callable[[], Iterable[Broadcast]] = tuple,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._store, self._rules, self._live = clock, store, rules, live
        self._on_change = on_change
        self._held: dict[bytes, Session] = {}

    async def open(self, account: Account, *, address: str, exercise: bool) -> str:
        """The token of a new one."""
        token = secrets.token_urlsafe(32)
        now_ms, officer = self._clock.now_ms(), signed_in(account)
        row = SessionRow(digest_of(token), officer.name, now_ms, now_ms, now_ms, exercise)

        def work(tx: Tx) -> None:
            tx.sessions.add(row)
            verb = "sign in for exercises" if exercise else "sign in"
            tx.acts.add(ActRow(now_ms, officer.name, verb, "", address))

        await self._store.write(work)
        self._held[row.token_hash] = Session(row, officer, now_ms)
        return token

    async def find(self, token: str) -> Session:
        """:raises NotSignedIn: unknown, signed out, 12 hours old, or idle for 30 minutes while no alert is live."""
        digest = digest_of(token)
        session = self._held.get(digest) or await self._read(digest)
        if session is None or self._is_over(session):
            self._held.pop(digest, None)
            raise NotSignedIn
        return session

    async def officer_of(self, token: str, *, touch: bool, screen: bool) -> Officer:
        """Who holds this token, with what the sign-in takes away: locked, for exercises, too old for an emergency.

        :param touch: whether a person did something; a page that refreshes itself keeps nobody signed in.
        :param screen: it came from a browser, whose screen locks when nobody touches it.
        :raises NotSignedIn: see `find`.
        """
        session, rules, now_ms = await self.find(token), self._rules, self._clock.now_ms()
        idle = rules.lock_after_min and now_ms - session.seen_ms >= rules.lock_after_min * MIN_MS
        if screen and idle and not session.row.locked:
            session.row = replace(
                session.row, locked=True
            )  # in the table with the next change; idle it is again anyway
        row, officer = session.row, session.officer
        if touch and not row.locked:
            session.seen_ms = now_ms
        step_up = bool(rules.step_up_min) and now_ms - row.confirmed_ms > rules.step_up_min * MIN_MS
        if not (row.locked or row.exercise or step_up):
            return officer
        return replace(officer, exercise_only=officer.exercise_only or row.exercise, locked=row.locked, step_up=step_up)

    async def change(self, session: Session, **fields: int | bool) -> None:
        """Of its row; at once in memory, and in the table when this returns."""
        session.row = row = replace(session.row, **fields)  # type: ignore[arg-type]
        await self._store.write(lambda tx: tx.sessions.save(row))

    async def unlock(self, session: Session) -> None:
        """The officer is there again."""
        session.seen_ms = now_ms = self._clock.now_ms()
        await self.change(session, locked=False, pin_fails=0, confirmed_ms=now_ms)

    async def sign_out(self, token: str) -> None:
        """Whoever holds this token is out; an unknown one is no error."""
        digest = digest_of(token)
        self._held.pop(digest, None)
        await self._store.write(lambda tx: tx.sessions.drop(digest))
        self._on_change()

    def forget(self, name: str) -> None:
        """Whose rows are gone from the table is out."""
        for digest, session in list(self._held.items()):
            if session.officer.name == name:
                del self._held[digest]
        self._on_change()

    def renew(self, officer: Officer) -> None:
        """What this officer may do has changed."""
        for session in self._held.values():
            if session.officer.name == officer.name:
                session.officer = replace(officer, must_change=session.officer.must_change)
        self._on_change()

    async def housekeep(self) -> None:
        """Write when sessions were last seen, and forget those that are over; call every half minute."""
        for digest, session in list(self._held.items()):
            if self._is_over(session):
                del self._held[digest]
        seen = {digest: one.seen_ms for digest, one in self._held.items() if one.seen_ms > one.row.seen_ms}
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
            if (one := self._held.get(digest)) is not None:
                one.row = replace(one.row, seen_ms=at_ms)

    async def look_again(self) -> None:
        """Notice what a tool beside the server did: whose sign-in is gone, or disabled, is out here too; rights are today's."""
        held = list(self._held)
        if not held:
            return

        def work(tx: Tx) -> tuple[list[bytes], dict[str, Officer]]:
            usable = {account.officer.name: signed_in(account) for account in tx.accounts.all() if not account.disabled}
            rows = {digest: tx.sessions.get(digest) for digest in held}
            return [digest for digest, row in rows.items() if row is None or row.officer not in usable], usable

        try:
            gone, officers = await self._store.read(work)
        except StoreUnavailable:
            return  # who is signed in stays so: an alert must go out without the database
        for digest in gone:
            self._held.pop(digest, None)
        changed = bool(gone)
        for session in self._held.values():
            now = officers.get(session.officer.name, session.officer)
            changed = changed or now != session.officer
            session.officer = now
        if changed:
            self._on_change()

    async def _read(self, digest: bytes) -> Session | None:
        def work(tx: Tx) -> Session | None:
            row = tx.sessions.get(digest)
            account = tx.accounts.get(row.officer) if row else None
            if row is None or account is None or account.disabled:
                return None
            return Session(row, signed_in(account), row.seen_ms)

        session = await self._store.read(work)
        if session is not None and not self._is_over(session):
            self._held[digest] = session
        return session

    def _is_over(self, session: Session) -> bool:
        """A session that had ended before the alert began is not brought back by it."""
        ends_ms = min(session.row.created_ms + ABSOLUTE_MS, session.seen_ms + IDLE_MS)
        if self._clock.now_ms() < ends_ms:
            return False
        alerts = [one.order.issued_at_ms for one in self._live() if one.order.kind is Kind.EMERGENCY]
        return not alerts or min(alerts) > ends_ms


def signed_in(account: Account) -> Officer:
    """Who has signed in, with what the account says about its password."""
    return replace(account.officer, must_change=account.must_change)


def digest_of(token: str) -> bytes:
    """All of a token that is kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
