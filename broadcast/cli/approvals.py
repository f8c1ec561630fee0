"""`lianbo approvals`: what waits for a second person, and the decision. Approving names what was heard: see `show`."""

from typing import Annotated

import typer

from broadcast.cli.common import fail, table, when
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, segment, signed_in
from broadcast.cli.triggers import Yes

app = typer.Typer(
    help="What waits for a second person (审批): list, show, approve, reject, return, withdraw, break the glass.",
    no_args_is_help=True,
)

Approval = Annotated[str, typer.Argument(help="Its id; `lianbo approvals list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept, and can't be empty.")]


@app.command("list")
def list_(*, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """List what waits for a decision or a review, oldest first."""
    with signed_in(url, user, password_file) as desk:
        rows = [
            (
                one["id"],
                one["stage"],
                one["broadcast"]["kind"] + (f" {one['broadcast']['severity']}"),
                "exercise" if one["broadcast"]["exercise"] else "",
                one["author"],
                when(one["deadline"]),
                "you may decide" if one["may_decide"] else "",
                one["headline"],
            )
            for one in desk.get("/approvals")["items"]
        ]
        head = ("id", "stage", "kind", "", "author", "deadline", "", "headline")
        typer.echo("\n".join(table(head, rows)) if rows else "Nothing waits.")


@app.command()
def show(approval: Approval, *, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """Show one: what would be said where, and the address under which it can be heard."""
    with signed_in(url, user, password_file) as desk:
        typer.echo("\n".join(_shown(desk, desk.get(f"/approvals/{segment(approval)}"))))


@app.command()
def approve(
    approval: Approval, *, yes: Yes = False, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None
) -> None:
    """Approve one (批准): it is on the air when this ends; the id of the broadcast is the last line."""
    with signed_in(url, user, password_file) as desk:
        one = desk.get(f"/approvals/{segment(approval)}")
        typer.echo("\n".join(_shown(desk, one)))
        if not yes and not typer.confirm("Have you heard it, and shall it go out now?"):
            fail("nothing was sent")
        body: Json = {"heard": one["heard"], "digest": one["digest"]}
        done = desk.post(f"/approvals/{segment(approval)}/approve", body, repeatable=True)
        typer.echo(done["id"])


@app.command()
def reject(
    approval: Approval, *, reason: Reason, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None
) -> None:
    """Turn one down for good (驳回)."""
    _decide(approval, "reject", {"reason": reason}, url=url, user=user, password_file=password_file)


@app.command("return")
def return_(
    approval: Approval, *, reason: Reason, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None
) -> None:
    """Send one back to be done better (退回)."""
    _decide(approval, "return", {"reason": reason}, url=url, user=user, password_file=password_file)


@app.command()
def withdraw(
    approval: Approval, *, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None
) -> None:
    """Take one's own back (撤回)."""
    _decide(approval, "withdraw", {}, url=url, user=user, password_file=password_file)


@app.command("break-glass")
def break_glass(
    approval: Approval, *, reason: Reason, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None
) -> None:
    """Send one's own alone (紧急破例): leaders hear of it at once, and somebody reviews it within 30 minutes."""
    with signed_in(url, user, password_file) as desk:
        done = desk.post(f"/approvals/{segment(approval)}/break-glass", {"reason": reason}, repeatable=True)
        typer.echo(done["id"])


def _decide(approval: str, verb: str, body: Json, *, url: Url, user: User, password_file: PasswordFile) -> None:
    with signed_in(url, user, password_file) as desk:
        done = desk.post(f"/approvals/{segment(approval)}/{verb}", body)
        typer.echo(f"{done['id']} is {done['stage']}.")


def _shown(desk: Desk, one: Json) -> list[str]:
    said = one["broadcast"]
    where = ", ".join([*said["areas"], *said["speakers"]])
    lines = [
        f"{one['id']} {one['stage']}: “{one['headline']}” asked by {one['author']}",
        f"  {said['kind']} {said['severity']}{' EXERCISE' if said['exercise'] else ''}, for {said['minutes']} minutes",
        f"  says: {said['text'] or '(the tone alone)'}",
        f"  where: {where}{' without ' + ', '.join(said['excluded']) if said['excluded'] else ''}",
        f"  until {when(one['deadline'])} somebody has to decide, else: {one['at_deadline']}",
    ]
    if one["url"]:
        lines.append(f"  to be heard: {desk.url}{one['url']}")
    return lines
