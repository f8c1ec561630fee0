"""`kill -9` around asking and approving: a request is never lost, and what was approved goes out once, never without it."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from broadcast.domain.approval import ON_AIR, Stage
from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account, Tx
from broadcast.store.store import open_store
from tests.system.city import CITY, OFFICER, ServerProcess
from tests.system.kills import PASSWORD, first_data

ROUNDS = 4
SECOND = Officer("second", "审批", Role.APPROVER, CITY)
BODY = {"kind": "emergency", "severity": "red", "areas": [CITY], "repeats": 1, "minutes": 10}


async def post(session: aiohttp.ClientSession, url: str, body: object, **headers: str) -> dict[str, Any] | None:
    """The answer, or None when the server died over it."""
    try:
        async with session.post(url, json=body, headers=headers) as answer:
            found: dict[str, Any] = await answer.json()
            return {**found, "status": answer.status}
    except (TimeoutError, aiohttp.ClientError, ConnectionError):
        return None


async def furnish(data: Path) -> None:
    """An author and an approver with one password."""
    await first_data(data, 3)
    store = open_store(f"sqlite:///{data / 'lianbo.db'}")

    def second(tx: Tx) -> None:
        account = tx.accounts.get(OFFICER.name)
        assert account is not None
        tx.accounts.add(Account(SECOND, account.password_hash))

    await store.write(second)
    await store.close()


async def signed_in(session: aiohttp.ClientSession, url: str, name: str) -> str:
    answer = await post(session, f"{url}/api/v1/session", {"name": name, "password": PASSWORD})
    assert answer is not None
    return f"Bearer {answer['token']}"


async def test_a_request_survives_every_kill_and_goes_out_exactly_once(tmp_path: Path) -> None:
    random, killed_over = Random(5), 0
    (tmp_path / "data").mkdir()
    await furnish(tmp_path / "data")
    server = ServerProcess(tmp_path, RULES_SECOND_PERSON="true", BROKER_PERSISTENCE="false")
    await server.start()
    api = f"{server.url}/api/v1"
    sent: list[str] = []
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            await server.ready(session)
            author, second = [await signed_in(session, server.url, name) for name in (OFFICER.name, SECOND.name)]

            async def kill_during(task: "asyncio.Task[dict[str, Any] | None]") -> dict[str, Any] | None:
                await asyncio.sleep(random.choice((0.0, random.uniform(0, 0.02), random.uniform(0, 0.15))))
                await server.kill()
                await server.start()
                await server.ready(session)
                return await task

            for number in range(ROUNDS):
                how = {"Authorization": author, "Idempotency-Key": f"round-{number}"}
                asking = asyncio.ensure_future(post(session, f"{api}/broadcasts", BODY, **how))
                first = await kill_during(asking) if number % 2 else await asking
                again = await post(session, f"{api}/broadcasts", BODY, **how)
                assert again is not None
                assert again["approval"]
                assert first is None or first["approval"] == again["approval"]
                name = again["approval"]
                async with session.get(f"{api}/approvals/{name}", headers={"Authorization": author}) as answer:
                    request = await answer.json()
                assert request["stage"] == "waiting"
                body = {"heard": request["heard"], "digest": request["digest"]}
                path = f"{api}/approvals/{name}/approve"
                done = await kill_during(asyncio.ensure_future(post(session, path, body, Authorization=second)))
                killed_over += done is None
                repeated = await post(session, path, body, Authorization=second)
                assert repeated is not None
                assert repeated["status"] == 202, repeated
                assert done is None or done["id"] == repeated["id"]
                sent.append(repeated["id"])
    finally:
        await server.stop()
    store = open_store(f"sqlite:///{tmp_path / 'data' / 'lianbo.db'}")
    requests, broadcasts = await store.read(
        lambda tx: (tx.approvals.page(before=None, limit=99), tx.broadcasts.page(before=None, limit=99))
    )
    await store.close()
    assert len(set(sent)) == ROUNDS
    assert {one.id for one in broadcasts} == set(sent)
    assert {one.broadcast for one in requests if one.stage in ON_AIR} == set(sent)
    assert [(one.stage, one.author, one.decided_by) for one in requests] == [
        (Stage.APPROVED, OFFICER.name, SECOND.name)
    ] * ROUNDS
    print(f"killed over {killed_over} of {ROUNDS} approvals")
