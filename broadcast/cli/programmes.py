"""`lianbo programmes`: the plan from a terminal; what it would meet is shown before it is saved."""

import json
import sys
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from broadcast.cli.common import MISUSED, SOME_MISSING, fail, table, when
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, segment, signed_in
from broadcast.cli.triggers import Yes, places

app = typer.Typer(help="The plan (节目): list, add, remove, conflicts, as-run log, staging.", no_args_is_help=True)

Programme = Annotated[str, typer.Argument(help="Its id; `lianbo programmes list` shows it.")]
Title = Annotated[str, typer.Option(help="What lists show.")]
At = Annotated[list[str] | None, typer.Option("--at", help="Time of day, such as 06:30; may be repeated.")]
Area = Annotated[list[str] | None, typer.Option("--area", help="Code or whole name; may be repeated. None is nobody.")]
Text = Annotated[str, typer.Option("--text", help="What is spoken; - reads it from stdin.")]
Asset = Annotated[
    list[str] | None, typer.Option("--asset", help="SHA-256 of a file of the library; several: a playlist.")
]
Stream = Annotated[str, typer.Option("--stream", help="Address of a network stream that is relayed.")]
Minutes = Annotated[int, typer.Option("--minutes", min=1, help="Its slot.")]
First = Annotated[str, typer.Option("--first", help="The first day; today when not given.")]
Last = Annotated[str, typer.Option("--last", help="The last day; without it there is none.")]
Weekdays = Annotated[str, typer.Option("--weekdays", help="1 Monday … 7 Sunday, such as 12345.")]
Rule = Annotated[str, typer.Option("--days", help="every, workdays, rest-days, holidays or not-holidays.")]
Loop = Annotated[bool, typer.Option("--loop", help="Begin again until the slot is over.")]
File = Annotated[Path | None, typer.Option("--json", help="The whole request as the API takes it; - is stdin.")]
Csv = Annotated[bool, typer.Option("--csv", help="A line for each speaker, for a spreadsheet.")]


@app.command("list")
def list_(
    *,
    retired: Annotated[bool, typer.Option("--all", help="Those too that are not in the plan any more.")] = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """List the programmes that concern one's own area, the county's first."""
    with signed_in(url, user, password_file) as desk:
        found = desk.get("/programmes", retired="true" if retired else None)["items"]
        rows = [
            (
                one["id"],
                one["level"],
                " ".join(_short(at) for at in one["pattern"]["times"]),
                days_of(one["pattern"]),
                one["length_min"],
                one["source"]["kind"],
                one["place"],
                one["title"] + _mark(one),
            )
            for one in found
        ]
        head = ("id", "level", "at", "days", "min", "source", "whose", "title")
        typer.echo("\n".join(table(head, rows)) or "There is no programme.")


@app.command()
def show(programme: Programme, *, url: Url = DEFAULT_URL, user: User = "", password_file: PasswordFile = None) -> None:
    """Show one programme as the API has it, and who changed it when."""
    with signed_in(url, user, password_file) as desk:
        path = f"/programmes/{segment(programme)}"
        typer.echo(json.dumps(desk.get(path), ensure_ascii=False, indent=1))
        rows = [
            (one["revision"], when(one["saved_at"]), one["saved_by"], one["title"] + _mark(one))
            for one in desk.get(f"{path}/history")["items"]
        ]
        typer.echo("\n".join(table(("version", "saved", "by", "title"), rows)))


@app.command()
def add(
    *,
    title: Title = "",
    at: At = None,
    area: Area = None,
    text: Text = "",
    asset: Asset = None,
    stream: Stream = "",
    minutes: Minutes = 10,
    first: First = "",
    last: Last = "",
    weekdays: Weekdays = "1234567",
    days: Rule = "every",
    loop: Loop = False,
    file: File = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Add a programme to the plan, after showing what it would meet. Its id is the last line."""
    with signed_in(url, user, password_file) as desk:
        body = _read(file) if file else _body(
            desk, title=title, at=at, area=area, text=text, asset=asset, stream=stream, minutes=minutes, first=first,
            last=last, weekdays=weekdays, days=days, loop=loop,
        )  # fmt: skip
        typer.echo("\n".join(preview_lines(desk.post("/programmes/preview", body, repeatable=True))))
        if not yes and not typer.confirm("Put it into the plan?"):
            fail("nothing was saved")
        typer.echo(desk.post("/programmes", body, key=uuid.uuid4().hex)["id"])


@app.command()
def conflicts(
    *,
    programme: Annotated[str, typer.Argument(help="Id of one in the plan; else --json names a new one.")] = "",
    file: File = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="So many are looked at.")] = 28,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Show what a programme meets: who wins, where and why. Ends with 3 when it meets anything."""
    if bool(programme) is (file is not None):
        fail("name a programme of the plan, or a new one by --json", MISUSED)
    with signed_in(url, user, password_file) as desk:
        body = _read(file) if file else _again(desk.get(f"/programmes/{segment(programme)}"))
        replaces = f"&replaces={segment(programme)}" if programme else ""
        found = desk.post(f"/programmes/preview?days={days}{replaces}", body, repeatable=True)
        typer.echo("\n".join(preview_lines(found)))
        if found["clashes"] or found["over_budget"]:
            raise typer.Exit(SOME_MISSING)


@app.command()
def remove(
    programme: Programme,
    *,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Take a programme out of the plan (删除); its record stays."""
    _act(programme, "DELETE", "", "Take it out of the plan?", yes=yes, desk=(url, user, password_file))


@app.command()
def pause(
    programme: Programme,
    *,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Let a programme rest until it is resumed (暂停)."""
    _act(programme, "POST", "/pause", "Let it rest?", yes=yes, desk=(url, user, password_file))


@app.command()
def resume(
    programme: Programme,
    *,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Let a paused programme go on (恢复)."""
    _act(programme, "POST", "/resume", "Let it go on?", yes=yes, desk=(url, user, password_file))


@app.command("as-run")
def as_run(
    *,
    since: Annotated[str | None, typer.Option("--from", help="2026-11-23T00:00:00+08:00; a day ago otherwise.")] = None,
    until: Annotated[str | None, typer.Option(help="In an hour when not given.")] = None,
    area: Annotated[str | None, typer.Option(help="Code of an area; one's own otherwise.")] = None,
    csv: Csv = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Show the plan against what sounded (播出日志)."""
    with signed_in(url, user, password_file) as desk:
        query: dict[str, object] = {"from": since, "until": until, "area": area}
        if csv:
            sys.stdout.buffer.write(desk.get_bytes("/as-run.csv", **query))
            return
        rows = [
            (when(one["due"]), one["level"], one["title"], one["life"], one["speakers"], outcomes_of(one))
            for one in desk.get("/as-run", **query)["items"]
        ]
        head = ("due", "level", "title", "state", "speakers", "how it went")
        typer.echo("\n".join(table(head, rows)) or "No programme was due.")


@app.command()
def staging(
    *,
    area: Annotated[str | None, typer.Option(help="Code of an area; one's own otherwise.")] = None,
    names: Annotated[bool, typer.Option("--names", help="Also who lacks what.")] = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Show which files of the coming 48 hours the speakers hold (备播), by their own word."""
    with signed_in(url, user, password_file) as desk:
        rows = [
            (
                one["place"],
                one["speakers"],
                one["complete"],
                one["lacking"],
                one["behind"],
                one["unknown"],
                when(one["complete_until"]),
            )
            for one in desk.get("/staging", area=area)["items"]
        ]
        head = ("township", "speakers", "complete", "lacking", "old plan", "unknown", "complete until")
        typer.echo("\n".join(table(head, rows)))
        if names:
            for one in desk.get("/staging/speakers", area=area, state="lacking")["items"]:
                lacks = "; ".join(", ".join(lack["titles"]) or lack["asset"][:12] for lack in one["lacking"])
                typer.echo(f"{one['place']} {one['speaker']}: {lacks}")


# ---- inside -------------------------------------------------------------------------------------------------------------------


def days_of(pattern: Json) -> str:
    """`daily`, `12345 workdays`, `once 2026-11-24`."""
    weekdays = "".join(map(str, pattern["weekdays"]))
    if not weekdays:
        return "once " + " ".join(pattern["dates_in"])
    said = "daily" if weekdays == "1234567" else weekdays
    return said if pattern["rule"] == "every" else f"{said} {pattern['rule']}"


def outcomes_of(run: Json) -> str:
    """`on-time 700, refused 18 (budget)`."""
    why: dict[str, list[str]] = {}
    for one in run["reasons"]:
        if one["reason"] != "none":
            why.setdefault(one["outcome"], []).append(one["reason"])
    said = []
    for name, count in run["counts"].items():
        reasons = f" ({', '.join(why[name])})" if name in why else ""
        said.append(f"{name} {count}{reasons}")
    return ", ".join(said)


def preview_lines(found: Json) -> Iterator[str]:
    """What it would meet, as sentences."""
    first, last = found["looked_from"][:10], found["looked_until"][:10]
    yield f"{found['count']} times, looked at from {first} until {last}; {found['villages']} villages."
    if found["over"]:
        yield "All its times are past: it never sounds again, and it can't be saved like this."
    if found["goes_on"]:
        yield f"It may sound after {last}, too; what it meets there was not looked at."
    for one in found["clashes"]:
        sides = _side(one["winner"]), _side(one["loser"])
        yield (
            f"  {_span(one['when'])}: {sides[0]} has the air, {sides[1]}: {one['effect']} "
            f"(by {one['cause']}; {one['where']['villages']} villages: {', '.join(one['where']['areas'][:5])})"
        )
    for one in found["quiet"]:
        yield f"  {_span(one)}: in the quiet hours, no speaker sounds it"
    for one in found["over_budget"]:
        yield (
            f"  {one['planned_min']} minutes a day where {one['budget_min']} are allowed, on {one['days']} days in "
            f"{one['where']['villages']} villages: what comes last falls silent"
        )
    if found["overrun"]:
        seconds = found["overrun"]["sound_ms"] // 1000, found["overrun"]["slot_ms"] // 1000
        yield f"  its sound of {seconds[0]} s is longer than its slot of {seconds[1]} s"
    if found["unannounced"]:
        yield f"  the holidays of {', '.join(map(str, found['unannounced']))} have not been announced yet"


def _side(side: Json) -> str:
    names = (["this one"] if side["new"] else []) + [f"“{title}”" for title in side["titles"]]
    more = len(side["programmes"]) - len(side["titles"])
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _span(one: Json) -> str:
    days = one["first"] if one["count"] == 1 else f"{one['count']} days from {one['first']} to {one['last']}"
    return f"{_short(one['begins'])}–{_short(one['ends'])}, {days}"


def _short(at: str) -> str:
    return at.removesuffix(":00") if at.count(":") == 2 else at


def _mark(one: Json) -> str:
    return " (taken out)" if one["retired"] else " (paused)" if one["paused"] else ""


def _read(file: Path) -> Json:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        body = json.loads(text)
    except (OSError, ValueError) as err:
        fail(f"{file}: {err}")
    if not isinstance(body, dict):
        fail(f"{file}: not a JSON object")
    return body


def _again(one: Json) -> Json:
    """What came out as it goes in."""
    beside = ("id", "revision", "saved_at", "saved_by", "retired", "level", "place", "sound_ms")
    return {name: value for name, value in one.items() if name not in beside}


def _body(desk: Desk, **given: Any) -> Json:
    sources: list[Json] = []
    if given["text"]:
        text = sys.stdin.read().strip() if given["text"] == "-" else given["text"]
        sources.append({"kind": "speech", "text": text})
    if assets := given["asset"]:
        file = {"kind": "file", "asset": assets[0]}
        sources.append(file if len(assets) == 1 else {"kind": "playlist", "assets": assets})
    if given["stream"]:
        sources.append({"kind": "stream", "url": given["stream"]})
    if len(sources) != 1 or not given["at"]:
        fail("say when (--at) and one of --text, --asset, --stream; or the whole of it by --json", MISUSED)
    pattern: Json = {
        "times": given["at"],
        "first": given["first"] or date.today().isoformat(),  # noqa: DTZ011  the officer's own day
        "weekdays": [int(day) for day in given["weekdays"] if day.isdigit()],
        "rule": given["days"],
    }
    if given["last"]:
        pattern["last"] = given["last"]
    return {
        "title": given["title"] or str(sources[0].get("text", ""))[:30],
        "areas": places(desk, given["area"]),
        "pattern": pattern,
        "source": sources[0],
        "length_min": given["minutes"],
        "loop": given["loop"],
    }


def _act(
    programme: str, method: str, verb: str, question: str, *, yes: bool, desk: tuple[str, str, Path | None]
) -> None:
    with signed_in(*desk) as client:
        path = f"/programmes/{segment(programme)}"
        one = client.get(path)
        typer.echo(f"{one['id']} “{one['title']}”, version {one['revision']}, last saved by {one['saved_by']}.")
        if not yes and not typer.confirm(question):
            fail("nothing was changed")
        saved = client.change(method, path + verb, revision=one["revision"])
        if saved["on_air"]:
            typer.echo(f"What has begun goes on to its end; `lianbo stop {saved['on_air'][0]}` silences it now.")
        typer.echo(f"Done: version {saved['revision']}.")
