"""The tree of areas, on the real table of Zunhua and on small ones."""

import time
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.area_faults import Fault
from broadcast.domain.area_import import read_table
from broadcast.domain.areas import Area, AreaTree, BadAreaTable, Level, UnknownArea, minimal_cover
from config.areas import load_packaged
from endpoints.area_codes import BadAreaCode, covers

CITY, STREET, TOWN = "130281000000", "130281001000", "130281100000"
DAY = date(2026, 11, 23)
ZUNHUA = read_table(load_packaged())
VILLAGES = [area.code for area in ZUNHUA.villages()]

C = "130281000000"
T1, T2 = "130281001000", "130281002000"
V1, V2, V3 = "130281001001", "130281001002", "130281002001"


def small(*changed: Area) -> AreaTree:
    """A city of two townships, two villages in the first, one in the second, a grid with one sub-grid."""
    names = {C: "遵化市", T1: "东镇", T2: "西镇", V1: "前村村民委员会", V2: "后村村民委员会", V3: "前村村民委员会"}
    grids = {V1 + "001": "前村一网格", V1 + "001001": "前村一网格东"}
    tree = AreaTree.from_rows([{"code": code, "name": name} for code, name in (names | grids).items()])
    return tree.with_areas(changed)


def many_grids() -> list[dict[str, str]]:
    """The rows of Zunhua with as many grids and sub-grids as it has: 13,705."""
    grids = [VILLAGES[i % 690] + f"{i // 690 + 1:03}" for i in range(1_724)]
    below = [grids[i % 1_724] + f"{i // 1_724 + 1:03}" for i in range(11_263)]
    return [*ZUNHUA.rows(), *({"code": code, "name": f"网格{code[12:]}"} for code in grids + below)]


def test_zunhua_has_its_27_townships_and_690_villages() -> None:
    assert ZUNHUA.counts() == {
        Level.CITY: 1,
        Level.TOWNSHIP: 27,
        Level.VILLAGE: 690,
        Level.GRID: 0,
        Level.SUB_GRID: 0,
    }
    assert ZUNHUA.cities == (Area(CITY, Level.CITY, "遵化市"),)
    kinds = Counter(
        next(kind for kind in ("满族乡", "街道", "镇", "乡") if area.name.endswith(kind))
        for area in ZUNHUA.children(CITY)
    )
    assert kinds == {"街道": 2, "镇": 20, "乡": 2, "满族乡": 3}
    assert Counter(area.short_name[-1] for area in ZUNHUA.villages()) == {"村": 648, "区": 42}


def test_no_two_places_of_zunhua_share_a_name_long_or_short() -> None:
    assert all(ZUNHUA.named(area.name) == (area,) == ZUNHUA.named(area.short_name) for area in ZUNHUA)


def test_a_village_knows_what_is_above_it_and_a_township_what_is_below() -> None:
    tree = small()
    assert tree.ancestors(V1) == (tree.area(T1), tree.area(C))
    assert tree.parent(V1) == tree.area(T1)
    assert tree.parent(C) is None
    assert [area.code for area in tree.children(T1)] == [V1, V2]
    assert [area.code for area in tree.descendants(T1)] == [V1, V1 + "001", V1 + "001001", V2]
    assert tree.children(V1 + "001001") == () == tree.descendants(V1 + "001001")
    assert tree.counts(T1) == {
        Level.CITY: 0,
        Level.TOWNSHIP: 1,
        Level.VILLAGE: 2,
        Level.GRID: 1,
        Level.SUB_GRID: 1,
    }


def test_the_villages_of_a_choice_are_each_named_once() -> None:
    tree = small()
    assert [area.code for area in tree.villages(V1, T1, V1)] == [V1, V2]
    assert [area.code for area in tree.villages(V3, T1)] == [V1, V2, V3]
    assert [area.code for area in tree.villages()] == [V1, V2, V3]
    assert tree.villages(V1 + "001") == ()


def test_a_township_covers_its_villages_and_no_other_code_that_begins_alike() -> None:
    assert ZUNHUA.covers(TOWN, "130281100201")
    assert ZUNHUA.covers(CITY, STREET)
    assert not ZUNHUA.covers(STREET, TOWN)
    assert [it.code for it in ZUNHUA.descendants("130281110000")] == [
        code for code in VILLAGES if code[:9] == "130281110"
    ]
    with pytest.raises(UnknownArea):
        ZUNHUA.covers("1302811", TOWN)


def test_codes_that_begin_with_nine_below_the_boundary_are_not_lost() -> None:
    codes = (T1, "130281001900", "130281001999", "130281001999999", "130281001999999999")
    tree = AreaTree.from_rows([*small().rows(), *({"code": code, "name": "某处"} for code in codes[1:])])
    assert [area.code for area in tree.descendants(T1)][-4:] == list(codes[1:])
    assert [area.code for area in tree.villages(T1)] == [V1, V2, *codes[1:3]]
    assert tree.counts("130281001999")[Level.SUB_GRID] == 1


def test_an_unknown_area_names_the_nearest_known_one() -> None:
    with pytest.raises(UnknownArea) as refused:
        small().area("130281001003")
    assert vars(refused.value) == {"code": "130281001003", "nearest": V2, "nearest_name": "后村村民委员会"}
    assert str(refused.value) == f"no area has the code '130281001003'; the nearest known one is {V2} (后村村民委员会)"


@pytest.mark.parametrize("code", ["", "1", "9" * 10_000, "遵化市", "130281001001\0", "1302811"])
def test_any_text_at_all_is_answered_with_an_area_that_exists(code: str) -> None:
    with pytest.raises(UnknownArea) as refused:
        ZUNHUA.area(code)
    assert refused.value.nearest in ZUNHUA
    assert len(str(refused.value)) < 200


def test_an_empty_table_has_nothing_near() -> None:
    with pytest.raises(UnknownArea) as refused:
        AreaTree().area(C)
    assert vars(refused.value) == {"code": C, "nearest": "", "nearest_name": ""}


def test_a_name_that_two_villages_share_gives_both() -> None:
    tree = small()
    assert tree.named("前村") == (tree.area(V1), tree.area(V3))
    assert tree.named("遵化市") == (tree.area(C),)
    assert tree.named("南村") == ()


def test_the_smallest_cover_leaves_out_what_lies_in_another_chosen_area() -> None:
    assert minimal_cover([V3, V1, T1, V1, V2]) == (T1, V3)
    assert minimal_cover([V1 + "001", V1, C]) == (C,)
    assert minimal_cover([]) == ()


def test_all_villages_of_a_township_are_not_the_township() -> None:
    assert small().minimal_cover([V2, V1]) == (V1, V2)


def test_a_cover_of_what_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownArea):
        small().minimal_cover([V1, "130281001003"])
    with pytest.raises(BadAreaCode):
        minimal_cover([V1, "1302811"])


def test_a_retired_village_is_in_use_until_the_day_before() -> None:
    tree = small(small().area(V1 + "001001").retired(DAY), small().area(V1 + "001").retired(DAY))
    tree = tree.with_areas([tree.area(V1).retired(DAY)])
    assert [it.code for it in tree.on(date(2026, 11, 22)).villages()] == [V1, V2, V3]
    assert [it.code for it in tree.on(DAY).villages()] == [V2, V3]
    assert [it.code for it in tree.villages()] == [V1, V2, V3], "the table itself forgets nothing"


def test_a_village_that_was_merged_twice_leads_to_where_it_is_today() -> None:
    tree = small()
    tree = tree.with_areas([tree.area(V2).retired(date(2024, 1, 1), into=V3)])
    tree = tree.with_areas([tree.area(V3).retired(date(2025, 1, 1), into=V1)])
    assert tree.successor(V2) == tree.area(V1)
    assert tree.successor(V1) == tree.area(V1)


def test_a_renamed_village_keeps_its_code() -> None:
    tree = small(small().area(V2).renamed("新村村民委员会"))
    assert tree.area(V2) == Area(V2, Level.VILLAGE, "新村村民委员会", T1)
    assert tree.named("后村") == ()


def test_a_village_of_a_township_that_starts_later_starts_with_it() -> None:
    start = Area(T2, Level.TOWNSHIP, "西镇", C, valid_from=DAY)
    assert V3 not in small(start).on(date(2026, 11, 22))
    assert V3 in small(start).on(DAY)


def test_a_change_that_contradicts_the_rest_changes_nothing() -> None:
    tree = small()
    with pytest.raises(BadAreaTable) as refused:
        tree.with_areas([tree.area(T2).retired(DAY)])
    assert refused.value.problems == [
        {
            "line": 0,
            "code": V3,
            "column": "valid_to",
            "value": "",
            "fault": "outlives-parent",
            "expected": "2026-11-23",
            "sentence": "its parent is retired on 2026-11-23; retire this area by then, or merge it",
        }
    ]
    assert f"{V3}, valid_to '': its parent is retired on 2026-11-23" in str(refused.value)
    assert T2 in tree.on(DAY)


def test_merges_cannot_run_in_a_circle() -> None:
    tree = small()
    for pair in (
        [tree.area(V2).retired(DAY, into=V2)],
        [tree.area(V2).retired(DAY, into=V3), tree.area(V3).retired(DAY, into=V2)],
        [tree.area(V2).retired(DAY, into=V3), tree.area(V3).retired(date(2027, 1, 1), into=V2)],
    ):
        with pytest.raises(BadAreaTable) as refused:
            tree.with_areas(pair)
        assert {problem["fault"] for problem in refused.value.problems} == {Fault.SUCCESSOR_NOT_IN_USE}


def test_a_city_inside_a_city_is_no_tree() -> None:
    rows = [{"code": "441900000000", "name": "东莞市"}, {"code": "441901000000", "name": "某区"}]
    with pytest.raises(BadAreaTable, match="lies inside 441900000000"):
        AreaTree.from_rows(rows)


def test_two_counties_may_stand_side_by_side() -> None:
    tree = AreaTree.from_rows([{"code": "130281000000", "name": "遵化市"}, {"code": "130283000000", "name": "迁安市"}])
    assert [city.name for city in tree.cities] == ["遵化市", "迁安市"]


def test_the_rows_of_a_tree_make_the_same_tree() -> None:
    tree = small(small().area(V2).retired(DAY, into=V3))
    assert list(AreaTree.from_rows(tree.rows())) == list(tree)


def test_the_whole_county_with_its_grids_is_ready_before_anyone_waits() -> None:
    rows = many_grids()
    took = []
    for _ in range(3):
        start = time.process_time()
        tree = AreaTree.from_rows(rows)
        took.append(time.process_time() - start)
    assert len(tree) == 13_705
    assert list(tree.counts().values()) == [1, 27, 690, 1_724, 11_263]
    assert min(took) < 0.5, "0.08 s on two shared cores of 2026; the limit is for slow machines"


GRIDDED = AreaTree.from_rows(many_grids())
anywhere = st.sampled_from([area.code for area in GRIDDED])
near = st.sampled_from([area.code for area in (*GRIDDED.cities, *GRIDDED.descendants(STREET)[:40])])
places = st.one_of(anywhere, near)


@given(places, places, places)
def test_covering_is_a_partial_order(a: str, b: str, c: str) -> None:
    tree = GRIDDED
    assert tree.covers(a, a)
    assert not (tree.covers(a, b) and tree.covers(b, a)) or a == b
    assert not (tree.covers(a, b) and tree.covers(b, c)) or tree.covers(a, c)


@given(places, places)
def test_covering_ancestors_and_descendants_say_the_same(a: str, b: str) -> None:
    above, below = GRIDDED.area(a), GRIDDED.area(b)
    assert GRIDDED.covers(a, b) == (a == b or above in GRIDDED.ancestors(b))
    assert (below in GRIDDED.descendants(a)) == (above in GRIDDED.ancestors(b))
    assert (below in GRIDDED.children(a)) == (GRIDDED.parent(b) == above)


@given(st.lists(places, max_size=30))
def test_the_smallest_cover_reaches_exactly_the_same_places(chosen: list[str]) -> None:
    cover = GRIDDED.minimal_cover(chosen)
    meant = {it for code in chosen for it in (GRIDDED.area(code), *GRIDDED.descendants(code))}
    assert {it for code in cover for it in (GRIDDED.area(code), *GRIDDED.descendants(code))} == meant
    assert set(cover) <= set(chosen)
    assert not any(covers(a, b) for a in cover for b in cover if a != b)
    assert list(cover) == sorted(cover)
    if chosen:
        assert set(GRIDDED.villages(*chosen)) == {it for it in meant if it.level is Level.VILLAGE}
