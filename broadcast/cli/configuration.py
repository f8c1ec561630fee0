"""`lianbo config`: whether a settings file can be used, and what is in force and from where. Secrets are never shown."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from broadcast.cli.common import warn
from broadcast.cli.local import ConfigFile, settings_of
from config.settings import ENV_PREFIX, Settings, defaults_text

HIDDEN = "********"
OF_THE_CLIENT = frozenset({"LIANBO_URL", "LIANBO_USER", "LIANBO_PASSWORD"})

app = typer.Typer(help="The settings: check a file, show what is in force.", no_args_is_help=True)


@app.command("check")
def check(config: ConfigFile = None) -> None:
    """Say whether the server would start with these settings; else name every line that is wrong."""
    settings_of(config)
    for line in strange_variables(os.environ):
        warn(line)
    typer.echo(f"{config or 'the defaults'} and the environment: nothing is wrong.")


@app.command("show")
def show(config: ConfigFile = None) -> None:
    """Every setting as it is in force, as TOML, with where it comes from. Passwords are hidden."""
    settings = settings_of(config)
    typer.echo("\n".join(shown(settings, config, os.environ)))


def shown(settings: Settings, config: Path | None, environment: Mapping[str, str]) -> Iterator[str]:
    """The lines of `config show`."""
    own = tomllib.loads(config.read_text(encoding="utf-8")) if config is not None else {}
    for section, values in settings.model_dump(mode="json").items():
        yield f"[{section}]"
        for key, value in values.items():
            yield f"{key} = {_toml(_hidden(section, key, value))}{_source(section, key, own, environment, config)}"
        yield ""


def strange_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A variable that looks like one of ours and is none does nothing; that is said, not passed over."""
    known = {f"{ENV_PREFIX}{s}_{k}".upper() for s, values in tomllib.loads(defaults_text()).items() for k in values}
    for name in sorted(environment):
        if name.startswith(ENV_PREFIX) and name not in known | OF_THE_CLIENT:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            yield f"the variable {name} means nothing{f'; did you mean {near[0]}?' if near else ''}"


def _hidden(section: str, key: str, value: Any) -> Any:
    if (section, key) == ("broker", "password"):
        return HIDDEN if value else ""
    if (section, key) == ("database", "url") and "@" in value:
        account, _, rest = value.rpartition("@")
        scheme, slashes, login = account.partition("://")
        name, colon, _ = login.partition(":")
        return f"{scheme}{slashes}{name}{colon and colon + HIDDEN}@{rest}"
    return value


def _source(section: str, key: str, own: Mapping[str, Any], environment: Mapping[str, str], config: Path | None) -> str:
    variable = f"{ENV_PREFIX}{section}_{key}".upper()
    if variable in environment:
        return f"  # {variable}"
    return f"  # {config}" if key in own.get(section, {}) else ""


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # of the types that occur here (text, number, truth) TOML's own form
