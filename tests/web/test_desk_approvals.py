"""The second person at the desk that works with nothing but forms."""

from aiohttp import ClientSession

from tests.town import APPROVER, CITY, DUTY, PASSWORD, Town, town
from tests.web.browser import served, visitor
from tests.web.reading import Node, read


async def signed_in(client: ClientSession, name: str) -> None:
    await client.post("/emergency/sign-in", data={"name": name, "password": PASSWORD})


async def look(client: ClientSession, path: str) -> Node:
    return read(await (await client.get(path)).text())


async def sent(client: ClientSession) -> str:
    """A red alert to the city; where the browser is led."""
    desk = await look(client, "/emergency")
    mark = desk.all("input", name="mark")[-1].get("value")
    fields = {
        "mark": mark,
        "kind": "emergency",
        "severity": "red",
        "areas": CITY,
        "text": "<b>山洪</b>",
        "minutes": "10",
    }
    confirm = read(await (await client.post("/emergency/confirm", data=fields)).text())
    assert "第二人" in confirm.one("p", _class="notice").words
    form = dict(confirm.one("form", action="/emergency/broadcasts").fields()) | {"typed": "690"}
    answer = await client.post("/emergency/broadcasts", data=form, allow_redirects=False)
    assert answer.status == 303
    return answer.headers["Location"]


def form_of(page: Node, act: str) -> dict[str, str]:
    return dict(page.one("form", action=f"/{act}").fields())


async def asked(there: Town, client: ClientSession) -> str:
    where = await sent(client)
    assert where.startswith("/emergency/approvals/")
    assert there.wire.published == []
    return where


async def test_an_alert_waits_is_heard_and_approved_by_forms_alone() -> None:
    async with town(second_person=True) as there, served(there) as base, visitor(base) as duty, visitor(base) as other:
        await signed_in(duty, DUTY.name)
        await signed_in(other, APPROVER.name)
        where = await asked(there, duty)
        mine = await look(duty, where)
        assert not mine.all("form", action="/approve")
        assert mine.one("form", action="/break-glass")
        assert "<b>山洪</b>" in mine.words
        listed = await look(other, "/emergency/approvals")
        assert listed.one("a", href=where).words
        page = await look(other, where)
        assert page.one("audio").get("src").startswith("/emergency/listen?asset=")
        assert page.one("nav").one("a", href="/emergency/approvals").words == "待审批 1"
        answer = await other.post(f"{where}/approve", data=form_of(page, "approve"), allow_redirects=False)
        assert answer.status == 303
        assert [f"/emergency/broadcasts/{one.id}" for one in there.services.broadcasts.live()] == [
            answer.headers["Location"]
        ]


async def test_turning_down_and_breaking_the_glass_without_a_reason_is_refused_on_the_page() -> None:
    async with town(second_person=True) as there, served(there) as base, visitor(base) as duty, visitor(base) as other:
        await signed_in(duty, DUTY.name)
        await signed_in(other, APPROVER.name)
        where = await asked(there, duty)
        page = await look(other, where)
        answer = await other.post(f"{where}/return", data={**form_of(page, "return"), "reason": " "})
        assert answer.status == 422
        assert read(await answer.text()).one("p", role="alert").words
        mine = await look(duty, where)
        answer = await duty.post(f"{where}/break-glass", data={**form_of(mine, "break-glass"), "reason": ""})
        assert (answer.status, there.wire.published) == (422, [])
        fields = {**form_of(mine, "break-glass"), "reason": "联系不上审批人"}
        answer = await duty.post(f"{where}/break-glass", data=fields, allow_redirects=False)
        assert answer.status == 303
        review = await look(other, where)
        fields = {**form_of(review, "review"), "reason": "属实", "justified": "1"}
        assert (await other.post(f"{where}/review", data=fields)).status == 200
        assert there.services.approvals.open(by=APPROVER) == []


async def test_a_form_of_another_session_decides_nothing() -> None:
    async with town(second_person=True) as there, served(there) as base, visitor(base) as duty, visitor(base) as other:
        await signed_in(duty, DUTY.name)
        await signed_in(other, APPROVER.name)
        where = await asked(there, duty)
        form = form_of(await look(other, where), "approve")
        assert (await duty.post(f"{where}/approve", data=form)).status == 403
        assert (await other.post(f"{where}/approve", data={**form, "digest": "xyz"})).status == 409
        assert there.wire.published == []
