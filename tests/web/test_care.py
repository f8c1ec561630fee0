"""Looking after speakers over the API: who may, what is refused, and that nothing is half done."""

import hmac
from typing import Any

import pytest
from aiohttp import ClientSession

from broadcast.domain.officers import Officer
from endpoints.enrolling import Asking, invitation_of, print_of, renewal_proof
from endpoints.provisioning import SpeakerConfig
from endpoints.setup import About
from tests.caring import keyring_of
from tests.town import CHIEF, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine, order

ONE, TWO, FAR = "s-130281100201-1", "s-130281100202-1", "s-130281101201-1"
VILLAGE = "130281100201"
API = "/api/v1"


def about(there: Town, speaker: str, **other: Any) -> About:
    values: dict[str, Any] = {
        "speaker": speaker, "boot": 1, "at_ms": there.clock.now_ms(), "model": "LB-S1", "firmware": "1.4.2", "version": 1,
        "check_ms": 0, "volume_percent": 70, "ceiling_percent": 100, "floor_percent": 60, "quiet_from_min": 1_320,
        "quiet_until_min": 360, "muted_until_ms": 0, "generation": 1, "faults": 0,
    }  # fmt: skip
    return About(**{**values, **other})


async def enrolled(there: Town, client: ClientSession, **body: Any) -> tuple[SpeakerConfig, Asking, str]:
    answer = await client.post(f"{API}/enrolments", json={"area": VILLAGE, **body})
    assert answer.status == 201, await answer.text()
    code = (await answer.json())["code"]
    asking = Asking()
    given = await client.post(f"{API}/enrolments/redeem", json={"code": code, "box": asking.box})
    assert given.status == 200, await given.text()
    told = asking.open((await given.json())["sealed"], server="http://x")
    return told.provisioning.speakers[0], asking, code


# ---- settings ---------------------------------------------------------------------------------------------------------------


async def test_a_change_needs_the_newest_version_and_what_is_reported_shows_the_drift() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        there.all_there()
        there.services.care.setups.take(about(there, ONE))
        seen = await client.get(f"{API}/estate/speakers/{ONE}")
        assert seen.headers["ETag"] == '"1"'
        before = await seen.json()
        assert (before["drift"], before["reported"]["firmware"], before["wanted"]["quiet"]) == ([], "1.4.2", None)
        body = {"volume_percent": 40, "quiet": {"begins": "21:30", "ends": "06:30"}, "note": "电杆<b>西侧</b>"}
        without = await client.put(f"{API}/speakers/{ONE}/settings", json=body)
        assert without.status == 428
        done = await client.put(f"{API}/speakers/{ONE}/settings", json=body, headers={"If-Match": '"1"'})
        after = await done.json()
        assert (done.status, after["revision"], after["note"]) == (200, 2, "电杆<b>西侧</b>")
        assert after["wanted"]["quiet"] == {"begins": "21:30", "ends": "06:30"}
        assert after["drift"] == ["volume_percent", "quiet"]
        late = await client.put(
            f"{API}/speakers/{ONE}/settings", json={"volume_percent": 99}, headers={"If-Match": '"1"'}
        )
        assert (late.status, (await late.json())["revision"]) == (412, 2)
        listed = await (await client.get(f"{API}/estate/speakers?only=drift")).json()
        assert [one["id"] for one in listed["items"]] == [ONE]
        assert listed["firmwares"] == {"": 717, "1.4.2": 1}
        same = {"volume_percent": 40, "quiet_from_min": 1_290, "quiet_until_min": 390}
        there.services.care.setups.take(about(there, ONE, **same))
        assert (await (await client.get(f"{API}/estate/speakers/{ONE}")).json())["drift"] == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"volume_percent": 101}, "volume_percent", "out-of-range"),
        ({"floor_percent": 10}, "floor_percent", "out-of-range"),
        ({"ceiling_percent": 65, "floor_percent": 90}, "floor_percent", "above-ceiling"),
        ({"muted_until": "2020-01-01T00:00:00Z"}, "muted_until", "in-the-past"),
        ({"muted_until": "9999-12-31T23:59:59Z"}, "muted_until", "muted-too-long"),
        ({"name": "a\nb"}, "name", "control-characters"),
        ({"name": "x" * 41}, "name", "too-long"),
        ({"area": "999999999999"}, "area", "unknown-area"),
        ({"volume": 3}, "volume", "unknown-field"),
        ({"quiet": {"begins": "25:00", "ends": "06:00"}}, "quiet.begins", "malformed"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_changes(
    body: dict[str, Any], field: str, code: str
) -> None:
    async with town() as there, machine(there, CHIEF) as client:
        answer = await client.put(f"{API}/speakers/{ONE}/settings", json=body, headers={"If-Match": '"1"'})
        assert answer.status == 422
        assert (field, code) in [(one["field"], one["code"]) for one in (await answer.json())["errors"]]
        assert there.services.estate.speaker(ONE).revision == 1


async def test_many_are_changed_together_or_not_at_all_with_a_word_on_each() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        body = {"speakers": [ONE, "s-nobody", TWO], "settings": {"volume_percent": 33}}
        answer = await client.post(f"{API}/speakers/bulk", json=body)
        errors = (await answer.json())["errors"]
        assert (answer.status, [(one["field"], one["code"]) for one in errors]) == (
            422,
            [("speakers.1", "unknown-speaker")],
        )
        assert there.services.estate.speaker(ONE).volume_percent == 70
        good = await client.post(f"{API}/speakers/bulk", json={**body, "speakers": [ONE, TWO, ONE]})
        assert [one["wanted"]["volume_percent"] for one in (await good.json())["items"]] == [33, 33]
        named = await client.post(f"{API}/speakers/bulk", json={"speakers": [ONE, TWO], "settings": {"name": "x"}})
        assert (await named.json())["errors"][0]["code"] == "not-for-many"


@pytest.mark.parametrize(
    ("officer", "status"),
    [(CHIEF, 200), (DUTY, 403), (TOWN_DUTY, 403), (VIEWER, 403)],
    ids=lambda one: str(getattr(one, "name", one)),
)
async def test_only_who_looks_after_the_estate_changes_it(officer: Officer, status: int) -> None:
    async with town() as there, machine(there, officer) as client:
        answers = [
            await client.put(f"{API}/speakers/{ONE}/settings", json={"volume_percent": 5}, headers={"If-Match": '"1"'}),
            await client.post(f"{API}/speakers/bulk", json={"speakers": [ONE], "settings": {"volume_percent": 5}}),
            await client.post(f"{API}/speakers/roll-key", json={"speakers": [ONE]}),
            await client.post(f"{API}/speakers/{ONE}/revoke", json={"reason": "被偷"}),
            await client.post(f"{API}/speakers/{TWO}/retire"),
            await client.post(f"{API}/enrolments", json={"area": VILLAGE}),
            await client.get(f"{API}/enrolments"),
            await client.post(f"{API}/groups", json={"name": "学校", "owner": TOWNSHIP, "speakers": [ONE]}),
        ]
        found = [answer.status for answer in answers]
        assert all(code == status if status == 403 else code < 300 for code in found), found


# ---- secrets ----------------------------------------------------------------------------------------------------------------


async def test_a_code_makes_one_speaker_and_only_for_the_box_that_used_it_first() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        config, asking, code = await enrolled(there, client, name="广场")
        assert config.id == "s-130281100201-2"
        assert there.services.estate.speaker(config.id).name == "广场"
        again = await client.post(
            f"{API}/enrolments/redeem", json={"code": code.lower().replace("-", " "), "box": asking.box}
        )
        assert again.status == 200
        assert asking.open((await again.json())["sealed"], server="x").provisioning.speakers[0] == config
        other = await client.post(f"{API}/enrolments/redeem", json={"code": code, "box": Asking().box})
        assert (other.status, (await other.json())["type"]) == (403, "/problems/code-refused")
        (listed,) = (await (await client.get(f"{API}/enrolments")).json())["items"]
        assert (listed["state"], listed["foreign_tries"]) == ("used", 1)
        assert code.replace("-", "") not in str(listed)


async def test_the_qr_code_and_the_print_are_of_this_server() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        made = await (await client.post(f"{API}/enrolments", json={"area": VILLAGE})).json()
        assert made["qr"].startswith("<svg") and "script" not in made["qr"]
        assert made["keys"] == print_of(keyring_of(b"\3" * 32).trusted)
        asked = invitation_of(there.services.care.invite(made["server"], made["code"]))
        assert (asked.code, asked.keys) == (made["code"], made["keys"])


async def test_a_code_that_is_late_withdrawn_or_replaced_by_a_newer_one_opens_nothing() -> None:
    async with town() as there, machine(there, CHIEF) as client:

        async def tried(code: str) -> int:
            there.clock.advance(61)  # the limits are another test's
            return (await client.post(f"{API}/enrolments/redeem", json={"code": code, "box": Asking().box})).status

        made = await (await client.post(f"{API}/enrolments", json={"area": VILLAGE, "valid_min": 5})).json()
        there.clock.advance(301)
        assert await tried(made["code"]) == 403
        made = await (await client.post(f"{API}/enrolments", json={"area": VILLAGE})).json()
        gone = await client.delete(f"{API}/enrolments/{made['enrolment']['id']}")
        assert (await gone.json())["state"] == "withdrawn"
        assert await tried(made["code"]) == 403
        first = await (await client.post(f"{API}/enrolments", json={"speaker": ONE})).json()
        second = await (await client.post(f"{API}/enrolments", json={"speaker": ONE})).json()
        assert await tried(first["code"]) == 403
        assert await tried(second["code"]) == 200
        assert there.services.estate.speaker(ONE).generation == 2


async def test_an_old_box_gets_nothing_more_by_its_old_code_once_another_box_is_there() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        config, thief, code = await enrolled(there, client)
        await enrolled(there, client, **{"area": None, "speaker": config.id})
        again = await client.post(f"{API}/enrolments/redeem", json={"code": code, "box": thief.box})
        assert again.status == 403
        box = thief.box
        renewed = await client.post(
            f"{API}/enrolments/renew",
            json={"speaker": config.id, "box": box, "proof": renewal_proof(config.key, config.id, box)},
        )
        assert renewed.status == 403


async def test_newer_secrets_go_to_who_proves_the_present_ones_and_to_nobody_else() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        config, _, _ = await enrolled(there, client)
        asking = Asking()
        right = {"speaker": config.id, "box": asking.box, "proof": renewal_proof(config.key, config.id, asking.box)}
        wrong = [
            {**right, "proof": "0" * 64},
            {**right, "proof": renewal_proof(b"x" * 32, config.id, asking.box)},
            {**right, "box": Asking().box},
            {**right, "speaker": ONE},
            {**right, "speaker": "s-nobody"},
        ]
        for body in wrong:
            assert (await client.post(f"{API}/enrolments/renew", json=body)).status == 403
        await client.post(f"{API}/speakers/roll-key", json={"speakers": [config.id]})
        rolling = await (await client.get(f"{API}/estate/speakers?only=rolling")).json()
        assert [(one["id"], one["secrets"]["fetched"]) for one in rolling["items"]] == [(config.id, False)]
        given = await client.post(f"{API}/enrolments/renew", json=right)
        newer = asking.open((await given.json())["sealed"], server="x").provisioning.speakers[0]
        assert newer.generation == 2 and not hmac.compare_digest(newer.key, config.key)
        care, now_ms = there.services.care, there.clock.now_ms()
        assert there.services.estate.older_key_of(config.id, now_ms) == config.key
        care.caretaking.heard(config.id)
        await care.caretaking.tick()
        assert there.services.estate.older_key_of(config.id, now_ms) is None
        there.clock.advance(61)
        assert (await client.post(f"{API}/enrolments/renew", json=right)).status == 403


async def test_a_roll_that_nobody_answers_ends_the_older_secrets_when_its_time_is_up() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        await client.post(f"{API}/speakers/roll-key", json={"speakers": [ONE], "within_min": 10})
        await client.post(f"{API}/speakers/roll-key", json={"speakers": [ONE], "within_min": 10})
        estate = there.services.estate
        assert estate.speaker(ONE).generation == 2, "one that is rolling goes on"
        assert estate.speaker(ONE).broker_generation(there.clock.now_ms()) == 1
        there.clock.advance(601)
        await there.services.care.caretaking.tick()
        assert estate.older_key_of(ONE, there.clock.now_ms()) is None
        assert estate.speaker(ONE).broker_generation(there.clock.now_ms()) == 2


async def test_a_revoked_speaker_has_no_key_no_account_and_a_reason_in_the_log() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        without = await client.post(f"{API}/speakers/{ONE}/revoke", json={"reason": "  "})
        assert (await without.json())["errors"][0]["code"] == "missing"
        done = await client.post(f"{API}/speakers/{ONE}/revoke", json={"reason": "被偷"})
        assert (await done.json())["secrets"]["revoked"] is True
        one = there.services.estate.speaker(ONE)
        assert there.services.estate.key_of(ONE) is None
        assert one.broker_generation(there.clock.now_ms()) == 0
        assert (await client.post(f"{API}/speakers/roll-key", json={"speakers": [ONE]})).status == 422
        acts = await there.store.read(lambda tx: tx.acts.page(limit=1))
        assert [(act.verb, act.subject, act.detail) for act in acts] == [("revoke speaker", ONE, "被偷")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": "ABCD2345"},
        {"code": "", "box": "0" * 64},
        {"code": "x" * 41, "box": "0" * 64},
        {"code": "ABCD2345", "box": "0" * 63},
        {"code": "ABCD2345", "box": "G" * 64},
        {"code": "ABCD2345", "box": "0" * 64, "model": "x" * 41},
        {"code": "ABCD2345", "box": "0" * 64, "root": True},
        {"code": ["ABCD2345"], "box": "0" * 64},
    ],
)
async def test_what_no_box_would_say_is_refused_before_anything_is_looked_up(body: dict[str, Any]) -> None:
    async with town() as there, machine(there, None) as client:
        assert (await client.post(f"{API}/enrolments/redeem", json=body)).status == 422


async def test_guesses_are_refused_and_soon_told_to_wait() -> None:
    async with town() as there, machine(there, None) as client:
        codes = [
            (
                await client.post(
                    f"{API}/enrolments/redeem",
                    json={"code": f"ABCD23{n:02d}".replace("0", "Z").replace("1", "Y"), "box": "0" * 64},
                )
            ).status
            for n in range(20)
        ]
        assert codes == [403] * 10 + [429] * 10
        assert there.services.health.counters["enrolment_codes_refused"] == 10


# ---- groups -----------------------------------------------------------------------------------------------------------------


async def test_a_group_is_frozen_into_what_is_sent_and_does_not_follow_later_changes() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        there.all_there()
        group = {"name": "学校", "owner": "130281000000", "areas": [OTHER_TOWNSHIP], "speakers": [ONE]}
        made = await (await client.post(f"{API}/groups", json=group)).json()
        body = {**order(), "areas": [], "groups": [made["id"]]}
        answer = await client.post(f"{API}/broadcasts", json=body, headers={"Idempotency-Key": "g-1"})
        assert answer.status == 202, await answer.text()
        broadcast = there.services.boards.find((await answer.json())["id"])
        assert broadcast is not None
        assert (broadcast.order.areas, broadcast.order.speakers) == ((OTHER_TOWNSHIP,), (ONE,))
        changed = {**group, "areas": [], "speakers": [TWO]}
        done = await client.put(f"{API}/groups/{made['id']}", json=changed, headers={"If-Match": '"1"'})
        assert (await done.json())["revision"] == 2
        assert broadcast.order.speakers == (ONE,)
        late = await client.put(f"{API}/groups/{made['id']}", json=group, headers={"If-Match": '"1"'})
        assert late.status == 412
        nobody = await client.post(f"{API}/broadcasts", json={**body, "groups": ["0" * 26]})
        assert (await nobody.json())["errors"][0]["code"] == "unknown-group"
        gone = await client.delete(f"{API}/groups/{made['id']}", headers={"If-Match": '"2"'})
        assert gone.status == 204
        assert (await client.get(f"{API}/groups/{made['id']}")).status == 404


async def test_a_group_that_holds_nobody_or_what_lies_outside_is_refused_and_others_do_not_see_it() -> None:
    async with town() as there, machine(there, CHIEF) as client, machine(there, TOWN_DUTY) as village:
        empty = await client.post(f"{API}/groups", json={"name": "无", "owner": TOWNSHIP})
        assert (await empty.json())["errors"][0]["code"] == "empty-target"
        outside = await client.post(f"{API}/groups", json={"name": "外", "owner": TOWNSHIP, "speakers": [FAR]})
        assert (await outside.json())["errors"][0] | {} == {
            **(await outside.json())["errors"][0],
            "code": "outside-owner",
        }
        county = await (
            await client.post(f"{API}/groups", json={"name": "全市", "owner": "130281000000", "speakers": [FAR]})
        ).json()
        own = await (
            await client.post(f"{API}/groups", json={"name": "镇里", "owner": TOWNSHIP, "speakers": [ONE]})
        ).json()
        seen = await (await village.get(f"{API}/groups")).json()
        assert [one["id"] for one in seen["items"]] == [own["id"]]
        assert (await village.get(f"{API}/groups/{county['id']}")).status == 404


# ---- tests ------------------------------------------------------------------------------------------------------------------


async def test_the_list_of_the_morning_says_who_failed_and_why_by_township() -> None:
    async with town() as there, machine(there, CHIEF) as client, machine(there, TOWN_DUTY) as village:
        empty = await (await client.get(f"{API}/estate/morning")).json()
        assert (empty["test"], empty["townships"]) == (None, [])
        there.all_there(but=[FAR])
        care = there.services.care
        answer = await client.post(f"{API}/speakers/test", json={"kind": "silent"})
        test = await answer.json()
        at_ms = care.tests._running.test.at_ms  # type: ignore[union-attr]
        assert len([topic for topic, _ in there.wire.published if "/setup/" in topic]) == 718
        for name in there.services.estate.speakers:
            if name not in (FAR, TWO):
                care.setups.take(about(there, name, check_ms=at_ms, faults=64 if name == ONE else 0))
        await care.tests.tick()
        there.clock.advance(45)
        there.all_there(but=[FAR])
        there.clock.advance(46)
        await care.tests.tick()
        morning = await (await client.get(f"{API}/estate/morning?test={test['test']}")).json()
        assert (morning["test"]["asked"], morning["test"]["passed"]) == (718, 715)
        failed = {one["speaker"]: one["why"] for area in morning["townships"] for one in area["failed"]}
        assert failed == {ONE: ["amplifier"], TWO: ["cannot-say"], FAR: ["offline"]}
        assert morning["townships"][0]["failed"]
        own = await (await village.get(f"{API}/estate/morning?test={test['test']}")).json()
        assert {one["speaker"] for area in own["townships"] for one in area["failed"]} == {ONE, TWO}
        assert (await client.get(f"{API}/estate/morning?test={'0' * 26}")).status == 404


async def test_a_tone_is_soft_routine_named_singly_and_repeated_requests_sound_once() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        body, once = {"kind": "tone", "speakers": [ONE, TWO]}, {"Idempotency-Key": "tone-1"}
        first = await (await client.post(f"{API}/speakers/test", json=body, headers=once)).json()
        second = await (await client.post(f"{API}/speakers/test", json=body, headers=once)).json()
        assert first == second
        order_ = there.services.boards.find(first["broadcasts"][0]).order  # type: ignore[union-attr]
        assert (order_.speakers, order_.areas, order_.ceiling_percent) == ((ONE, TWO), (), 25)
        nobody = await client.post(f"{API}/speakers/test", json={"kind": "tone"})
        assert (await nobody.json())["errors"][0]["code"] == "empty-target"


async def test_a_speaker_is_registered_by_form_once_and_where_one_may() -> None:
    async with town() as there, machine(there, CHIEF) as client, machine(there, TOWN_DUTY) as town_duty:
        body, once = {"area": VILLAGE, "name": "<b>村口</b>"}, {"Idempotency-Key": "form-1"}
        made = await client.post(f"{API}/speakers", json=body, headers=once)
        out = await made.json()
        assert (made.status, out["id"], out["name"]) == (201, "s-130281100201-2", "<b>村口</b>"), out
        again = await client.post(f"{API}/speakers", json=body, headers=once)
        assert (await again.json())["id"] == out["id"]
        other = await client.post(f"{API}/speakers", json={**body, "name": "另一个"}, headers=once)
        assert other.status == 409
        for wrong, field in (
            ({"area": VILLAGE, "id": ONE}, "id"),
            ({"area": "130281199299"}, "area"),
            ({"area": VILLAGE, "id": "../x"}, "id"),
            ({"area": VILLAGE, "name": "a\u0000b"}, "name"),
        ):
            answer = await client.post(f"{API}/speakers", json=wrong)
            assert (answer.status, [one["field"] for one in (await answer.json())["errors"]]) == (422, [field]), wrong
        assert (await town_duty.post(f"{API}/speakers", json=body)).status == 403
        assert len(there.services.estate) == 719
        code = await client.post(f"{API}/enrolments", json={"speaker": out["id"]})
        assert code.status == 201, "its box comes by a code"
