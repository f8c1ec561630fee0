"""`lianbo voices`: who can speak on this machine, and fetching more neural voices."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from audio_assets.lexicon import BadLexicon, parse
from audio_assets.voices import KOKORO_VOICES, VOICE_BYTES, neural_is_installed
from audio_assets.voices import voices as there
from broadcast.cli.common import fail, table, warn
from broadcast.cli.local import ConfigFile, settings_of

PACKAGE = "kokoro-js@1.2.1"  # Apache-2.0; eight Mandarin voices of 522 kB
FETCH_WITHIN_S = 300


def voices(
    config: ConfigFile = None,
    fetch: Annotated[
        Path | None, typer.Option(help="bring the other neural voices into this folder with npm, and check them")
    ] = None,
) -> None:
    """Who can speak on this machine; and whether the file of readings is in order."""
    settings = settings_of(config)
    folder = Path(settings.speech.voices_folder) if settings.speech.voices_folder else None
    if fetch is not None:
        for name in _fetch(fetch):
            typer.echo(f"{name} is in {fetch}")
        if folder is None or folder.resolve() != fetch.resolve():
            typer.echo(f'Set speech.voices_folder = "{fetch}" to use them.')
            folder = fetch
    rows = [
        (
            one.name,
            "at once" if one.instant else "when approved",
            "default" if one.name == settings.speech.voice else "",
        )
        for one in there(folder)
    ]
    typer.echo("\n".join(table(("voice", "speaks", ""), rows)))
    if not neural_is_installed():
        typer.echo("Neural voices: pip install 'lianbo[tts-neural]'")
    if settings.speech.voice not in {name for name, _, _ in rows}:
        warn(f"speech.voice = {settings.speech.voice} is not here; the default voice speaks")
    if settings.speech.readings:
        _check(Path(settings.speech.readings))


def _check(readings: Path) -> None:
    try:
        lexicon = parse(readings.read_text(encoding="utf-8"))
    except BadLexicon as err:
        fail("\n".join(f"{readings}:{number}: {sentence}" for number, sentence in err.errors))
    except (OSError, UnicodeError) as err:
        fail(f"{readings}: {err}")
    assumed = sum(entry.assumed for entry in lexicon.entries.values())
    typer.echo(f"{readings}: {len(lexicon.entries)} readings, {assumed} of them assumed")


def _fetch(folder: Path) -> list[str]:
    """The voices that are in the folder now. npm asks the registry that it is set up for."""
    npm = shutil.which("npm")
    if npm is None:
        fail("There is no npm here. On Debian: apt install npm")
    with tempfile.TemporaryDirectory() as room:
        command = [npm, "pack", "--silent", PACKAGE, "--pack-destination", room]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=FETCH_WITHIN_S, cwd=room)  # noqa: S603 no shell
        except (OSError, subprocess.SubprocessError) as err:
            fail(f"npm could not bring {PACKAGE}: {err}")
        found = next(Path(room).glob("*.tgz"), None)
        if found is None:
            fail(f"npm brought no {PACKAGE}")
        return take(found, folder)


def take(package: Path, folder: Path) -> list[str]:
    """The voices of a package, checked, put into a folder; their names. Nothing else in it is unpacked."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with tarfile.open(package, "r:gz") as archive:
        for name, sha256 in KOKORO_VOICES.items():
            try:
                member = archive.extractfile(f"package/voices/{name}.bin")
            except KeyError:
                member = None
            data = member.read(VOICE_BYTES + 1) if member is not None else b""
            if hashlib.sha256(data).hexdigest() != sha256:
                warn(f"{name} is not the voice that this program was tested with; it was left out")
                continue
            new = folder / f"{name}.bin.new"
            new.write_bytes(data)
            new.replace(folder / f"{name}.bin")
            taken.append(name)
    return taken
