"""Changes of accounts that want a second person (账号变更): inviting, raising rights, delegating, making tokens.

Who asks does not confirm, and neither does who gains by it. The first administrator alone can invite a second: while there has
never been anybody else who could confirm. By policy (`[accounts] two_person`) one person may be enough.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.accounts import (
    CONSOLE,
    DAY_MS,
    FOR_MACHINES,
    FOR_SCREENS,
    LONGEST_REASON,
    MOST_GRANTS,
    MOST_SCREEN_DAYS,
    MOST_TOKEN_DAYS,
    AccountChange,
    AccountChanged,
    ChangeDecided,
    ChangeKind,
    ChangeStale,
    ChangeState,
    OwnChange,
    UnknownChange,
    grant_faults,
    is_raise,
    is_second_person,
    name_faults,
    title_faults,
)
from broadcast.domain.approval_policy import DEFAULT, Policy, policy_faults, policy_text
from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role, RoleNotGranted, Verb
from broadcast.domain.rights import holds, may
from broadcast.service.account_acts import Done, carry_out, grant_facts
from broadcast.service.changers import changer_of
from broadcast.service.officers import OfficerExists, Officers, account_of
from broadcast.service.passwords import Hasher, faults_of
from broadcast.service.policies import NAME as APPROVAL
from broadcast.service.policies import must_be_newest, must_rule
from broadcast.service.ports import ActRow, Store, Tx
from broadcast.service.second_factors import NoSecondFactor
from broadcast.service.sessions import digest_of
from broadcast.service.tokens import new_token

Kind = ChangeKind
CHANGES = ("confirm change", "change alone", "disable", "enable", "take grant back", "add officer")  # acts of accounts


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a wish.

    :param change: carried out, or waiting for its second person.
    :param secret: told once, and worth something from the moment the change is confirmed.
    """

    change: AccountChange
    secret: str = ""


class AccountChanges:
    """
    :param tree: the areas that there are now.
    :param on_policy: called when another table of approvals is in force.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        hasher: Hasher,
        officers: Officers,
        tree: Callable[[], AreaTree],
        on_policy: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._clock, self._store, self._hasher, self._officers = clock, store, hasher, officers
        self._tree, self._rules, self._on_policy = tree, officers.rules, on_policy

    # ---- wishes ---------------------------------------------------------------------------------------------------------

    async def invite(self, wanted: Officer, *, by: Officer) -> Asked:
        """An account for somebody who will choose the password; the secret is the code of the invitation.

        :raises InvalidRequest, OfficerExists, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        self._must_be_right(by, wanted.area, [*name_faults(wanted.name), *title_faults(wanted.title)])
        code = secrets.token_urlsafe(24)
        facts = {"name": wanted.name, **_officer_facts(wanted)}
        change = self._change(Kind.INVITE, wanted.name, [wanted.area], facts, by=by)

        def check(tx: Tx) -> AccountChange:
            if tx.accounts.get(wanted.name) is not None:
                raise OfficerExists(wanted.name)
            return replace(change, hashed=digest_of(code).hex())

        return Asked(await self._ask(check, by=by), code)

    async def alter(self, wanted: Officer, *, revision: int, by: Officer) -> Asked:
        """Another role, area or title; what takes rights away is done at once.

        :param revision: that was read.
        :raises AccountChanged: it is at another one now. :raises UnknownOfficer, LastAdministrator, InvalidRequest: likewise.
        """
        self._must_be_right(by, wanted.area, title_faults(wanted.title))

        def check(tx: Tx) -> AccountChange:
            account = account_of(tx, wanted.name)
            may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            if account.revision != revision:
                raise AccountChanged(
                    wanted.name, account.revision, *changer_of(tx, wanted.name, *CHANGES, now_ms=self._clock.now_ms())
                )
            facts = {**_officer_facts(wanted), "revision": str(revision)}
            facts |= {f"was_{key}": value for key, value in _officer_facts(account.officer).items()}
            return self._change(Kind.ALTER, wanted.name, [account.officer.area, wanted.area], facts, by=by)

        return Asked(await self._ask(check, by=by))

    async def grant(self, name: str, grant: Grant, *, by: Officer) -> Asked:
        """Delegate a right that one holds by one's own role; its id and author are given here.

        :raises UnknownOfficer, InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        grant = replace(grant, id=str(ULID()), by=by.name)
        self._must_be_right(by, grant.area, grant_faults(grant, now_ms=self._clock.now_ms()))
        _must_hold(by, grant.verbs, grant.area)

        def check(tx: Tx) -> AccountChange:
            account = account_of(tx, name)
            may(by, Verb.MANAGE_OFFICERS, areas=[account.officer.area])
            if len(account.officer.grants) >= MOST_GRANTS:
                raise InvalidRequest([Fault("verbs", "too-many", (("most", str(MOST_GRANTS)),))])
            return self._change(Kind.GRANT, name, [account.officer.area, grant.area], grant_facts(grant), by=by)

        return Asked(await self._ask(check, by=by))

    async def enable(self, name: str, *, by: Officer) -> Asked:
        """Let a disabled account in again. :raises UnknownOfficer, RoleNotGranted, AreaNotGranted: nothing was stored."""
        return Asked(await self._ask(self._of_another(Kind.ENABLE, name, by), by=by))

    async def reset_password(self, name: str, password: str, *, by: Officer) -> Asked:
        """Another's password, which its owner changes at the next sign-in: who can set it could sign in as that person."""
        may(by, Verb.MANAGE_OFFICERS)
        if faults := faults_of(password, name):
            raise InvalidRequest(faults)
        hashed = await self._hasher.hash(password)
        return Asked(await self._ask(self._of_another(Kind.PASSWORD, name, by, hashed), by=by))

    async def drop_factor(self, name: str, *, by: Officer) -> Asked:
        """Take another's second factor away. :raises NoSecondFactor: there is none; and as `enable`."""
        check = self._of_another(Kind.FACTOR, name, by)

        def checked(tx: Tx) -> AccountChange:
            if tx.factors.get(name) is None and not tx.passkeys.of(name):
                raise NoSecondFactor(name)
            return check(tx)

        return Asked(await self._ask(checked, by=by))

    async def make_token(
        self, title: str, verbs: frozenset[Verb], area: str, *, days: int, screen: bool, exercise: bool, by: Officer
    ) -> Asked:
        """A machine's key, or a big screen's; the secret is the token.

        :raises InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        verbs, offered = (FOR_SCREENS, FOR_SCREENS) if screen else (verbs, FOR_MACHINES)
        faults = [*title_faults(title), *([] if title.strip() else [Fault("title", "missing")])]
        faults += [] if verbs else [Fault("verbs", "missing")]
        faults += [Fault("verbs", "not-offered", (("value", verb.value),)) for verb in sorted(verbs - offered)]
        if not 1 <= days <= (MOST_SCREEN_DAYS if screen else MOST_TOKEN_DAYS):
            faults.append(Fault("days", "out-of-range"))
        self._must_be_right(by, area, faults)
        _must_hold(by, verbs, area)
        token, expires_ms = new_token(), self._clock.now_ms() + days * DAY_MS
        facts = {"title": title, "verbs": " ".join(sorted(verbs)), "area": area, "expires_ms": str(expires_ms)}
        facts |= {"screen": "1" if screen else "", "exercise_only": "1" if exercise else ""}
        change = self._change(Kind.TOKEN, title, [area], facts, by=by)
        return Asked(await self._ask(lambda tx: replace(change, hashed=digest_of(token).hex()), by=by), token)

    async def alter_policy(self, policy: Policy, *, revision: int, by: Officer) -> Asked:
        """Another table of who has to agree to what: not weaker guarded than the accounts whose agreement it asks for.

        :raises PolicyChanged, InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        areas = must_rule(by, self._tree(), now_ms=self._clock.now_ms())
        if faults := policy_faults(policy):
            raise InvalidRequest(faults)

        def check(tx: Tx) -> AccountChange:
            must_be_newest(tx, revision)
            newest = tx.policies.newest(APPROVAL)
            was = newest.body if newest else policy_text(DEFAULT)
            facts = {"revision": str(revision), "body": policy_text(policy), "was_body": was}
            return self._change(Kind.POLICY, APPROVAL, areas, facts, by=by)

        return Asked(await self._ask(check, by=by))

    # ---- decisions ------------------------------------------------------------------------------------------------------

    async def confirm(self, change: str, *, by: Officer) -> AccountChange:
        """The second person agrees, and it takes effect.

        :raises OwnChange, ChangeDecided, ChangeStale, UnknownChange, RoleNotGranted: nothing was done.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.CONFIRM_OFFICERS, now_ms=now_ms)

        def work(tx: Tx) -> tuple[AccountChange, Done]:
            found = self._waiting(tx, change, by)
            if by.name in (found.by, found.subject):
                raise OwnChange(change, by.name)
            self._author_must_still_be_there(tx, found)
            return self._carry_out(tx, found, by=by, verb="confirm change")

        confirmed, done = await self._store.write(work)
        await self._tell(done)
        return confirmed

    async def reject(self, change: str, *, reason: str, by: Officer) -> AccountChange:
        """Say no, or withdraw one's own wish. :raises InvalidRequest: without a reason; and as `confirm`."""
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise InvalidRequest([Fault("reason", "missing") if not reason.strip() else _too_long(reason)])
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> AccountChange:
            found = self._waiting(tx, change, by)
            if found.by != by.name:
                may(by, Verb.CONFIRM_OFFICERS, now_ms=now_ms)
            rejected = replace(
                found, state=ChangeState.REJECTED, decided_by=by.name, decided_ms=now_ms, reason=reason, hashed=""
            )
            tx.changes.save(rejected)
            verb = "withdraw change" if found.by == by.name else "reject change"
            tx.acts.add(ActRow(now_ms, by.name, verb, change, reason))
            return rejected

        return await self._store.write(work)

    async def page(self, *, by: Officer, limit: int = 200) -> Sequence[AccountChange]:
        """Newest first: what one has asked for, and what one may decide. Their state is that of now."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        now_ms = self._clock.now_ms()
        rows = await self._store.read(lambda tx: tx.changes.page(limit=limit))
        return [replace(row, state=row.state_at(now_ms)) for row in rows if _sees(by, row)]

    async def get(self, change: str, *, by: Officer) -> AccountChange:
        """:raises UnknownChange: none, or none that this officer may see."""
        found = await self._store.read(lambda tx: tx.changes.get(change))
        if found is None or not _sees(by, found):
            raise UnknownChange(change)
        return replace(found, state=found.state_at(self._clock.now_ms()))

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _must_be_right(self, by: Officer, area: str, faults: Iterable[Fault]) -> None:
        may(by, Verb.MANAGE_OFFICERS)
        found = list(faults)
        if area not in self._tree():
            found.append(Fault("area", "unknown-area", (("area", area),)))
        if found:
            raise InvalidRequest(found)
        may(by, Verb.MANAGE_OFFICERS, areas=[area])

    def _of_another(self, kind: Kind, name: str, by: Officer, hashed: str = "") -> Callable[[Tx], AccountChange]:
        may(by, Verb.MANAGE_OFFICERS)

        def check(tx: Tx) -> AccountChange:
            area = account_of(tx, name).officer.area
            may(by, Verb.MANAGE_OFFICERS, areas=[area])
            return replace(self._change(kind, name, [area], {}, by=by), hashed=hashed)

        return check

    def _change(
        self, kind: Kind, subject: str, areas: Sequence[str], facts: dict[str, str], *, by: Officer
    ) -> AccountChange:
        unique = tuple(dict.fromkeys(areas))
        return AccountChange(str(ULID()), kind, subject, unique, by.name, self._clock.now_ms(), facts)

    async def _ask(self, check: Callable[[Tx], AccountChange], *, by: Officer) -> AccountChange:
        def work(tx: Tx) -> tuple[AccountChange, Done]:
            change = check(tx)
            tx.changes.add(change)
            tx.acts.add(ActRow(change.at_ms, by.name, f"ask for {change.kind.value}", change.subject, change.id))
            if self._wants_second(tx, change, by):
                return change, Done()
            return self._carry_out(tx, change, by=by, verb="change alone")

        change, done = await self._store.write(work)
        await self._tell(done)
        return change

    def _wants_second(self, tx: Tx, change: AccountChange, by: Officer) -> bool:
        if not self._rules.two_person:
            return False
        if change.kind is Kind.ALTER:
            before, after = account_of(tx, change.subject).officer, change.facts
            wanted = Officer(
                change.subject,
                after["title"],
                Role(after["role"]),
                after["area"],
                exercise_only=bool(after["exercise_only"]),
                must_drill=before.must_drill,
            )
            return is_raise(before, wanted)
        if change.kind is Kind.INVITE and is_second_person(Role(change.facts["role"])):
            others = [one for one in tx.accounts.all() if one.officer.name != by.name]
            return any(is_second_person(one.officer.role) for one in others)  # also disabled ones: no way round them
        return True

    def _carry_out(self, tx: Tx, change: AccountChange, *, by: Officer, verb: str) -> tuple[AccountChange, Done]:
        now_ms = self._clock.now_ms()
        done = carry_out(tx, change, now_ms=now_ms, rules=self._rules)
        over = replace(change, state=ChangeState.CONFIRMED, decided_by=by.name, decided_ms=now_ms, hashed="")
        tx.changes.save(over)
        what = " ".join(f"{key}={value}" for key, value in change.facts.items())
        tx.acts.add(ActRow(now_ms, by.name, f"{verb}: {change.kind.value}", change.subject, what[:1_000]))
        return over, done

    def _waiting(self, tx: Tx, change: str, by: Officer) -> AccountChange:
        found = tx.changes.get(change)
        if found is None or not _sees(by, found):
            raise UnknownChange(change)
        if (state := found.state_at(self._clock.now_ms())) is not ChangeState.WAITING:
            raise ChangeDecided(change, state)
        return found

    def _author_must_still_be_there(self, tx: Tx, change: AccountChange) -> None:
        """:raises ChangeStale: who asked for it has gone meanwhile, or may not ask for it any longer."""
        if change.by.endswith(CONSOLE):
            return
        author = tx.accounts.get(change.by)
        if author is None or author.disabled:
            raise ChangeStale(change.id)
        try:
            policy = change.kind is Kind.POLICY
            may(author.officer, Verb.MANAGE_POLICY if policy else Verb.MANAGE_OFFICERS, areas=change.areas)
            if change.kind in (Kind.GRANT, Kind.TOKEN):
                verbs = frozenset(Verb(verb) for verb in change.facts["verbs"].split())
                _must_hold(author.officer, verbs, change.facts["area"])
        except (RoleNotGranted, AreaNotGranted):
            raise ChangeStale(change.id) from None

    async def _tell(self, done: Done) -> None:
        if done.renewed is not None:
            self._officers.sessions.renew(done.renewed)
        if done.gone:
            self._officers.sessions.forget(done.gone)
        if done.policy and self._on_policy is not None:
            await self._on_policy()
        await self._officers.tokens.look_again()


def _sees(by: Officer, change: AccountChange) -> bool:
    return change.by == by.name or holds(by, Verb.CONFIRM_OFFICERS, areas=change.areas)


def _must_hold(by: Officer, verbs: Iterable[Verb], area: str) -> None:
    """Nobody gives away what is not their own: by role, not by a grant that somebody else may take back."""
    for verb in sorted(verbs):
        may(by, verb, areas=[area], exercise=None)


def _officer_facts(officer: Officer) -> dict[str, str]:
    exercise_only = "1" if officer.exercise_only else ""
    return {"title": officer.title, "role": officer.role.value, "area": officer.area, "exercise_only": exercise_only}


def _too_long(text: str) -> Fault:
    return Fault("reason", "too-long", (("most", str(LONGEST_REASON)), ("length", str(len(text)))))
