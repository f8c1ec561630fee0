"""`lianbo voices`."""

import io
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audio_assets.voices import KOKORO_VOICES, voice_file
from broadcast.cli.voices import take
from broadcast.main import cli

VOICE = "zf_xiaoxiao"


def package(path: Path, files: dict[str, bytes]) -> Path:
    """A package of the registry with these files."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def run(tmp_path: Path, settings: str = "") -> tuple[int, str]:
    """What `lianbo voices` prints with these settings."""
    config = tmp_path / "lianbo.toml"
    config.write_text(f"[speech]\n{settings}", encoding="utf-8")
    result = CliRunner().invoke(cli, ["voices", "--config", str(config)])
    return result.exit_code, result.output


def test_the_voices_of_this_machine_are_listed(tmp_path: Path) -> None:
    code, said = run(tmp_path)
    assert code == 0
    assert ["espeak", "at", "once", "default"] in [line.split() for line in said.splitlines()]


def test_a_voice_of_the_settings_that_is_not_here_is_told(tmp_path: Path) -> None:
    code, said = run(tmp_path, 'voice = "zm_nobody"\n')
    assert code == 0
    assert "speech.voice = zm_nobody is not here; the default voice speaks" in said


def test_the_readings_are_checked_line_by_line(tmp_path: Path) -> None:
    readings = tmp_path / "readings.txt"
    readings.write_text("堡子店 pu4 zi5 dian4\n乐亭 lao4 ting2 ?\n", encoding="utf-8")
    assert f"{readings}: 2 readings, 1 of them assumed" in run(tmp_path, f'readings = "{readings}"\n')[1]
    readings.write_text("# names\n乐亭 lao4\n", encoding="utf-8")
    code, said = run(tmp_path, f'readings = "{readings}"\n')
    assert code == 1
    assert f"{readings}:2: 乐亭 has 2 characters and 1 syllables" in said
    assert run(tmp_path, f'readings = "{tmp_path / "none"}"\n')[0] == 1


def test_a_fetched_voice_is_taken_when_it_is_the_tested_one_and_nothing_else_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = voice_file(VOICE, None)
    assert known is not None
    files = {
        f"package/voices/{VOICE}.bin": known.read_bytes(),
        "package/voices/zm_yunxi.bin": b"forged",
        "../../outside": b"x",
        "package/dist/kokoro.js": b"x",
    }
    folder = tmp_path / "voices"
    assert take(package(tmp_path / "p.tgz", files), folder) == [VOICE]
    assert [path.name for path in folder.iterdir()] == [f"{VOICE}.bin"]
    assert capsys.readouterr().err.count("was left out") == len(KOKORO_VOICES) - 1
    assert voice_file(VOICE, folder) == folder / f"{VOICE}.bin"
