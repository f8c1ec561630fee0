"""The nightly test keeps its hour and away from changes of shift; expiry becomes conditions; troubles tell what is wrong."""

from dataclasses import dataclass, field, replace

from broadcast.domain.expiry import DAY_MS, Ending
from broadcast.domain.speakers import Wish
from broadcast.service.expiry import Expiry
from broadcast.service.health import Health
from endpoints.protocol import Fault
from endpoints.sealing import Message, TrustStore
from endpoints.setup import decode_setup
from tests.caring import care_for, keyring_of
from tests.town import CHIEF, Town, town

ONE = "s-130281100201-1"


@dataclass
class Change:
    """Whether a shift changes about now."""

    near: bool = False
    asked: list[int] = field(default_factory=list)

    def __call__(self, now_ms: int) -> bool:
        self.asked.append(now_ms)
        return self.near


def local_minute(there: Town) -> str:
    minute = (there.clock.now_ms() // 60_000 + 480) % 1_440
    return f"{minute // 60:02d}:{minute % 60:02d}"


async def test_the_test_of_the_night_begins_by_itself_waits_for_the_shift_and_runs_once() -> None:
    async with town() as there:
        change, services, at = Change(near=True), there.services, local_minute(there)
        care = await care_for(
            clock=there.clock,
            store=there.store,
            wire=there.wire,
            estate=services.estate,
            speakers=services.speakers,
            health=services.health,
            broadcasts=services.broadcasts,
            master=b"\3" * 32,
            on_change=lambda: None,
            is_near_change=change,
            silent_test_at=at,
        )
        await care.tests.tick()
        assert care.tests._running is None, "a shift changes"
        change.near = False
        await care.tests.tick()
        assert care.tests._running is not None
        there.clock.advance(91)
        await care.tests.tick()
        morning = await care.tests.morning(by=CHIEF)
        assert morning.test is not None
        assert (morning.test.by, morning.test.asked, morning.test.passed) == ("", 718, 0)
        failed = next(one for one in services.health.conditions if one.name == "silent-test-failed")
        assert failed.facts["speakers"] == "718"
        await care.tests.tick()
        assert care.tests._running is None, "once a night"
        again = await care_for(
            clock=there.clock,
            store=there.store,
            wire=there.wire,
            estate=services.estate,
            speakers=services.speakers,
            health=services.health,
            broadcasts=services.broadcasts,
            master=b"\3" * 32,
            on_change=lambda: None,
            silent_test_at=at,
        )
        await again.tests.tick()
        assert again.tests._running is None, "after a restart too"


async def test_a_setup_is_signed_for_its_speaker_retained_and_grows_with_each_change() -> None:
    async with town() as there:
        care = there.services.care
        await care.caretaking.change(
            ONE, Wish(volume_percent=30, muted_until_ms=there.clock.now_ms() + 60_000), by=CHIEF, revision=1
        )
        (frame,) = [payload for topic, payload in there.wire.published if topic == f"eb/v1/setup/{ONE}"]
        trust = TrustStore(keyring_of(b"\3" * 32).trusted)
        setup = decode_setup(trust.open(frame, Message.SETUP, exercise=False).payload)
        assert (setup.speaker, setup.version, setup.volume_percent, setup.generation) == (ONE, 2, 30, 1)
        await care.caretaking.change(ONE, Wish(volume_percent=30), by=CHIEF, revision=2)
        assert len([topic for topic, _ in there.wire.published if "/setup/" in topic]) == 1, "no change, no setup"


async def test_troubles_are_told_one_by_one_and_not_of_who_is_in_maintenance() -> None:
    async with town() as there:
        names = list(there.services.estate.speakers)
        there.all_there(but=[names[0]])
        there.hello(names[1], faults=int(Fault.SOUND | Fault.AMPLIFIER))
        found = {(one.speaker, one.cause) for one in there.services.care.troubles.now()}
        assert found == {(names[0], "offline"), (names[1], "sound"), (names[1], "amplifier")}
        wish = Wish(muted_until_ms=there.clock.now_ms() + 60_000)
        await there.services.care.caretaking.change(names[0], wish, by=CHIEF, revision=1)
        await there.services.care.caretaking.revoke(names[2], by=CHIEF, reason="x")
        found = {(one.speaker, one.cause) for one in there.services.care.troubles.now()}
        assert found == {(names[1], "sound"), (names[1], "amplifier"), (names[2], "revoked")}


def test_what_ends_soon_is_a_condition_with_a_rank_until_it_is_renewed() -> None:
    now_ms = 1_790_000_000_000
    endings = [Ending("key", "live 1", now_ms + 400 * DAY_MS), Ending("certificate", "b.pem", now_ms + 20 * DAY_MS)]
    health = Health(lambda: now_ms)
    expiry = Expiry(health=health, endings=lambda: endings)
    expiry.look(now_ms)
    assert [(one.name, one.facts["days"], one.facts["rank"]) for one in health.conditions] == [
        ("certificate-ends", "20", "3")
    ]
    expiry.look(now_ms + 19 * DAY_MS)
    assert [(one.name, one.facts["stage"], one.facts["rank"]) for one in health.conditions] == [
        ("certificate-ends", "1", "1")
    ]
    endings[1] = replace(endings[1], ends_ms=now_ms + 800 * DAY_MS)
    expiry.look(now_ms + 19 * DAY_MS)
    assert health.conditions == ()


async def test_a_speaker_that_falls_silent_and_one_that_says_a_fault_are_shown_within_sixty_seconds() -> None:
    async with town() as there:
        there.all_there()
        others = [name for name in there.services.estate.speakers if name != ONE]
        for _ in range(3):
            there.clock.advance(19)
            there.hello(*others)
            there.services.speakers.tick(wire_up=True)
        assert [(one.speaker, one.cause) for one in there.services.care.troubles.now()] == [(ONE, "offline")]
        there.hello(others[0], faults=int(Fault.SOUND))
        assert (others[0], "sound") in {(one.speaker, one.cause) for one in there.services.care.troubles.now()}
