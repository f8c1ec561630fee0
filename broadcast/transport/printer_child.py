"""The process that makes one file: a paper as JSON comes in, a PDF or XLSX goes out.

The font is one that every reader of PDF brings (STSong-Light, a CID font of Adobe's list): nothing is shipped, and text is drawn
as it stands, so that no markup in it has a meaning.
"""

import io
import json
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

MOST_MEMORY_BYTES = 1 << 30
MOST_S = 30
FONT = "STSong-Light"
MARGIN, LINE = 40.0, 11.0
SIZE = 8.5
MOST_CHARACTERS = 32_767  # in one cell of a spreadsheet
FORMULA = ("=", "+", "-", "@")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SHEET_NAME = re.compile(r"[\\/*?:\[\]]")

Given = Mapping[str, Any]


def main(kind: str) -> None:
    """Read one paper from standard input, write the file to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    signal.alarm(MOST_S)  # also when nobody waits for us any more
    paper: Given = json.load(sys.stdin)
    sys.stdout.buffer.write(pdf_of(paper) if kind == "pdf" else xlsx_of(paper))


def pdf_of(paper: Given) -> bytes:
    """One page of A4: what does not fit is counted in the sentence `more` of its table, never continued."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, initialFontName=FONT)
    canvas.setTitle(printable(paper["title"]))
    width, height = A4
    page = _Page(canvas, width - 2 * MARGIN, height - MARGIN)
    if paper["mark"]:
        canvas.setFillColorRGB(0.75, 0.35, 0)
        page.text(paper["mark"], size=13)
        canvas.setFillColorRGB(0, 0, 0)
    page.text(paper["title"], size=15)
    page.facts(paper["facts"])
    for table in paper["tables"]:
        page.table(table)
    canvas.setFont(FONT, 7)
    canvas.drawString(MARGIN, MARGIN / 2, clipped(paper["foot"], page.width, 7))
    canvas.showPage()
    canvas.save()
    return out.getvalue()


class _Page:
    """Draws downwards and stops at the lower edge."""

    def __init__(self, canvas: Canvas, width: float, top: float) -> None:
        self._canvas, self.width, self._y = canvas, width, top

    def text(self, text: object, *, size: float) -> None:
        self._y -= size + 3
        self._put(text, 0, self.width, size)

    def facts(self, facts: Sequence[Sequence[object]]) -> None:
        """Two to a line."""
        half = self.width / 2
        self._y -= 4
        for at in range(0, len(facts), 2):
            self._y -= LINE + 1
            for column, (name, value) in enumerate(facts[at : at + 2]):
                self._put(f"{name}  {value}", column * half, half - 8, SIZE + 0.5)

    def table(self, table: Given) -> None:
        rows, most = table["rows"], table["most"]
        room = int((self._y - MARGIN - 20) / LINE) - 2
        if room < 1 or not most:
            return
        kept = min(most, room)
        widths = self._widths(table)
        self.text(table["title"], size=10.5)
        self._row(table["columns"], widths)
        self._canvas.line(MARGIN, self._y - 2.5, MARGIN + self.width, self._y - 2.5)
        self._y -= 1.5
        for row in rows[:kept]:
            self._row(row, widths)
        if len(rows) > kept:
            self._y -= LINE
            self._put(table["more"].replace("{count}", str(len(rows) - kept)), 0, self.width, SIZE)
        self._y -= 3

    def _row(self, row: Sequence[object], widths: Sequence[float]) -> None:
        self._y -= LINE
        x = 0.0
        for value, width in zip(row, widths, strict=False):
            self._put(value, x, width - 4, SIZE)
            x += width

    def _widths(self, table: Given) -> list[float]:
        parts = table["widths"] or [1] * len(table["columns"])
        return [self.width * part / sum(parts) for part in parts]

    def _put(self, text: object, x: float, width: float, size: float) -> None:
        self._canvas.setFont(FONT, size)
        self._canvas.drawString(MARGIN + x, self._y, clipped(text, width, size))


def clipped(text: object, width: float, size: float) -> str:
    """What fits into that many points, on one line."""
    line = " ".join(printable(text).split())[:400]
    line = "".join(char if ord(char) < 0x10000 else "〓" for char in line)  # the font's encoding ends there
    if pdfmetrics.stringWidth(line, FONT, size) <= width:
        return line
    while line and pdfmetrics.stringWidth(line + "…", FONT, size) > width:
        line = line[:-1]
    return line + "…"


def xlsx_of(paper: Given) -> bytes:
    """Every cell of text is kept as text; what looks like a formula has an apostrophe before it, for whoever makes a CSV of it."""
    book = Workbook(write_only=True)
    first = book.create_sheet(_name(paper["title"], 0))
    head = [(paper["mark"],)] if paper["mark"] else []
    for row in (*head, (paper["title"],), *paper["facts"], (paper["foot"],)):
        first.append([_cell(first, value, bold=False) for value in row])
    for number, table in enumerate(paper["tables"], 1):
        sheet = book.create_sheet(_name(table["title"], number))
        sheet.freeze_panes = "A2"
        for column in range(len(table["columns"])):
            sheet.column_dimensions[chr(ord("A") + column)].width = 24
        sheet.append([_cell(sheet, value, bold=True) for value in table["columns"]])
        for row in table["rows"]:
            sheet.append([_cell(sheet, value, bold=False) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, value: object, *, bold: bool) -> Any:
    if isinstance(value, int | float):
        cell = WriteOnlyCell(sheet, value=value)
    else:
        text = printable(value)[: MOST_CHARACTERS - 1]
        cell = WriteOnlyCell(sheet, value=f"'{text}" if text.lstrip().startswith(FORMULA) else text)
        cell.data_type = "s"
        cell.alignment = Alignment(vertical="top")
    if bold:
        cell.font = Font(bold=True)
    return cell


def _name(title: str, number: int) -> str:
    """Of a sheet: 31 characters, some of them forbidden, no two alike."""
    bare = _SHEET_NAME.sub(" ", printable(title)).strip().strip("'")
    return (f"{number} {bare}" if number else bare)[:31].strip() or str(number)


def printable(text: object) -> str:
    """Without what neither format can hold."""
    return _UNPRINTABLE.sub("�", str(text))


if __name__ == "__main__":
    main(sys.argv[1])
