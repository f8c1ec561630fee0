"""`lianbo plans`: the saved plans (预案), started live or as an exercise from a terminal."""

import uuid
from typing import Annotated

import typer

from broadcast.cli.common import SOME_MISSING, fail, table
from broadcast.cli.desk import DEFAULT_URL, Json, PasswordFile, Url, User, segment, signed_in
from broadcast.cli.triggers import Area, Yes, places, reach_lines, started

app = typer.Typer(help="The saved plans (预案): list, start.", no_args_is_help=True)

Plan = Annotated[str, typer.Argument(help="Its key 1 to 9, or its id; `lianbo plans list` shows both.")]
Exercise = Annotated[bool, typer.Option("--exercise", help="Only to speakers that are locked in an exercise.")]


@app.command("list")
def list_(*, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """List the plans of one's own place, by key."""
    with signed_in(url, user, password_file) as desk:
        rows = [
            (
                str(one["hotkey"] or ""),
                one["id"],
                "approved" if one["starts_approved"] else "not approved",
                f"{one['last_drill']['percent']} %" if one["last_drill"] else "never",
                one["place"],
                one["title"],
            )
            for one in desk.get("/plans")["items"]
        ]
        typer.echo("\n".join(table(("key", "id", "state", "last drill", "of", "title"), rows)) if rows else "No plans.")


@app.command()
def start(
    plan: Plan,
    *,
    area: Area = None,
    exercise: Exercise = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Start a plan, after showing whom it reaches; its id is the last line."""
    with signed_in(url, user, password_file) as desk:
        cards = desk.get("/plans")["items"]
        card = next((one for one in cards if plan in (one["id"], str(one["hotkey"] or "-"))), None)
        if card is None:
            fail(f"there is no plan {plan}")
        body: Json = {"exercise": exercise, "areas": places(desk, area)}
        effect = desk.post(f"/plans/{segment(card['id'])}/effect", body, repeatable=True)
        typer.echo(f"{card['title']}: {effect['text'] or effect['headline']}")
        typer.echo("\n".join(reach_lines(effect["reach"])))
        if not yes and not typer.confirm(f"Start this {'EXERCISE ' if exercise else ''}plan now?"):
            fail("nothing was started")
        done = desk.post(
            f"/plans/{segment(card['id'])}/start", {**body, "heard": effect["heard"]}, key=uuid.uuid4().hex
        )
        if not started(desk, done):
            raise typer.Exit(SOME_MISSING)
        typer.echo(done["id"])
