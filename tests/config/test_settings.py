"""Settings, and the manual of them."""

import tomllib
from pathlib import Path

import pytest

from config.settings import BadSettings, Settings, defaults_text, load


def described() -> dict[str, dict[str, str]]:
    """By section and key, the sentence beside each line of the manual; that of the line before goes on without one."""
    found: dict[str, dict[str, str]] = {}
    section = sentence = ""
    for line in defaults_text().splitlines():
        if line.startswith("["):
            section, sentence = line.strip("[]"), ""
        elif line and not line.startswith("#"):
            key, _, rest = line.partition(" = ")
            sentence = rest.partition("  # ")[2].strip() or sentence
            found.setdefault(section, {})[key] = sentence
    return found


def test_every_setting_stands_in_the_manual_with_a_sentence_and_nothing_else_does() -> None:
    manual = described()
    known = {
        section: set(field.annotation.model_fields)  # type: ignore[union-attr]
        for section, field in Settings.model_fields.items()
    }
    assert {section: set(keys) for section, keys in manual.items()} == known
    assert [f"{s}.{k}" for s, keys in manual.items() for k, sentence in keys.items() if len(sentence) < 10] == []


def test_unset_they_run_one_machine() -> None:
    settings = load(environment={})
    assert settings.database_url == "sqlite:///var/lianbo.db"
    assert settings.model_dump(mode="json") == tomllib.loads(defaults_text())


def test_the_environment_goes_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[server]\nport = 9000\nlanguage = "en"\n')
    settings = load(own, environment={"LIANBO_SERVER_PORT": "9001", "LIANBO_SERVER_TRUST_FORWARDED": "yes"})
    assert (settings.server.port, settings.server.language, settings.server.trust_forwarded) == (9001, "en", True)
    assert settings.server.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server]\nprot = 1\n", "there is no server.prot; did you mean port?"),
        ("[sever]\nport = 1\n", "there is no section [sever]; did you mean server?"),
        ("[server]\nxyzzy = 1\n", "there is no server.xyzzy"),
        ("server = 1\n", "server is a section: write [server]"),
    ],
)
def test_an_unknown_key_stops_the_start_and_names_the_nearest(tmp_path: Path, text: str, line: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(BadSettings) as caught:
        load(own, environment={})
    assert caught.value.lines == [f"{own}: {line}"]


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("LIANBO_SERVER_PORT", "65536", "server.port"),
        ("LIANBO_SERVER_PORT", "many", "server.port"),
        ("LIANBO_SERVER_COUNTY", "13028", "server.county"),
        ("LIANBO_BROKER_ENGINE", "rabbit", "broker.engine"),
        ("LIANBO_RULES_QUIET_FROM", "24:00", "rules.quiet_from"),
        ("LIANBO_SIGNING_KEY_DAYS", "0", "signing.key_days"),
    ],
)
def test_a_value_out_of_range_names_its_key(name: str, value: str, key: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(environment={name: value})
    assert [line.partition(":")[0] for line in caught.value.lines] == [key]


def test_a_file_that_is_no_toml_or_not_there_says_which_file(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for text in (None, "[server\n", "port = \xff"):
        if text is not None:
            own.write_bytes(text.encode("latin-1"))
        with pytest.raises(BadSettings, match=r"own\.toml"):
            load(own, environment={})
