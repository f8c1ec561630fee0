"""The report of a broadcast: what stands in the files, in both languages, for whom, and what hostile text becomes in them."""

import io
import re
import subprocess
import sys
import tomllib
import zlib
from base64 import a85decode
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from broadcast.service.ports import Paper, PrintingFailed, Table
from broadcast.transport import printer
from broadcast.transport.printer import ChildPrinter
from broadcast.web.reports import PDF, XLSX
from endpoints.protocol import Reason, Stage
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, Town, town
from tests.web.browser import machine, order

API = "/api/v1/broadcasts"
TEXTS = Path(printer.__file__).parents[1] / "web" / "texts"
EVIL = '=HYPERLINK("http://evil","x")<b>红</b>'


ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def words_of(pdf: bytes) -> str:
    """What is drawn on the pages: the strings of the content streams, in the two-byte code of the font."""
    text = ""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        raw = zlib.decompress(a85decode(b"<~" + stream.strip(), adobe=True))
        for string in re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", raw, re.DOTALL):
            text += re.sub(rb"\\([0-7]{3}|.)", _plain, string, flags=re.DOTALL).decode("utf-16-be") + "\n"
    return text


def _plain(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)]) if len(match[1]) == 3 else ESCAPED.get(match[1], match[1])


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def cells(xlsx: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(io.BytesIO(xlsx))
    assert all(cell.data_type != "f" for sheet in book for row in sheet for cell in row)
    return {sheet.title: [tuple(cell.value for cell in row) for row in sheet] for sheet in book}


async def told(there: Town, client: Any, **fields: Any) -> str:
    """A broadcast that most have sounded, one refused, and one village never answered."""
    answer = await client.post(
        API, json=order(areas=[TOWNSHIP, OTHER_TOWNSHIP], **fields), headers={"Idempotency-Key": "r"}
    )
    assert answer.status == 202, await answer.text()
    one = (await answer.json())["id"]
    names = sorted(s.id for s in there.services.estate.inside(TOWNSHIP, OTHER_TOWNSHIP))
    await there.report(one, names[2:], Stage.RECEIVED, Stage.SOUNDING, Stage.FINISHED)
    await there.report(one, names[1:2], Stage.REFUSED, reason=Reason.MUTED)
    heard = await client.post(f"{API}/{one}/speakers/{names[2]}/heard", json={"heard": True, "note": "村口听到"})
    assert heard.status == 200, await heard.text()
    return str(one)


async def test_the_report_names_time_reach_acts_who_is_missing_and_how_well_it_is_known() -> None:
    async with town() as there, machine(there, DUTY) as client:
        one = await told(there, client, headline="山洪")
        names = sorted(s.id for s in there.services.estate.inside(TOWNSHIP, OTHER_TOWNSHIP))
        page = await client.get(f"{API}/{one}/report.pdf?language=zh-CN")
        assert (page.status, page.content_type) == (200, PDF)
        assert page.headers["Content-Disposition"] == f'attachment; filename="report-{one}.pdf"'
        body = await page.read()
        assert body.startswith(b"%PDF") and pages(body) == 1 and b"/FontFile" not in body
        said = words_of(body)
        for expected in (
            "播发报告：山洪",
            "时间线",
            "九成播响",
            "发起播发",
            "确认听到",
            "王芳",
            names[0],
            names[1],
            "拒绝",
            "遵化镇",
        ):
            assert expected in said, expected
        assert f"{len(names) - 2} / {len(names)}" in said
        assert "人工确认 1" in said
        english = words_of(await (await client.get(f"{API}/{one}/report.pdf?language=en")).read())
        assert (
            "Report of a broadcast: 山洪" in english
            and "Missing or not sounded whole" in english
            and "时间线" not in english
        )
        sheet = await client.get(f"{API}/{one}/report.xlsx?language=en")
        assert (sheet.status, sheet.content_type) == (200, XLSX)
        found = cells(await sheet.read())
        assert [len(rows) for title, rows in found.items() if "All speakers" in title] == [len(names) + 1]
        missing = next(rows for title, rows in found.items() if "Missing" in title)
        assert [(row[1].split("(")[1], row[2], row[3]) for row in missing[1:]] == [
            (f"{names[0]})", "no answer", None),
            (f"{names[1]})", "refused", "volume is zero"),
        ]


async def test_markup_and_formulas_stay_text() -> None:
    async with town() as there, machine(there, DUTY) as client:
        one = await told(there, client, headline=EVIL, text="@SUM(1+1)*cmd|' /C calc'!A0 𠮷")
        assert EVIL in words_of(await (await client.get(f"{API}/{one}/report.pdf")).read())
        values = [
            value
            for rows in cells(await (await client.get(f"{API}/{one}/report.xlsx")).read()).values()
            for row in rows
            for value in row
            if isinstance(value, str)
        ]
        assert f"'{EVIL}" in values and "'@SUM(1+1)*cmd|' /C calc'!A0 𠮷" in values
        assert [value for value in values if value.startswith(("=", "+", "-", "@"))] == []


async def test_a_township_reads_of_its_own_speakers_and_of_what_reaches_it_only() -> None:
    async with town() as there:
        async with machine(there, DUTY) as client:
            one = await told(there, client)
            answer = await client.post(API, json=order(areas=[OTHER_TOWNSHIP]), headers={"Idempotency-Key": "s"})
            other = (await answer.json())["id"]
        async with machine(there, TOWN_DUTY) as client:
            found = cells(await (await client.get(f"{API}/{one}/report.xlsx?language=en")).read())
            own = len(there.services.estate.inside(TOWNSHIP))
            assert [len(rows) for title, rows in found.items() if "All speakers" in title] == [own + 1]
            for form in ("pdf", "xlsx"):
                assert (await client.get(f"{API}/{other}/report.{form}")).status == 404
                assert (await client.get(f"{API}/NOSUCH/report.{form}")).status == 404
                assert (await client.get(f"{API}/{one}/report.{form}?language=fr")).status == 422
        async with machine(there, None) as client:
            assert (await client.get(f"{API}/{one}/report.pdf")).status == 401


async def test_a_city_where_nobody_answered_fits_on_one_page_and_all_are_in_the_table() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        answer = await client.post(API, json=order(areas=[CITY]), headers={"Idempotency-Key": "t"})
        one = (await answer.json())["id"]
        body = await (await client.get(f"{API}/{one}/report.pdf?language=en")).read()
        assert pages(body) == 1 and "0 of 718 (0%)" in words_of(body)
        shown = re.search(r"(\d+) more in the spreadsheet\.\n(?!.*more in)", words_of(body), re.DOTALL)
        assert shown is not None and 690 < int(shown[1]) < 718
        found = cells(await (await client.get(f"{API}/{one}/report.xlsx?language=en")).read())
        assert len(next(rows for title, rows in found.items() if "Missing" in title)) == 719


async def test_what_no_file_can_hold_is_replaced_and_a_printer_that_hangs_is_ended() -> None:
    evil = Paper("a\x00b\ud800", [("n", "x" * 40_000)], [Table("t/[*]", ["c"], [["\ufffe"], [float("1e300")]] * 2_000)])
    printer = ChildPrinter()
    assert pages(await printer.pdf(evil)) == 1
    assert cells(await printer.xlsx(evil))["a�b�"][0][0] == "a�b�"
    with pytest.raises(PrintingFailed, match="not done after"):
        await ChildPrinter(timeout_s=0.01).pdf(evil)


def test_the_server_itself_never_loads_the_libraries() -> None:
    modules = "{'reportlab', 'openpyxl', 'PIL'}"
    check = f"import broadcast.main, broadcast.server.server, sys; print({modules} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_name_of_a_sheet_is_never_cut_in_a_word(language: str) -> None:
    """31 characters in a spreadsheet, of which a number and a space stand before each but the first."""
    said = tomllib.loads((TEXTS / f"{language}.toml").read_text())["report"]
    names = ("timeline", "parts", "acts", "missing", "proofs", "speakers")
    assert {name: said[name] for name in names if len(said[name]) > 29} == {}
