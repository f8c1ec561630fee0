"""`lianbo assets`: the library of sounds, through the running server, with an officer's rights."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from broadcast.cli.common import FAILED, fail, table, warn, when
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, segment, signed_in

LOOK_AGAIN_S = 0.3
PAGE = 200

app = typer.Typer(help="The library of sounds (音频素材): send, look, approve, delete.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Its id; `lianbo assets list` has them.")]
Kind = Literal["routine", "notice", "signal"]


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="WAV, MP3, FLAC, Ogg, M4A, AMR, WMA …")],
    *,
    licence: Annotated[str, typer.Option(help="Where it comes from and under which right it may be played.")],
    name: Annotated[str, typer.Option(help="What it is called; else the file's name.")] = "",
    kind: Annotated[Kind, typer.Option(help="What it is for, which decides how loud it is made.")] = "routine",
    area: Annotated[str, typer.Option(help="Whose it is: an area code; else one's own area.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Areas below may not play it.")] = False,
    expires: Annotated[str, typer.Option(help="Last day on which it may be used: 2027-12-31.")] = "",
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Send a sound and wait until it is ready; its id and its hash are the last lines.

    Ends with 1 and the reason when it is refused; nothing of it is kept then.
    """
    fields = {"name": name, "licence": licence, "kind": kind, "area": area, "expires": expires}
    fields |= {"shared": "0" if private else "1", "file_name": file.name}
    with signed_in(url, user, password_file) as desk:
        with file.open("rb") as opened:
            sent = desk.send("/assets", opened, file.stat().st_size, **fields)
        found = _when_settled(desk, sent["id"])
        if found["refusal"]:
            fail(f"{file.name} is not taken: {found['refusal']['sentence']}", FAILED)
        sound = found["sound"]
        for note in sound["notes"]:
            warn(note)
        typer.echo(f"“{found['name']}”: {sound['duration_ms'] / 1000:.1f} s, {_levels(sound)}")
        typer.echo(found["id"])
        typer.echo(sound["sha256"])


@app.command("list")
def list_(
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """The sounds that one may play, newest first, and what is under way."""
    with signed_in(url, user, password_file) as desk:
        page = desk.get("/assets", kind=kind, limit=PAGE)
        found = page["uploads"] + page["items"]
        while page["next"]:
            page = desk.get("/assets", kind=kind, limit=PAGE, before=page["next"])
            found += page["items"]
    rows = [
        (
            one["id"],
            one["state"],
            one["kind"],
            round(one["sound"]["duration_ms"] / 1000) if one["sound"] else 0,
            one["place"] + ("" if one["shared"] else " (private)"),
            "approved" if one["approved"] else "",
            "expired" if one["expired"] else "",
            one["name"],
        )
        for one in found
    ]
    typer.echo("\n".join(table(("id", "state", "for", "s", "of", "", "", "name"), rows)) or "There is no sound yet.")


@app.command("show")
def show(asset: Id, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """One sound: what was measured, who approved it, where it is used."""
    with signed_in(url, user, password_file) as desk:
        one = desk.get(f"/assets/{segment(asset)}")
    lines = [
        ("name", one["name"]),
        ("state", one["state"]),
        ("for", one["kind"]),
        ("licence", one["licence"]),
        ("of", f"{one['place']} {one['area']}{'' if one['shared'] else ' (private)'}"),
        ("sent", f"{when(one['uploaded'])} by {one['uploader']}"),
        ("expires", when(one["expires"]) + (" (expired)" if one["expired"] else "")),
    ]
    if one["refusal"]:
        lines.append(("refused", one["refusal"]["sentence"]))
    if sound := one["sound"]:
        approved = one["approved"]
        lines += [
            ("approved", f"{when(approved['at'])} by {approved['by']}" if approved else "no"),
            ("length", f"{sound['duration_ms'] / 1000:.1f} s, {sound['bytes']} bytes"),
            ("levels", _levels(sound)),
            ("was", f"{sound['container']} {sound['codec']} {sound['rate_hz']} Hz, {sound['source_lufs']} LUFS"),
            ("sha256", sound["sha256"]),
            ("used by", ", ".join(f"{use['what']} {use['name']}" for use in one["uses"] or []) or "nothing"),
            *(("note", note) for note in sound["notes"]),
        ]
    typer.echo("\n".join(f"{name:<9} {value}" for name, value in lines))


@app.command("approve")
def approve(asset: Id, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """Say that a sound may be played, as it is now. Listen to it first."""
    with signed_in(url, user, password_file) as desk:
        sound = desk.get(f"/assets/{segment(asset)}")["sound"]
        if sound is None:
            fail(f"{asset} is not ready")
        desk.post(f"/assets/{segment(asset)}/approve", {"sha256": sound["sha256"]}, repeatable=True)
        typer.echo(f"{asset} is approved: {sound['sha256']}")


@app.command("remove")
def remove(
    asset: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Delete a sound that nothing live or planned plays."""
    with signed_in(url, user, password_file) as desk:
        one = desk.get(f"/assets/{segment(asset)}")
        if not yes and not typer.confirm(f"Delete “{one['name']}”?"):
            fail("nothing was deleted")
        desk.delete(f"/assets/{segment(asset)}")
        typer.echo(f"{asset} is deleted.")


def _when_settled(desk: Desk, asset: str) -> Json:
    while True:
        found = desk.get(f"/assets/{segment(asset)}")
        if found["state"] in ("ready", "refused"):
            return found
        time.sleep(LOOK_AGAIN_S)


def _levels(sound: Json) -> str:
    return f"{sound['lufs']} LUFS, true peak {sound['peak_dbtp']} dBTP, gain {sound['gain_db']} dB"
