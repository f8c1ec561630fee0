"""Whom a broadcast would reach."""

from dataclasses import replace

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.service.reach import takes_air
from broadcast.web.models import NewBroadcast
from endpoints.protocol import Fault, Kind, OrderRule, Severity
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, Town, town

FIRST, SECOND = "s-130281100200-1", "s-130281100201-1"


def command(**fields: object) -> StartBroadcast:
    return NewBroadcast(**{"kind": "emergency", "severity": "red", "areas": [CITY], "text": "x", **fields}).command()  # type: ignore[arg-type]


async def on_air(there: Town, **fields: object) -> str:
    return (await there.services.broadcasts.start(command(**fields), by=DUTY)).ids[0]


async def test_nothing_heard_is_unknown_and_not_online() -> None:
    async with town() as there:
        reached = there.services.reach.of(command(), by=DUTY)
        assert (reached.townships, reached.villages, reached.speakers) == (27, 690, 718)
        assert (reached.online, len(reached.offline), len(reached.unknown)) == (0, 0, 718)


async def test_the_counts_add_up_and_who_is_away_has_a_name() -> None:
    async with town() as there:
        there.all_there(but=[FIRST, SECOND])
        reached = there.services.reach.of(command(), by=DUTY)
        assert (reached.online, len(reached.offline), len(reached.unknown)) == (716, 2, 0)
        assert [(one.id, one.place) for one in reached.offline] == [(FIRST, "遵化镇 东坝村"), (SECOND, "遵化镇 东关村")]
        assert all(one.since_ms > 0 for one in reached.offline)
        there.services.speakers.wire_lost()
        reached = there.services.reach.of(command(), by=DUTY)
        assert (reached.online, len(reached.unknown)) == (0, 718)


async def test_parts_and_single_speakers_are_counted_once() -> None:
    async with town() as there:
        of = there.services.reach.of
        one = of(command(areas=[TOWNSHIP]), by=DUTY)
        assert (one.townships, one.villages, one.speakers) == (1, 40, 41)
        both = of(command(areas=[TOWNSHIP, OTHER_TOWNSHIP, "130281100200"]), by=DUTY)
        assert (both.townships, both.villages, both.speakers) == (2, 72, 74)
        less = of(command(areas=[CITY], excluded=[TOWNSHIP]), by=DUTY)
        assert (less.townships, less.villages, less.speakers) == (26, 650, 677)
        single = of(command(areas=[], speakers=[FIRST]), by=DUTY)
        assert (single.townships, single.villages, single.speakers) == (1, 1, 1)
        nobody = of(command(exercise=True), by=DUTY)
        assert (nobody.villages, nobody.speakers) == (690, 0)


async def test_what_is_known_to_be_wrong_is_named() -> None:
    async with town() as there:
        there.all_there()
        there.hello(FIRST, faults=Fault.SOUND | Fault.CLOCK)
        muted = replace(there.services.estate.speaker(SECOND), volume_percent=0)
        await there.store.write(lambda tx: tx.speakers.save(muted))
        await there.services.estate.load()
        quiet = there.services.reach.of(command(kind="notice", severity="unknown"), by=DUTY)
        assert {(one.id, one.why) for one in quiet.faulty} == {(FIRST, "clock sound"), (SECOND, "muted")}
        loud = there.services.reach.of(command(), by=DUTY)  # an emergency raises the volume by itself
        assert {(one.id, one.why) for one in loud.faulty} == {(FIRST, "clock sound")}
        still = there.services.reach.of(
            command(volume_percent=0), by=DUTY
        )  # and lifts mute at the speaker if it does not
        assert {(one.id, one.why) for one in still.faulty} == {(FIRST, "clock sound")}


async def test_what_has_the_air_gives_way_or_is_waited_for() -> None:
    async with town() as there:
        notice = await on_air(there, kind="notice", severity="unknown", areas=[TOWNSHIP], text="停水通知")
        there.all_there()
        there.hello(FIRST, SECOND, on_air=notice)
        cut = there.services.reach.of(command(), by=DUTY).on_air
        assert [(one.headline, one.speakers, one.gives_way) for one in cut] == [("停水通知", 2, True)]
        queued = there.services.reach.of(command(kind="notice", severity="unknown"), by=DUTY).on_air
        assert [one.gives_way for one in queued] == [False]
        lower = there.services.reach.of(
            command(kind="notice", severity="unknown", areas=[TOWNSHIP]), by=TOWN_DUTY
        ).on_air
        assert [one.gives_way for one in lower] == [False]
        elsewhere = there.services.reach.of(command(areas=[OTHER_TOWNSHIP]), by=DUTY).on_air
        assert elsewhere == ()


async def test_what_a_speaker_plays_and_nobody_here_knows_is_shown_all_the_same() -> None:
    async with town() as there:
        there.hello(FIRST, on_air="01UNKNOWN")
        cut = there.services.reach.of(command(), by=CHIEF).on_air
        assert [(one.broadcast, one.headline, one.gives_way) for one in cut] == [("01UNKNOWN", "", True)]


async def test_for_a_later_begin_the_rules_say_what_will_have_the_air() -> None:
    async with town() as there:
        later = there.clock.now_ms() + 60_000
        notice = await on_air(there, kind="notice", severity="unknown", areas=[TOWNSHIP], text="停水通知")
        planned = replace(command(), not_before_ms=later, minutes=5)
        reached = there.services.reach.of(planned, by=DUTY)
        assert [(one.broadcast, one.speakers) for one in reached.on_air] == [(notice, 41)]
        assert (reached.begins_ms, reached.ends_ms) == (later, later + 300_000)


async def test_the_newer_emergency_takes_the_air_from_an_equal_one_and_a_notice_does_not() -> None:
    async with town() as there:
        one = there.services.boards.carried[await on_air(there)].order
        rule = OrderRule.SEVERITY_FIRST
        assert takes_air(one, one, rule)
        assert not takes_air(replace(one, severity=Severity.BLUE), one, rule)
        assert takes_air(one, replace(one, severity=Severity.UNKNOWN), rule)
        other = there.services.boards.carried[await on_air(there, kind="notice", severity="unknown")].order
        assert not takes_air(other, other, rule)
        assert other.kind is Kind.NOTICE
