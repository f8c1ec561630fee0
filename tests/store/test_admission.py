"""How people and machines get in, on every engine and in memory."""

from dataclasses import replace

import pytest

from broadcast.domain.accounts import AccountChange, ChangeKind, ChangeState
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.service.ports import FactorRow, InvitationRow, PasskeyRow, SessionRow, Store, StoreRefused, TokenRow
from tests.store.rows import ACCOUNT, WANG

CITY, TOWN = "130281000000", "130281001000"
NIGHT = Grant("01A", frozenset({Verb.LIVE, Verb.STOP}), TOWN, 5, 2**53, "chief", (1320, 360))
ALWAYS = Grant("01B", frozenset({Verb.START_NOTICE}), CITY, 0, 9, "chief")


async def test_grants_come_and_go_with_their_account(store: Store) -> None:
    with_both = replace(ACCOUNT, officer=replace(WANG, grants=(NIGHT, ALWAYS)))
    other = replace(ACCOUNT, officer=replace(WANG, name="li", grants=(NIGHT,)))
    await store.write(lambda tx: tx.accounts.add(with_both))
    await store.write(lambda tx: tx.accounts.add(other))
    assert await store.read(lambda tx: tx.accounts.get("wang")) == with_both
    assert await store.read(lambda tx: tx.accounts.all()) == [other, with_both]
    longer = replace(with_both, officer=replace(WANG, grants=(replace(NIGHT, until_ms=7),)), revision=2)
    await store.write(lambda tx: tx.accounts.save(longer))
    assert await store.read(lambda tx: tx.accounts.all()) == [other, longer]


async def test_an_account_keeps_its_flags(store: Store) -> None:
    fresh = replace(ACCOUNT, officer=replace(WANG, exercise_only=True, must_drill=True), pin_hash="p", revision=7)
    await store.write(lambda tx: tx.accounts.add(fresh))
    assert await store.read(lambda tx: tx.accounts.get("wang")) == fresh


async def test_a_session_is_locked_without_forgetting_when_it_was_seen(store: Store) -> None:
    row = SessionRow(bytes(32), "wang", 1, 1)
    await store.write(lambda tx: tx.sessions.add(row))
    await store.write(lambda tx: tx.sessions.seen(bytes(32), 8))
    locked = replace(row, locked=True, pin_fails=3, confirmed_ms=5, exercise=True)
    await store.write(lambda tx: tx.sessions.save(locked))
    await store.write(lambda tx: tx.sessions.save(replace(locked, token_hash=b"gone")))
    kept = await store.read(lambda tx: (tx.sessions.get(bytes(32)), tx.sessions.get(b"gone")))
    assert kept == (replace(locked, seen_ms=8), None)


async def test_a_second_factor_is_kept_by_officer(store: Store) -> None:
    row = FactorRow("wang", "JBSWY3DP", False, 0, ())
    await store.write(lambda tx: tx.factors.save(row))
    assert await store.read(lambda tx: (tx.factors.get("wang"), tx.factors.active())) == (row, frozenset())
    active = row._replace(active=True, last_step=2**40, recovery=("ab", "cd"))
    await store.write(lambda tx: tx.factors.save(active))
    assert await store.read(lambda tx: (tx.factors.get("wang"), tx.factors.active())) == (active, {"wang"})
    await store.write(lambda tx: tx.factors.drop("wang"))
    assert await store.read(lambda tx: tx.factors.get("wang")) is None


async def test_a_passkey_is_found_by_its_id_and_goes_with_its_officer(store: Store) -> None:
    rows = [PasskeyRow(bytes([n]) * 64, "wang", f"第{n}", "desk.example", b"key", 0, n) for n in (2, 1)]
    for row in rows:
        await store.write(lambda tx, row=row: tx.passkeys.add(row))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.passkeys.add(rows[0]))
    used = rows[0]._replace(sign_count=2**31, used_ms=2**40)
    await store.write(lambda tx: tx.passkeys.save(used._replace(title="not this")))
    assert await store.read(lambda tx: (tx.passkeys.get(used.id), tx.passkeys.of("wang"))) == (used, [rows[1], used])
    await store.write(lambda tx: tx.passkeys.drop(rows[1].id))
    await store.write(lambda tx: tx.passkeys.drop_of("li"))
    assert await store.read(lambda tx: tx.passkeys.of("wang")) == [used]
    await store.write(lambda tx: tx.passkeys.drop_of("wang"))
    assert await store.read(lambda tx: tx.passkeys.get(used.id)) is None
    with pytest.raises(LookupError):
        await store.write(lambda tx: tx.passkeys.save(used))


async def test_an_invitation_is_found_by_its_code_and_dropped_once(store: Store) -> None:
    officer = Officer("zhao", "赵敏", Role.APPROVER, TOWN, exercise_only=True, must_drill=True)
    one, two = (InvitationRow(f"01{n}", bytes([n]) * 32, officer, "chief", 1, 2) for n in (1, 2))
    await store.write(lambda tx: tx.invitations.add(two))
    await store.write(lambda tx: tx.invitations.add(one))
    assert await store.read(lambda tx: tx.invitations.all()) == [one, two]
    assert await store.read(lambda tx: tx.invitations.get(one.code_hash)) == one
    assert await store.write(lambda tx: (tx.invitations.drop("011"), tx.invitations.drop("011"))) == (True, False)
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.invitations.add(two._replace(id="013")))


async def test_a_token_says_when_it_was_used_and_ends_once(store: Store) -> None:
    officer = Officer("token:01", "气象", Role.VIEWER, TOWN, verbs=frozenset({Verb.READ, Verb.START_NOTICE}))
    row = TokenRow("01", b"h" * 32, officer, False, "chief", 1, 2**45)
    await store.write(lambda tx: tx.tokens.add(row))
    await store.write(lambda tx: tx.tokens.used({"01": (7, "10.0.0.1"), "none": (1, "")}))
    await store.write(lambda tx: tx.tokens.revoke("01", 9))
    expected = row._replace(used_ms=7, used_from="10.0.0.1", revoked_ms=9)
    assert await store.read(lambda tx: tx.tokens.all()) == [expected]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.tokens.add(row._replace(id="02")))


async def test_changes_come_newest_first(store: Store) -> None:
    old = AccountChange("01", ChangeKind.GRANT, "wang", (CITY, TOWN), "chief", 5, {"verbs": "直播 x"}, "h")
    new = replace(old, id="02", kind=ChangeKind.INVITE)
    for change in (old, new):
        await store.write(lambda tx, change=change: tx.changes.add(change))
    done = replace(old, state=ChangeState.REJECTED, decided_by="li", decided_ms=8, reason="否")
    await store.write(lambda tx: tx.changes.save(done))
    assert await store.read(lambda tx: tx.changes.page(limit=9)) == [new, done]
    assert await store.read(lambda tx: tx.changes.page(limit=1)) == [new]
    assert await store.read(lambda tx: (tx.changes.get("01"), tx.changes.get("x"))) == (done, None)
    with pytest.raises(LookupError):
        await store.write(lambda tx: tx.changes.save(replace(old, id="x")))
