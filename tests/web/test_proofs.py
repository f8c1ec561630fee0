"""Proof of play over the API: grades, contradictions, and the word of a person on the spot."""

from dataclasses import replace

from endpoints.proof import Ear, Place, Proof, Window
from endpoints.protocol import Stage
from tests.town import TOWN_DUTY, TOWNSHIP, Town, town
from tests.web.browser import machine, order

RIGHT = (Window(Place.START, 987, 1_200, -213), Window(Place.END, 981, 1_400, -215))


def proof_of(there: Town, broadcast: str, speaker: str) -> Proof:
    return Proof(speaker, 5, broadcast, 1, there.clock.now_ms(), 350, Ear.MICROPHONE, True, RIGHT)


async def started(there: Town, client: object, *, area: str = TOWNSHIP) -> tuple[str, list[str]]:
    answer = await client.post("/api/v1/broadcasts", json=order(areas=[area]))  # type: ignore[attr-defined]
    broadcast = (await answer.json())["id"]
    live = await there.services.broadcasts.get(broadcast)
    return broadcast, [one.id for one in there.services.estate.meant_by(live.order)]


async def test_what_an_ear_heard_stands_beside_what_the_speaker_said() -> None:
    async with town() as there, machine(there) as client:
        broadcast, (first, second, *_) = await started(there, client)
        await there.report(broadcast, [first, second], Stage.RECEIVED, Stage.SOUNDING)
        await there.services.proofs.keep(proof_of(there, broadcast, first))
        rung = await (await client.get(f"/api/v1/broadcasts/{broadcast}/speakers/{first}")).json()
        assert rung["known"] == "measured"
        (proof,) = rung["proofs"]
        assert (proof["ear"], proof["confirms"], proof["played_out"], proof["clock_ms"]) == (
            "microphone",
            True,
            True,
            0.35,
        )
        assert proof["windows"][0] == {"place": "start", "correlation": 0.987, "late_ms": 1.2, "level_db": -21.3}
        rung = await (await client.get(f"/api/v1/broadcasts/{broadcast}/speakers/{second}")).json()
        assert (rung["known"], rung["proofs"]) == ("reported", [])


async def test_an_ear_that_contradicts_its_speaker_raises_an_alarm_until_it_hears_the_right_thing() -> None:
    async with town() as there, machine(there) as client:
        broadcast, (first, *_) = await started(there, client)
        await there.report(broadcast, [first], Stage.RECEIVED, Stage.SOUNDING)
        right = proof_of(there, broadcast, first)
        await there.services.proofs.keep(replace(right, windows=(replace(RIGHT[0], correlation_permille=12),)))
        rung = await (await client.get(f"/api/v1/broadcasts/{broadcast}/speakers/{first}")).json()
        assert rung["known"] == "contradicted"
        assert "ear-contradicts" in [one.name for one in there.services.health.conditions]
        there.clock.advance(1)
        await there.services.proofs.keep(replace(right, at_ms=right.at_ms + 1))
        assert "ear-contradicts" not in [one.name for one in there.services.health.conditions]


async def test_a_proof_about_what_was_never_ordered_there_is_counted_and_not_kept() -> None:
    async with town() as there, machine(there) as client:
        broadcast, meant = await started(there, client)
        other = next(name for name in there.services.estate.speakers if name not in meant)
        await there.services.proofs.keep(proof_of(there, broadcast, other))
        await there.services.proofs.keep(proof_of(there, "A-1", meant[0]))
        assert there.services.health.counters["proofs_unexpected"] == 2
        assert await there.store.read(lambda tx: tx.proofs.of(broadcast)) == []


async def test_a_person_on_the_spot_confirms_or_denies_inside_his_own_area() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client, machine(there) as city:
        broadcast, (first, *_) = await started(there, city)
        where = f"/api/v1/broadcasts/{broadcast}/speakers/{first}/heard"
        answer = await client.post(where, json={"heard": True, "note": "<b>听到了</b>"})
        rung = await answer.json()
        assert (answer.status, rung["known"]) == (200, "heard")
        assert rung["witnesses"][0]["note"] == "<b>听到了</b>"
        there.clock.advance(1)
        assert (await (await client.post(where, json={"heard": False})).json())["known"] == "contradicted"


async def test_nobody_speaks_for_another_place_or_of_what_did_not_mean_it() -> None:
    async with town() as there, machine(there) as city:
        broadcast, meant = await started(there, city)
        other = next(name for name in there.services.estate.speakers if name not in meant)
        answer = await city.post(f"/api/v1/broadcasts/{broadcast}/speakers/{other}/heard", json={"heard": True})
        assert (answer.status, (await answer.json())["type"]) == (409, "/problems/not-meant")
        answer = await city.post(f"/api/v1/broadcasts/{broadcast}/speakers/{meant[0]}/heard", json={"heard": "yes"})
        assert answer.status == 422
        answer = await city.post(
            f"/api/v1/broadcasts/{broadcast}/speakers/{meant[0]}/heard", json={"heard": True, "note": "长" * 201}
        )
        assert answer.status == 422
        async with machine(there, TOWN_DUTY) as town_duty:
            elsewhere = next(name for name in there.services.estate.speakers if name not in meant)
            answer = await town_duty.post(
                f"/api/v1/broadcasts/{broadcast}/speakers/{elsewhere}/heard", json={"heard": True}
            )
            assert answer.status == 403


async def test_a_telephone_that_says_it_again_with_its_key_has_said_it_once() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client, machine(there) as city:
        broadcast, (first, *_) = await started(there, city)
        where = f"/api/v1/broadcasts/{broadcast}/speakers/{first}/heard"
        key = {"Idempotency-Key": "k-1"}
        for _ in range(2):
            answer = await client.post(where, json={"heard": True}, headers=key)
            assert len((await answer.json())["witnesses"]) == 1
        answer = await client.post(where, json={"heard": False}, headers=key)
        assert (answer.status, (await answer.json())["type"]) == (409, "/problems/key-reused")


async def test_a_fault_that_a_person_reports_rings_once_and_stands_in_the_duty_log() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client, machine(there) as city:
        mine, other = "s-130281100201-1", "s-130281101201-1"
        key = {"Idempotency-Key": "k-1"}
        said = {"complaint": "damaged", "note": "<b>杆子倒了</b>"}
        for _ in range(2):
            answer = await client.post(f"/api/v1/speakers/{mine}/fault-reports", json=said, headers=key)
            assert answer.status == 204
        assert (await client.post(f"/api/v1/speakers/{other}/fault-reports", json=said)).status == 403
        assert (await client.post(f"/api/v1/speakers/{mine}/fault-reports", json={"complaint": "x"})).status == 422
        await there.services.watch.alarms.tick()
        items = (await (await city.get("/api/v1/alarms")).json())["items"]
        assert [(one["kind"], one["facts"]["note"], one["count"]) for one in items] == [
            ("fault-reported", "<b>杆子倒了</b>", 1)
        ]
