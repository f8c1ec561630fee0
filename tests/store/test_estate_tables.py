"""Enrolments, groups, what speakers say of themselves and silent tests, on every engine."""

from dataclasses import replace

import pytest

from broadcast.domain.enrolments import Enrolment, UnknownEnrolment
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest
from broadcast.domain.groups import Group, UnknownGroup
from broadcast.domain.speakers import Speaker
from broadcast.service.ports import Store, StoreRefused
from tests.store.rows import NOW_MS

CODE = Enrolment(
    id="01K5M0Z0000000000000000001",
    code_hash=bytes(32),
    speaker="s-130281001001-1",
    area="130281001001",
    name="村口",
    exercise=False,
    replaces=True,
    by="wang",
    made_ms=NOW_MS,
    until_ms=NOW_MS + 3_600_000,
)
SCHOOLS = Group("01K5M0Z0000000000000000002", "学校", "130281000000", ("130281001000",), ("s-1-1", "s-1-2"))
SAID = SaidOf("s-1-1", NOW_MS, 2**47, "LB-S1", "1.4.2", 3, NOW_MS, 70, 100, 60, 1_320, 360, 0, 1, 64, 1)
TEST = SilentTest("01K5M0Z0000000000000000003", NOW_MS, NOW_MS + 90_000, "", {"130281001000": (25, 24)})
FAILED = Finding("s-1-1", "130281001001", ("drift", "amplifier"), ("volume_percent",), NOW_MS)


async def test_every_setting_and_secret_of_a_speaker_is_kept(store: Store) -> None:
    one = Speaker("s-1-1", "130281001001", "村口")
    await store.write(lambda tx: tx.speakers.add([one]))
    assert await store.read(lambda tx: tx.speakers.all()) == [one]
    other = Speaker(
        "s-1-1", "130281001002", "学校", True, 55, True, 9, 90, 65, 1_290, 390, NOW_MS, "电杆\n西侧", "李强 138", 3,
        NOW_MS + 1, False, True,
    )  # fmt: skip
    await store.write(lambda tx: tx.speakers.save(other))
    assert await store.read(lambda tx: tx.speakers.all()) == [other]


async def test_a_code_is_found_by_its_hash_and_changed(store: Store) -> None:
    await store.write(lambda tx: tx.enrolments.add(CODE))
    used = replace(
        CODE, box="ab" * 32, used_ms=NOW_MS + 1, model="LB-S1", firmware="1.4.2", foreign_tries=2, withdrawn=True
    )
    await store.write(lambda tx: tx.enrolments.save(used))
    assert await store.read(lambda tx: tx.enrolments.by_code(CODE.code_hash)) == used
    assert await store.read(lambda tx: tx.enrolments.get(CODE.id)) == used
    assert await store.read(lambda tx: tx.enrolments.by_code(b"1" * 32)) is None
    assert await store.read(lambda tx: tx.enrolments.get("01K5M0Z000000000000000000Z")) is None


async def test_the_same_code_is_not_made_twice(store: Store) -> None:
    await store.write(lambda tx: tx.enrolments.add(CODE))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.enrolments.add(replace(CODE, id="01K5M0Z0000000000000000009")))


async def test_codes_come_newest_first_and_not_those_of_long_ago(store: Store) -> None:
    later = replace(CODE, id="01K5M0Z0000000000000000005", code_hash=b"2" * 32, made_ms=NOW_MS + 5)
    await store.write(lambda tx: [tx.enrolments.add(one) for one in (CODE, later)])
    assert await store.read(lambda tx: tx.enrolments.since(NOW_MS)) == [later, CODE]
    assert await store.read(lambda tx: tx.enrolments.since(NOW_MS + 1)) == [later]


async def test_what_is_not_there_is_not_changed(store: Store) -> None:
    with pytest.raises(UnknownEnrolment):
        await store.write(lambda tx: tx.enrolments.save(CODE))
    with pytest.raises(UnknownGroup):
        await store.write(lambda tx: tx.groups.save(SCHOOLS))


async def test_groups_are_kept_changed_dropped_and_sorted_by_name(store: Store) -> None:
    other = Group("01K5M0Z0000000000000000001", "医院", "130281000000")
    await store.write(lambda tx: [tx.groups.add(one) for one in (SCHOOLS, other)])
    assert await store.read(lambda tx: tx.groups.all()) == sorted([SCHOOLS, other], key=lambda one: one.name)
    changed = replace(SCHOOLS, name="中小学", areas=(), speakers=("s-9-9",), revision=2)
    await store.write(lambda tx: tx.groups.save(changed))
    assert await store.read(lambda tx: tx.groups.get(SCHOOLS.id)) == changed
    await store.write(lambda tx: tx.groups.drop(SCHOOLS.id))
    assert await store.read(lambda tx: (tx.groups.get(SCHOOLS.id), tx.groups.all())) == (None, [other])


async def test_of_what_a_speaker_says_the_last_is_kept(store: Store) -> None:
    await store.write(lambda tx: tx.abouts.keep([replace(SAID, version=1), replace(SAID, speaker="s-1-2")]))
    await store.write(lambda tx: tx.abouts.keep([SAID]))
    assert await store.read(lambda tx: tx.abouts.all()) == {"s-1-1": SAID, "s-1-2": replace(SAID, speaker="s-1-2")}


async def test_a_silent_test_keeps_who_failed_and_is_forgotten_as_a_whole(store: Store) -> None:
    later = replace(TEST, id="01K5M0Z0000000000000000004", at_ms=NOW_MS + 1, by="wang", townships={})
    elsewhere = replace(FAILED, speaker="s-0-1", area="130281000000", why=("offline",), drift=(), heard_ms=0)
    await store.write(lambda tx: tx.silent_tests.add(TEST, [FAILED, elsewhere]))
    await store.write(lambda tx: tx.silent_tests.add(later, []))
    assert await store.read(lambda tx: tx.silent_tests.newest(limit=9)) == [later, TEST]
    assert await store.read(lambda tx: tx.silent_tests.newest(limit=1)) == [later]
    assert await store.read(lambda tx: tx.silent_tests.findings(TEST.id)) == [elsewhere, FAILED]
    assert await store.read(lambda tx: tx.silent_tests.get(TEST.id)) == TEST
    await store.write(lambda tx: tx.silent_tests.forget_before(NOW_MS + 1))
    left = await store.read(lambda tx: (tx.silent_tests.newest(limit=9), tx.silent_tests.findings(TEST.id)))
    assert left == ([later], [])
