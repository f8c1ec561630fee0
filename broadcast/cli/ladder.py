"""`lianbo ladder` (回执阶梯): how far a broadcast got, per township, per speaker, live, and as evidence."""

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from broadcast.cli.common import BEIJING, fail, table, warn, when, whole_code
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, segment, signed_in

LOOKS = (  # the words of the API, best first: the order of the columns
    *("sounding", "done", "interrupted", "waiting", "received", "expected", "stopped"),
    *("partly", "unknown", "offline", "unfinished", "unreached", "missed", "refused", "failed"),
)
UNDER_WAY = frozenset({"expected", "received", "waiting", "sounding", "interrupted"})
NOT_BEGUN = frozenset({"expected", "received", "waiting"})
NOT_THERE = frozenset({"offline", "unknown"})
BEGUN = frozenset({"sounding", "done", "interrupted", "stopped"})
NAMED_MOST = 60
LOOK_AGAIN_S = 0.25


def ladder(
    broadcast: Annotated[str, typer.Argument(help="Its id; the newest one when not given.")] = "",
    *,
    area: Annotated[str, typer.Option(help="Speaker by speaker in this area, by its code.")] = "",
    speaker: Annotated[str, typer.Option(help="One speaker with every report that it made.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with a line for every change, to the end.")
    ] = False,
    evidence: Annotated[
        Path | None, typer.Option("--csv", dir_okay=False, help="Write every report as CSV; - to the terminal.")
    ] = None,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """How far a broadcast got (回执): per township, and who is missing, by name."""
    with signed_in(url, user, password_file) as desk:
        one = _chosen(desk, broadcast)
        path = f"/broadcasts/{segment(one['id'])}"
        if evidence is not None:
            _write(evidence, desk.get_bytes(f"{path}/evidence.csv"))
        elif speaker:
            typer.echo("\n".join(speaker_lines(desk.get(f"{path}/speakers/{segment(speaker)}"))))
        elif area:
            rungs = desk.get(f"{path}/ladder/{segment(whole_code(area))}")["items"]
            typer.echo("\n".join(rung_lines(rungs)) or "No speaker there is meant by this broadcast.")
        else:
            typer.echo(title(one))
            if follow:
                _follow(desk, one["id"])
            typer.echo("\n".join(ladder_lines(desk.get(f"{path}/ladder"))))


def wait_for_start(desk: Desk, broadcast: str, *, within_s: float, begins_later: bool) -> bool:
    """Until every speaker that is online has begun; False when some have not, after naming them.

    :param begins_later: then to hold it and wait for its time is as good.
    """
    waits_for = {"expected", "received"} if begins_later else NOT_BEGUN
    ends = time.monotonic() + within_s
    while True:
        view = desk.get(f"/broadcasts/{segment(broadcast)}/ladder")
        counts = view["counts"]
        if not any(counts.get(look) for look in waits_for) or time.monotonic() >= ends:
            break
        time.sleep(LOOK_AGAIN_S)
    begun = sum(counts.get(look, 0) for look in BEGUN | ({"waiting"} if begins_later else set()))
    missing = [one for one in view["missing"] if one["look"] not in NOT_THERE]
    late = _late(desk, broadcast, waits_for) if any(counts.get(look) for look in waits_for) else []
    typer.echo(f"{begun} of {view['speakers']} speakers have begun: {counts_line(counts)}")
    for one in missing + late:
        typer.echo(f"  missing: {one.get('id') or one['speaker']} {one['place']}: {one['look']}{_reason(one)}")
    if not begun:
        warn("no speaker has begun")
    return bool(begun) and not missing and not late


def ladder_lines(view: Json) -> Iterator[str]:
    """A line a township, then who is missing, the worst first."""
    columns = [look for look in LOOKS if view["counts"].get(look)]
    rows: list[tuple[object, ...]] = [
        (one["code"], one["name"], sum(one["counts"].values()), *(one["counts"].get(look, 0) for look in columns))
        for one in view["townships"]
    ]
    rows.append(("", "all", view["speakers"], *(view["counts"].get(look, 0) for look in columns)))
    yield from table(("code", "township", "speakers", *columns), rows)
    for one in view["missing"][:NAMED_MOST]:
        since = f", since {when(one['since'])}" if one["since"] else ""
        yield f"missing: {one['id']} {one['place']}: {one['look']}{_reason(one)}{since}"
    if len(view["missing"]) > NAMED_MOST:
        yield f"and {len(view['missing']) - NAMED_MOST} more; --area shows them township by township"


def rung_lines(rungs: list[Json]) -> list[str]:
    """A line a speaker: where it stands and what it said last."""
    rows = [
        (
            one["speaker"],
            one["place"],
            one["look"] + _reason(one),
            when(one["changed"]),
            one["reports"][-1]["stage"] if one["reports"] else "-",
            len(one["reports"]),
        )
        for one in rungs
    ]
    return table(("speaker", "place", "state", "since", "said last", "reports"), rows)


def speaker_lines(rung: Json) -> Iterator[str]:
    """Everything that one speaker said."""
    yield f"{rung['speaker']} {rung['place']}: {rung['look']}{_reason(rung)}"
    rows = [
        (
            one["n"],
            one["stage"],
            one["reason"] if one["reason"] != "none" else "",
            when(one["at"]),
            when(one["received"]),
        )
        for one in rung["reports"]
    ]
    yield from table(("n", "stage", "reason", "at (its clock)", "in the table"), rows) or ["It has said nothing."]


def title(one: Json) -> str:
    exercise = "EXERCISE " if one["exercise"] else ""
    return (
        f"{one['id']} {exercise}{one['kind']} “{one['headline']}”: {one['life']}, "
        f"{when(one['not_before'])} to {when(one['ended_at'] or one['not_after'])}, by {one['officer']}"
    )


def counts_line(counts: Json) -> str:
    return ", ".join(f"{look} {counts[look]}" for look in LOOKS if counts.get(look)) or "nobody is meant"


def _follow(desk: Desk, broadcast: str) -> None:
    """A line for every change, until nothing more can change."""
    said, named = "", set[str]()
    for event, data in desk.events(broadcast):
        if event == "signed-out":
            fail("the session ended; sign in again")
        if event not in ("snapshot", "change"):
            continue
        now = datetime.now(BEIJING).strftime("%H:%M:%S")
        if (line := counts_line(data["counts"])) != said:
            said = line
            typer.echo(f"{now}  {line}")
        for one in data["missing"]:
            if one["id"] not in named:
                named.add(one["id"])
                typer.echo(f"{now}  missing: {one['id']} {one['place']}: {one['look']}{_reason(one)}")
        under_way = any(data["counts"].get(look) for look in UNDER_WAY)
        if data["broadcast"] is not None and data["broadcast"]["life"] != "live" and not under_way:
            return


def _late(desk: Desk, broadcast: str, looks: set[str] | frozenset[str]) -> list[Json]:
    everyone = desk.get(f"/broadcasts/{segment(broadcast)}/ladder/{segment(desk.officer['area'])}")["items"]
    return [one for one in everyone if one["look"] in looks]


def _chosen(desk: Desk, broadcast: str) -> Json:
    if broadcast:
        return desk.get(f"/broadcasts/{segment(broadcast)}")
    newest: list[Json] = desk.get("/broadcasts", limit=1)["items"]
    if not newest:
        fail("nothing was broadcast yet")
    return newest[0]


def _reason(one: Json) -> str:
    return f" ({one['reason']})" if one.get("reason", "none") != "none" else ""


def _write(file: Path, content: bytes) -> None:
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        file.write_bytes(content)
    except OSError as err:
        fail(str(err))
    lines = content.count(b"\n") - 1  # without the head
    typer.echo(f"{file}: {lines} lines")
