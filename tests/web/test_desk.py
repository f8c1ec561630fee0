"""The duty desk with nothing but forms, as an old browser without scripts has it."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import ClientSession

from broadcast.domain.officers import Officer
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, PASSWORD, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import served, visitor
from tests.web.reading import Node, read


class Page:
    """An answer."""

    def __init__(self, status: int, path: str, text: str) -> None:
        self.status, self.path, self.tree = status, path, read(text)

    @property
    def main(self) -> Node:
        return self.tree.one("main")

    def link(self, part: str) -> str:
        """Where a link of the page's content leads."""
        return self.main.one("a", href=part).get("href")

    def sent(self, **typed: str) -> list[tuple[str, str]]:
        """The page's form with these fields filled in."""
        form = self.main.all("form")[0]
        return [pair for pair in form.fields() if pair[0] not in typed] + list(typed.items())

    def action(self) -> str:
        return self.main.all("form")[0].get("action")


class Person:
    """Somebody at a browser without scripts."""

    def __init__(self, client: ClientSession) -> None:
        self._client = client

    async def opens(self, path: str) -> Page:
        async with self._client.get(path) as answer:
            return Page(answer.status, urlsplit(str(answer.url)).path, await answer.text())

    async def sends(self, path: str, fields: Iterable[tuple[str, str]]) -> Page:
        async with self._client.post(path, data=list(fields)) as answer:
            return Page(answer.status, urlsplit(str(answer.url)).path, await answer.text())


@asynccontextmanager
async def at_the_desk(there: Town, officer: Officer = DUTY) -> AsyncIterator[Person]:
    async with served(there) as base, visitor(base) as client:
        person = Person(client)
        page = await person.sends("/emergency/sign-in", {"name": officer.name, "password": PASSWORD}.items())
        assert page.status == 200
        yield person


async def confirmed(person: Person, **fields: str) -> Page:
    """The answer to a right form with these fields changed."""
    desk = await person.opens("/emergency")
    right = {"severity": "red", "areas": CITY, "text": "山洪红色预警，请立即转移。", "minutes": "10"}
    sent = desk.sent(**{**right, **fields})
    return await person.sends("/emergency/confirm", [pair for pair in sent if pair != ("areas", "")])


async def started(person: Person, **fields: str) -> Page:
    """The live page of a broadcast that was confirmed."""
    page = await confirmed(person, **fields)
    typed = {"typed": "690"} if page.main.all("input", id="typed") else {}
    return await person.sends("/emergency/broadcasts", page.sent(**typed))


async def test_from_the_door_to_the_wall_and_to_silence_without_a_script() -> None:
    async with town() as there, at_the_desk(there) as person:
        there.all_there(but=["s-130281100200-1"])
        page = await confirmed(person)
        assert "27 个乡镇（街道），690 个村（社区），717 台终端在线" in page.main.words
        assert "1 台离线：遵化镇 东坝村" in page.main.words
        assert "山洪红色预警" in page.main.words and "红色（Ⅰ级）" in page.main.words
        assert there.services.broadcasts.live() == []
        assert not page.main.one("button", id="go").has("autofocus")
        live = await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        assert re.fullmatch(r"/emergency/broadcasts/\w+", live.path)
        wall = live.main.one("div", id="wall")
        assert len(wall.all("a", class_="tile ")) == 718
        assert len(wall.all("section")) == 28
        assert live.tree.one("noscript").one("meta").get("content") == "3"
        stop = await person.opens(live.link("/stop"))
        assert len(there.services.broadcasts.live()) == 1  # looking changes nothing
        over = await person.sends(stop.action(), stop.sent())
        assert "已停播" in over.main.words
        assert there.services.broadcasts.live() == []


async def test_the_second_click_on_the_same_confirm_page_starts_nothing_more() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await confirmed(person)
        first = await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        again = await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        assert first.path == again.path
        other = await person.sends("/emergency/broadcasts", page.sent(typed="690", text="别的"))
        assert other.status == 409
        assert len(there.services.broadcasts.live()) == 1


async def test_red_to_everybody_asks_for_the_number_and_a_wrong_one_starts_nothing() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await confirmed(person)
        for typed in ("", "69", "六百九十"):
            again = await person.sends("/emergency/broadcasts", page.sent(typed=typed))
            assert again.status == 422
            assert "还没有发布" in again.main.words
            assert dict(again.sent())["key"] == dict(page.sent())["key"]
        assert there.services.broadcasts.live() == []
        small = await confirmed(person, areas=TOWNSHIP, severity="blue")
        assert small.main.all("input", id="typed") == []
        assert (await person.sends("/emergency/broadcasts", small.sent())).status == 200
        assert len(there.services.broadcasts.live()) == 1


async def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_is_kept() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await confirmed(person, areas="", minutes="0", severity="unknown", text="字" * 601)
        assert page.status == 422
        for field in ("areas", "minutes", "severity", "text"):
            assert page.main.one("span", id=f"fault-{field}").words
        assert dict(page.sent())["text"] == "字" * 601
        assert dict(page.sent())["minutes"] == "0"
        assert "不选不等于全部" in page.main.one(id="fault-areas").words
        back = await confirmed(person, change="1")
        assert {("text", "山洪红色预警，请立即转移。"), ("areas", CITY), ("severity", "red")} <= set(back.sent())
        assert there.services.broadcasts.live() == []


async def test_an_exercise_says_so_in_every_button() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await confirmed(person, exercise="1")
        assert "exercise" in page.main.one("form").get("class")
        assert page.main.one("button", id="go").words == "发布【演练】到 690 个村"
        assert "没有处于演练状态的终端" in page.main.words
        live = await person.sends("/emergency/broadcasts", page.sent())
        assert "【演练】" in live.main.one("h1").words
        stop = await person.opens(live.link("/stop"))
        assert "【演练】" in stop.main.one("button").words


async def test_a_viewer_sees_no_buttons_and_can_do_nothing() -> None:
    async with town() as there, at_the_desk(there) as duty:
        live = await started(duty)
        async with at_the_desk(there, VIEWER) as person:
            for path in ("/emergency", "/emergency/wall", live.path):
                page = await person.opens(path)
                led = [node.get("action") + node.get("href") for node in page.tree.walk() if node.tag in ("form", "a")]
                assert [where for where in led if re.search("stop|all-clear|correct|confirm", where)] == [], path
        assert len(there.services.broadcasts.live()) == 1


async def test_a_township_is_offered_itself_alone() -> None:
    async with town() as there, at_the_desk(there, TOWN_DUTY) as person:
        desk = await person.opens("/emergency")
        offered = {node.get("value") for node in desk.main.all("input", name="areas")}
        assert TOWNSHIP in offered and len(offered) == 41
        assert all(code.startswith("130281100") for code in offered)
        assert (await confirmed(person, areas=OTHER_TOWNSHIP)).status == 403
        assert there.services.broadcasts.live() == []


async def test_correction_and_all_clear_start_from_what_is_on_air() -> None:
    async with town() as there, at_the_desk(there) as person:
        live = await started(person)
        form = await person.opens(live.link("/correct"))
        assert dict(form.sent())["text"] == "山洪红色预警，请立即转移。"
        page = await person.sends("/emergency/confirm", form.sent(text="更正：请去学校。"))
        second = await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        assert [one.text for one in there.services.broadcasts.live()] == ["更正：请去学校。"]
        clear = await person.opens(second.link("/all-clear"))
        done = await person.sends(clear.action(), clear.sent(areas=TOWNSHIP))
        assert done.status == 200
        texts = sorted(one.text for one in there.services.broadcasts.live())
        assert len(texts) == 2 and any("现在解除" in text for text in texts)


async def test_stop_all_names_what_it_stops_and_stops_it() -> None:
    async with town() as there, at_the_desk(there) as person:
        for text in ("第一条", "第二条"):
            await started(person, areas=TOWNSHIP, severity="blue", text=text)
        ask = await person.opens("/emergency/stop-all")
        assert "第一条" in ask.main.words and "第二条" in ask.main.words
        await person.sends("/emergency/stop-all", ask.sent())
        assert there.services.broadcasts.live() == []


async def test_not_yet_on_the_air_is_said_where_everybody_looks() -> None:
    async with town() as there, at_the_desk(there) as person:
        there.wire.is_up = False
        page = await confirmed(person)
        assert "与消息服务器的连接中断" in page.main.words
        live = await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        assert not live.main.one(id="pending").has("hidden")
        assert live.main.one(id="pending").words == "还没有播出：与消息服务器的连接中断"
        there.wire.is_up = True
        there.services.boards.republish()
        assert (await person.opens("/emergency/wall")).main.one(id="pending").has("hidden")


async def test_pages_are_whole_in_both_languages_and_have_landmarks() -> None:
    async with town() as there, at_the_desk(there) as person:
        where = (await started(person)).path
        paths = [
            "/emergency",
            "/emergency/wall",
            "/emergency/stop-all",
            "/emergency/password",
            where,
            f"{where}/stop",
            f"{where}/all-clear",
        ]
        for path in [*paths, f"{where}/correct", f"{where}/areas/{TOWNSHIP}", "/emergency/nothing"]:
            for language in ("zh-CN", "en"):
                page = await person.opens(f"{path}?lang={language}")
                assert page.tree.one("html").get("lang") == language
                assert len(page.tree.all("h1")) == 1 and page.tree.one("header") and page.tree.one("title").words
                labels = {node.get("for") for node in page.tree.all("label")}
                for node in page.tree.walk():
                    if node.tag == "textarea" or (node.tag == "input" and node.get("type") != "hidden"):
                        assert node.get("id") in labels or node.is_within_label, (path, node.attributes)
                ids = [node.get("id") for node in page.tree.walk() if node.has("id")]
                assert len(ids) == len(set(ids)), path
                if language == "en":
                    chrome = " ".join(
                        n.words for n in page.tree.walk() if n.tag in ("button", "legend", "h2", "th", "nav")
                    )
                    assert not re.search("发布|停播|级别|口令", chrome), path
        assert (await person.opens("/emergency")).tree.one("html").get("lang") == "en"  # kept by a cookie


async def test_a_password_is_changed_with_the_old_one_and_every_other_session_ends() -> None:
    async with town() as there, at_the_desk(there) as person, at_the_desk(there) as elsewhere:
        page = await person.opens("/emergency/password")
        new = "another long one"
        for fields in (("wrong", new, new), (PASSWORD, new, "another"), (PASSWORD, "short", "short")):
            old, first, again = fields
            assert (await person.sends(page.action(), page.sent(old=old, new=first, again=again))).status in (401, 422)
        done = await person.sends(page.action(), page.sent(old=PASSWORD, new=new, again=new))
        assert done.path == "/emergency" and done.main.one("form", id="desk")
        assert (await elsewhere.opens("/emergency")).main.one("input", type="password")


async def test_who_is_not_signed_in_is_led_to_the_door() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        person = Person(client)
        for path in ("/emergency", "/emergency/wall", "/emergency/stop-all", "/emergency/broadcasts/x"):
            assert (await person.opens(path)).main.one("input", type="password")
        wrong = await person.sends("/emergency/sign-in", {"name": "<b>", "password": "x"}.items())
        assert wrong.status == 401
        assert wrong.main.one("input", name="name").get("value") == "<b>"
