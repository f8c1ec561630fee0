"""`lianbo speakers` on the database of this machine."""

from pathlib import Path

import pytest

from endpoints.provisioning import read_provisioning, read_single
from tests.cli.conftest import Site

VILLAGE = "130281001001"


def test_a_speaker_gets_the_next_free_id_of_its_area(site: Site) -> None:
    assert (
        site.run("speakers", "add", "--area", VILLAGE)[1].splitlines()[0]
        == f"s-{VILLAGE}-1 at {VILLAGE} 华富社区居民委员会"
    )
    assert (
        site.run("speakers", "add", "--area", VILLAGE, "--name", "学校")[1].splitlines()[0]
        == f"s-{VILLAGE}-2 at {VILLAGE} 学校"
    )
    code, output = site.run("speakers", "list", "--area", "130281001")
    assert (code, output.splitlines()[-1]) == (0, "2 speakers")
    assert site.run("speakers", "list", "--area", "130281002")[1] == "\n0 speakers\n"


def test_many_come_from_a_file_or_none_of_them(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "speakers.csv"
    file.write_text(f"area,id,name\n{VILLAGE},,东头\n130281001002,school-1,学校\n", encoding="utf-8")
    assert site.run("speakers", "add", "--file", file)[0] == 0
    file.write_text("area,id\n130281001003,\n130281001002,school-1\n", encoding="utf-8")
    code, output = site.run("speakers", "add", "--file", file)
    assert (code, "there is a speaker school-1 already" in output) == (1, True)
    assert "2 speakers" in site.run("speakers", "list")[1]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ((), 2, "say where the speaker stands"),
        (("--area", "130281099099"), 1, "there is no area 130281099099"),
        (("--area", "13028100"), 1, "there is no area 13028100"),
        (("--area", VILLAGE, "--id", "Überall"), 1, "is no speaker id"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_taken(
    site: Site, words: tuple[str, ...], status: int, sentence: str
) -> None:
    code, output = site.run("speakers", "add", *words)
    assert (code, sentence in output) == (status, True)
    assert "0 speakers" in site.run("speakers", "list")[1]


def test_a_retired_speaker_keeps_its_id_and_is_exported_no_more(site: Site, tmp_path: Path) -> None:
    site.run("speakers", "add", "--area", VILLAGE)
    site.run("speakers", "add", "--area", VILLAGE)
    assert site.run("speakers", "retire", f"s-{VILLAGE}-1")[0] == 0
    assert site.run("speakers", "retire", f"s-{VILLAGE}-1") == (1, f"lianbo: there is no speaker s-{VILLAGE}-1\n")
    assert f"s-{VILLAGE}-3" in site.run("speakers", "add", "--area", VILLAGE)[1]
    out = tmp_path / "speakers.json"
    assert site.run("speakers", "export", out)[0] == 0
    assert [one.id for one in read_provisioning(out).speakers] == [f"s-{VILLAGE}-2", f"s-{VILLAGE}-3"]
    assert "retired" in site.run("speakers", "list", "--retired")[1]


def test_a_box_gets_a_file_of_its_own_with_the_address_at_which_it_reaches_us(site: Site, tmp_path: Path) -> None:
    site.run("speakers", "add", "--area", VILLAGE, "--volume", "55")
    site.run("speakers", "add", "--area", VILLAGE)
    out = tmp_path / "box.json"
    code, output = site.run("speakers", "export", out, "--speaker", f"s-{VILLAGE}-1", "--host", "10.1.2.3")
    assert (code, output) == (0, f"{out}: 1 speaker(s), broker 10.1.2.3:18830, sound files http://10.1.2.3:8719\n")
    assert out.stat().st_mode & 0o777 == 0o600
    box = read_single(out)
    assert (box.host, box.port, box.speakers[0].volume_percent, len(box.keys)) == ("10.1.2.3", 18830, 55, 2)


def test_an_export_that_only_this_machine_could_use_says_so(site: Site, tmp_path: Path) -> None:
    site.run("speakers", "add", "--area", VILLAGE)
    code, output = site.run("speakers", "export", tmp_path / "all.json")
    assert (code, "only speakers on this machine reach it" in output) == (0, True)


def test_an_export_makes_no_keys_and_no_port_up(site: Site, tmp_path: Path) -> None:
    site.run("speakers", "add", "--area", VILLAGE)
    assert "there is no speaker s-x" in site.run("speakers", "export", tmp_path / "x", "--speaker", "s-x")[1]
    (site.folder / "broker-port").unlink()
    assert "start the server once" in site.run("speakers", "export", tmp_path / "x")[1]
    (site.folder / "keys" / "master.key").unlink()
    code, output = site.run("speakers", "export", tmp_path / "x")
    assert (code, "has no master.key; restore them from the backup" in output) == (1, True)
    assert not (site.folder / "keys" / "master.key").exists()
