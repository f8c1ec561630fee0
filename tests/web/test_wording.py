"""Templates over the API, and the ends of an alert that are ready before anybody asks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broadcast.domain.broadcasts import Life
from endpoints.protocol import Band, Kind, Severity, Tone
from tests.town import CITY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine, order

FLOOD: dict[str, Any] = {
    "severity": "red",
    "place": "沙河两岸",
    "when": "今天20时",
    "until": "明天8时",
    "values": {"river": "沙河"},
}


async def test_an_officer_finds_the_templates_with_their_gaps() -> None:
    async with town() as there, machine(there) as client:
        items = (await (await client.get("/api/v1/templates")).json())["items"]
        flood = next(one for one in items if one["id"] == "flood")
        assert flood["event"] == {"zh-CN": "洪水预警", "en": "Flood"}
        assert [(gap["name"], gap["required"]) for gap in flood["gaps"]] == [("river", True)]
        assert [set(action) for action in flood["actions"]] == [{"zh-CN", "en"}] * 4


async def test_a_filled_template_is_text_and_nothing_is_stored() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/templates/flood/word", json=FLOOD)
        worded = await answer.json()
        assert answer.status == 200
        assert worded["headline"] == "洪水红色预警"
        assert worded["text"].startswith("遵化市应急广播发布洪水红色预警。沙河两岸，今天20时，沙河水位")
        assert worded["text"].endswith("以上至明天8时有效。")
        assert there.kinds() == []


async def test_the_names_of_the_areas_are_the_place_and_instants_become_words() -> None:
    async with town() as there, machine(there) as client:
        midnight = there.clock.now_ms() // 86_400_000 * 86_400  # 08:00 in Beijing
        begins = datetime.fromtimestamp(midnight + 86_400, UTC).isoformat()
        body = {
            **FLOOD,
            "place": "",
            "when": "",
            "until": "后天8时",
            "begins": begins,
            "areas": [TOWNSHIP, OTHER_TOWNSHIP],
        }
        text = (await (await client.post("/api/v1/templates/flood/word", json=body)).json())["text"]
        names = "、".join(there.services.estate.tree.area(code).name for code in (TOWNSHIP, OTHER_TOWNSHIP))
        assert (
            f"。{names}，明天8时，沙河" in text
            or f"。{names}，今天8时，沙河" in text
            or f"。{names}，后天8时，沙河" in text
        )


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"place": ""}, "place", "missing"),
        ({"when": " "}, "when", "missing"),
        ({"until": ""}, "until", "missing"),
        ({"severity": "unknown"}, "severity", "not-offered"),
        ({"values": {}}, "values.river", "missing"),
        ({"values": {"river": "沙河", "sea": "x"}}, "values.sea", "unknown-field"),
        ({"values": {"river": "长" * 201}}, "values.river", "too-long"),
        ({"actions": []}, "actions", "missing"),
        ({"actions": [11]}, "actions", "out-of-range"),
        ({"text": "我自己写"}, "text", "unknown-field"),
        ({"begins": "tomorrow"}, "begins", "malformed-time"),
    ],
)
async def test_a_gap_that_is_not_right_is_named(change: dict[str, Any], field: str, code: str) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/templates/flood/word", json={**FLOOD, **change})
        assert answer.status == 422
        assert (field, code) in [(one["field"], one["code"]) for one in (await answer.json())["errors"]]


@pytest.mark.parametrize(
    ("place", "areas", "named"),
    [
        (1, [0], True), (1, [1], False), ("沙河两岸", [0], False), ("遵化市", [0], False), (0, [0, 1], False),
        ("{0}、{1}", [0], True), ("{0}和{1}", [0], True), ("{1}沙河两岸", [0], True), ("{0}沙河两岸", [0], False),
    ],
)  # fmt: skip
async def test_a_place_that_lies_outside_the_chosen_areas_is_refused_by_both_names(
    place: int | str, areas: list[int], named: bool
) -> None:
    async with town() as there, machine(there) as client:
        tree, codes = there.services.estate.tree, (TOWNSHIP, OTHER_TOWNSHIP)
        names = [tree.area(code).name for code in codes]
        said = names[place] if isinstance(place, int) else place.format(*names)
        body = {**FLOOD, "place": said, "areas": [codes[n] for n in areas]}
        answer = await client.post("/api/v1/templates/flood/word", json=body)
        if not named:
            assert answer.status == 200, await answer.text()
            return
        (fault,) = (await answer.json())["errors"]
        assert (fault["field"], fault["code"], fault["place"]) == ("place", "outside-targets", names[1])
        assert fault["areas"] == names[0] and names[1] in fault["detail"] and names[0] in fault["detail"]


async def test_ends_that_have_passed_or_come_before_the_beginning_are_refused() -> None:
    async with town() as there, machine(there) as client:
        now = there.clock.now_ms() // 1000
        for begins, ends, code in ((-3600, -1800, "in-the-past"), (7200, 3600, "before-start")):
            at = {
                name: datetime.fromtimestamp(now + s, UTC).isoformat()
                for name, s in (("begins", begins), ("ends", ends))
            }
            answer = await client.post("/api/v1/templates/flood/word", json={**FLOOD, "when": "", "until": "", **at})
            assert [(one["field"], one["code"]) for one in (await answer.json())["errors"]] == [("until", code)]


async def test_a_template_that_is_not_there_is_not_found() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/templates/tsunami/word", json=FLOOD)
        assert (answer.status, (await answer.json())["type"]) == (404, "/problems/unknown-template")


async def alert(there: Town, client: Any, **change: Any) -> str:
    answer = await client.post("/api/v1/broadcasts", json=order(**change))
    assert answer.status == 202, await answer.text()
    await there.services.endings.tick()
    return str((await answer.json())["id"])


async def test_the_all_clear_and_the_correction_of_a_live_alert_are_spoken_before_anybody_asks() -> None:
    async with town() as there, machine(there) as client:
        broadcast = await alert(there, client, areas=[TOWNSHIP])
        ends = await (await client.get(f"/api/v1/broadcasts/{broadcast}/endings")).json()
        name = there.services.estate.tree.area(TOWNSHIP).name
        for one, word in ((ends["all_clear"], "解除"), (ends["correction"], "更正")):
            assert one["ready"] and one["asset_ms"] > 0
            assert name in one["text"] and word in one["text"]


async def test_a_correction_takes_the_place_of_the_alert_where_it_sounded_and_says_what_was_prepared() -> None:
    async with town() as there, machine(there) as client:
        broadcast = await alert(there, client, areas=[TOWNSHIP], excluded=[])
        prepared = (await (await client.get(f"/api/v1/broadcasts/{broadcast}/endings")).json())["correction"]
        answer = await client.post(f"/api/v1/broadcasts/{broadcast}/correct", json={})
        assert answer.status == 202
        was = await there.services.broadcasts.get(broadcast)
        assert was.life is Life.REPLACED
        (now,) = there.services.broadcasts.live()
        assert (now.replaces, now.text, now.order.asset.hex()) == (broadcast, prepared["text"], prepared["asset"])
        assert (now.order.areas, now.order.kind, now.order.band) == ((TOWNSHIP,), Kind.EMERGENCY, was.order.band)
        assert (now.order.severity, now.order.tone) == (Severity.RED, Tone.CHIME)
        assert now.order.band >= Band.EMERGENCY


async def test_an_all_clear_in_one_township_names_that_one_and_leaves_the_rest() -> None:
    async with town() as there, machine(there) as client:
        broadcast = await alert(there, client, areas=[TOWNSHIP, OTHER_TOWNSHIP])
        answer = await client.post(f"/api/v1/broadcasts/{broadcast}/all-clear", json={"areas": [OTHER_TOWNSHIP]})
        assert answer.status == 202
        tree = there.services.estate.tree
        clear = next(one for one in there.services.broadcasts.live() if one.replaces == broadcast)
        assert tree.area(OTHER_TOWNSHIP).name in clear.text
        assert tree.area(TOWNSHIP).name not in clear.text
        assert (await there.services.broadcasts.get(broadcast)).life is Life.LIVE


THIRD = "130281103000"


async def ends_of(client: Any, broadcast: str) -> tuple[str, str]:
    ends = await (await client.get(f"/api/v1/broadcasts/{broadcast}/endings")).json()
    return ends["all_clear"]["text"], ends["correction"]["text"]


async def test_where_it_has_ended_the_prepared_words_do_not_speak_of_it_any_more() -> None:
    async with town() as there, machine(there) as client:
        tree = there.services.estate.tree
        names = {code: tree.area(code).name for code in (TOWNSHIP, OTHER_TOWNSHIP, THIRD)}
        broadcast = await alert(there, client, areas=list(names))
        for text in await ends_of(client, broadcast):
            assert all(name in text for name in names.values())
        cleared = await client.post(f"/api/v1/broadcasts/{broadcast}/all-clear", json={"areas": [OTHER_TOWNSHIP]})
        assert cleared.status == 202
        for _ in range(2):  # at once, and when they have been spoken
            for text in await ends_of(client, broadcast):
                assert names[OTHER_TOWNSHIP] not in text and names[TOWNSHIP] in text and names[THIRD] in text
            await there.services.endings.tick()
        assert (await client.post(f"/api/v1/broadcasts/{broadcast}/correct", json={})).status == 202
        now = next(one for one in there.services.broadcasts.live() if one.text.startswith("遵化市应急广播更正"))
        assert names[OTHER_TOWNSHIP] not in now.text and names[TOWNSHIP] in now.text


async def test_the_city_cleared_by_its_code_is_what_of_it_was_alerted() -> None:
    async with town() as there, machine(there) as client:
        tree = there.services.estate.tree
        chosen = [TOWNSHIP, OTHER_TOWNSHIP, THIRD]
        broadcast = await alert(there, client, areas=chosen)
        assert (await client.post(f"/api/v1/broadcasts/{broadcast}/all-clear", json={"areas": [CITY]})).status == 202
        clear = next(one for one in there.services.broadcasts.live() if one.replaces == broadcast)
        assert "。" + "、".join(tree.area(code).name for code in chosen) + "，" in clear.text
        assert "通知。遵化市，" not in clear.text


async def test_an_alert_to_the_whole_city_of_which_a_part_has_ended_says_so() -> None:
    async with town() as there, machine(there) as client:
        broadcast = await alert(there, client, areas=[CITY])
        cleared = await client.post(f"/api/v1/broadcasts/{broadcast}/all-clear", json={"areas": [OTHER_TOWNSHIP]})
        assert cleared.status == 202
        name = there.services.estate.tree.area(OTHER_TOWNSHIP).name
        for text in await ends_of(client, broadcast):
            assert f"。遵化市除{name}以外，" in text


async def test_a_voice_that_fails_costs_the_ending_nothing_but_its_readiness() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", json=order(areas=[CITY]))
        broadcast = (await answer.json())["id"]
        there.speech.fails = "no voice"
        await there.services.endings.tick()
        ends = await (await client.get(f"/api/v1/broadcasts/{broadcast}/endings")).json()
        assert not ends["all_clear"]["ready"] and ends["all_clear"]["text"]
        there.speech.fails = ""
        there.clock.advance(61)
        await there.services.endings.tick()
        ends = await (await client.get(f"/api/v1/broadcasts/{broadcast}/endings")).json()
        assert ends["all_clear"]["ready"] and ends["correction"]["ready"]


async def test_a_township_does_not_correct_what_the_city_ordered_and_a_viewer_nothing() -> None:
    async with town() as there, machine(there) as client:
        broadcast = await alert(there, client, areas=[TOWNSHIP])
        for officer, problem in ((TOWN_DUTY, "/problems/higher-level"), (VIEWER, "/problems/role-not-granted")):
            async with machine(there, officer) as other:
                answer = await other.post(f"/api/v1/broadcasts/{broadcast}/correct", json={})
                assert (answer.status, (await answer.json())["type"]) == (403, problem)
        assert (await there.services.broadcasts.get(broadcast)).life is Life.LIVE
