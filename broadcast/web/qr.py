"""QR codes as SVG, drawn on the server: the console takes only the size and the lines of one."""

import io

import segno

SCALE, BORDER = 6, 3


def drawn(text: str) -> str:
    """An SVG element without an XML declaration."""
    svg = io.BytesIO()
    segno.make(text, error="m").save(svg, kind="svg", scale=SCALE, border=BORDER, xmldecl=False)
    return svg.getvalue().decode()
