"""Accounts over HTTP: two persons in two browsers, a machine, a big screen, and what hostile bodies get."""

from typing import Any

import pyotp
import pytest
from aiohttp import ClientSession

from broadcast.domain.accounts import AccountRules
from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account
from broadcast.web.app import make_app
from broadcast.web.guard import serve
from broadcast.web.session import COOKIE
from tests.town import CITY, PASSWORD, TOWNSHIP, Town, town
from tests.web.browser import machine, order, served, visitor

NEW = "a password of my own"
INVITED = {"name": "zhao", "title": "赵敏", "role": "duty", "area": TOWNSHIP}
SECOND = Officer("second", "监督", Role.SUPERVISOR, CITY)


async def add_second(there: Town) -> None:
    hashed = await there.hasher.hash(PASSWORD)
    await there.store.write(lambda tx: tx.accounts.add(Account(SECOND, hashed)))


async def enter(client: ClientSession, name: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/session", json={"name": name, "password": password, **more})
    body: dict[str, Any] = await answer.json()
    return {"status": answer.status, **body}


async def test_from_the_invitation_to_the_first_broadcast_with_two_persons() -> None:
    async with town() as there, served(there) as base:
        await add_second(there)
        async with visitor(base) as chief, visitor(base) as second, visitor(base) as zhao:
            await enter(chief, "chief")
            await enter(second, "second")
            answer = await chief.post("/api/v1/invitations", json=INVITED)
            asked = await answer.json()
            assert (answer.status, asked["state"]) == (201, "waiting")
            code = {"code": asked["secret"]}
            assert (await zhao.post("/api/v1/invitations/look", json=code)).status == 404
            shown = (await (await second.get("/api/v1/account-changes")).json())["items"][0]
            assert (shown["kind"], shown["by"], shown["subject"]) == ("invite", "chief", "zhao")
            assert asked["secret"] not in str(shown)
            assert (await chief.post(f"/api/v1/account-changes/{asked['change']}/confirm")).status == 403
            assert (await second.post(f"/api/v1/account-changes/{asked['change']}/confirm")).status == 200
            assert (await (await zhao.post("/api/v1/invitations/look", json=code)).json())["title"] == "赵敏"
            weak = await zhao.post("/api/v1/invitations/accept", json={**code, "password": "short"})
            assert (weak.status, (await weak.json())["errors"][0]["field"]) == (422, "password")
            assert (await zhao.post("/api/v1/invitations/accept", json={**code, "password": NEW})).status == 201
            await enter(zhao, "zhao", NEW)
            me = await (await zhao.get("/api/v1/me")).json()
            assert (me["must_drill"], me["rights"].get("start_notice"), me["rights"]["stop"]) == (
                True,
                None,
                [TOWNSHIP],
            )

            wanted = {"verbs": ["start_notice"], "area": TOWNSHIP, "until": "2099-01-01T00:00:00+08:00"}
            far = await chief.post("/api/v1/officers/zhao/grants", json=wanted)
            assert (far.status, (await far.json())["errors"][0]["code"]) == (422, "out-of-range")
            wanted["until"] = there.clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
            assert (await chief.post("/api/v1/officers/zhao/grants", json=wanted)).status == 422
            there_now = there.clock.now_ms()
            wanted["until"] = _instant(there_now + 86_400_000)
            given = await (await chief.post("/api/v1/officers/zhao/grants", json=wanted)).json()
            await second.post(f"/api/v1/account-changes/{given['change']}/confirm")
            notice = order(kind="notice", severity="unknown", areas=[TOWNSHIP])
            undrilled = await zhao.post("/api/v1/broadcasts", json=notice)
            assert (undrilled.status, (await undrilled.json())["type"]) == (403, "/problems/exercise-only")
            await there.services.officers.drill_passed("zhao")
            live = await zhao.post("/api/v1/broadcasts", json=notice)
            assert live.status in (202, 409)  # at once, or after another person's word where the policy wants it
            account = await (await chief.get("/api/v1/officers/zhao")).json()
            grant = account["grants"][0]
            assert (grant["verbs"], grant["in_force"]) == (["start_notice"], True)
            assert (await chief.delete(f"/api/v1/officers/zhao/grants/{grant['id']}")).status == 204
            assert (await zhao.post("/api/v1/broadcasts", json=notice)).status == 403


def _instant(at_ms: int) -> str:
    from broadcast.web.words import rfc3339

    return rfc3339(at_ms)


async def test_an_account_is_changed_from_the_version_that_was_read() -> None:
    async with town() as there, machine(there, Officer("chief", "", Role.ADMINISTRATOR, CITY)) as client:
        answer = await client.get("/api/v1/officers/duty")
        etag = answer.headers["ETag"]
        body = {"title": "王", "role": "viewer", "area": CITY}
        assert (await client.put("/api/v1/officers/duty", json=body)).status == 428
        done = await client.put("/api/v1/officers/duty", json=body, headers={"If-Match": etag})
        assert (done.status, (await done.json())["state"]) == (200, "confirmed")
        late = await client.put("/api/v1/officers/duty", json=body, headers={"If-Match": etag})
        assert (late.status, (await late.json())["type"]) == (412, "/problems/account-changed")
        last = await client.put("/api/v1/officers/chief", json=body, headers={"If-Match": '"1"'})
        assert (last.status, (await last.json())["type"]) == (409, "/problems/last-administrator")
        assert (await client.post("/api/v1/officers/chief/disable")).status == 409


async def test_a_second_factor_from_the_secret_to_the_sign_in() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        await enter(client, "duty")
        path = "/api/v1/officers/duty/second-factor"
        assert (await client.post(path, json={"password": "wrong"})).status == 401
        assert (await client.post("/api/v1/officers/chief/second-factor", json={"password": PASSWORD})).status == 404
        begun = await (await client.post(path, json={"password": PASSWORD})).json()
        totp = pyotp.TOTP(begun["secret"])
        step = there.clock.now_ms() // 30_000
        codes = (await (await client.put(path, json={"code": totp.generate_otp(step)})).json())["codes"]
        assert len(codes) == 10
        needed = await enter(client, "duty")
        assert (needed["status"], needed["type"]) == (401, "/problems/second-factor-needed")
        assert (await enter(client, "duty", code=codes[0]))["status"] == 200
        there.clock.advance(60)
        fresh = totp.generate_otp(there.clock.now_ms() // 30_000)
        assert (await enter(client, "duty", code=fresh))["status"] == 200
        page = {"name": "duty", "password": PASSWORD, "code": codes[1]}
        entered = await client.post("/emergency/sign-in", data=page, allow_redirects=False)
        assert entered.status == 303
        assert (await client.post(f"{path}/remove", json={"code": "000000"})).status == 401
        assert (await client.post(f"{path}/remove", json={"code": codes[2]})).status == 200
        assert (await enter(client, "duty"))["status"] == 200


async def test_a_locked_screen_in_the_browser() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        await enter(client, "duty")
        assert (await client.put("/api/v1/me/pin", json={"pin": "2580", "password": PASSWORD})).status == 204
        started = await (await client.post("/api/v1/broadcasts", json=order())).json()
        assert (await client.post("/api/v1/session/lock")).status == 204
        me = await (await client.get("/api/v1/me")).json()
        assert (me["locked"], set(me["rights"])) == (True, {"self", "read", "stop"})
        refused = await client.post("/api/v1/broadcasts", json=order())
        assert (refused.status, (await refused.json())["type"]) == (403, "/problems/session-locked")
        assert (await client.get("/api/v1/broadcasts")).status == 200
        assert (await client.post(f"/api/v1/broadcasts/{started['id']}/stop")).status == 202
        wrong = await client.post("/api/v1/session/unlock", json={"pin": "1111"})
        assert (wrong.status, (await wrong.json())["left"]) == (403, 4)
        assert (await client.post("/api/v1/session/unlock", json={"pin": "2580"})).status == 204
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 202
        there.clock.advance(15 * 60)
        assert (await (await client.get("/api/v1/me")).json())["locked"]


async def test_a_page_that_refreshes_itself_keeps_no_screen_unlocked() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        await enter(client, "duty")
        for headers in ({"Lianbo-Unattended": "1"}, {"Accept": "text/event-stream"}):
            await client.get("/api/v1/session", headers={})
            there.clock.advance(14 * 60)
            await client.get("/api/v1/me", headers=headers)
            there.clock.advance(60)
            assert (await (await client.get("/api/v1/me", headers=headers)).json())["locked"]
            await client.post("/api/v1/session/unlock", json={"password": PASSWORD})


async def test_a_big_screen_reads_with_its_cookie_and_does_nothing_else() -> None:
    alone = AccountRules(two_person=False)
    async with (
        town(accounts=alone) as there,
        served(there) as base,
        visitor(base) as chief,
        visitor(base) as screen,
    ):
        await enter(chief, "chief")
        body = {"title": "大屏", "area": CITY, "days": 1000, "screen": True}
        made = await (await chief.post("/api/v1/tokens", json=body)).json()
        assert (await screen.post("/api/v1/session/screen", json={"token": "lbt_wrong"})).status == 401
        opened = await screen.post("/api/v1/session/screen", json={"token": made["secret"]})
        assert (opened.status, opened.cookies[COOKIE]["httponly"]) == (204, True)
        assert (await screen.get("/api/v1/broadcasts")).status == 200
        me = await (await screen.get("/api/v1/me")).json()
        assert (me["machine"], me["rights"]) == (True, {"read": [CITY]})
        for path, sent in (("/broadcasts", order()), ("/stop-all", {}), ("/session/lock", {})):
            assert (await screen.post(f"/api/v1{path}", json=sent)).status == 403, path
        token = (await (await chief.get("/api/v1/tokens")).json())["items"][0]
        assert token["used_from"] == "127.0.0.1" and made["secret"] not in str(token)
        assert (await chief.delete(f"/api/v1/tokens/{token['id']}")).status == 204
        assert (await screen.get("/api/v1/broadcasts")).status == 401


async def test_no_token_is_taken_from_an_address() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        token = await there.sign_in()
        for query in (f"token={token}", f"access_token={token}", f"bearer={token}"):
            assert (await client.get(f"/api/v1/session?{query}")).status == 401


async def test_over_tls_the_cookie_belongs_to_this_very_host() -> None:
    async with town() as there:
        app = make_app(there.services, trust_forwarded=True)
        runner, port = await serve(app, host="127.0.0.1", port=0)
        try:
            async with ClientSession(f"http://127.0.0.1:{port}", headers={"X-Forwarded-Proto": "https"}) as client:
                answer = await client.post("/api/v1/session", json={"name": "duty", "password": PASSWORD})
                morsel = answer.cookies[f"__Host-{COOKIE}"]
                assert (morsel["secure"], morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (
                    True,
                    True,
                    "Strict",
                    "/",
                    "",
                )
                assert COOKIE not in answer.cookies
                for name, status in ((f"__Host-{COOKIE}", 200), (COOKIE, 401)):
                    headers = {"Cookie": f"{name}={morsel.value}"}
                    assert (await client.get("/api/v1/session", headers=headers)).status == status
        finally:
            await runner.cleanup()


async def test_one_s_own_password_wants_the_old_one_and_ends_the_other_sign_ins() -> None:
    async with town() as there, served(there) as base, visitor(base) as here, visitor(base) as elsewhere:
        await enter(here, "duty")
        await enter(elsewhere, "duty")
        path = "/api/v1/officers/duty/password"
        assert (await here.put(path, json={"password": NEW, "current": "wrong"})).status == 401
        short = await here.put(path, json={"password": "short", "current": PASSWORD})
        assert (short.status, (await short.json())["errors"][0]["code"]) == (422, "too-short")
        assert (await here.put(path, json={"password": NEW, "current": PASSWORD})).status == 204
        assert (await here.get("/api/v1/session")).status == 200
        assert (await elsewhere.get("/api/v1/session")).status == 401
        assert (await here.put("/api/v1/officers/chief/password", json={"password": NEW})).status == 403


HOSTILE: list[tuple[str, str, object]] = [
    ("POST", "/invitations", {**INVITED, "must_drill": False}),
    ("POST", "/invitations", {**INVITED, "role": "god"}),
    ("POST", "/invitations", {**INVITED, "role": ["administrator"]}),
    ("POST", "/invitations", {**INVITED, "name": "a\u0000b"}),
    ("POST", "/invitations", {**INVITED, "name": "x" * 201}),
    ("POST", "/invitations", {**INVITED, "area": "1302811"}),
    ("POST", "/invitations", {**INVITED, "area": "130281999000"}),
    ("POST", "/invitations", {**INVITED, "name": "root@console"}),
    ("POST", "/tokens", {"title": "x", "verbs": ["manage_officers"], "area": CITY, "days": 1}),
    ("POST", "/tokens", {"title": "x", "verbs": ["read"], "area": CITY, "days": 10**30}),
    ("POST", "/tokens", {"title": "x", "verbs": ["read"], "area": CITY, "days": "1"}),
    ("POST", "/officers/duty/grants", {"verbs": ["live"], "area": CITY, "until": "2030-01-01T00:00:00"}),
    ("POST", "/officers/duty/grants", {"verbs": ["live"], "area": CITY, "until": "0001-01-01T00:00:00Z"}),
    (
        "POST",
        "/officers/duty/grants",
        {"verbs": ["live"], "area": CITY, "until": "2030-01-01T00:00:00Z", "daily_min": [0, 1440]},
    ),
    ("PUT", "/officers/duty", {"title": "x", "role": "duty", "area": CITY, "grants": []}),
    ("PUT", "/me/pin", {"pin": "１２３５", "password": PASSWORD}),
]


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE)
async def test_what_is_wrong_is_named_by_field_and_nothing_is_stored(method: str, path: str, body: object) -> None:
    async with town() as there, machine(there, Officer("chief", "", Role.ADMINISTRATOR, CITY)) as client:
        answer = await client.request(method, f"/api/v1{path}", json=body, headers={"If-Match": '"1"'})
        assert answer.status == 422, await answer.text()
        assert (await answer.json())["errors"]
        assert await there.store.read(lambda tx: (tx.changes.page(limit=9), tx.invitations.all(), tx.tokens.all())) == (
            [],
            [],
            [],
        )


async def test_markup_in_a_title_is_text() -> None:
    chief = Officer("chief", "", Role.ADMINISTRATOR, CITY)
    async with town(accounts=AccountRules(two_person=False)) as there, machine(there, chief) as client:
        title = "<script>alert(1)</script>"
        asked = await (await client.post("/api/v1/invitations", json={**INVITED, "title": title})).json()
        answer = await client.post("/api/v1/invitations/look", json={"code": asked["secret"]})
        assert answer.content_type == "application/json" and (await answer.json())["title"] == title
