"""What every Store does: the fake, SQLite, PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from broadcast.domain.areas import Area, AreaTree, Level
from broadcast.domain.broadcasts import LINGER_MS, Broadcast, Life, UnknownBroadcast
from broadcast.domain.officers import Role
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.ports import ActRow, DeliveryRow, KeptAnswer, SessionRow, Store, StoreRefused, Tx
from endpoints.delivery import State
from endpoints.protocol import Reason, Stage
from tests.store.rows import ACCOUNT, LEANEST, NOW_MS, WANG, broadcast, county, report


class Interrupted(Exception):
    pass


# ---- transactions -----------------------------------------------------------------------------------------------------------


async def test_work_answers_what_it_returns(store: Store) -> None:
    assert await store.write(lambda tx: 17) == 17
    assert await store.read(lambda tx: "x") == "x"


async def test_an_exception_in_work_takes_everything_back_and_comes_out(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.broadcasts.add(broadcast())
        tx.boards.raise_versions(["130281001000"], exercise=False)
        tx.deliveries.expect("o-1", ["s-1-1"], at_ms=NOW_MS)
        tx.reports.keep([report()])
        tx.speakers.add([Speaker("s-1-1", "130281001001", "村口")])
        tx.facts.set("epoch", "2")
        raise Interrupted

    with pytest.raises(Interrupted):
        await store.write(work)
    left = await store.read(
        lambda tx: (
            tx.broadcasts.page(before=None, limit=9),
            tx.boards.versions(),
            tx.deliveries.of("o-1"),
            tx.reports.of("o-1"),
            tx.speakers.all(),
            tx.facts.get("epoch"),
        )
    )
    assert left == ([], {}, [], [], [], None)


async def test_a_refused_row_takes_the_rest_of_its_transaction_with_it(store: Store) -> None:
    await store.write(lambda tx: tx.broadcasts.add(broadcast(1)))

    def work(tx: Tx) -> None:
        tx.broadcasts.add(broadcast(2))
        tx.broadcasts.add(broadcast(1))

    with pytest.raises(StoreRefused):
        await store.write(work)
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == [broadcast(1)]
    await store.write(lambda tx: tx.broadcasts.add(broadcast(2)))


async def test_within_a_transaction_its_own_writes_are_seen(store: Store) -> None:
    def work(tx: Tx) -> object:
        tx.broadcasts.add(broadcast())
        tx.broadcasts.save(broadcast(life=Life.STOPPED))
        tx.facts.set("epoch", "1")
        tx.facts.set("epoch", "2")
        found = tx.broadcasts.get(broadcast().id)
        return found and found.life, tx.facts.get("epoch")

    assert await store.write(work) == (Life.STOPPED, "2")


async def test_a_hundred_writes_at_once_all_happen_each_by_itself(store: Store) -> None:
    def count(tx: Tx) -> int:
        value = int(tx.facts.get("count") or "0") + 1
        tx.facts.set("count", str(value))
        return value

    assert sorted(await asyncio.gather(*(store.write(count) for _ in range(100)))) == list(range(1, 101))


# ---- broadcasts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kept",
    [
        broadcast(),
        broadcast(order=LEANEST, headline="", text="", note="𠮷野家 'quoted' \\ % %s ? :x"),
        broadcast(life=Life.CLEARED, ended_at_ms=NOW_MS + 1, ended_by="李", replaces="01K5M0Y", note="更正"),
    ],
)
async def test_a_broadcast_comes_back_as_it_went_in(store: Store, kept: Broadcast) -> None:
    await store.write(lambda tx: tx.broadcasts.add(kept))
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=1)) == [kept]


async def test_a_saved_broadcast_stands_for_the_old_one(store: Store) -> None:
    old = broadcast()
    new = replace(
        old, order=replace(old.order, revision=2, excluded=("130281001000",)), life=Life.STOPPED, ended_by="wang"
    )
    await store.write(lambda tx: tx.broadcasts.add(old))
    await store.write(lambda tx: tx.broadcasts.save(new))
    assert await store.read(lambda tx: tx.broadcasts.get(old.id)) == new


async def test_what_was_never_added_can_not_be_saved(store: Store) -> None:
    with pytest.raises(UnknownBroadcast):
        await store.write(lambda tx: tx.broadcasts.save(broadcast()))
    with pytest.raises(UnknownSpeaker):
        await store.write(lambda tx: tx.speakers.save(Speaker("s-1-1", "130281001001", "村口")))
    with pytest.raises(LookupError):
        await store.write(lambda tx: tx.accounts.save(ACCOUNT))


async def test_an_unknown_broadcast_is_none(store: Store) -> None:
    assert await store.read(lambda tx: tx.broadcasts.get("o-404")) is None


async def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    all_five = [broadcast(number) for number in (3, 1, 5, 2, 4)]

    def add(tx: Tx) -> None:
        for one in all_five:
            tx.broadcasts.add(one)

    await store.write(add)
    first = await store.read(lambda tx: tx.broadcasts.page(before=None, limit=2))
    assert first == [broadcast(5), broadcast(4)]
    rest = await store.read(lambda tx: tx.broadcasts.page(before=first[-1].id, limit=9))
    assert rest == [broadcast(3), broadcast(2), broadcast(1)]


async def test_on_the_boards_is_what_was_not_taken_off_until_an_hour_past_its_end(store: Store) -> None:
    lives = {1: Life.LIVE, 2: Life.ENDED, 3: Life.STOPPED, 4: Life.REPLACED, 5: Life.CLEARED}
    later = replace(LEANEST, not_after_ms=NOW_MS + 3_600_000)

    def add(tx: Tx) -> None:
        for number, life in lives.items():
            tx.broadcasts.add(broadcast(number, life=life))
        tx.broadcasts.add(broadcast(6, order=later))

    await store.write(add)
    past_the_hour = broadcast().order.not_after_ms + LINGER_MS
    before = await store.read(lambda tx: tx.broadcasts.on_boards(past_the_hour - 1))
    assert before == [broadcast(1), broadcast(2, life=Life.ENDED), broadcast(6, order=later)]
    assert await store.read(lambda tx: tx.broadcasts.on_boards(past_the_hour)) == [broadcast(6, order=later)]


async def test_ids_sort_by_their_bytes_under_any_locale(store: Store) -> None:
    ids = ["a-1", "a-B", "aC", "b", "B2"]

    def add(tx: Tx) -> None:
        for name in ids:
            tx.broadcasts.add(replace(broadcast(), order=replace(broadcast().order, id=name)))

    await store.write(add)
    page = await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9))
    assert [one.id for one in page] == sorted(ids, reverse=True)


# ---- boards -----------------------------------------------------------------------------------------------------------------


async def test_versions_grow_by_one_from_one_for_each_mode_by_itself(store: Store) -> None:
    first = await store.write(lambda tx: tx.boards.raise_versions(["a", "b", "a"], exercise=False))
    second = await store.write(lambda tx: tx.boards.raise_versions(iter(["b", "c"]), exercise=False))
    drill = await store.write(lambda tx: tx.boards.raise_versions(["b"], exercise=True))
    nothing = await store.write(lambda tx: tx.boards.raise_versions([], exercise=True))
    assert (first, second, drill, nothing) == ({"a": 1, "b": 1}, {"b": 2, "c": 1}, {"b": 1}, {})
    versions = await store.read(lambda tx: tx.boards.versions())
    assert versions == {(False, "a"): 1, (False, "b"): 2, (False, "c"): 1, (True, "b"): 1}


async def test_more_boards_than_fit_into_one_statement_are_raised(store: Store) -> None:
    scopes = [f"s-{number}" for number in range(1_280)]
    await store.write(lambda tx: tx.boards.raise_versions(scopes[:700], exercise=False))
    raised = await store.write(lambda tx: tx.boards.raise_versions(scopes, exercise=False))
    assert raised == {scope: 2 if number < 700 else 1 for number, scope in enumerate(scopes)}


# ---- deliveries and reports -------------------------------------------------------------------------------------------------


async def test_what_is_expected_stays_when_it_is_expected_again(store: Store) -> None:
    sounding = DeliveryRow("o-1", "s-1-1", State.SOUNDING, Reason.NONE, 7)
    await store.write(lambda tx: tx.deliveries.expect("o-1", ["s-1-1", "s-2-1"], at_ms=5))
    await store.write(lambda tx: tx.deliveries.keep([sounding]))
    await store.write(lambda tx: tx.deliveries.expect("o-1", iter(["s-1-1", "s-2-1", "s-3-1"]), at_ms=9))
    assert await store.read(lambda tx: tx.deliveries.of("o-1")) == [
        sounding,
        DeliveryRow("o-1", "s-2-1", State.EXPECTED, Reason.NONE, 5),
        DeliveryRow("o-1", "s-3-1", State.EXPECTED, Reason.NONE, 9),
    ]


@pytest.mark.parametrize("count", [1, 59, 60, 100, 718])
async def test_batches_of_any_size_are_kept_whole(store: Store, count: int) -> None:
    speakers = [row.speaker for row in county(count)]
    heard = [DeliveryRow("o-1", speaker, State.REFUSED, Reason.MUTED, 2) for speaker in speakers]

    def work(tx: Tx) -> None:
        tx.deliveries.expect("o-1", speakers, at_ms=1)
        tx.deliveries.keep(heard)
        tx.deliveries.keep(heard)
        tx.deliveries.expect("o-2", speakers, at_ms=1)

    await store.write(work)
    await store.keep_reports(county(count))
    assert await store.read(lambda tx: tx.deliveries.of("o-1")) == heard
    assert await store.read(lambda tx: tx.reports.of("o-1")) == county(count)
    counts = await store.read(lambda tx: tx.deliveries.count_by_state(["o-1", "o-2", "o-3"]))
    assert counts == {"o-1": {State.REFUSED: count}, "o-2": {State.EXPECTED: count}, "o-3": {}}


async def test_of_two_states_in_one_batch_the_last_is_kept(store: Store) -> None:
    rows = [DeliveryRow("o-1", "s-1-1", state, Reason.NONE, 1) for state in (State.RECEIVED, State.DONE)]
    await store.write(lambda tx: tx.deliveries.keep(rows))
    assert await store.read(lambda tx: tx.deliveries.of("o-1")) == rows[1:]


async def test_a_report_told_again_changes_nothing(store: Store) -> None:
    again = report(revision=9, reason=Reason.MUTED, boot=1, n=99, received_ms=NOW_MS + 999)
    await store.keep_reports([report(), report()])
    await store.keep_reports([again])
    await store.write(lambda tx: tx.reports.keep([again]))
    assert await store.read(lambda tx: tx.reports.of("o-1")) == [report()]


async def test_reports_come_in_the_order_of_their_arrival(store: Store) -> None:
    rows = [
        report("s-2-1", Stage.RECEIVED, received_ms=5, n=2),
        report("s-1-1", Stage.RECEIVED, received_ms=5, n=1),
        report("s-1-1", Stage.FINISHED, received_ms=4, n=9),
    ]
    await store.keep_reports(rows)
    assert await store.read(lambda tx: tx.reports.of("o-1")) == rows[::-1]
    assert await store.read(lambda tx: tx.reports.of("o-1", "s-2-1")) == rows[:1]
    assert await store.read(lambda tx: tx.reports.of("o-2")) == []


async def test_calls_of_keep_reports_that_come_together_are_all_answered(store: Store) -> None:
    stages = list(Stage)
    await asyncio.gather(*(store.keep_reports(county(50, stage=stage)) for stage in stages), store.keep_reports([]))
    assert len(await store.read(lambda tx: tx.reports.of("o-1"))) == 50 * len(stages)


# ---- accounts, sign-ins -----------------------------------------------------------------------------------------------------


async def test_accounts_are_kept_by_name(store: Store) -> None:
    li = replace(ACCOUNT, officer=replace(WANG, name="li", role=Role.ADMINISTRATOR), must_change=True)
    await store.write(lambda tx: tx.accounts.add(ACCOUNT))
    await store.write(lambda tx: tx.accounts.add(li))
    await store.write(lambda tx: tx.accounts.save(replace(ACCOUNT, disabled=True, password_hash="x")))
    assert await store.read(lambda tx: tx.accounts.all()) == [li, replace(ACCOUNT, disabled=True, password_hash="x")]
    assert await store.read(lambda tx: (tx.accounts.get("li"), tx.accounts.get("LI"))) == (li, None)
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.accounts.add(li))


async def test_a_sign_in_is_seen_and_dropped(store: Store) -> None:
    rows = [SessionRow(bytes([n]) * 32, officer, 1, 1) for n, officer in enumerate(["wang", "wang", "li"])]

    def add(tx: Tx) -> None:
        for row in rows:
            tx.sessions.add(row)

    await store.write(add)
    await store.write(lambda tx: tx.sessions.seen(rows[0].token_hash, 8))
    assert await store.read(lambda tx: tx.sessions.get(rows[0].token_hash)) == SessionRow(bytes(32), "wang", 1, 8)
    await store.write(lambda tx: tx.sessions.drop(rows[0].token_hash))
    await store.write(lambda tx: tx.sessions.seen(rows[0].token_hash, 9))
    await store.write(lambda tx: tx.sessions.drop_of("wang"))
    left = await store.read(lambda tx: [tx.sessions.get(row.token_hash) for row in rows])
    assert left == [None, None, rows[2]]


# ---- speakers, areas, small tables ------------------------------------------------------------------------------------------


async def test_the_estate_comes_back_in_order_of_id(store: Store) -> None:
    estate = [Speaker(row.speaker, "130281001001", "村口", exercise=n % 2 == 1) for n, row in enumerate(county(130))]
    await store.write(lambda tx: tx.speakers.add(reversed(estate)))
    changed = replace(estate[7], area="130281002001", name="东头", volume_percent=0, retired=True)
    await store.write(lambda tx: tx.speakers.save(changed))
    assert await store.read(lambda tx: tx.speakers.all()) == [*estate[:7], changed, *estate[8:]]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.speakers.add([Speaker("s-9-9", "130281001001", "新"), estate[0]]))
    assert len(await store.read(lambda tx: tx.speakers.all())) == 130


async def test_the_tree_of_areas_is_replaced_whole(store: Store) -> None:
    city = Area("130281000000", Level.CITY, "遵化市")
    town = Area("130281001000", Level.TOWNSHIP, "遵化镇", city.code, valid_from=date(2001, 2, 3))
    villages = [Area(f"130281001{n:03d}", Level.VILLAGE, f"第{n}村", town.code) for n in range(200, 320)]
    merged = Area("130281001199", Level.VILLAGE, "旧村", town.code, None, date(2026, 1, 1), villages[0].code)
    assert list(await store.read(lambda tx: tx.areas.tree())) == []
    await store.write(lambda tx: tx.areas.replace(AreaTree([city])))
    await store.write(lambda tx: tx.areas.replace(AreaTree([city, town, merged, *villages])))
    assert list(await store.read(lambda tx: tx.areas.tree())) == [city, town, merged, *villages]


async def test_an_answer_is_kept_for_its_principal_and_key_until_it_is_forgotten(store: Store) -> None:
    old, new = KeptAnswer(b"h" * 32, '{"order": "o-1"}', 10), KeptAnswer(b"i" * 32, "{}", 11)
    await store.write(lambda tx: tx.answers.add("wang", "k-1", old))
    await store.write(lambda tx: tx.answers.add("li", "k-1", new))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.answers.add("wang", "k-1", new))
    assert await store.read(lambda tx: tx.answers.get("wang", "k-1")) == old
    await store.write(lambda tx: tx.answers.forget_before(11))
    assert await store.read(lambda tx: (tx.answers.get("wang", "k-1"), tx.answers.get("li", "k-1"))) == (None, new)


async def test_the_duty_log_is_read_from_its_end(store: Store) -> None:
    acts = [ActRow(5, "wang", verb, "o-1", "") for verb in ("start", "stop", "clear")]

    def work(tx: Tx) -> None:
        for act in acts:
            tx.acts.add(act)

    await store.write(work)
    assert await store.read(lambda tx: tx.acts.page(limit=2)) == [acts[2], acts[1]]


async def test_a_fact_is_set_and_set_again(store: Store) -> None:
    assert await store.read(lambda tx: tx.facts.get("epoch")) is None
    await store.write(lambda tx: tx.facts.set("epoch", "1"))
    await store.write(lambda tx: tx.facts.set("epoch", "2"))
    assert await store.read(lambda tx: tx.facts.get("epoch")) == "2"
