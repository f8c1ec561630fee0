"""`lianbo programmes` against a real server: plan, look at what it meets, change nobody's work, read the record."""

import csv
import io
import json
from pathlib import Path

from tests.cli.test_desk_commands import Duty, on_duty
from tests.system.city import until

NOON = (
    "programmes",
    "add",
    "--title",
    "午间",
    "--at",
    "12:00",
    "--area",
    "130281",
    "--text",
    "今天停水。",
    "--minutes",
    "5",
)


async def added(duty: Duty, *more: str) -> str:
    code, output = await duty.run(*NOON, "--yes", *more)
    assert code == 0, output
    return output.splitlines()[-1]


async def test_a_programme_is_planned_listed_shown_and_taken_out(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        code, output = await duty.run(*NOON, typed="n\n")
        assert code == 1 and "366 times, looked at from" in output and "690 villages." in output
        assert "what it meets there was not looked at" in output and "nothing was saved" in output
        one = await added(duty)
        code, output = await duty.run("programmes", "list")
        assert one in output and "12:00  daily" in output and "午间" in output
        code, output = await duty.run("programmes", "show", one)
        assert json.loads(output[: output.rindex("}") + 1])["source"]["text"] == "今天停水。"
        code, output = await duty.run("programmes", "pause", one, "--yes")
        assert (code, "version 2" in output) == (0, True)
        assert "(paused)" in (await duty.run("programmes", "list"))[1]
        assert (await duty.run("programmes", "resume", one, "--yes"))[0] == 0
        assert (await duty.run("programmes", "remove", one, typed="n\n"))[0] == 1
        assert (await duty.run("programmes", "remove", one, "--yes"))[0] == 0
        assert "There is no programme." in (await duty.run("programmes", "list"))[1]
        code, output = await duty.run("programmes", "show", "01K5M0Z0000000000000000001")
        assert code == 1 and "no such programme" in output


async def test_conflicts_end_with_3_and_say_who_wins(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        county = await added(duty)
        assert (await duty.run("programmes", "conflicts", county))[0] == 0
        draft = {
            "title": "镇台", "owner": "130281100000", "areas": ["130281100000"], "length_min": 5,
            "pattern": {"times": ["12:00"], "first": "2026-11-24"}, "source": {"kind": "speech", "text": "你好。"},
        }  # fmt: skip
        file = tmp_path / "draft.json"
        file.write_text(json.dumps(draft))
        code, output = await duty.run("programmes", "conflicts", "--json", file)
        assert (
            code == 3 and "this one has the air, “午间”" in output and "(by band; 40 villages: 130281100000)" in output
        )
        file.write_text(json.dumps({**draft, "areas": ["130281999000"]}))
        code, output = await duty.run("programmes", "add", "--json", file, "--yes")
        assert code == 1 and "areas.0: there is no such area" in output


async def test_the_record_and_the_stock_can_be_read_and_taken_along(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        server = duty.city.server
        assert "No programme was due." in (await duty.run("programmes", "as-run"))[1]
        from tests.plans import beijing

        at = beijing(server.clock.now_ms() + 6_000).time().replace(microsecond=0).isoformat()
        text = ("--text", "早上好。", "--minutes", "1", "--yes")
        code, output = await duty.run("programmes", "add", "--at", at, "--area", "130281", *text)
        assert code == 0, output
        occurrence = next(iter(server.planning.boards.rows))
        await until(lambda: server.ladder.knows(occurrence), "its ladder", within_s=15)
        code, output = await duty.run("programmes", "as-run")
        assert code == 0 and "早上好。" in output
        code, output = await duty.run("programmes", "as-run", "--csv")
        assert len(list(csv.DictReader(io.StringIO(output.removeprefix("\ufeff"))))) == 10
        code, output = await duty.run("programmes", "staging", "--names")
        assert code == 0 and "遵化市" in output
