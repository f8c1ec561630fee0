"""`lianbo assets` against a real server."""

from pathlib import Path

from tests.audio_assets.samples import made, quiet, sample, voice
from tests.cli.test_desk_commands import on_duty


async def test_a_sound_is_sent_listed_shown_approved_and_deleted(tmp_path: Path) -> None:
    song = tmp_path / "早安.wav"
    song.write_bytes(sample("mp3"))
    async with on_duty(tmp_path, count=1) as duty:
        code, output = await duty.run("assets", "add", song, "--licence", "县广播站自行录制", "--kind", "notice")
        assert code == 0, output
        *_, said, asset, sha256 = output.splitlines()
        assert "“早安”: 3.0 s, -16" in said and len(sha256) == 64
        assert "lianbo: The file is called .wav, and is MP3." in output

        code, listed = await duty.run("assets", "list")
        assert code == 0 and asset in listed and "notice" in listed and "早安" in listed
        assert "approved" not in listed
        code, output = await duty.run("assets", "approve", asset)
        assert (code, output.strip()) == (0, f"{asset} is approved: {sha256}")
        code, shown = await duty.run("assets", "show", asset)
        assert code == 0
        for part in ("县广播站自行录制", "by admin", sha256, "used by   nothing", "mp3 mp3float 44100 Hz"):
            assert part in shown, shown
        assert (await duty.run("assets", "remove", asset, typed="n\n"))[0] == 1
        assert (await duty.run("assets", "remove", asset, "--yes"))[0] == 0
        code, output = await duty.run("assets", "show", asset)
        assert (code, output.strip()) == (1, "lianbo: There is no such sound")
        assert "There is no sound yet." in (await duty.run("assets", "list"))[1]


async def test_a_sound_that_is_refused_ends_with_1_and_the_time_at_which_it_is_wrong(tmp_path: Path) -> None:
    import numpy as np

    gap = tmp_path / "gap.flac"
    gap.write_bytes(made(np.concatenate([voice(3), quiet(19), voice(2)]), "flac"))
    playlist = tmp_path / "song.mp3"
    playlist.write_text("#EXTM3U\n/etc/passwd\n")
    async with on_duty(tmp_path, count=1) as duty:
        code, output = await duty.run("assets", "add", gap, "--licence", "own")
        assert (code, output.strip()) == (1, "lianbo: gap.flac is not taken: Silent from 0:03–0:22")
        code, output = await duty.run("assets", "add", playlist, "--licence", "own")
        assert (code, output.strip()) == (1, "lianbo: song.mp3 is not taken: It is a playlist")
        code, output = await duty.run("assets", "add", playlist, "--licence", " ")
        assert code == 1 and "licence: say where it comes from" in output
        code, output = await duty.run("assets", "add", playlist, "--licence", "own", "--area", "130281999000")
        assert code == 1 and "area: there is no such area" in output
