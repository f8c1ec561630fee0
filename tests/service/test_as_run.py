"""What was planned against what sounded: one word for every occurrence at every speaker, three alarms at most."""

from typing import Any

from broadcast.domain.as_run import Outcome
from broadcast.domain.broadcasts import Broadcast, StartBroadcast
from broadcast.domain.live_records import LiveRecord
from broadcast.domain.programmes import Stream
from broadcast.service.ladder import KEEP_ROUTINE
from broadcast.service.ports import ReportRow
from endpoints.protocol import Kind, Reason, Severity, Stage
from tests.plans import once_in
from tests.town import CHIEF, CITY, DUTY, TOWN_DUTY, TOWNSHIP, Town, town

HOUR_MS = 3_600_000


async def on_air(there: Town, *, seconds: float = -1, **other: object) -> Broadcast:
    """A programme of the whole county whose time has come; its ladder is open."""
    await there.services.programmes.add(once_in(there.clock.now_ms(), seconds, **other), by=DUTY)
    there.clock.advance(max(0.0, seconds) + 1)
    there.services.planning.tick()
    return there.services.planning.boards.running()[0]


async def sounds(there: Town, one: Broadcast, *names: str, late_ms: int = 40, reason: Reason = Reason.NONE) -> None:
    """These say that it began so long after its time."""
    at_ms, rows = one.order.not_before_ms + late_ms, []
    for name in names:
        there.told += 1
        rows.append(ReportRow(one.id, name, Stage.SOUNDING, at_ms, 1, reason, 1, there.told, there.clock.now_ms()))
    await there.store.keep_reports(rows)
    there.ladder.take(rows)


async def outcomes(there: Town, area: str = CITY) -> dict[Outcome, int]:
    await there.ladder.write_behind(at_once=True)
    now_ms = there.clock.now_ms()
    runs = await there.services.planning.as_run.runs(
        by=CHIEF, area=area, from_ms=now_ms - HOUR_MS, until_ms=now_ms + HOUR_MS
    )
    counts: dict[Outcome, int] = {}
    for run in runs:
        for outcome, count in run.counts.items():
            counts[outcome] = counts.get(outcome, 0) + count
    return counts


async def alarms(there: Town) -> dict[str, dict[str, str]]:
    await there.services.planning.keep_record()
    return {one.name: dict(one.facts) for one in there.services.health.conditions if one.name.startswith("programme")}


async def test_a_ladder_is_opened_at_its_time_and_not_when_it_is_planned() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), 300), by=DUTY)
        one = next(iter(there.services.planning.boards.rows))
        there.services.planning.tick()
        assert not there.ladder.knows(one)
        assert await outcomes(there) == {Outcome.UNKNOWN: 718}
        there.clock.advance(230)
        there.services.planning.tick()
        assert there.ladder.knows(one)


async def test_every_speaker_gets_its_word() -> None:
    async with town() as there:
        one = await on_air(there, seconds=5)
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names[:5])
        await sounds(there, one, names[5], late_ms=-1_000)
        there.clock.advance(60)
        await sounds(there, one, names[6], late_ms=30_000)
        await sounds(there, one, names[7], reason=Reason.FALLBACK)
        await there.report(one.id, names[8:9], Stage.REFUSED, reason=Reason.BUDGET)
        await there.report(one.id, names[9:10], Stage.MISSED, reason=Reason.WAS_OFF)
        await there.report(one.id, names[10:11], Stage.FAILED, reason=Reason.ASSET_MISSING)
        await sounds(there, one, names[11])
        await there.report(one.id, names[11:12], Stage.FAILED, reason=Reason.SOUND_CARD)
        assert await outcomes(there) == {
            Outcome.ON_TIME: 6,
            Outcome.LATE: 1,
            Outcome.FALLBACK: 1,
            Outcome.REFUSED: 1,
            Outcome.MISSED: 1,
            Outcome.FAILED: 1,
            Outcome.BROKEN_OFF: 1,
            Outcome.UNKNOWN: 718 - 12,
        }
        there.clock.advance(400)
        there.ladder.tick()
        assert (await outcomes(there))[Outcome.UNREACHED] == 718 - 12


async def test_the_record_is_the_same_from_the_table_as_from_memory() -> None:
    async with town() as there:
        one = await on_air(there)
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names[:700], late_ms=50)
        await sounds(there, one, names[700], late_ms=90)
        there.clock.advance(60)
        await sounds(there, one, names[701], late_ms=40_000, reason=Reason.FALLBACK)
        await there.report(one.id, names[702:703], Stage.REFUSED, reason=Reason.QUIET_HOURS)
        await there.ladder.write_behind(at_once=True)
        before = await outcomes(there), await outcomes(there, TOWNSHIP)
        lines = await all_lines(there)
        there.ladder._rungs.clear()
        assert (await outcomes(there), await outcomes(there, TOWNSHIP)) == before
        assert await all_lines(there) == lines
        assert len(lines) == 718
        assert [line.late_ms for line in lines if line.speaker == names[701]] == [40_000]


async def all_lines(there: Town) -> list[object]:
    now_ms = there.clock.now_ms()
    record = there.services.planning.as_run
    return list(await record.lines(by=CHIEF, area=CITY, from_ms=now_ms - HOUR_MS, until_ms=now_ms + HOUR_MS))


async def test_690_silent_speakers_are_one_alarm_and_it_ends_with_the_next_good_run() -> None:
    async with town() as there:
        there.all_there()
        one = await on_air(there)
        names = sorted(there.services.estate.speakers)
        await there.report(one.id, names[:690], Stage.FAILED, reason=Reason.ASSET_MISSING)
        await sounds(there, one, *names[690:700], reason=Reason.FALLBACK)
        there.clock.advance(20)
        there.services.speakers.gone(names[717])
        there.clock.advance(400)
        there.ladder.tick()
        found = await alarms(there)
        assert set(found) == {"programme-silent", "programme-fallback", "programme-unreached"}
        assert (
            found["programme-silent"]["speakers"] == str(690 + 17) and found["programme-silent"]["title"] == "早间广播"
        )
        assert found["programme-silent"]["townships"] == "28" and "、" in found["programme-silent"]["where"]
        assert found["programme-fallback"]["speakers"] == "10"
        assert found["programme-unreached"]["speakers"] == "1"
        again = await on_air(there)
        await sounds(there, again, *names)
        assert await alarms(there) == {}


async def test_what_the_rules_or_an_officer_decided_is_a_reason_and_no_alarm() -> None:
    async with town() as there:
        one = await on_air(there)
        names = sorted(there.services.estate.speakers)
        await there.report(one.id, names[:300], Stage.REFUSED, reason=Reason.BUDGET)
        await there.report(one.id, names[300:600], Stage.REFUSED, reason=Reason.QUIET_HOURS)
        await sounds(there, one, *names[600:])
        await there.services.broadcasts.stop(one.id, by=CHIEF)
        await there.report(one.id, names[600:], Stage.STOPPED, reason=Reason.CANCELLED)
        assert await outcomes(there) == {Outcome.REFUSED: 600, Outcome.STOPPED: 118}
        assert await alarms(there) == {}


async def test_a_slot_that_a_higher_one_had_all_the_time_is_no_alarm() -> None:
    async with town() as there:
        command = StartBroadcast(Kind.EMERGENCY, (TOWNSHIP,), severity=Severity.RED, minutes=60, text="山洪")
        await there.services.broadcasts.start(command, by=DUTY)
        one = await on_air(there, seconds=2)
        inside = [speaker.id for speaker in there.services.estate.inside(TOWNSHIP)]
        others = [name for name in there.services.estate.speakers if name not in inside]
        await sounds(there, one, *others[1:])
        await there.report(one.id, [*inside, others[0]], Stage.MISSED, reason=Reason.TOO_LATE)
        assert (await alarms(there))["programme-silent"]["speakers"] == "1"


async def test_what_happened_while_the_server_was_dead_is_looked_at_after_the_start() -> None:
    async with town() as there:
        one = await on_air(there)
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names[:100])
        seen_ms = there.clock.now_ms()
        there.ladder._rungs.clear()  # kill -9
        there.clock.advance(5 * 3600)
        await there.services.planning.boards.load()
        await there.services.planning.as_run.load(seen_ms)
        rows = {row.speaker: row for row in there.ladder.rows(one.id) or ()}
        now_ms = there.clock.now_ms()
        record = there.services.planning.as_run
        await there.ladder.write_behind(at_once=True)
        run = (await record.runs(by=CHIEF, area=CITY, from_ms=now_ms - 6 * HOUR_MS, until_ms=now_ms))[0]
        assert run.counts == {Outcome.ON_TIME: 100, Outcome.UNREACHED: 618} and len(rows) == 718


async def test_late_news_about_a_day_without_a_line_is_taken() -> None:
    async with town() as there:
        one = await on_air(there)
        there.clock.advance(400)
        there.ladder.tick()
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names)
        assert await outcomes(there) == {Outcome.ON_TIME: 718}


async def test_a_township_sees_its_own_part() -> None:
    async with town() as there:
        await on_air(there)
        now_ms = there.clock.now_ms()
        record = there.services.planning.as_run
        runs = await record.runs(by=TOWN_DUTY, area=TOWNSHIP, from_ms=now_ms - HOUR_MS, until_ms=now_ms)
        assert [run.meant for run in runs] == [len(there.services.estate.inside(TOWNSHIP))]


async def test_evidence_of_routine_is_forgotten_by_the_settings_and_its_outcome_stays() -> None:
    async with town() as there:
        one = await on_air(there)
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names)
        await there.ladder.write_behind(at_once=True)
        there.ladder._rungs.clear()
        there.clock.advance(31 * 86_400)
        await there.services.planning.as_run.forget()
        assert await there.store.read(lambda tx: tx.reports.of(one.id)) == []
        await there.ladder.load([one])
        assert {row.started_ms for row in there.ladder.rows(one.id) or ()} == {one.order.not_before_ms + 40}
        there.clock.advance(700 * 86_400)
        await there.services.planning.as_run.forget()
        assert await there.store.read(lambda tx: tx.broadcasts.get(one.id)) is None


async def test_routine_ladders_are_bounded_and_officers_are_not_pushed_out() -> None:
    async with town() as there:
        command = StartBroadcast(Kind.NOTICE, (CITY,), text="通知", minutes=1)
        officers = (await there.services.broadcasts.start(command, by=DUTY)).ids[0]
        first = await on_air(there)
        for _ in range(KEEP_ROUTINE // 718 + 2):
            await there.ladder.write_behind(at_once=True)
            there.clock.advance(360)
            await on_air(there, seconds=-2)
        assert not there.ladder.knows(first.id) and there.ladder.knows(officers)
        assert sum(len(rung.deliveries) for rung in there.ladder._rungs.values()) <= KEEP_ROUTINE + 2 * 718


async def test_what_falls_silent_in_the_middle_and_is_filled_counts_as_fallback() -> None:
    async with town() as there:
        one = await on_air(there)
        name = min(there.services.estate.speakers)
        await sounds(there, one, name)
        await there.ladder.write_behind(at_once=True)
        await sounds(there, one, name, late_ms=900, reason=Reason.FALLBACK)
        await there.ladder.write_behind(at_once=True)
        assert (await outcomes(there))[Outcome.FALLBACK] == 1
        there.ladder._rungs.clear()
        assert (await outcomes(there))[Outcome.FALLBACK] == 1


async def test_what_speakers_say_of_a_relay_is_held_against_what_was_sent() -> None:
    """Lost for ten seconds it stays lost on the record, also when its source has come back and its alarm is gone."""
    async with town() as there:
        radio: dict[str, Any] = {"source": Stream("https://radio.example/live"), "loop": False, "length_min": 5}
        one = await on_air(there, **radio)
        names = sorted(there.services.estate.speakers)
        await sounds(there, one, *names[:700])
        await there.report(one.id, names[700:], Stage.FAILED, reason=Reason.STREAM_LOST)
        good = LiveRecord(
            one.id, one.order.not_before_ms, one.order.stream, to_ms=one.order.not_before_ms + 9, packets=9
        )
        for records, cause, counts in (
            ([], "relay-lost", {Outcome.BROKEN_OFF: 700, Outcome.FAILED: 18}),
            ([good], "", {Outcome.ON_TIME: 700, Outcome.FAILED: 18}),
            ([good._replace(packets=0)], "relay-lost", {Outcome.BROKEN_OFF: 700, Outcome.FAILED: 18}),
            ([good._replace(packets=0, why="crash")], "", {Outcome.ON_TIME: 700, Outcome.FAILED: 18}),
            ([good._replace(why="relay-lost")], "relay-lost", {Outcome.BROKEN_OFF: 700, Outcome.FAILED: 18}),
        ):
            for record in records:
                await there.store.write(lambda tx, record=record: tx.live.save(record))  # type: ignore[misc]
            for seconds in (12, 24 * 3_600):  # while it lasts, and from the table
                there.clock.advance(seconds)
                now_ms = there.clock.now_ms()
                span = {"by": CHIEF, "area": CITY, "from_ms": one.order.not_before_ms - 1, "until_ms": now_ms}
                await there.ladder.write_behind(at_once=True)
                run = (await there.services.planning.as_run.runs(**span))[0]  # type: ignore[arg-type]
                assert (run.cause, run.counts) == (cause, counts)
                lines = await there.services.planning.as_run.lines(**span)  # type: ignore[arg-type]
                mine = {x.outcome: x.reason for x in lines if x.broadcast.id == one.id}
                assert mine.get(Outcome.BROKEN_OFF, Reason.NONE) is (Reason.STREAM_LOST if cause else Reason.NONE)


async def test_a_relay_of_which_nothing_was_sent_is_an_alarm_though_speakers_say_that_it_sounds() -> None:
    """The alarm is of the same mind as the log, and ends when the record shows that it went out after all."""
    async with town() as there:
        radio: dict[str, Any] = {"source": Stream("https://radio.example/live"), "loop": False, "length_min": 5}
        one = await on_air(there, **radio)
        await sounds(there, one, *sorted(there.services.estate.speakers))
        assert await alarms(there) == {}
        there.clock.advance(30)
        told = await alarms(there)
        assert list(told) == ["programme-silent"] and told["programme-silent"]["title"] == "早间广播"
        began_ms = one.order.not_before_ms
        went_out = LiveRecord(one.id, began_ms, one.order.stream, to_ms=began_ms + 9, packets=9)
        await there.store.write(lambda tx: tx.live.save(went_out))
        assert await alarms(there) == {}
