"""The plan as pages, with nothing but forms: what it would meet is read before it is saved, and nobody's work is lost."""

from datetime import time, timedelta

import pytest
from multidict import MultiDict, MultiDictProxy

from audio_assets.speech import MAX_CHARACTERS
from broadcast.domain.broadcasts import MAX_TEXT
from broadcast.web.programme_forms import Draft
from endpoints.protocol import Reason, Resume, Stage, Stock
from tests.plans import beijing, daily, once_in
from tests.town import CHIEF, CITY, DUTY, MELODY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.test_desk import Page, at_the_desk


def filled(there: Town, page: Page, **typed: str) -> list[tuple[str, str]]:
    tomorrow = (beijing(there.clock.now_ms()) + timedelta(days=1)).date().isoformat()
    fields = {"title": "午间广播", "text": "今天停水。", "times": "12:00 18:30", "first": tomorrow, **typed}
    return [*page.sent(**fields), ("areas", CITY)]


async def test_from_the_list_over_the_form_and_the_conflicts_to_the_plan() -> None:
    async with town() as there:
        await there.services.programmes.add(daily(title="县台整点", owner=CITY), by=DUTY)
        async with at_the_desk(there) as person:
            listed = await person.opens("/programmes")
            assert "县台整点" in listed.main.words and "县" in listed.main.words
            form = await person.opens(listed.link("/programmes/new"))
            asked = await person.sends(form.action(), filled(there, form, times="07:00"))
            assert asked.status == 200 and "县台整点" in asked.main.words and "查看范围" in asked.main.words
            assert "那之后的冲突没有查看" in asked.main.words
            assert len(there.services.programmes.seen(CHIEF)) == 1
            saved = await person.sends(asked.action(), asked.sent())
            assert saved.path.startswith("/programmes/0") and "午间广播" in saved.main.words
            again = await person.sends(asked.action(), asked.sent())  # a second click
            assert again.path == saved.path
            assert len(there.services.programmes.seen(CHIEF)) == 2


async def test_a_change_starts_from_what_there_is_and_overwrites_nobody() -> None:
    async with town() as there:
        draft = daily(title="早", volume_percent=30, grace_s=0)
        mine = await there.services.programmes.add(draft, by=DUTY)
        async with at_the_desk(there) as person:
            one = await person.opens(f"/programmes/{mine.programme}")
            form = await person.opens(one.link(f"/programmes/{mine.programme}/edit"))
            asked = await person.sends(form.action(), form.sent(title="早安"))
            await there.services.programmes.change(mine.programme, daily(title="别人改的"), by=CHIEF, revision=1)
            late = await person.sends(asked.action(), asked.sent())
            assert late.status == 412 and "第 2 版" in late.main.words
            assert ("title", "早安") in late.sent()  # what was typed is kept
            form = await person.opens(f"/programmes/{mine.programme}/edit")
            asked = await person.sends(form.action(), form.sent(title="早安"))
            assert (await person.sends(asked.action(), asked.sent())).status == 200
        found = there.services.programmes.get(mine.programme, by=DUTY).programme
        assert (found.title, found.revision, found.source, found.areas) == ("早安", 3, draft.source, draft.areas)


async def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_is_kept() -> None:
    async with town() as there, at_the_desk(there) as person:
        form = await person.opens("/programmes/new")
        page = await person.sends(form.action(), form.sent(title="", text="", times="7 Uhr", length_min="x"))
        assert page.status == 422 and ("times", "7 Uhr") in page.sent()
        assert page.main.all("span", id="fault-times") and page.main.all("span", id="fault-length_min")
        page = await person.sends(form.action(), form.sent(title="", text="", times="07:00"))
        assert page.main.all("span", id="fault-title") and page.main.all("span", id="fault-areas")
        assert there.services.programmes.seen(CHIEF) == []


async def test_pause_go_on_and_take_out_by_buttons() -> None:
    async with town() as there:
        mine = await there.services.programmes.add(daily(), by=DUTY)
        one = f"/programmes/{mine.programme}"
        async with at_the_desk(there) as person:
            page = await person.opens(one)
            page = await person.sends(one, [*page.sent(), ("act", "pause")])
            assert "已暂停" in page.main.words
            page = await person.sends(one, [*page.sent(), ("act", "resume")])
            assert "已暂停" not in page.main.one("h1").words
            page = await person.sends(one, [*page.sent(), ("act", "retire")])
            assert page.path == "/programmes" and "还没有节目" in page.main.words
            again = await person.opens(one)
            assert "已删除" in again.main.words and not again.main.all("form")


async def test_who_looks_on_or_holds_another_area_gets_no_buttons() -> None:
    async with town() as there:
        county = await there.services.programmes.add(daily(title="县台"), by=DUTY)
        async with at_the_desk(there, TOWN_DUTY) as person:
            page = await person.opens(f"/programmes/{county.programme}")
            assert "县台" in page.main.words and not page.main.all("form")
            form = await person.opens("/programmes/new")
            asked = await person.sends(form.action(), [*filled(there, form)[:-1], ("areas", TOWNSHIP)])
            saved = await person.sends(asked.action(), asked.sent())
            assert saved.main.all("form")
        assert [one.programme.owner for one in there.services.programmes.seen(CHIEF)] == [CITY, TOWNSHIP]
        async with at_the_desk(there, VIEWER) as person:
            assert not (await person.opens("/programmes")).main.all("a", href="/programmes/new")
            assert (await person.opens("/programmes/new")).status == 403


async def test_the_day_of_an_area_is_read_hour_by_hour() -> None:
    async with town() as there:
        await there.services.programmes.add(daily(time(11, 50), title="县台", length_min=20, owner=CITY), by=DUTY)
        draft = daily(time(12), title="镇台", length_min=20, owner=TOWNSHIP, areas=(TOWNSHIP,))
        await there.services.programmes.add(draft, by=DUTY)
        async with at_the_desk(there) as person:
            listed = await person.opens("/programmes")
            page = await person.opens(listed.link("/programmes/day"))
            assert page.status == 200 and len(page.main.all("tr")) == 25
            page = await person.opens(f"/programmes/day?area={TOWNSHIP}&day=2026-12-01")
            rows = [row.words for row in page.main.all("tr")]
            assert "11:50–12:00 县台" in rows[12] and "12:00–12:10 镇台" in rows[13]
            assert "被压下" in rows[13] and "按类别" in rows[13] and "空闲" in rows[11] and "静音时段" in rows[1]
            for wrong in ("area=1&day=x", "area=&day=0001-01-01", "day=9999-12-31"):
                assert (await person.opens(f"/programmes/day?{wrong}")).status == 200
        async with at_the_desk(there, TOWN_DUTY) as person:
            page = await person.opens("/programmes/day")
            assert TOWNSHIP in [value for name, value in page.sent() if name == "area"]
            assert (await person.opens(f"/programmes/day?area={OTHER_TOWNSHIP}")).status == 403


async def test_the_record_and_the_stock_are_read_as_sentences() -> None:
    async with town() as there:
        now_ms = there.clock.now_ms()
        await there.services.programmes.add(once_in(now_ms, 3_000, title="晚间"), by=DUTY)
        await there.services.programmes.add(once_in(now_ms, 2, title="早间"), by=DUTY)
        there.clock.advance(2.1)
        there.services.planning.tick()
        order = there.services.planning.boards.running()[0].id
        names = sorted(there.services.estate.speakers)
        await there.report(order, names[:600], Stage.SOUNDING)
        await there.report(order, names[600:], Stage.REFUSED, reason=Reason.BUDGET)
        lacks = Stock("s-130281100200-1", 1, now_ms, 1, 0, 0, 10**9, now_ms, (), (MELODY.asset,))
        there.services.planning.staging.take(lacks)
        async with at_the_desk(there) as person:
            day = beijing(there.clock.now_ms()).date().isoformat()
            page = await person.opens(f"/programmes/record?day={day}")
            assert "准时 600" in page.main.words and "拒播: 当日播出时长已用完 118" in page.main.words
            page = await person.opens("/programmes/staging")
            assert "缺文件的终端" in page.main.words and "晚间" in page.main.words
            assert len(page.main.all("tr")) == 29
            home = await person.opens("/emergency/wall")
            assert "早间" in home.tree.one("section", id="air").words  # on the air, on every page
            assert "早间" in home.main.one("h1").words
            assert not home.main.all("a", href="all-clear")
            page = await person.opens("/programmes/record?day=1999-01-01")
            assert page.status == 200
            english = await person.opens(f"/programmes/record?lang=en&day={day}")
            assert "on time 600" in english.main.words


A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))


def sent(**lists: list[str]) -> Draft:
    fields = [("source", "playlist"), *((name, value) for name, values in lists.items() for value in values)]
    return Draft.read(MultiDictProxy(MultiDict(fields)))


@pytest.mark.parametrize(
    ("positions", "order"),
    [
        (["1", "2", "3", ""], [A, B, C]),
        (["2", "1", "3", ""], [B, A, C]),
        (["2", "0", "1", ""], [C, A]),
        (["", "1", "x", ""], [B, A, C]),
        ([], [A, B, C]),
    ],
)
def test_a_playlist_sounds_in_the_order_of_the_numbers_beside_it(positions: list[str], order: list[bytes]) -> None:
    draft = sent(assets=[A.hex(), B.hex(), C.hex(), ""], position=positions)
    assert draft.chosen("assets") == tuple(one.hex() for one in order)
    assert [value for name, value in draft.hidden() if name == "assets"] == [one.hex() for one in order]


async def test_every_field_of_a_programme_can_be_seen_and_changed_on_the_form() -> None:
    async with town() as there:
        mine = await there.services.programmes.add(daily(), by=DUTY)
        async with at_the_desk(there) as person:
            form = await person.opens(f"/programmes/{mine.programme}/edit")
            shown = {name for name, _ in form.sent()}
            assert {"owner", "excluded", "speakers", "resume", "latest_start_s", "zone", "position"} <= shown
            typed = {"resume": "restart", "latest_start_s": "120", "zone": "Asia/Urumqi"}
            typed |= {"excluded": f"{OTHER_TOWNSHIP}", "speakers": "s-130281100200-1, s-130281100201-1"}
            asked = await person.sends(form.action(), form.sent(**typed))
            assert asked.status == 200, asked.main.words
            assert (await person.sends(asked.action(), asked.sent())).path == f"/programmes/{mine.programme}"
            found = there.services.programmes.get(mine.programme, by=DUTY).programme
            assert (found.resume, found.latest_start_s, found.zone) == (Resume.RESTART, 120, "Asia/Urumqi")
            assert found.excluded == (OTHER_TOWNSHIP,)
            assert found.speakers == ("s-130281100200-1", "s-130281100201-1")
            again = await person.opens(f"/programmes/{mine.programme}/edit")
            assert ("excluded", OTHER_TOWNSHIP) in again.sent() and ("resume", "restart") in again.sent()
            wrong = await person.sends(form.action(), form.sent(zone="Nowhere"))
            assert wrong.main.all("details", open="") and wrong.main.all("span", id="fault-zone")


async def test_a_text_that_is_longer_than_its_slot_is_said_so_before_it_is_saved() -> None:
    async with town() as there, at_the_desk(there) as person:
        form = await person.opens("/programmes/new")
        asked = await person.sends(form.action(), filled(there, form, text="停水通知。" * 100, length_min="1"))
        assert asked.status == 200 and "超过" in asked.main.words, asked.main.words
        there.speech.fails = "no voice"
        asked = await person.sends(form.action(), filled(there, form, text="停水通知。" * 100, length_min="1"))
        assert asked.status == 200


def test_what_a_voice_can_say_is_what_a_programme_and_a_broadcast_may_ask() -> None:
    assert MAX_TEXT == MAX_CHARACTERS
