"""The exhaustive search (tests/endpoints/model.py) on small worlds, and by name the shortest ways in which a lesser speaker fails.

The ways are those of research/reliability.md §6.1: STALE sounds after the true end, ZOMBIE sounds what was cancelled, DIVERGE does
not sound what the server wants.
"""

import time

import pytest

from endpoints.protocol import Stage
from tests.endpoints.model import SMALL, Search, Signed, World
from tests.endpoints.rig import SERVER, T0, Rig, ms, notice, order, routine

LONG = order(repeats=99, not_after_ms=ms(600))


@pytest.mark.parametrize("world", SMALL, ids=lambda world: world.name)
def test_no_hostile_world_breaks_a_rule(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.perf_counter()
    search = Search(world).run()
    with capsys.disabled():
        took = time.perf_counter() - began
        print(f"\n{world.name}: {search.states:,} states, {search.transitions:,} transitions, {took:.1f} s", end=" ")
    assert search.states > 900


def test_the_same_with_real_signatures() -> None:
    world = World("signed", steps=1, programme_ends=1, emergency_ends=1, cuts=1, failover=False)
    assert Search(world, Signed()).run().states == Search(world).run().states


# ---- the shortest counterexamples -------------------------------------------------------------------------------------------


def test_stale_when_a_start_has_no_end_in_it() -> None:
    """start; the stop is lost; time goes by."""
    rig = Rig().told().board(SERVER.board(1, LONG)).disconnects().after(601)
    assert (rig.sounds, rig.player.orders[0].id) == ("", "o-1")


def test_diverge_when_the_last_command_wins() -> None:
    """emergency; routine: the later one is the lower one."""
    rig = Rig().told().board(SERVER.board(1, LONG), SERVER.board(2, LONG, routine()))
    assert rig.sounds == "o-1"
    rig.board(SERVER.board(3, routine()))
    assert rig.sounds == "r-1"


def test_zombie_when_the_cancel_overtakes_the_start() -> None:
    rig = Rig().told().board(SERVER.board(2), SERVER.board(1, LONG))
    assert rig.played == []


def test_zombie_when_the_power_cut_forgets_the_cancel() -> None:
    start = SERVER.board(1, LONG)
    rig = Rig().told().board(start, SERVER.board(2)).power().told().board(start)
    assert len(rig.played) == 1


def test_zombie_when_the_cancel_is_forgotten_at_the_end_and_the_clock_goes_back() -> None:
    start = SERVER.board(1, LONG)
    rig = Rig().told().board(start, SERVER.board(2)).after(8_000).told().power().told(ms(10)).board(start)
    assert len(rig.played) == 1


def test_stale_when_the_clock_goes_back_in_a_run() -> None:
    """An old answer for the time, recorded and played again."""
    rig = Rig()
    recorded = SERVER.time(rig.id, rig.nonce, T0)
    rig.time(recorded).board(SERVER.board(1, LONG)).after(601).time(recorded)
    assert rig.sounds == ""
    assert rig.player.time_ms(rig.now) == ms(601)


def test_stale_when_the_power_goes_and_the_clock_is_set_back_before_the_boot() -> None:
    """start; the power goes; long after, it comes back with a clock of then: nothing before one fresh signed time."""
    rig = Rig().told().board(SERVER.board(1, LONG))
    rig.now += 700
    rig.power()
    assert rig.sounds == ""
    rig.told()
    assert rig.sounds == ""


def test_stale_when_the_kept_floor_is_taken_for_the_time() -> None:
    rig = Rig().told().board(SERVER.board(1, LONG)).after(30)
    rig.online = False
    rig.power().after(120)
    assert (rig.sounds, rig.player.time_ms(rig.now)) == ("", None)


def test_twice_when_what_was_played_out_is_forgotten_with_the_power() -> None:
    rig = Rig().told().board(SERVER.board(1, order())).after(5).power().told()
    assert len(rig.played) == 1


def test_twice_when_what_was_played_out_is_forgotten_before_its_board() -> None:
    rig = Rig().told().board(SERVER.board(1, order(not_after_ms=ms(9_000)))).after(8_000).told()
    rig.board(SERVER.board(2, order(not_after_ms=ms(9_000)), notice(not_before_ms=ms(8_900), not_after_ms=ms(9_000))))
    assert len(rig.played) == 1


def test_zombie_when_a_replaced_server_goes_on_writing() -> None:
    rig = Rig().told().board(SERVER.board(1, LONG), SERVER.board(2, epoch=2), SERVER.board(3, LONG))
    assert rig.sounds == ""


def test_zombie_when_the_power_goes_between_the_stop_and_the_writing() -> None:
    """What is acted on is on the disk before."""
    rig = Rig(sound_card=False).told()
    rig._do(rig.player.board(SERVER.board(1, LONG), rig.now))
    first, *_ = rig.player.board(SERVER.board(2), rig.now)
    rig.disk = first.kept  # type: ignore[union-attr]
    rig.power().told()
    assert len(rig.played) == 1
    assert rig.disk.progress["o-1"].stage is Stage.STOPPED
