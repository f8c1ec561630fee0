"""`lianbo speakers show|set|enrol|roll|revoke|morning` on the database of this machine."""

import pytest

from tests.cli.conftest import Site

VILLAGE = "130281001001"
ONE = f"s-{VILLAGE}-1"


@pytest.fixture
def there(site: Site) -> Site:
    site.run("speakers", "add", "--area", VILLAGE)
    return site


def test_settings_are_changed_for_all_named_or_for_none(there: Site) -> None:
    there.run("speakers", "add", "--area", VILLAGE)
    both = (ONE, f"s-{VILLAGE}-2")
    code, output = there.run("speakers", "set", *both, "s-9-9", "--volume", "40")
    assert (code, "unknown-speaker" in output) == (1, True)
    assert "70" in there.run("speakers", "show", ONE)[1]
    code, output = there.run("speakers", "set", *both, "--volume", "40", "--quiet", "21:30-06:30", "--note", "电杆西侧")
    assert (code, output) == (0, f"{ONE} is at version 2\n{both[1]} is at version 2\n")
    shown = there.run("speakers", "show", ONE)[1]
    assert all(word in shown for word in ("40", "21:30-06:30", "电杆西侧", "has said nothing of itself"))


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ((), 2, "say what to change"),
        (("--quiet", "noon"), 2, "not like 21:30-06:00"),
        (("--ceiling", "65", "--floor", "90"), 1, "above-ceiling"),
        (("--area", "130281099099"), 1, "unknown-area"),
    ],
)
def test_what_can_t_be_set_is_said(there: Site, words: tuple[str, ...], status: int, sentence: str) -> None:
    code, output = there.run("speakers", "set", ONE, *words)
    assert (code, sentence in output) == (status, True), output


def test_work_at_the_horn_is_muted_for_hours_and_ended(there: Site) -> None:
    assert there.run("speakers", "set", ONE, "--mute-h", "2")[0] == 0
    assert there.run("speakers", "set", ONE, "--mute-h", "0")[0] == 0
    assert there.run("speakers", "set", ONE, "--name", "学校")[0] == 0
    assert "学校" in there.run("speakers", "list")[1]


def test_secrets_are_rolled_and_revoked_with_a_reason(there: Site) -> None:
    assert there.run("speakers", "roll", ONE) == (0, f"{ONE}: generation 2\n")
    assert there.run("speakers", "revoke", ONE)[0] == 2
    assert there.run("speakers", "revoke", ONE, "--reason", "被偷")[0] == 0
    assert "revoked" in there.run("speakers", "list")[1]
    code, output = there.run("speakers", "roll", ONE)
    assert (code, "is-revoked" in output) == (1, True)


def test_without_a_test_there_is_no_list(there: Site) -> None:
    assert there.run("speakers", "morning") == (0, "There was no silent test yet.\n")
    assert there.run("speakers", "show", "s-9-9")[0] == 1
    assert there.run("speakers", "enrol")[0] == 2
