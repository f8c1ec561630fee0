"""The wall never looks better than what is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import UnknownBroadcast
from broadcast.domain.speakers import Speaker
from broadcast.service.presence import Presence
from broadcast.service.wall import BADNESS, GOOD, LOOK_OF, TROUBLE, Look, look_of, together
from broadcast.web.models import NewBroadcast
from endpoints.delivery import State
from endpoints.protocol import Reason, Stage
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, Town, town

FIRST = "s-130281100200-1"


async def started(there: Town, *areas: str) -> str:
    command = NewBroadcast(kind="emergency", severity="red", areas=list(areas or [CITY]), text="山洪").command()
    return (await there.services.broadcasts.start(command, by=DUTY)).ids[0]


def test_every_state_has_a_look_and_only_reports_look_good() -> None:
    assert set(LOOK_OF) == set(State)
    assert {state for state in State if look_of(state, Presence.ONLINE) in GOOD} == {
        State.RECEIVED,
        State.SCHEDULED,
        State.SOUNDING,
        State.INTERRUPTED,
        State.DONE,
        State.STOPPED,
        State.CANCELLED,
    }
    assert look_of(State.EXPECTED, Presence.UNKNOWN) is Look.UNKNOWN
    assert look_of(State.EXPECTED, Presence.OFFLINE) is look_of(State.UNREACHED, Presence.OFFLINE) is Look.OFFLINE
    assert look_of(State.SOUNDING, Presence.OFFLINE) is Look.SOUNDING
    assert look_of(State.UNREACHED, None) is Look.UNREACHED


@given(st.lists(st.sampled_from(Look), min_size=1, max_size=4))
def test_a_cell_never_looks_better_than_its_worst_speaker(looks: list[Look]) -> None:
    shown = together(looks)
    meant = [look for look in looks if look is not Look.OUTSIDE]
    if any(look in TROUBLE for look in meant):
        assert shown in TROUBLE or shown is Look.PARTLY
    elif meant:
        assert BADNESS[shown] == min(BADNESS[look] for look in meant)
    else:
        assert shown is Look.OUTSIDE


async def test_the_whole_city_has_718_cells_in_28_panels_and_nothing_is_known() -> None:
    async with town() as there:
        view = await there.services.wall.view(by=DUTY, broadcast=None)
        assert len(view.layout.cells) == 718
        assert len(view.layout.panels) == 28
        assert view.counts == {Look.UNKNOWN: 718}
        assert set(view.looks) == {Look.UNKNOWN}


async def test_a_village_without_a_speaker_is_no_good_news() -> None:
    async with town() as there:
        speaker = there.services.estate.speaker(FIRST)
        gone = Speaker(speaker.id, speaker.area, speaker.name, retired=True)
        await there.store.write(lambda tx: tx.speakers.save(gone))
        await there.services.estate.load()
        view = await there.services.wall.view(by=DUTY, broadcast=None)
        place = [cell.code for cell in view.layout.cells].index("130281100200")
        assert view.looks[place] is Look.NONE
        assert sum(view.counts.values()) == 717


async def test_the_ladder_fills_the_wall_and_the_missing_are_named_worst_first() -> None:
    async with town() as there:
        there.all_there(but=[FIRST])
        wall = there.services.wall
        one = await started(there, TOWNSHIP)
        broadcast = await wall.get(one, by=DUTY)
        view = await wall.view(by=DUTY, broadcast=broadcast)
        assert view.meant == 41
        assert view.counts == {Look.OFFLINE: 1, Look.EXPECTED: 40}
        await there.report(one, ["s-130281100201-1"], Stage.RECEIVED, Stage.SOUNDING)
        await there.report(one, ["s-130281100202-1"], Stage.REFUSED, reason=Reason.OUT_OF_SCOPE)
        changed = wall.update(view, ["s-130281100201-1", "s-130281100202-1", "s-130281101200-1", "nobody"])
        names = {view.layout.cells[index].code: look for index, look in changed}
        assert names == {"130281100201": Look.SOUNDING, "130281100202": Look.REFUSED}
        assert [(m.id, m.look, m.reason) for m in wall.missing(view)] == [
            ("s-130281100202-1", Look.REFUSED, Reason.OUT_OF_SCOPE),
            (FIRST, Look.OFFLINE, Reason.NONE),
        ]
        outside = [look for cell, look in zip(view.layout.cells, view.looks, strict=True) if cell.township != TOWNSHIP]
        assert set(outside) == {Look.OUTSIDE}


async def test_changes_and_a_fresh_view_agree() -> None:
    async with town() as there:
        there.all_there(but=[FIRST])
        wall, one = there.services.wall, await started(there)
        broadcast = await wall.get(one, by=DUTY)
        view = await wall.view(by=DUTY, broadcast=broadcast)
        names = list(there.services.estate.speakers)
        for step, stage in ((2, Stage.RECEIVED), (3, Stage.SOUNDING), (5, Stage.FAILED)):
            await there.report(one, names[::step], stage)
            wall.update(view, names[::step])
        fresh = await wall.view(by=DUTY, broadcast=broadcast)
        assert (view.looks, view.speakers, view.counts) == (fresh.looks, fresh.speakers, fresh.counts)


async def test_two_speakers_of_which_one_fails_are_partly_well() -> None:
    async with town() as there:
        second = Speaker("s-130281100200-2", "130281100200", "北头")
        await there.services.estate.enrol([second], by=CHIEF)
        there.services.speakers.expect([second.id])
        there.all_there()
        wall, one = there.services.wall, await started(there)
        await there.report(one, [FIRST], Stage.SOUNDING)
        await there.report(one, [second.id], Stage.FAILED)
        view = await wall.view(by=DUTY, broadcast=await wall.get(one, by=DUTY))
        place = [cell.code for cell in view.layout.cells].index("130281100200")
        assert view.looks[place] is Look.PARTLY


async def test_a_township_sees_its_own_part_and_nothing_of_others() -> None:
    async with town() as there:
        wall = there.services.wall
        city, other = await started(there), await started(there, OTHER_TOWNSHIP)
        view = await wall.view(by=TOWN_DUTY, broadcast=await wall.get(city, by=TOWN_DUTY))
        assert view.meant == 41
        assert len(await wall.deliveries(await wall.get(city, by=TOWN_DUTY), by=TOWN_DUTY)) == 41
        with pytest.raises(UnknownBroadcast):
            await wall.get(other, by=TOWN_DUTY)
        newest = wall.newest(TOWN_DUTY)
        assert newest is not None and newest.id == city


async def test_what_is_no_longer_in_memory_comes_from_the_table_and_without_rows_is_unknown() -> None:
    async with town() as there:
        there.all_there()
        wall, one = there.services.wall, await started(there, TOWNSHIP)
        await there.report(one, [FIRST], Stage.SOUNDING)
        await there.ladder.write_behind()
        there.ladder._rungs.clear()
        view = await wall.view(by=DUTY, broadcast=await wall.get(one, by=DUTY))
        assert view.counts == {Look.EXPECTED: 40, Look.SOUNDING: 1}
        two = await started(there, OTHER_TOWNSHIP)
        there.ladder._rungs.clear()
        view = await wall.view(by=DUTY, broadcast=await wall.get(two, by=DUTY))
        assert view.counts == {Look.UNKNOWN: 33}
