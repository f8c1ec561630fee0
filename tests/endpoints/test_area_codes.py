"""Codes alone, without a table: what they say about who lies where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.area_codes import BadAreaCode, ancestors, covers, depth, is_area_code, padded, significant

ZUNHUA, STREET, VILLAGE = "130281000000", "130281001000", "130281001001"
GRID, SUB_GRID = "130281001001001", "130281001001001001"


@st.composite
def codes(draw: st.DrawFn) -> str:
    """Well-formed codes from the county down, with few enough digits that they often lie in one another."""
    groups = draw(st.lists(st.integers(1, 2), max_size=4))
    return padded("13028" + draw(st.sampled_from("12")) + "".join(f"{group:03}" for group in groups))


def test_the_significant_digits_end_where_the_padding_begins() -> None:
    chain = (ZUNHUA, STREET, VILLAGE, GRID, SUB_GRID)
    assert [significant(code) for code in chain] == ["130281", "130281001", VILLAGE, GRID, SUB_GRID]
    assert [depth(code) for code in chain] == [6, 9, 12, 15, 18]
    assert [padded(significant(code)) for code in chain] == list(chain)


def test_a_zero_that_belongs_to_a_group_is_no_padding() -> None:
    assert significant("130281100000") == "130281100"
    assert significant("130281100200") == "130281100200"
    assert significant("130200000000") == "1302"
    assert significant("110000000000") == "11"


def test_a_longer_string_of_the_same_beginning_is_another_place() -> None:
    assert covers("130281100000", "130281100201")
    assert not covers("130281001000", "130281010000")
    assert not covers("130281010000", "130281001000")
    assert not covers("130281110000", "130281111000")
    assert not is_area_code("1302811"), "seven digits are no area, so that they cannot cover 13028110…"
    with pytest.raises(BadAreaCode):
        covers("1302811", "130281100000")


def test_the_ancestors_stand_nearest_first_and_end_with_the_county() -> None:
    assert ancestors(SUB_GRID) == (GRID, VILLAGE, STREET, ZUNHUA)
    assert ancestors(VILLAGE) == (STREET, ZUNHUA)
    assert ancestors(ZUNHUA) == ()


@pytest.mark.parametrize(
    "code",
    [
        *("", "0", "130281", "1302810010", "13028100100", "1302810010010", "1302810010010010010"),
        *("000000000000", "130281000001", "130081001001", "000281001001", "130281001001000001"),
        *(
            "13028100100a",
            " 130281001001",
            "130281001001\n",
            "-30281001001",
            "１３０２８１００１００１",
            "²30281001001",
        ),
        *("13028100100١", "130281001001\0", "1302810010.1", "1.30281E+11"),
    ],
)
def test_what_is_not_a_code_is_refused_with_what_was_given(code: str) -> None:
    with pytest.raises(BadAreaCode) as refused:
        significant(code)
    assert refused.value.code == code
    assert not is_area_code(code)


@pytest.mark.parametrize("thing", [None, 130281001001, b"130281001001", 1.5, [], {}, ("130281001001",)])
def test_what_is_not_text_is_no_code(thing: object) -> None:
    assert not is_area_code(thing)


@given(st.text(max_size=20))
def test_no_text_makes_the_reader_of_codes_fall_over(text: str) -> None:
    assert is_area_code(text) == (len(text) in {12, 15, 18} and is_area_code(text))


@given(codes(), codes(), codes())
def test_covering_is_a_partial_order(a: str, b: str, c: str) -> None:
    assert covers(a, a)
    assert not (covers(a, b) and covers(b, a)) or a == b
    assert not (covers(a, b) and covers(b, c)) or covers(a, c)


@given(codes(), codes())
def test_exactly_the_ancestors_and_the_area_itself_cover_it(a: str, b: str) -> None:
    assert covers(a, b) == (a == b or a in ancestors(b))
    assert list(ancestors(b)) == sorted(ancestors(b), key=depth, reverse=True)
