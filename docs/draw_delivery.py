#!/usr/bin/env python3
"""Draws docs/delivery.svg from the table `NEXT` of endpoints/delivery.py: `.venv/bin/python docs/draw_delivery.py`.

A row is where an order stands at a speaker, a column is what comes in, a cell is where the order stands then. A dot: it stays.
Empty: that report cannot follow. A test compares the file with what this makes.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT, TOP, WIDTH, HEIGHT, MARGIN = 124, 34, 104, 26, 16
COLOURS = {"under way": "#e8f1fb", "sounded": "#e3f4e8", "did not": "#fbe9e7"}


def draw() -> str:
    """The drawing as SVG text."""
    from endpoints.delivery import NEXT, Event, State  # noqa: PLC0415  as a script it is found only after sys.path is set
    from endpoints.protocol import Stage  # noqa: PLC0415

    def colour(state: State) -> str:
        if not state.terminal:
            return COLOURS["under way"]
        return COLOURS["sounded" if state in {State.DONE, State.STOPPED, State.UNFINISHED} else "did not"]

    causes = [*Stage, *Event]
    width, height = MARGIN * 2 + LEFT + WIDTH * len(causes), MARGIN * 2 + TOP + HEIGHT * len(State)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        "<title>How far one order got at one speaker: where it stands, what comes in, where it stands then</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    body += [_text(MARGIN + LEFT + WIDTH * i, MARGIN, cause.name.lower(), "#57606a") for i, cause in enumerate(causes)]
    for row, state in enumerate(State):
        y = MARGIN + TOP + HEIGHT * row
        body += [_cell(MARGIN, y, LEFT - 4, colour(state)), _text(MARGIN, y, state.name, "#1b1f24", "bold")]
        for column, cause in enumerate(causes):
            x, after = MARGIN + LEFT + WIDTH * column, NEXT[state].get(cause)
            if after is state:
                body += [_cell(x, y, WIDTH - 4, "#f6f7f9"), _text(x + (WIDTH - 4) // 2 - 10, y, "·", "#57606a")]
            elif after is not None:
                body += [_cell(x, y, WIDTH - 4, colour(after)), _text(x, y, after.name, "#1b1f24")]
    return "\n".join([*body, "</svg>\n"])


def _cell(x: int, y: int, width: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT - 4}" rx="3" fill="{colour}" stroke="#d5dae1"/>'


def _text(x: int, y: int, text: str, colour: str, weight: str = "normal") -> str:
    return f'<text x="{x + 8}" y="{y + 15}" fill="{colour}" font-weight="{weight}">{text}</text>'


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (ROOT / "docs" / "delivery.svg").write_text(draw(), encoding="utf-8")
    print("docs/delivery.svg is drawn")
