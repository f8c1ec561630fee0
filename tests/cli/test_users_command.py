"""`lianbo users` on the database of this machine."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Site


def test_an_account_is_made_with_a_password_that_is_shown_once(site: Site) -> None:
    code, output = site.run("users", "add", "li-min", "--area", "130281001", "--title", "李敏")
    assert code == 0
    assert "li-min (duty) may sign in and act in 华明路街道 130281001000." in output
    password = re.search(r"Password: ([a-z0-9-]{23}) ", output)
    assert password is not None
    assert password[1].encode() not in (site.folder / "lianbo.db").read_bytes()
    code, output = site.run("users", "list")
    assert code == 0
    assert re.search(r"li-min +李敏 +duty +130281001000 +华明路街道", output)
    assert password[1] not in output


def test_a_password_is_asked_for_twice_or_read_from_a_file_and_never_an_argument(site: Site, tmp_path: Path) -> None:
    assert site.run("users", "add", "a", "--ask", typed="a-long-password\na-long-password\n")[0] == 0
    file = tmp_path / "password"
    file.write_text("another-password\nnot this line\n")
    assert site.run("users", "set-password", "a", "--password-file", file) == (
        0,
        "a has a new password and is signed out everywhere.\n",
    )
    assert site.run("users", "add", "b", "--password", "visible-to-everyone")[0] == 2


def test_a_weak_password_is_refused_in_a_sentence_and_nothing_is_stored(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("short")
    assert site.run("users", "add", "a", "--password-file", file) == (
        1,
        "lianbo: password: too short, at least 12 characters\n",
    )
    assert "There is no account yet" in site.run("users", "list")[1]


@pytest.mark.parametrize(
    ("area", "sentence"),
    [
        ("130281099", "there is no area 130281099000"),
        ("1302810", "1302810 is no area code"),
        ("x", "x is no area code"),
    ],
)
def test_an_area_that_is_not_there_is_refused_and_a_lost_digit_is_not_the_whole_county(
    site: Site, area: str, sentence: str
) -> None:
    code, output = site.run("users", "add", "a", "--area", area)
    assert (code, sentence in output) == (1, True)


def test_a_disabled_account_stays_in_the_list(site: Site) -> None:
    site.run("users", "add", "a")
    assert site.run("users", "disable", "a") == (0, "a is disabled and signed out everywhere.\n")
    assert re.search(r"^a .*disabled", site.run("users", "list")[1], re.MULTILINE)
    assert site.run("users", "disable", "--enable", "a") == (0, "a may sign in again.\n")
    assert site.run("users", "disable", "nobody") == (1, "lianbo: there is no officer nobody\n")
    assert site.run("users", "add", "a") == (1, "lianbo: there is an officer a already\n")


def test_without_a_database_it_says_how_to_get_one(empty_site: Site) -> None:
    code, output = empty_site.run("users", "list")
    assert (code, "`lianbo serve` makes it at its first start" in output) == (1, True)
    assert list(empty_site.folder.iterdir()) == []


def test_a_grant_is_given_listed_and_taken_back(site: Site) -> None:
    site.run("users", "add", "li", "--area", "130281001")
    assert site.run(
        "users", "grant", "li", "start_notice", "live", "--area", "130281001", "--hours", "06:00-22:00"
    ) == (
        0,
        "li may live, start_notice in 130281001000 for 30 days.\n",
    )
    assert re.search(r"^li .*1 grants", site.run("users", "list")[1], re.MULTILINE)
    found = re.search(
        r"^(\w{26}) +130281001000 .* live start_notice$", site.run("users", "grants", "li")[1], re.MULTILINE
    )
    assert found is not None
    assert site.run("users", "ungrant", "li", found[1]) == (0, "li has it no longer.\n")
    assert site.run("users", "ungrant", "li", found[1])[0] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("everything", "--area", "130281001"), "these can be delegated: all_clear"),
        (("manage_officers", "--area", "130281001"), "verbs:"),
        (("live", "--area", "130281001", "--days", "400"), "until:"),
        (("live", "--area", "130281001", "--hours", "6-22"), "they look like 06:00-22:00"),
        (("live", "--area", "130281099"), "area:"),
    ],
)
def test_what_cannot_be_delegated_is_refused_in_a_sentence(site: Site, words: tuple[str, ...], sentence: str) -> None:
    site.run("users", "add", "li", "--area", "130281001")
    code, output = site.run("users", "grant", "li", *words)
    assert (code, sentence in output) == (1, True), output
    assert site.run("users", "grants", "li") == (0, "\n")


def test_a_role_is_changed_at_the_machine_without_a_second_person_but_not_that_of_the_last_administrator(
    site: Site,
) -> None:
    site.run("users", "add", "li", "--role", "administrator")
    assert site.run("users", "role", "li", "duty") == (1, "lianbo: li is the last administrator here\n")
    site.run("users", "add", "chen", "--role", "administrator")
    assert site.run("users", "role", "li", "duty", "--area", "130281001") == (0, "li is duty in 130281001000 now.\n")
    assert site.run("users", "remove-second-factor", "li") == (1, "lianbo: li has no second factor\n")
    assert site.run("users", "drill-passed", "nobody") == (1, "lianbo: there is no officer nobody\n")
    assert site.run("users", "drill-passed", "li")[0] == 0
