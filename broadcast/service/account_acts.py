"""What a confirmed change of accounts does to the tables; inside the transaction in which it is confirmed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from broadcast.domain.accounts import AccountChange, AccountRules, ChangeKind, ChangeStale
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.domain.rights import RIGHTS, SENDING
from broadcast.service.officers import OfficerExists, account_of, must_leave_an_administrator
from broadcast.service.ports import InvitationRow, PolicyRow, TokenRow, Tx


@dataclass(frozen=True, slots=True)
class Done:
    """What sign-ins have to learn of it.

    :param renewed: this officer may do something else now. :param gone: this one's sign-ins have ended.
    :param policy: another table of approvals is in force.
    """

    renewed: Officer | None = None
    gone: str = ""
    policy: bool = False


def carry_out(tx: Tx, change: AccountChange, *, now_ms: int, rules: AccountRules) -> Done:
    """:raises ChangeStale, OfficerExists, UnknownOfficer, LastAdministrator: nothing is to be kept of it."""
    return _CARRY_OUT[change.kind](tx, change, now_ms, rules)


def officer_in(change: AccountChange) -> Officer:
    """Who is to be, in an invitation or with other rights."""
    facts = change.facts
    return Officer(
        change.subject, facts["title"], Role(facts["role"]), facts["area"], exercise_only=bool(facts["exercise_only"])
    )


def grant_in(change: AccountChange) -> Grant:
    facts = change.facts
    start, _, end = facts.get("daily_min", "").partition(" ")
    daily = (int(start), int(end)) if end else None
    verbs = frozenset(Verb(verb) for verb in facts["verbs"].split())
    return Grant(facts["id"], verbs, facts["area"], int(facts["from_ms"]), int(facts["until_ms"]), change.by, daily)


def grant_facts(grant: Grant) -> dict[str, str]:
    facts = {"id": grant.id, "verbs": " ".join(sorted(grant.verbs)), "area": grant.area}
    facts |= {"from_ms": str(grant.from_ms), "until_ms": str(grant.until_ms)}
    return facts | ({"daily_min": " ".join(map(str, grant.daily_min))} if grant.daily_min else {})


def _invite(tx: Tx, change: AccountChange, now_ms: int, rules: AccountRules) -> Done:
    officer = officer_in(change)
    if tx.accounts.get(officer.name) is not None:
        raise OfficerExists(officer.name)
    officer = replace(officer, must_drill=rules.drill_first and _sends(officer.role))
    expires_ms = now_ms + rules.invitation_hours * 3_600_000
    row = InvitationRow(change.id, bytes.fromhex(change.hashed), officer, change.by, now_ms, expires_ms)
    tx.invitations.add(row)
    return Done()


def _make_token(tx: Tx, change: AccountChange, now_ms: int, _: AccountRules) -> Done:
    facts = change.facts
    if int(facts["expires_ms"]) <= now_ms:
        raise ChangeStale(change.id)
    verbs = frozenset(Verb(verb) for verb in facts["verbs"].split())
    only = bool(facts["exercise_only"])
    officer = Officer(f"token:{change.id}", facts["title"], Role.VIEWER, facts["area"], verbs=verbs, exercise_only=only)
    hashed, screen, expires_ms = bytes.fromhex(change.hashed), bool(facts["screen"]), int(facts["expires_ms"])
    tx.tokens.add(TokenRow(change.id, hashed, officer, screen, change.by, now_ms, expires_ms))
    return Done()


def _alter(tx: Tx, change: AccountChange, _: int, rules: AccountRules) -> Done:
    account = account_of(tx, change.subject)
    if str(account.revision) != change.facts["revision"]:
        raise ChangeStale(change.id)
    wanted = officer_in(change)
    if wanted.role is not Role.ADMINISTRATOR or wanted.area != account.officer.area:
        must_leave_an_administrator(tx, account)
    learns = rules.drill_first and _sends(wanted.role) and not _sends(account.officer.role)
    officer = replace(wanted, grants=account.officer.grants, must_drill=account.officer.must_drill or learns)
    tx.accounts.save(replace(account, officer=officer, revision=account.revision + 1))
    return Done(renewed=officer)


def _grant(tx: Tx, change: AccountChange, _now_ms: int, _rules: AccountRules) -> Done:
    account = account_of(tx, change.subject)
    grants = tuple(sorted((*account.officer.grants, grant_in(change)), key=lambda one: one.id))
    officer = replace(account.officer, grants=grants)
    tx.accounts.save(replace(account, officer=officer, revision=account.revision + 1))
    return Done(renewed=officer)


def _enable(tx: Tx, change: AccountChange, _now_ms: int, _rules: AccountRules) -> Done:
    account = account_of(tx, change.subject)
    tx.accounts.save(replace(account, disabled=False, revision=account.revision + 1))
    return Done()


def _set_password(tx: Tx, change: AccountChange, _now_ms: int, _rules: AccountRules) -> Done:
    """Of another: it is to be changed at the first sign-in; who holds the old one is out."""
    account = account_of(tx, change.subject)
    tx.accounts.save(replace(account, password_hash=change.hashed, must_change=True, pin_hash=""))
    tx.passkeys.drop_of(change.subject)
    tx.sessions.drop_of(change.subject)
    return Done(gone=change.subject)


def _drop_factor(tx: Tx, change: AccountChange, _now_ms: int, _rules: AccountRules) -> Done:
    tx.factors.drop(change.subject)
    tx.passkeys.drop_of(change.subject)
    return Done()


def _set_policy(tx: Tx, change: AccountChange, now_ms: int, _rules: AccountRules) -> Done:
    """It stands in the name of whoever asked for it; the log names who agreed."""
    revision, newest = int(change.facts["revision"]), tx.policies.newest(change.subject)
    if (newest.revision if newest else 0) != revision:
        raise ChangeStale(change.id)
    tx.policies.add(PolicyRow(change.subject, revision + 1, now_ms, change.by, change.facts["body"]))
    return Done(policy=True)


def _sends(role: Role) -> bool:
    return not RIGHTS[role].isdisjoint(SENDING)


_CARRY_OUT: Mapping[ChangeKind, Callable[[Tx, AccountChange, int, AccountRules], Done]] = {
    ChangeKind.INVITE: _invite,
    ChangeKind.TOKEN: _make_token,
    ChangeKind.ALTER: _alter,
    ChangeKind.GRANT: _grant,
    ChangeKind.ENABLE: _enable,
    ChangeKind.PASSWORD: _set_password,
    ChangeKind.FACTOR: _drop_factor,
    ChangeKind.POLICY: _set_policy,
}
