"""`lianbo stop`, `all-clear` and `broadcasts`: what is on air, and how it ends."""

import uuid
from typing import Annotated

import typer

from broadcast.cli.common import MISUSED, fail, table, warn, when
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, segment, signed_in
from broadcast.cli.triggers import Yes, places

PAGE = 200


def stop(
    broadcast: Annotated[
        str, typer.Argument(help="Its id; `lianbo broadcasts --live` lists what can be stopped.")
    ] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of one's own level and area, exercises too.")] = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Take a broadcast off the air (停播), or everything of one's own level.

    One is stopped without a question: a false alarm must not wait. --all asks.
    """
    if bool(broadcast) is everything:
        fail("say which one by its id, or --all", MISUSED)
    with signed_in(url, user, password_file) as desk:
        if not everything:
            done = desk.post(f"/broadcasts/{segment(broadcast)}/stop", repeatable=True)
            typer.echo(f"{broadcast} was over already." if done["repeated"] else f"{broadcast} is taken off the air.")
            _warn_if_pending(desk, done["ids"])
            return
        live = _live(desk)
        typer.echo("\n".join(listed(live)) or "Nothing is on air.")
        if not yes and not typer.confirm("Stop everything that you may stop?"):
            fail("nothing was stopped")
        ids = desk.post("/stop-all", repeatable=True)["ids"]
        typer.echo(f"{len(ids)} taken off the air{': ' + ', '.join(ids) if ids else ''}.")
        left = [one["id"] for one in live if one["id"] not in ids]
        if left:
            warn(f"still on air, ordered above your level or beyond your area: {', '.join(left)}")
        _warn_if_pending(desk, ids)


def all_clear(
    broadcast: Annotated[str, typer.Argument(help="Id of the alert.")],
    *,
    area: Annotated[
        list[str] | None, typer.Option(help="End it only here: code or whole name; may be repeated. Else all of it.")
    ] = None,
    text: Annotated[str, typer.Option(help="What is said there; else the headline and that the alert is over.")] = "",
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """End an alert (解除), whole or in some areas, and say so there.

    The id of the all-clear itself is the last line.
    """
    with signed_in(url, user, password_file) as desk:
        alert = desk.get(f"/broadcasts/{segment(broadcast)}")
        chosen = places(desk, area)
        where = ", ".join(chosen) if chosen else "everywhere"
        typer.echo(f"Ends {alert['id']} “{alert['headline']}” {where}.")
        if not yes and not typer.confirm("Give the all-clear now?"):
            fail("nothing was changed")
        body: Json = {"areas": chosen, "text": text}
        done = desk.post(f"/broadcasts/{segment(broadcast)}/all-clear", body, key=uuid.uuid4().hex)
        _warn_if_pending(desk, done["ids"])
        typer.echo(done["id"])


def broadcasts(
    *,
    live: Annotated[bool, typer.Option("--live", help="Only what is on air or waits for its time.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="At most so many.")] = 20,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """List the broadcasts of one's own area, newest first."""
    with signed_in(url, user, password_file) as desk:
        found = _live(desk)[:limit] if live else desk.get("/broadcasts", limit=limit)["items"]
        typer.echo("\n".join(listed(found)) or ("Nothing is on air." if live else "Nothing was broadcast yet."))


def listed(found: list[Json]) -> list[str]:
    """A table of broadcasts."""
    rows = [
        (
            one["id"],
            one["life"] + (" (not gone out yet)" if one["on_air_pending"] else ""),
            one["kind"] + (f" {one['severity']}" if one["severity"] != "unknown" else ""),
            "exercise" if one["exercise"] else "",
            when(one["not_before"]),
            when(one["ended_at"] or one["not_after"]),
            one["officer"],
            one["headline"],
        )
        for one in found
    ]
    return table(("id", "state", "kind", "", "from", "until", "officer", "headline"), rows)


def _live(desk: Desk) -> list[Json]:
    return [one for one in desk.get("/broadcasts", limit=PAGE)["items"] if one["life"] == "live"]


def _warn_if_pending(desk: Desk, ids: list[str]) -> None:
    """What was committed and has not reached the broker: the speakers go on as before."""
    if any(desk.get(f"/broadcasts/{segment(one)}")["on_air_pending"] for one in ids[:5]):
        warn("no connection to the broker: the speakers do not know it yet. It goes out when that is back")
