"""The warning templates that come with the program, and the operator's own file on top; see `broadcast.domain.templates`."""

import tomllib
from importlib.resources import files
from pathlib import Path

MAX_FILE_BYTES = 256 * 1024


class UnreadableTemplates(ValueError):
    """The operator's file is no TOML, or too large."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path}: {why}")


def packaged_templates() -> dict[str, object]:
    """Tables by template id."""
    return tomllib.loads(files("config").joinpath("templates.toml").read_text(encoding="utf-8"))


def with_own(path: Path) -> dict[str, object]:
    """Those of the package, and the operator's, which take the place of those of the same id; no file is no change.

    :raises UnreadableTemplates: it is there and can't be read.
    """
    tables = packaged_templates()
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UnreadableTemplates(path, f"more than {MAX_FILE_BYTES} bytes")
        return tables | tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tables
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as err:
        raise UnreadableTemplates(path, str(err)) from err
