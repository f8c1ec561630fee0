"""The tables that come with the program."""

import hashlib
from importlib.resources import files

import pytest

from broadcast.domain.area_import import read_table, write_csv
from broadcast.domain.area_rows import COLUMNS
from config.areas import load_packaged, packaged


def test_zunhua_is_packaged_with_both_licence_texts() -> None:
    assert packaged() == ("130281",)
    notice = files("config.areas").joinpath("LICENSES.md").read_text(encoding="utf-8")
    assert "DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE" in notice
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in notice


def test_the_public_part_of_zunhua_is_the_known_extract() -> None:
    lines = load_packaged().decode().splitlines()
    public = "".join(",".join(line.split(",")[:4]) + "\n" for line in lines).encode()
    assert lines[0] == ",".join(COLUMNS)
    assert hashlib.sha256(public).hexdigest() == "9def8a6ccd4c47a03b052e10105c79986e09121771f6d8ddcb74e0fcf039a239"


def test_a_packaged_table_is_written_the_way_we_write_tables() -> None:
    tree = read_table(load_packaged())
    assert write_csv(tree.area(row["code"]) for row in tree.rows()) == load_packaged()


@pytest.mark.parametrize("county", ["130282", "../areas/130281", "LICENSES", "", "130281.csv"])
def test_a_table_that_is_not_packaged_is_refused(county: str) -> None:
    with pytest.raises(FileNotFoundError, match="only of 130281"):
        load_packaged(county)
