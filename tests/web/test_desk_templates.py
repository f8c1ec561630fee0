"""Templates, listening and the ends of an alert at the desk, as a browser without scripts sees them."""

import re
from pathlib import Path

import pytest

from broadcast.domain.broadcasts import Life
from broadcast.domain.spoken import Layout
from broadcast.service.ports import Spoken
from endpoints.protocol import Kind, Severity, Tone
from tests.town import CITY, OTHER_TOWNSHIP, TOWNSHIP, VIEWER, town
from tests.web.test_desk import Page, Person, at_the_desk, started

FLOOD = "/emergency/templates/flood"
FILLED = {"severity": "red", "areas": CITY, "place": "沙河两岸", "until": "明天8时", "gap-river": "沙河"}
TEXT = "遵化市应急广播发布洪水红色预警。沙河两岸，"


async def filled(person: Person, **change: str) -> Page:
    form = await person.opens(FLOOD)
    sent = form.sent(**(FILLED | change))
    return await person.sends("/emergency/confirm", [pair for pair in sent if pair != ("areas", "")])


async def test_a_template_is_chosen_filled_seen_locked_and_sent() -> None:
    async with town() as there, at_the_desk(there) as person:
        desk = await person.opens("/emergency")
        form = await person.opens(desk.main.one("a", href="/templates/flood").get("href"))
        assert not form.main.all("textarea"), "there are no words to change"
        page = await person.sends(form.action(), form.sent(**FILLED))
        assert page.status == 200
        locked = page.main.one(class_="locked")
        assert locked.words.startswith(TEXT) and "请沿河和低洼地带" in locked.words
        await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        (sent,) = there.services.broadcasts.live()
        assert (sent.text, sent.headline) == (locked.words, "洪水红色预警")
        assert (sent.order.kind, sent.order.severity, sent.order.areas) == (Kind.EMERGENCY, Severity.RED, (CITY,))


@pytest.mark.parametrize("field", ["text", "headline", "kind", "asset"])
async def test_what_is_locked_can_not_be_changed_on_the_way(field: str) -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await filled(person)
        pairs = [(name, value) for name, value in page.sent(typed="690") if name != field]
        await person.sends("/emergency/broadcasts", [*pairs, (field, "routine" if field == "kind" else "都是假的")])
        (sent,) = there.services.broadcasts.live()
        assert sent.text.startswith(TEXT) and sent.headline == "洪水红色预警" and sent.order.kind is Kind.EMERGENCY


@pytest.mark.parametrize(
    ("change", "at", "words"),
    [
        ({"place": "", "areas": ""}, "place", "没有填"),
        ({"when": " "}, "when", "没有填"),
        ({"until": ""}, "until", "没有填"),
        ({"gap-river": ""}, "gap-river", "没有填"),
        ({"gap-river": "长" * 61}, "gap-river", "20"),
        ({"severity": "unknown"}, "severity", ""),
        ({"actions": "77"}, "actions", ""),
        ({"actions": "-1"}, "actions", ""),
        ({"minutes": "0"}, "minutes", "超出范围"),
        ({"areas": "999999999999"}, "areas", ""),
        ({"gap-sea": "x"}, "", ""),
    ],
)
async def test_a_gap_that_is_not_right_is_shown_at_its_field_with_what_was_typed(
    change: dict[str, str], at: str, words: str
) -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await filled(person, **change)
        assert page.status == 422 and page.main.one("form", id="template")
        assert page.main.one(class_="problem")
        if at:
            assert words in page.main.one(id=f"fault-{at}").words
            assert page.main.all(id=f"f-{at}"), "the list of faults leads there"
        if "gap-river" not in change:
            assert page.main.one("input", name="gap-river").get("value") == "沙河"
        assert there.kinds() == []


async def test_back_from_the_confirm_page_the_gaps_are_as_they_were() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await filled(person)
        again = await person.sends("/emergency/confirm", [*page.sent(), ("change", "1")])
        assert again.main.one("form", id="template")
        assert dict(again.sent())["gap-river"] == "沙河"


async def test_an_unknown_template_is_not_found_and_a_viewer_fills_none() -> None:
    async with town() as there, at_the_desk(there) as person:
        assert (await person.opens("/emergency/templates/tsunami")).status == 404
        form = await person.opens(FLOOD)
        sent = [(name, value) for name, value in form.sent() if name != "template"]
        assert (await person.sends("/emergency/confirm", [*sent, ("template", "tsunami")])).status == 404
        async with at_the_desk(there, VIEWER) as viewer:
            assert (await viewer.opens(FLOOD)).status == 403


async def test_every_template_can_be_filled_in_both_languages() -> None:
    async with town() as there, at_the_desk(there) as person:
        for one in there.services.wording.templates:
            for language in ("zh-CN", "en"):
                page = await person.opens(f"/emergency/templates/{one}?lang={language}")
                assert page.status == 200
                labels = {node.get("for") for node in page.tree.all("label")}
                for node in page.main.all("input", like=lambda node: node.get("type") != "hidden"):
                    assert node.get("id") in labels or node.is_within_label, (one, node.attributes)
                ids = [node.get("id") for node in page.tree.walk() if node.has("id")]
                assert len(ids) == len(set(ids))


# ---- listening ----------------------------------------------------------------------------------------------------------


async def test_the_confirm_page_says_how_long_it_sounds_and_lets_it_be_heard(tmp_path: Path) -> None:
    async with town(assets=tmp_path) as there, at_the_desk(there) as person:
        page = await filled(person)
        audio = page.main.one("audio")
        assert audio.has("controls") and audio.get("preload") == "none" and audio.get("aria-label")
        assert re.search(r"从头到尾约 \d+ 秒", page.main.words)
        assert (await person.opens(audio.get("src"))).status == 404, "no such file on this disk"
        there.services.previews._voice = Heard(tmp_path)  # type: ignore[assignment]
        async with person._client.get(audio.get("src")) as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "audio/ogg", b"OggS")
        async with person._client.get(audio.get("src"), headers={"Range": "bytes=2-"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"gS")


class Heard:
    """Makes one file of everything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def whole(self, layout: Layout) -> Spoken:
        assert (layout.tone, layout.repeats) == (Tone.ATTENTION, 2)
        (self._folder / ("11" * 32)).write_bytes(b"OggS")
        return Spoken(b"\x11" * 32, 4, 1_000)


@pytest.mark.parametrize(
    "query",
    ["", "asset=x&tone=1&repeats=2&gap_ms=0&closing=0", "asset=&tone=9&repeats=2&gap_ms=0&closing=0"]
    + [f"asset=&tone=1&repeats={n}&gap_ms={gap}&closing=0" for n, gap in ((0, 0), (101, 0), (1, 60_001), ("-1", 0))],
)
async def test_only_what_the_desk_links_to_can_be_listened_to(query: str) -> None:
    async with town() as there, at_the_desk(there) as person:
        assert (await person.opens(f"/emergency/listen?{query}")).status == 404


async def test_a_sound_that_changed_after_it_was_heard_is_not_sent_and_the_page_says_so() -> None:
    async with town() as there, at_the_desk(there) as person:
        page = await filled(person)
        pairs = [(name, value) for name, value in page.sent(typed="690") if name != "heard"]
        refused = await person.sends("/emergency/broadcasts", [*pairs, ("heard", "0" * 64)])
        assert refused.status == 409 and "声音和试听过的不一样" in refused.main.words
        assert there.kinds() == []
        await person.sends("/emergency/broadcasts", refused.sent(typed="690"))
        assert there.kinds() == [Kind.EMERGENCY]


async def test_what_cannot_be_spoken_in_time_can_be_sent_all_the_same() -> None:
    async with town() as there, at_the_desk(there) as person:
        there.speech.fails = "no engine"
        page = await filled(person)
        assert not page.main.all("audio") and "也可以直接发布" in page.main.words
        await person.sends("/emergency/broadcasts", page.sent(typed="690"))
        assert there.kinds() == [Kind.EMERGENCY]


# ---- the ends of an alert -------------------------------------------------------------------------------------------------


async def test_a_live_alert_shows_its_prepared_ends_and_a_correction_takes_two_actions() -> None:
    async with town() as there, at_the_desk(there) as person:
        await started(person)
        await there.services.endings.tick()
        (alert,) = there.services.broadcasts.live()
        live = await person.opens(f"/emergency/broadcasts/{alert.id}")
        shown = live.main.one(class_="endings")
        assert "现在解除" in shown.words and "现予更正" in shown.words and len(shown.all("audio")) == 2
        ask = await person.opens(shown.one("a", href="/withdraw").get("href"))  # one
        await person.sends(ask.action(), ask.sent())  # two
        (now,) = there.services.broadcasts.live()
        assert now.replaces == alert.id and "现予更正" in now.text
        assert (await there.services.broadcasts.get(alert.id)).life is Life.REPLACED


async def test_the_whole_ends_by_its_own_button_in_two_actions() -> None:
    async with town() as there, at_the_desk(there) as person:
        live = await started(person)
        (alert,) = there.services.broadcasts.live()
        ask = await person.opens(live.link("/all-clear"))
        await person.sends(ask.action(), [*ask.sent(), ("scope", "whole")])
        assert (await there.services.broadcasts.get(alert.id)).life is Life.CLEARED


@pytest.mark.parametrize(
    ("scope", "areas"),
    [("chosen", []), ("", []), ("whole", [TOWNSHIP]), ("everything", []), ("chosen", ["999999999999"])],
)
async def test_what_the_button_and_the_ticks_do_not_agree_on_ends_nothing(scope: str, areas: list[str]) -> None:
    async with town() as there, at_the_desk(there) as person:
        live = await started(person)
        (alert,) = there.services.broadcasts.live()
        ask = await person.opens(live.link("/all-clear"))
        sent = [*ask.sent(), ("scope", scope), *(("areas", code) for code in areas)]
        page = await person.sends(ask.action(), sent)
        assert page.status == 422 and page.main.one(id="fault-areas").words
        assert [one.order for one in there.services.broadcasts.live()] == [alert.order]


async def test_a_township_that_was_not_chosen_goes_on_and_the_words_name_the_one_that_ends() -> None:
    async with town() as there, at_the_desk(there) as person:
        live = await started(person, areas=CITY)
        (alert,) = there.services.broadcasts.live()
        rungs = await person.opens(f"{live.path}/areas/{TOWNSHIP}")
        ask = await person.opens(rungs.main.one("a", href="/all-clear").get("href"))
        ticked = [node.get("value") for node in ask.main.all("input", name="areas") if node.has("checked")]
        assert ticked == [TOWNSHIP]
        await person.sends(ask.action(), [*ask.sent(), ("scope", "chosen")])
        clear, rest = there.services.broadcasts.live()
        assert clear.order.areas == (TOWNSHIP,) and rest.id == alert.id
        assert rest.means("s-1", OTHER_TOWNSHIP) and not rest.means("s-1", TOWNSHIP)
        name = there.services.estate.tree.area(TOWNSHIP).name
        assert name in clear.text and "遵化市，" not in clear.text
