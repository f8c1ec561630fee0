"""A password that somebody else knows: it opens one door, behind which another is chosen. Every operation and every page."""

from dataclasses import replace

import pyotp
from aiohttp import ClientSession

from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account
from broadcast.store.sealed_texts import MARK, SealedTexts
from broadcast.web.app import make_api
from broadcast.web.openapi import PREFIX
from tests.town import CITY, DUTY, PASSWORD, Town, town
from tests.web.browser import machine, served, visitor
from tests.web.test_rights_matrix import filled

NEW = Officer("new", "新", Role.ADMINISTRATOR, CITY)
LEFT = {"GET /session", "DELETE /session", "POST /session/lock", "POST /session/unlock", "GET /me"}
LEFT |= {"PUT /officers/{officer}/password"}


async def furnish(there: Town) -> None:
    hashed = await there.hasher.hash(PASSWORD)
    await there.store.write(lambda tx: tx.accounts.add(Account(NEW, hashed, must_change=True)))


async def test_with_the_first_password_nothing_is_left_but_to_choose_another_and_to_sign_out() -> None:
    operations = [one for one in make_api().operations if not one.public]
    assert {f"{one.method} {one.path}" for one in operations if one.first} == LEFT
    async with town() as there, machine(there, None) as client:
        await furnish(there)
        signed = await client.post(f"{PREFIX}/session", json={"name": "new", "password": PASSWORD})
        told = await signed.json()
        assert told["must_change"] is True
        headers = {"Authorization": f"Bearer {told['token']}", "If-Match": '"1"'}
        wrong = []
        for one in operations:
            if one.first:
                continue
            answer = await client.request(one.method, filled(one.path), json={}, headers=headers)
            kind = (await answer.json())["type"]
            if (answer.status, kind) != (403, "/problems/password-change-needed"):
                wrong.append((one.method, one.path, answer.status, kind))
        assert wrong == []
        body = {"current": PASSWORD, "password": "a quite different one"}
        assert (await client.get(f"{PREFIX}/me", headers=headers)).status == 200
        changed = await client.put(f"{PREFIX}/officers/new/password", json=body, headers=headers)
        assert changed.status == 204, await changed.text()
        again = {"name": "new", "password": body["password"]}
        told = await (await client.post(f"{PREFIX}/session", json=again)).json()
        free = {"Authorization": f"Bearer {told['token']}"}
        assert told["must_change"] is False
        assert (await client.get(f"{PREFIX}/officers/new", headers=free)).status == 200


async def test_a_right_that_is_given_meanwhile_does_not_open_the_door() -> None:
    async with town() as there:
        await furnish(there)
        token = await there.sign_in(NEW)
        there.services.officers.sessions.renew(replace(NEW, title="更新"))
        officer = await there.services.officers.officer_of(token)
        assert officer.must_change and officer.title == "更新"


async def test_the_pages_lead_to_the_change_and_no_form_of_another_page_is_taken() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        await furnish(there)
        form = {"name": "new", "password": PASSWORD}
        entered = await client.post("/emergency/sign-in", data=form)
        assert entered.url.path == "/emergency/password", entered.url
        for page in ("/emergency/assets", "/emergency/live", "/emergency/programmes"):
            assert (await client.get(page)).status in (403, 404), page


async def begun(client: ClientSession) -> dict[str, str]:
    answer = await client.post(f"{PREFIX}/officers/duty/second-factor", json={"password": PASSWORD})
    assert answer.status == 201, await answer.text()
    told: dict[str, str] = await answer.json()
    return told


async def test_a_second_factor_comes_as_a_picture_and_is_not_readable_in_the_database() -> None:
    async with town() as there, machine(there, DUTY) as client:
        told = await begun(client)
        assert told["qr"].startswith("<svg") and "<script" not in told["qr"]
        code = pyotp.TOTP(told["secret"]).at(there.clock.now_ms() // 1000)
        done = await client.put(f"{PREFIX}/officers/duty/second-factor", json={"code": code})
        assert done.status == 200, await done.text()
        row = await there.store.read(lambda tx: tx.factors.get("duty"))
        assert row is not None and row.secret.startswith(MARK) and told["secret"] not in row.secret
        assert SealedTexts(b"\3" * 32).open(row.secret, of="duty") == told["secret"]
        assert SealedTexts(b"\3" * 32).open(row.secret, of="chief") is None, "a row that is copied to another account"
        assert SealedTexts(b"\4" * 32).open(row.secret, of="duty") is None, "another installation's keys"
        assert SealedTexts(b"\3" * 32).open(MARK + "rubbish", of="duty") is None


async def test_one_that_was_kept_readable_is_sealed_at_the_next_start_and_goes_on() -> None:
    async with town() as there, machine(there, DUTY) as client:
        told = await begun(client)
        code = pyotp.TOTP(told["secret"]).at(there.clock.now_ms() // 1000)
        await client.put(f"{PREFIX}/officers/duty/second-factor", json={"code": code})
        row = await there.store.read(lambda tx: tx.factors.get("duty"))
        assert row is not None
        await there.store.write(lambda tx: tx.factors.save(row._replace(secret=told["secret"])))
        for _ in range(2):  # twice changes nothing
            await there.services.officers.factors.seal_all()
        kept = await there.store.read(lambda tx: tx.factors.get("duty"))
        assert kept is not None and kept.secret.startswith(MARK)
        there.clock.advance(60)
        later = pyotp.TOTP(told["secret"]).at(there.clock.now_ms() // 1000)
        signed = {"name": "duty", "password": PASSWORD, "code": later}
        assert (await client.post(f"{PREFIX}/session", json=signed)).status == 200
