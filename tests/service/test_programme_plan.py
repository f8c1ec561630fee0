"""From the plan to the boards: what is saved is on the air without a restart, in versions, and nowhere else."""

import asyncio
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from broadcast.domain.broadcasts import InvalidRequest, Life
from broadcast.domain.calendar import DayEntry, DayKind
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted
from broadcast.domain.programmes import AreaPlan, DayRule, Pattern, Playlist, ProgrammeChanged, Speech, UnknownProgramme
from broadcast.service.once import KeyReused, OnceKey
from broadcast.service.ports import SpeechFailed, StoreUnavailable
from broadcast.service.programmes import PlanChanged, ProgrammeBoardFull
from endpoints.protocol import Kind, Part
from tests.plans import HOUR_MS, beijing, boards_of, daily, once_in
from tests.town import CHIEF, CITY, DUTY, MELODY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town

VILLAGE = "130281100200"


def soon(there: Town, hours: float = 3) -> time:
    """A time of day that comes in so many hours."""
    return beijing(there.clock.now_ms() + int(hours * HOUR_MS)).time().replace(microsecond=0)


async def test_a_saved_programme_is_on_its_area_board_for_48_hours_and_on_no_other() -> None:
    async with town() as there:
        saved = await there.services.programmes.add(daily(soon(there), areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)
        boards = boards_of(there, TOWNSHIP)
        assert [board.version for board in boards] == [1]
        assert [order.id[1:27] for order in boards[0].orders] == [saved.programme] * 2
        assert {order.kind for order in boards[0].orders} == {Kind.ROUTINE}
        assert boards[0].until_ms - there.clock.now_ms() >= 48 * HOUR_MS
        assert not [topic for topic, _ in there.wire.published if "/programme/" in topic and TOWNSHIP not in topic]
        rows = there.services.planning.boards.rows
        assert {row.programme for row in rows.values()} == {saved.programme}
        kept = await there.store.read(lambda tx: tx.broadcasts.occurrences(0, 2**53))
        assert {row.id for row in kept} == set(rows) == {order.id for order in boards[0].orders}
        assert await there.services.broadcasts.page() == []


async def test_an_edit_is_the_next_version_of_its_boards_and_of_no_others() -> None:
    async with town() as there:
        plan = there.services.programmes
        mine = await plan.add(daily(soon(there), areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)
        await plan.add(daily(soon(there, 4), areas=(OTHER_TOWNSHIP,), owner=OTHER_TOWNSHIP), by=DUTY)
        draft = daily(soon(there, 5), areas=(TOWNSHIP,), owner=TOWNSHIP, title="午间")
        changed = await plan.change(mine.programme, draft, by=DUTY, revision=1)
        assert (changed.programme, changed.revision) == (mine.programme, 2)
        first, second = boards_of(there, TOWNSHIP)
        assert (first.version, second.version) == (1, 2)
        assert {o.id for o in first.orders}.isdisjoint(o.id for o in second.orders)
        assert {order.revision for order in second.orders} == {2}
        assert [board.version for board in boards_of(there, OTHER_TOWNSHIP)] == [1]
        history = await plan.history(mine.programme, by=DUTY)
        assert [(one.programme.revision, one.saved_by, one.programme.title) for one in history] == [
            (1, "duty", "早间广播"),
            (2, "duty", "午间"),
        ]


async def test_a_title_alone_changes_no_board_but_the_revision() -> None:
    async with town() as there:
        plan = there.services.programmes
        at = soon(there)
        mine = await plan.add(daily(at), by=DUTY)
        await plan.change(mine.programme, daily(at, title="新名"), by=DUTY, revision=1)
        first, second = boards_of(there, CITY)
        assert [replace(order, revision=1) for order in second.orders] == list(first.orders)
        assert {one.headline for one in there.services.planning.boards.rows.values()} == {"新名"}


async def test_two_officers_with_the_same_version_the_second_is_told_and_nothing_is_overwritten() -> None:
    async with town() as there:
        plan = there.services.programmes
        mine = await plan.add(daily(), by=DUTY)
        await plan.change(mine.programme, daily(title="甲"), by=DUTY, revision=1)
        with pytest.raises(ProgrammeChanged) as err:
            await plan.change(mine.programme, daily(title="乙"), by=CHIEF, revision=1)
        assert err.value.revision == 2
        with pytest.raises(ProgrammeChanged):
            await plan.retire(mine.programme, by=CHIEF, revision=1)
        assert plan.get(mine.programme, by=DUTY).programme.title == "甲"


async def test_the_same_request_plans_once() -> None:
    async with town() as there:
        plan, once = there.services.programmes, OnceKey.of("k-1", "body")
        both = await asyncio.gather(*(plan.add(daily(), by=DUTY, once=once) for _ in range(5)))
        assert len({one.programme for one in both}) == 1
        assert sorted(one.repeated for one in both) == [False, True, True, True, True]
        assert len(plan.seen(DUTY)) == 1
        with pytest.raises(KeyReused):
            await plan.add(daily(), by=DUTY, once=OnceKey.of("k-1", "another"))


@pytest.mark.parametrize(
    "draft", [daily(), daily(areas=(TOWNSHIP,)), daily(areas=(OTHER_TOWNSHIP,), owner=OTHER_TOWNSHIP)]
)
async def test_a_township_plans_in_its_own_area_and_in_its_own_name(draft: object) -> None:
    async with town() as there:
        with pytest.raises(AreaNotGranted):
            await there.services.programmes.add(draft, by=TOWN_DUTY)  # type: ignore[arg-type]
        assert there.services.programmes.seen(CHIEF) == []


async def test_a_township_sees_the_countys_programme_and_changes_it_not() -> None:
    async with town() as there:
        plan = there.services.programmes
        county = await plan.add(daily(), by=DUTY)
        other = await plan.add(daily(areas=(OTHER_TOWNSHIP,), owner=OTHER_TOWNSHIP), by=DUTY)
        assert [one.programme.id for one in plan.seen(TOWN_DUTY)] == [county.programme]
        with pytest.raises(AreaNotGranted):
            await plan.retire(county.programme, by=TOWN_DUTY, revision=1)
        with pytest.raises(UnknownProgramme):
            plan.get(other.programme, by=TOWN_DUTY)
        with pytest.raises(RoleNotGranted):
            await plan.add(daily(), by=VIEWER)


async def test_every_wrong_field_is_named_and_nothing_is_stored() -> None:
    async with town() as there:
        draft = replace(daily(areas=(), title=""), source=Playlist((bytes(32), MELODY.asset)), length_min=0)
        with pytest.raises(InvalidRequest) as err:
            await there.services.programmes.add(draft, by=DUTY)
        found = {(fault["field"], fault["code"]) for fault in err.value.errors}
        expected = {("areas", "empty-target"), ("title", "missing"), ("source.assets.0", "unknown-asset")}
        assert expected | {("length_min", "out-of-range")} <= found
        assert there.services.programmes.seen(DUTY) == [] and not there.wire.published


async def test_a_text_is_spoken_before_it_is_in_the_plan() -> None:
    async with town() as there:
        saved = await there.services.programmes.add(daily(soon(there), source=Speech("今天停水。")), by=DUTY)
        version = there.services.programmes.get(saved.programme, by=DUTY)
        assert version.content.parts[0].asset_ms == 250 * 5
        assert boards_of(there, CITY)[0].orders[0].parts == version.content.parts
        there.speech.fails = "no voice"
        with pytest.raises(SpeechFailed):
            await there.services.programmes.add(daily(source=Speech("明天也停水。")), by=DUTY)
        assert len(there.services.programmes.seen(DUTY)) == 1


async def test_a_paused_programme_leaves_the_boards_and_comes_back() -> None:
    async with town() as there:
        plan = there.services.programmes
        mine = await plan.add(daily(soon(there)), by=DUTY)
        await plan.pause(mine.programme, on=True, by=CHIEF, revision=1)
        assert {(one.life, one.ended_by) for one in there.services.planning.boards.rows.values()} == {
            (Life.REPLACED, "chief")
        }
        await plan.pause(mine.programme, on=False, by=CHIEF, revision=2)
        first, paused, again = boards_of(there, CITY)
        assert paused.orders == ()
        assert [order.id for order in again.orders] == [order.id for order in first.orders]
        assert {one.life for one in there.services.planning.boards.rows.values()} == {Life.LIVE}


async def test_a_retired_programme_is_gone_and_its_record_stays() -> None:
    async with town() as there:
        plan = there.services.programmes
        mine = await plan.add(daily(soon(there)), by=DUTY)
        await plan.retire(mine.programme, by=DUTY, revision=1)
        assert plan.seen(DUTY) == [] and [one.retired for one in plan.seen(DUTY, retired=True)] == [True]
        assert boards_of(there, CITY)[-1].orders == ()
        with pytest.raises(UnknownProgramme):
            await plan.change(mine.programme, daily(), by=DUTY, revision=2)
        acts = await there.store.read(lambda tx: [(act.officer, act.verb) for act in tx.acts.page(limit=9)])
        assert acts == [("duty", "retire programme"), ("duty", "plan programme")]


async def test_what_sounds_already_stays_as_announced_and_the_edit_counts_from_the_next_time() -> None:
    async with town() as there:
        plan = there.services.programmes
        now_ms = there.clock.now_ms()
        mine = await plan.add(once_in(now_ms, -20), by=DUTY)
        running = there.services.planning.boards.running()
        assert [one.programme for one in running] == [mine.programme]
        longer = replace(once_in(now_ms, -20), length_min=9)
        saved = await plan.change(mine.programme, longer, by=DUTY, revision=1)
        assert saved.on_air == (running[0].id,)
        assert [one.order for one in there.services.planning.boards.running()] == [running[0].order]
        retired = await plan.retire(mine.programme, by=DUTY, revision=2)
        assert retired.on_air == (running[0].id,)
        assert there.services.planning.boards.running() != []


async def test_what_was_due_before_it_was_planned_is_not_made_up_for() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), -120), by=DUTY)
        assert not there.services.planning.boards.rows


async def test_the_boards_roll_on_by_the_hour() -> None:
    async with town() as there:
        boards = there.services.planning.boards
        await there.services.programmes.add(daily(soon(there, 2)), by=DUTY)
        await boards.housekeep()
        assert len(boards_of(there, CITY)) == 1
        there.clock.advance(3 * 3600)
        await boards.housekeep()
        first, rolled = boards_of(there, CITY)[0], boards_of(there, CITY)[-1]
        assert rolled.version > first.version
        assert [o.not_before_ms for o in first.orders][1:] == [o.not_before_ms for o in rolled.orders][1:2]
        assert len(rolled.orders) == 3  # what has ended stays an hour for those who were off
        there.clock.advance(3600)
        await boards.housekeep()
        assert len(boards_of(there, CITY)[-1].orders) == 2


async def test_a_board_on_which_nothing_changes_is_written_again_before_it_runs_out() -> None:
    async with town() as there:
        boards = there.services.planning.boards
        weekday = beijing(there.clock.now_ms() + 30 * HOUR_MS).isoweekday()
        weekly = Pattern((time(3),), date(2020, 1, 1), weekdays=frozenset({weekday}))
        await there.services.programmes.add(replace(daily(), pattern=weekly), by=DUTY)
        count = len(boards_of(there, CITY))
        for _ in range(6):
            there.clock.advance(3600)
            await boards.housekeep()
        assert len(boards_of(there, CITY)) <= count + 1
        for _ in range(6):
            there.clock.advance(3600)
            await boards.housekeep()
        assert boards_of(there, CITY)[-1].until_ms - there.clock.now_ms() >= 40 * HOUR_MS


async def test_after_a_restart_the_same_is_derived_and_nothing_is_doubled() -> None:
    async with town() as there:
        await there.services.programmes.add(daily(soon(there), soon(there, 5), soon(there, 7)), by=DUTY)
        rows = dict(there.services.planning.boards.rows)
        boards = there.services.planning.boards
        await boards.load()
        assert dict(boards.rows) == rows
        assert [board.version for board in boards_of(there, CITY)] == [1]
        boards.republish()
        await asyncio.sleep(0.05)
        assert [board.version for board in boards_of(there, CITY)] == [1, 1]
        assert boards_of(there, CITY)[0].orders == boards_of(there, CITY)[1].orders


async def test_a_database_that_is_away_while_boards_are_derived_delays_them_only() -> None:
    async with town() as there:
        boards = there.services.planning.boards
        await there.services.programmes.add(daily(soon(there)), by=DUTY)
        there.clock.advance(3600)
        there.store.goes_away("disk full")
        with pytest.raises(StoreUnavailable):
            await boards.housekeep()
        with pytest.raises(StoreUnavailable):
            await there.services.programmes.add(daily(soon(there, 6)), by=DUTY)
        there.store.comes_back()
        await boards.housekeep()
        assert len(boards_of(there, CITY)) == 1


async def test_a_board_that_would_be_too_full_is_refused_with_numbers() -> None:
    async with town() as there:
        plan = there.services.programmes
        every = [time(minute // 60, minute % 60) for minute in range(0, 1440, 30)]
        for n in range(2):
            times = [(beijing(0) + timedelta(hours=at.hour, minutes=at.minute + 6 * n)).time() for at in every]
            await plan.add(daily(*times, title=str(n)), by=DUTY)
        times = [(beijing(0) + timedelta(hours=at.hour, minutes=at.minute + 20)).time() for at in every]
        with pytest.raises(ProgrammeBoardFull) as err:
            await plan.add(daily(*times, title="x"), by=DUTY)
        assert err.value.scope == CITY and err.value.slots > err.value.most_slots == 256
        with pytest.raises(ProgrammeBoardFull):
            await plan.preview(daily(*times), by=DUTY)
        assert len(plan.seen(DUTY)) == 2
        await plan.add(daily(*times, areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)


async def test_the_plan_of_an_area_goes_with_its_board() -> None:
    async with town() as there:
        plan = there.services.programmes
        volume = tuple(range(24))
        asked = AreaPlan(VILLAGE, volume, 120, note="村民代表会 11 月 3 日")
        assert await plan.save_plan(asked, fallback=MELODY.asset, by=DUTY, revision=0) == 1
        board = boards_of(there, VILLAGE)[-1]
        part = Part(MELODY.asset, MELODY.asset_bytes, MELODY.asset_ms)
        assert (board.volume_by_hour, board.budget_min, board.fallback) == (volume, 120, part)
        with pytest.raises(PlanChanged):
            await plan.save_plan(asked, fallback=b"", by=DUTY, revision=0)
        with pytest.raises(AreaNotGranted):
            await plan.save_plan(AreaPlan(OTHER_TOWNSHIP), fallback=b"", by=TOWN_DUTY, revision=0)
        with pytest.raises(InvalidRequest):
            await plan.save_plan(AreaPlan(VILLAGE, (1, 2)), fallback=bytes(32), by=DUTY, revision=1)
        assert await plan.save_plan(AreaPlan(VILLAGE), fallback=b"", by=DUTY, revision=1) == 2
        assert boards_of(there, VILLAGE)[-1].fallback is None


@pytest.mark.parametrize("why", ["expired-asset", "unapproved-asset"])
async def test_a_fallback_that_may_not_be_used_is_refused(why: str) -> None:
    async with town() as there:
        there.shelf.refused = why
        with pytest.raises(InvalidRequest) as err:
            await there.services.programmes.save_plan(AreaPlan(VILLAGE), fallback=MELODY.asset, by=DUTY, revision=0)
        assert [(fault["field"], fault["code"]) for fault in err.value.errors] == [("fallback", why)]
        assert await there.services.programmes.plans() == {}


async def test_the_operators_holiday_takes_a_workday_programme_off_the_board() -> None:
    async with town() as there:
        plan = there.services.programmes
        tomorrow = (beijing(there.clock.now_ms()) + timedelta(days=1)).date()
        pattern = Pattern((time(12),), date(2020, 1, 1), rule=DayRule.WORKDAYS)
        await plan.set_days([DayEntry(tomorrow, DayKind.WORKDAY, "")], by=CHIEF, revision=0)
        await plan.add(replace(daily(), pattern=pattern), by=DUTY)
        assert tomorrow in {beijing(o.not_before_ms).date() for o in boards_of(there, CITY)[-1].orders}
        await plan.set_days([DayEntry(tomorrow, DayKind.HOLIDAY, "县庆")], by=CHIEF, revision=1)
        assert tomorrow not in {beijing(o.not_before_ms).date() for o in boards_of(there, CITY)[-1].orders}
        with pytest.raises(AreaNotGranted):
            await plan.set_days([], by=TOWN_DUTY, revision=2)


async def test_the_preview_names_who_wins_and_stores_nothing() -> None:
    async with town() as there:
        plan = there.services.programmes
        at = time(12)  # not in the quiet hours, where nobody wins
        county = await plan.add(daily(at), by=DUTY)
        found = await plan.preview(daily(at, areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)
        assert found.count and [clash.loser.programmes for clash in found.clashes] == [(county.programme,)]
        assert len(plan.seen(DUTY)) == 1
        assert (await plan.preview(daily(at), by=DUTY, replaces=county.programme)).clashes == ()


async def test_the_preview_looks_a_whole_year_from_the_first_time_on_and_says_so() -> None:
    async with town() as there:
        plan = there.services.programmes
        far = Pattern((time(9),), date(2027, 2, 1))
        first = await plan.add(replace(daily(areas=(TOWNSHIP,), owner=TOWNSHIP), pattern=far), by=DUTY)
        twin = replace(daily(areas=(TOWNSHIP,), owner=TOWNSHIP), pattern=far)
        found = await plan.preview(twin, by=DUTY)
        assert (found.count, found.goes_on) == (366, True)
        assert [clash.loser.programmes for clash in found.clashes] == [(first.programme,)]
        assert beijing(found.from_ms).date() <= date(2027, 2, 1)
        assert beijing(found.until_ms).date() == date(2028, 2, 2)
        rule = replace(far, first=date(2027, 1, 30), rule=DayRule.WORKDAYS)
        assert (await plan.preview(replace(twin, pattern=rule), by=DUTY)).unannounced == (2027, 2028)
        rare = Pattern((time(9),), date(2026, 1, 1), weekdays=frozenset(), dates_in=frozenset({date(2030, 5, 1)}))
        found = await plan.preview(replace(twin, pattern=rare), by=DUTY)
        assert (found.count, found.goes_on, len(found.clashes)) == (1, False, 1)


async def test_what_never_sounds_again_is_told_by_the_preview_and_not_saved() -> None:
    async with town() as there:
        plan = there.services.programmes
        for pattern, field in (
            (Pattern((time(9),), date(2020, 1, 1), date(2020, 2, 1)), "pattern.last"),
            (
                Pattern((time(9),), date(2020, 1, 1), weekdays=frozenset(), dates_in=frozenset({date(2020, 5, 1)})),
                "pattern.dates_in",
            ),
        ):
            gone = replace(daily(), pattern=pattern)
            assert (await plan.preview(gone, by=DUTY)).over
            with pytest.raises(InvalidRequest) as err:
                await plan.add(gone, by=DUTY)
            assert [(fault["field"], fault["code"]) for fault in err.value.errors] == [(field, "is-over")]
        holidays = Pattern((time(9),), date(2090, 1, 1), rule=DayRule.HOLIDAYS)  # nobody knows them yet
        assert not (await plan.preview(replace(daily(), pattern=holidays), by=DUTY)).over
        assert plan.seen(DUTY) == []


# ---- stop -------------------------------------------------------------------------------------------------------------------


async def test_stop_takes_one_occurrence_off_the_board_and_says_by_whom() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), -5), by=DUTY)
        running = there.services.planning.boards.running()[0]
        outcome = await there.services.broadcasts.stop(running.id, by=CHIEF)
        assert outcome.ids == (running.id,) and not outcome.repeated
        assert boards_of(there, CITY)[-1].orders == ()
        stopped = await there.services.broadcasts.get(running.id)
        assert (stopped.life, stopped.ended_by) == (Life.STOPPED, "chief")
        assert (await there.services.broadcasts.stop(running.id, by=CHIEF)).repeated
        there.clock.advance(3600)
        await there.services.planning.boards.housekeep()
        assert all(one.life is Life.STOPPED for one in there.services.planning.boards.rows.values())


async def test_stop_all_silences_what_runs_and_leaves_the_plan() -> None:
    async with town() as there:
        plan = there.services.programmes
        await plan.add(once_in(there.clock.now_ms(), -5), by=DUTY)
        await plan.add(once_in(there.clock.now_ms(), -5, areas=(OTHER_TOWNSHIP,), owner=OTHER_TOWNSHIP), by=DUTY)
        await plan.add(once_in(there.clock.now_ms(), -5, areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)
        await plan.add(daily(soon(there), areas=(TOWNSHIP,), owner=TOWNSHIP), by=DUTY)
        ours = await there.services.broadcasts.stop_all(by=TOWN_DUTY)
        assert len(ours.ids) == 1 and len(there.services.planning.boards.running()) == 2
        assert len(boards_of(there, TOWNSHIP)[-1].orders) == 2
        assert len((await there.services.broadcasts.stop_all(by=DUTY)).ids) == 2
        assert there.services.planning.boards.running() == []


async def test_an_occurrence_is_no_broadcast_that_can_be_corrected_or_cleared() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), -5), by=DUTY)
        running = there.services.planning.boards.running()[0]
        with pytest.raises(InvalidRequest):
            await there.services.broadcasts.all_clear(running.id, by=DUTY)


# ---- files ------------------------------------------------------------------------------------------------------------------


async def test_a_file_that_got_lost_is_an_alarm_until_it_is_back() -> None:
    async with town() as there:
        await there.services.programmes.add(daily(soon(there), title="歌"), by=DUTY)
        there.shelf.there = False
        await there.services.programmes.watch_files()
        found = {one.name: dict(one.facts) for one in there.services.health.conditions}
        assert found["programme-file-missing"] == {"programmes": "1", "titles": "歌"}
        there.shelf.there = True
        await there.services.programmes.watch_files()
        assert "programme-file-missing" not in {one.name for one in there.services.health.conditions}


async def test_a_spoken_text_that_got_lost_is_spoken_again() -> None:
    async with town() as there:
        await there.services.programmes.add(daily(soon(there), source=Speech("你好。")), by=DUTY)
        await there.services.programmes.watch_files()  # the voice of the test makes no file
        assert "programme-file-missing" not in {one.name for one in there.services.health.conditions}
        there.speech.fails = "no voice"
        await there.services.programmes.watch_files()
        assert "programme-file-missing" in {one.name for one in there.services.health.conditions}
