"""The care of speakers with a real broker: a box enrols itself, is set, tested, rolled, revoked and replaced."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from broadcast.domain.enrolments import CodeRefused
from broadcast.domain.speakers import Wish
from broadcast.service.estate_tests import Morning
from broadcast.service.officers import TooManyTries
from broadcast.service.presence import Presence
from endpoints.box import Box
from endpoints.effects import Make
from endpoints.enrolling import Refused, print_of, renew
from endpoints.mqtt_link import MqttLink
from endpoints.protocol import Entry, Reason, Report, Stage, encode_report, report_topic
from endpoints.provisioning import Provisioning, read_single
from endpoints.sealing import Message, seal_by_speaker
from endpoints.sinks import NullSink
from endpoints.speaker import enrol, newer_secrets, running_speaker
from tests.system.city import OFFICER, City, city, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

VILLAGE = "130281100201"
MAKE = Make("LB-S1", "1.4.2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with city(tmp_path_factory.mktemp("care"), count=6, ESTATE_SILENT_TEST_AT="") as found:
        yield found


@dataclass
class Field:
    """Real boxes on this machine."""

    there: City
    folder: Path
    stack: AsyncExitStack

    async def code(self, **about: object) -> str:
        _, code = await self.there.server.care.enrolments.make(by=OFFICER, **about)  # type: ignore[arg-type]
        return code

    async def enrolled(self, code: str, name: str = "box") -> Provisioning:
        path = await enrol(code, server=self.there.server.address, folder=self.folder / name, make=MAKE)
        return read_single(path)

    async def box(self, provisioning: Provisioning, name: str = "box") -> Box:
        state = self.folder / f"{name}-{provisioning.speakers[0].generation}"
        return await self.stack.enter_async_context(
            running_speaker(provisioning, state=state, sink=NullSink(), make=MAKE)
        )

    def online(self, speaker: str) -> bool:
        return self.there.server.speakers.status(speaker).presence is Presence.ONLINE


@pytest_asyncio.fixture(loop_scope="module")
async def field(there: City, tmp_path: Path) -> AsyncIterator[Field]:
    async with AsyncExitStack() as stack:
        yield Field(there, tmp_path, stack)


async def refused_by_broker(provisioning: Provisioning) -> bool:
    """Whether the broker takes this account no more."""
    said: list[str] = []
    link = MqttLink(
        provisioning.broker_for(provisioning.speakers[0]),
        f"{provisioning.speakers[0].id}-again",
        on_message=lambda *_: None,
        on_up=lambda _: said.append("up"),
        on_down=said.append,
    )
    link.start()
    try:
        await until(lambda: said or link.counters.failed_dials or link.last_reason.startswith("broker"), "an answer")
        return "up" not in said
    finally:
        await link.stop()


async def test_a_box_with_a_code_is_a_speaker_and_says_what_it_is(field: Field) -> None:
    code = await field.code(area=VILLAGE, name="村口")
    provisioning = await field.enrolled(code)
    (config,) = provisioning.speakers
    server = field.there.server
    assert server.estate.speaker(config.id).name == "村口"
    assert print_of(provisioning.keys) == server.care.keys_print
    box = await field.box(provisioning)
    await until(lambda: field.online(config.id), "the new speaker online")
    await until(lambda: server.care.setups.said(config.id), "what it says of itself")
    said = server.care.setups.said(config.id)
    assert said is not None and (said.model, said.firmware, said.generation) == ("LB-S1", "1.4.2", 1)
    with pytest.raises(Refused):
        await enrol(code, server=server.address, folder=field.folder / "thief", make=Make())
    await server.care.enrolments.watch()
    assert [one.name for one in server.health.conditions if one.name == "code-tried-again"]
    one = server.estate.speaker(config.id)
    wish = Wish(volume_percent=35, quiet_min=(1_290, 390))
    await server.care.caretaking.change(config.id, wish, by=OFFICER, revision=one.revision)
    await until(lambda: box.player.who.volume_percent == 35, "the new volume at the box")
    await until(lambda: (server.care.setups.said(config.id) or said).volume_percent == 35, "and reported")
    assert box.player.who.quiet.from_min == 1_290


async def test_newer_secrets_are_fetched_and_the_older_ones_end(field: Field) -> None:
    server = field.there.server
    old = await field.enrolled(await field.code(area=VILLAGE))
    (config,) = old.speakers
    async with AsyncExitStack() as first:
        box = await first.enter_async_context(running_speaker(old, state=field.folder / "b", sink=NullSink()))
        await until(lambda: field.online(config.id), "online")
        await server.care.caretaking.roll([config.id], by=OFFICER)
        given = await asyncio.wait_for(newer_secrets(box, old), 15)
    new = given.provisioning
    assert new.speakers[0].generation == 2 and new.speakers[0].key != config.key
    await field.box(new)
    await until(lambda: not server.estate.speaker(config.id).older_until_ms, "the older secrets ended")
    assert server.estate.older_key_of(config.id, server.clock.now_ms()) is None
    assert await refused_by_broker(old)
    assert not await refused_by_broker(new)


async def test_a_revoked_speaker_is_thrown_off_within_thirty_seconds_and_believed_no_more(field: Field) -> None:
    server = field.there.server
    provisioning = await field.enrolled(await field.code(area=VILLAGE))
    (config,) = provisioning.speakers
    box = await field.box(provisioning)
    await until(lambda: field.online(config.id), "online")
    began = time.monotonic()
    await server.care.caretaking.revoke(config.id, by=OFFICER, reason="箱子被偷")
    await until(lambda: not box.link.connected, "thrown off", within_s=30)
    print(f"revoked after {time.monotonic() - began:.2f} s")
    assert await refused_by_broker(provisioning)
    await until(lambda: not field.online(config.id), "not shown as there", within_s=5)
    before = server.health.counters.get("reports_unknown_speaker", 0)
    entry = Entry(1, "o-1", 1, Stage.FINISHED, Reason.NONE, server.clock.now_ms())
    forged = seal_by_speaker(
        encode_report(Report(config.id, 1, (entry,))), Message.REPORT, exercise=False, key=config.key
    )
    server.ingest.message(report_topic("eb/v1", config.id), forged, 1, False, 0)
    assert server.health.counters["reports_unknown_speaker"] == before + 1
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Refused):
            await renew(session, config, server.address)


async def test_a_new_box_takes_over_id_place_and_settings_and_the_old_one_is_out(field: Field) -> None:
    server = field.there.server
    old = await field.enrolled(await field.code(area=VILLAGE, name="学校"))
    (config,) = old.speakers
    box = await field.box(old)
    await until(lambda: field.online(config.id), "online")
    await server.care.caretaking.change(config.id, Wish(volume_percent=42, note="电杆西侧"), by=OFFICER, revision=1)
    code = await field.code(speaker=config.id)
    assert box.link.connected, "until the new box is there the old one works"
    new = await field.enrolled(code, "new")
    assert (new.speakers[0].id, new.speakers[0].volume_percent, new.speakers[0].generation) == (config.id, 42, 2)
    await until(lambda: not box.link.connected, "the old box is thrown off", within_s=30)
    await box.stop()
    await field.box(new, "new")
    await until(lambda: field.online(config.id), "the new box online")
    kept = server.estate.speaker(config.id)
    assert (kept.name, kept.area, kept.note) == ("学校", VILLAGE, "电杆西侧")
    assert await refused_by_broker(old)


async def test_the_silent_test_names_who_is_off_and_whose_amplifier_is_broken_and_nothing_sounds(there: City) -> None:
    server, names = there.server, list(there.simulator.speakers)
    broken, off = there.simulator.speakers[names[0]], there.simulator.speakers[names[1]]
    broken.breaks_amplifier()
    off.loses_power()
    await until(lambda: server.speakers.status(names[1]).presence is Presence.OFFLINE, "the loss seen")
    heard = sum(len(one.heard) for one in there.simulator.speakers.values())
    server.care.tests._newest_nightly_ms = 0
    test = await server.care.tests.start(by=OFFICER, speakers=names)
    await until(lambda: server.care.tests._running is None or len(server.care.tests._running.waiting) <= 1, "answers")
    if server.care.tests._running is not None:
        await server.care.tests._end(server.care.tests._running, server.clock.now_ms())
    morning: Morning = await server.care.tests.morning(by=OFFICER, test=test.id)
    assert {one.speaker: one.why for one in morning.findings} == {names[0]: ("amplifier",), names[1]: ("offline",)}
    assert morning.test is not None and (morning.test.asked, morning.test.passed) == (6, 4)
    assert sum(len(one.heard) for one in there.simulator.speakers.values()) == heard
    broken.breaks_amplifier(False)
    off.gets_power()
    await until(lambda: server.speakers.status(names[1]).presence is Presence.ONLINE, "back")


async def test_a_tone_sounds_softly_at_the_chosen_speakers_and_at_no_other(there: City) -> None:
    server, names = there.server, list(there.simulator.speakers)
    for name in names:
        one = server.estate.speaker(name)
        await server.care.caretaking.change(name, Wish(quiet_min=(0, 0)), by=OFFICER, revision=one.revision)
    await until(
        lambda: all(s.player and s.player.who.quiet.from_min == 0 for s in there.simulator.speakers.values()),
        "no quiet hours",
    )
    (broadcast,) = await server.care.tests.tone(names[2:4], by=OFFICER)
    heard = [there.simulator.speakers[name] for name in names]
    await until(lambda: all(one.heard for one in heard[2:4]), "the chime at both", within_s=15)
    assert [play.volume_percent for one in heard[2:4] for play in one.heard if play.order.id == broadcast] == [25, 25]
    assert not [one for one in heard[:2] + heard[4:] if any(play.order.id == broadcast for play in one.heard)]


async def test_codes_are_guessed_in_vain_and_not_for_long(there: City) -> None:
    refused = too_often = 0
    for n in range(60):
        try:
            await there.server.care.enrolments.redeem(
                f"{n:08d}".replace("0", "A").replace("1", "B"), box="ab" * 32, address="10.9.9.9", host="x"
            )
        except CodeRefused:
            refused += 1
        except TooManyTries:
            too_often += 1
    assert (refused, too_often) == (10, 50)
