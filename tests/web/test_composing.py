"""A broadcast as it would sound, over the API; and that what was heard is what is sent."""

from typing import Any

import pytest

from endpoints.protocol import TONE_MS, Tone
from tests.town import CITY, MELODY, TOWN_DUTY, VIEWER, town
from tests.web.browser import machine, order

PREVIEW, SEND = "/api/v1/announcements/preview", "/api/v1/broadcasts"
TUNE = MELODY.asset.hex()


async def test_an_officer_learns_how_long_it_sounds_and_hears_the_whole_before_it_is_sent() -> None:
    async with town() as there, machine(there) as client:
        body = order(repeats=2, gap_ms=1_000, closing="chime")
        found = await (await client.post(PREVIEW, json=body)).json()
        assert found["sound_ms"] == TONE_MS[Tone.ATTENTION] + 2 * found["asset_ms"] + 1_000 + TONE_MS[Tone.CHIME]
        assert (found["words"], found["notes"], found["fits"]) == (body["text"], [], True)
        assert found["url"] == f"/assets/{found['asset']}" and found["whole_url"] == f"/assets/{found['whole']}"
        assert there.kinds() == [], "nothing has been sent"
        await client.post(SEND, json=body | {"heard": found["asset"]})
        (sent,) = there.services.broadcasts.live()
        assert (sent.order.asset.hex(), sent.order.sound_ms) == (found["asset"], found["sound_ms"])


@pytest.mark.parametrize(
    "change", [{"text": "没有山洪。"}, {"exercise": True}, {"rate": 120}, {"asset": TUNE}, {"text": "", "asset": None}]
)
async def test_what_is_not_what_was_heard_is_not_sent(change: dict[str, Any]) -> None:
    async with town() as there, machine(there) as client:
        heard = (await (await client.post(PREVIEW, json=order())).json())["asset"]
        answer = await client.post(SEND, json=order(**change) | {"heard": heard})
        assert (answer.status, (await answer.json())["type"]) == (409, "/problems/sound-changed")
        assert there.kinds() == []
        assert (await client.post(SEND, json=order() | {"heard": heard})).status == 202


async def test_what_can_no_longer_be_spoken_is_not_sent_as_something_else() -> None:
    async with town() as there, machine(there) as client:
        heard = (await (await client.post(PREVIEW, json=order())).json())["asset"]
        there.speech.fails = "no engine"
        assert (await client.post(SEND, json=order() | {"heard": heard})).status == 409
        assert (await client.post(SEND, json=order())).status == 202, "without it the tone goes out"


async def test_a_correction_is_compared_with_what_was_heard_as_well() -> None:
    async with town() as there, machine(there) as client:
        old = (await (await client.post(SEND, json=order())).json())["id"]
        answer = await client.post(f"{SEND}/{old}/update", json=order(text="改为橙色。") | {"heard": "0" * 64})
        assert answer.status == 409
        (live,) = there.services.broadcasts.live()
        assert live.id == old


async def test_what_does_not_fit_says_so() -> None:
    async with town() as there, machine(there) as client:
        found = await (await client.post(PREVIEW, json=order(minutes=1, repeats=20, text="山洪。" * 10))).json()
        assert found["fits"] is False


@pytest.mark.parametrize("body", [{"text": ""}, {"kind": "notice", "severity": "unknown"}])
async def test_a_recorded_sound_is_sent_as_it_is_and_exercised_between_the_words_that_say_so(
    body: dict[str, Any],
) -> None:
    async with town() as there, machine(there) as client:
        for exercise in (False, True):
            asked = order(asset=TUNE, exercise=exercise, **body)
            found = await (await client.post(PREVIEW, json=asked)).json()
            assert (found["asset"] == TUNE) is not exercise
            assert (await client.post(SEND, json=asked)).status == 202
        drill, real = there.services.broadcasts.live()
        assert (real.order.exercise, real.order.asset.hex()) == (False, TUNE)
        assert (drill.order.exercise, drill.order.asset.hex()) == (True, found["asset"])
        assert drill.order.asset_ms > real.order.asset_ms


async def test_without_a_voice_a_recorded_sound_is_not_exercised_at_all() -> None:
    async with town() as there, machine(there) as client:
        there.speech.fails = "no engine"
        for path in (PREVIEW, SEND):
            assert (await client.post(path, json=order(asset=TUNE, exercise=True))).status == 503
        assert there.kinds() == []


async def test_a_voice_that_is_not_there_gives_way_and_the_broadcast_says_so() -> None:
    async with town() as there, machine(there) as client:
        body = order(voice="zm_nobody", rate=200)
        found = await (await client.post(PREVIEW, json=body, headers={"Accept-Language": "en"})).json()
        assert [note["code"] for note in found["notes"]] == ["voice-missing"]
        sent = (await (await client.post(SEND, json=body)).json())["id"]
        assert (await (await client.get(f"{SEND}/{sent}")).json())["note"] == "voice-missing"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"bed": {"asset": TUNE}}, "bed", "not-in-emergency"),
        ({"kind": "notice", "text": "", "asset": TUNE, "bed": {"asset": TUNE}}, "bed", "only-under-words"),
        ({"kind": "notice", "bed": {"asset": "0" * 64}}, "bed", "unknown-asset"),
        ({"kind": "notice", "bed": {"asset": TUNE, "lead_ms": 15_001}}, "bed.lead_ms", "out-of-range"),
        ({"kind": "notice", "bed": {"asset": TUNE, "file": "/etc/passwd"}}, "bed.file", "unknown-field"),
        ({"kind": "notice", "bed": "../x"}, "bed", "wrong-type"),
        ({"rate": 99}, "rate", "out-of-range"),
        ({"rate": 251}, "rate", "out-of-range"),
        ({"voice": "../x"}, "voice", "malformed"),
        ({"heard": "x"}, "heard", "malformed"),
        ({"areas": []}, "areas", "empty-target"),
    ],
)
async def test_what_can_not_be_sent_can_not_be_heard_either_and_the_field_is_named(
    change: dict[str, Any], field: str, code: str
) -> None:
    async with town() as there, machine(there) as client:
        for path in (PREVIEW, SEND):
            answer = await client.post(path, json=order(**change))
            assert answer.status == 422
            assert (field, code) in [(one["field"], one["code"]) for one in (await answer.json())["errors"]]
        assert there.kinds() == []


async def test_music_changes_the_file_and_is_sent_as_it_was_heard() -> None:
    async with town() as there, machine(there) as client:
        body = order(kind="notice", severity="unknown", bed={"asset": TUNE, "lead_ms": 1_000, "tail_ms": 1_000})
        plain = await (await client.post(PREVIEW, json=body | {"bed": None})).json()
        found = await (await client.post(PREVIEW, json=body)).json()
        assert found["asset"] != plain["asset"]
        assert (await client.post(SEND, json=body | {"heard": found["asset"]})).status == 202
        assert (await client.post(SEND, json=body | {"heard": plain["asset"]})).status == 409


async def test_nobody_hears_what_he_may_not_send() -> None:
    async with town() as there:
        async with machine(there, VIEWER) as client:
            assert (await client.post(PREVIEW, json=order())).status == 403
        async with machine(there, TOWN_DUTY) as client:
            assert (await client.post(PREVIEW, json=order(areas=[CITY]))).status == 403


async def test_whoever_asks_without_end_is_told_when_to_come_back() -> None:
    async with town() as there, machine(there) as client:
        statuses = [(await client.post(PREVIEW, json=order())).status for _ in range(11)]
        assert statuses == [200] * 10 + [429]
