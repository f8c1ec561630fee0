"""The area tables that come with the program; LICENSES.md beside them says where from."""

from importlib.resources import files

ZUNHUA = "130281"


def packaged() -> tuple[str, ...]:
    """The counties there is a table of, by their six digits."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".csv") for name in names if name.endswith(".csv")))


def load_packaged(county: str = ZUNHUA) -> bytes:
    """The table of a county as CSV, with the columns of `broadcast.domain.area_rows`.

    :raises FileNotFoundError: no such table is packaged; `lianbo areas build` makes one.
    """
    if county not in packaged():  # a name of ours, never a path
        raise FileNotFoundError(f"no area table of {county!r} is packaged, only of {', '.join(packaged())}")
    return files(__name__).joinpath(f"{county}.csv").read_bytes()
