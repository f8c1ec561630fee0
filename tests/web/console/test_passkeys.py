"""Passkeys in a real Chromium with its virtual authenticator, at `localhost`: the one name that needs no TLS."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Page, Request, expect

from broadcast.service.challenges import Challenges, Origin, PasskeyRefused, PasskeysNeedTls
from tests.town import CHIEF, DUTY, PASSWORD, Town, town
from tests.web.browser import machine, served
from tests.web.console.console_page import needs_console, window

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


EMPTY = dict.fromkeys(("clientDataJSON", "authenticatorData", "signature"), "e30")


@asynccontextmanager
async def with_authenticator(browser: Browser, base: str, **more: Any) -> AsyncIterator[Page]:
    async with window(browser, base, **more) as page:
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("WebAuthn.enable")
        await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        yield page


async def add_one(page: Page, title: str) -> None:
    await page.goto("/console/officers?tab=own")
    await page.fill("#passkey-title", title)
    await page.fill("#passkey-password", PASSWORD)
    await page.click("[data-test=passkey] button[type=submit]")
    await expect(page.locator("[data-test=passkeys]")).to_contain_text(title)


async def sign_in_with_it(page: Page) -> dict[str, Any]:
    """What the browser sent to be let in."""
    sent: list[Request] = []
    page.on("request", lambda one: sent.append(one) if one.url.endswith("/session/passkey") else None)
    await page.context.clear_cookies()
    await page.goto("/console/login")
    await page.click("[data-test=passkey]")
    await expect(page.locator("main h1")).to_be_visible()
    await page.wait_for_url("**/console/")
    found: dict[str, Any] = json.loads(sent[-1].post_data or "{}")
    return found


async def refused(base: str, body: dict[str, Any], **headers: str) -> tuple[int, str]:
    async with ClientSession() as client:
        answer = await client.post(f"{base}/api/v1/session/passkey", json=body, headers=headers)
        return answer.status, str((await answer.json()).get("type", "")).rpartition("/")[2]


@pytest.mark.usefixtures("there")
class TestInABrowser:
    pytestmark = needs_console

    async def test_an_officer_adds_one_enters_with_it_and_its_answer_opens_nothing_again(
        self, browser: Browser, there: Town
    ) -> None:
        token = await there.sign_in(DUTY)
        async with served(there) as address:
            base = address.replace("127.0.0.1", "localhost")
            async with with_authenticator(browser, base, token=token) as page:
                await add_one(page, "值班室指纹 <b>")
                shown = await sign_in_with_it(page)
                me = await (await page.request.get("/api/v1/me")).json()
                assert me["officer"]["name"] == "duty"
                kept = (await (await page.request.get("/api/v1/me/passkeys")).json())["items"]
                assert [(one["title"], one["name"]) for one in kept] == [("值班室指纹 <b>", "localhost")]
                assert kept[0]["used_at"] is not None
            assert await refused(base, shown) == (401, "passkey-refused")
            assert await refused(address, shown) == (409, "passkeys-need-tls")
            assert await refused(base, {**shown, "exercise": "no"}) == (422, "invalid-request")
            acts = await there.store.read(lambda tx: [row.verb for row in tx.acts.page(limit=10)])
            assert "add passkey" in acts

    async def test_it_opens_nothing_of_a_disabled_account_nor_after_it_was_removed_with_the_factor(
        self, browser: Browser, there: Town
    ) -> None:
        token = await there.sign_in(DUTY)
        async with served(there) as address:
            base = address.replace("127.0.0.1", "localhost")
            async with with_authenticator(browser, base, token=token) as page:
                await add_one(page, "one")
                account = await there.store.read(lambda tx: tx.accounts.get("duty"))
                assert account is not None
                await there.store.write(lambda tx: tx.accounts.save(replace(account, disabled=True)))
                await page.context.clear_cookies()
                await page.goto("/console/login")
                await page.click("[data-test=passkey]")
                await expect(page.locator("main")).to_contain_text("通行密钥打不开这里")
                await there.store.write(lambda tx: tx.accounts.save(account))
                await there.services.officers.drop_factor("duty", by=CHIEF)
                await page.click("[data-test=passkey]")
                await expect(page.locator("main")).to_contain_text("通行密钥打不开这里")
                assert (await page.request.get("/api/v1/me")).status == 401


async def test_without_tls_and_a_name_there_are_none_and_the_list_says_so() -> None:
    async with town() as there, machine(there) as client:
        assert await (await client.get("/api/v1/me/passkeys")).json() == {"items": [], "usable": False}
        answer = await client.post("/api/v1/me/passkeys/options", json={"password": PASSWORD})
        assert answer.status == 409
    for scheme, host in (("http", "desk.example"), ("https", "10.1.2.3"), ("https", "[::1]:8443"), ("https", "")):
        with pytest.raises(PasskeysNeedTls):
            Origin.of(scheme, host)
    assert Origin.of("https", "Desk.Example:8443") == Origin("https://desk.example:8443", "desk.example")


async def test_a_passkey_is_begun_only_with_the_password() -> None:
    async with town() as there, machine(there) as client:
        headers = {"Host": "localhost"}
        wrong = await client.post("/api/v1/me/passkeys/options", json={"password": "no"}, headers=headers)
        assert wrong.status == 401
        right = await client.post("/api/v1/me/passkeys/options", json={"password": PASSWORD}, headers=headers)
        options = (await right.json())["options"]
        assert (options["rp"]["id"], options["authenticatorSelection"]["userVerification"]) == ("localhost", "required")


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"id": "x", "rawId": "x", "type": "public-key", "response": {}},
        {"id": 1, "rawId": [], "type": None, "response": "x"},
        {
            "id": "eA",
            "rawId": "eA",
            "type": "public-key",
            "response": dict.fromkeys(("clientDataJSON", "authenticatorData", "signature"), "e30"),
        },
        {
            "id": "eA",
            "rawId": "é" * 3_000,
            "type": "public-key",
            "response": {"clientDataJSON": "\u0000", "signature": "=="},
        },
    ],
)
async def test_what_is_no_answer_opens_nothing_and_is_slowed(credential: dict[str, Any]) -> None:
    async with town() as there, served(there) as base:
        assert await refused(base, {"credential": credential}, Host="localhost") == (401, "passkey-refused")
        async with machine(there) as client:
            made = {"title": "x", "credential": credential}
            answer = await client.post("/api/v1/me/passkeys", json=made, headers={"Host": "localhost"})
            assert answer.status == 401
        found = {await refused(base, {"credential": credential}, Host="localhost") for _ in range(30)}
        assert (429, "too-many-tries") in found


def test_a_challenge_is_for_one_purpose_at_one_name_and_ends() -> None:
    now = 1_000.0
    challenges, here = Challenges(lambda: now), Origin("https://desk.example", "desk.example")
    asked = challenges.make("", here)
    challenges.must_be_ours(asked, "", here)
    elsewhere = Origin("https://other.example", "other.example")
    for officer, where, one in (("duty", here, asked), ("", elsewhere, asked), ("", here, bytes(56)), ("", here, b"")):
        with pytest.raises(PasskeyRefused):
            challenges.must_be_ours(one, officer, where)
    challenges.spend(asked)
    for again in (lambda: challenges.must_be_ours(asked, "", here), lambda: challenges.spend(asked)):
        with pytest.raises(PasskeyRefused):
            again()
    late = challenges.make("", here)
    now += 121.0
    with pytest.raises(PasskeyRefused):
        challenges.must_be_ours(late, "", here)
