#!/usr/bin/env python3
"""Draws docs/architecture.svg from the imports in the code: `python3 docs/draw.py`. Standard library only.

A test compares the file with what this makes, so the drawing is never older than the code.
"""

import ast
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("broadcast", "endpoints", "audio_assets", "config")

# From the top down; imports go in this direction. The colour is that of the arrows which leave the layer.
LAYERS = {
    "broadcast.main": ("the program `lianbo`", "#444444"),
    "broadcast.cli": ("its commands", "#8c6d1f"),
    "broadcast.server": ("the composition root, which knows every class, and what is made for it alone", "#222222"),
    "broadcast.web": ("HTTP handlers, problems, the officers' pages", "#b5305c"),
    "broadcast.transport": ("the broker and its clients, gateways to other platforms", "#6a3fa0"),
    "broadcast.store": ("SQLAlchemy rows and repositories, migrations", "#1f6fb5"),
    "broadcast.service": ("use cases; ports.py is what they need from outside", "#1a7f5a"),
    "broadcast.clock": ("time as a dependency", "#777777"),
    "broadcast.domain": ("what the words mean; pure, no third-party package", "#c05a12"),
    "endpoints": ("both ends of the speaker's wire, the speaker and its simulator", "#00788a"),
    "audio_assets": ("sound: files by content hash, tones, speech, loudness", "#9a3b9a"),
    "config": ("settings and their defaults", "#777777"),
}

MARGIN, BOX_WIDTH, GAP, LINE, LANE = 20, 600, 16, 17, 20
WRAP = 88  # characters of the module list in a box


class Imports(NamedTuple):
    ours: frozenset[str]  # modules of this repository
    others: frozenset[str]  # top-level names of everything else, the standard library among it


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the four packages, by dotted name; a package goes by its own name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read_imports(root: Path = ROOT) -> dict[str, Imports]:
    """What each module imports, wherever in the file the import stands."""
    known = modules(root)
    result = {}
    for name, path in known.items():
        wanted = set(_imported(ast.parse(path.read_text(encoding="utf-8")), known))
        ours = frozenset(module for module in wanted if module.split(".")[0] in PACKAGES)
        result[name] = Imports(ours, frozenset(module.split(".")[0] for module in wanted - ours))
    return result


def _imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:  # `from a import b`: b is a module or a name in a
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def layer_of(module: str) -> str | None:
    """The layer that a module belongs to; a module beside `broadcast.server` serves it. None for the empty `broadcast`."""
    named = next((layer for layer in LAYERS if module == layer or module.startswith(layer + ".")), None)
    beside = module.startswith("broadcast.") and module.count(".") == 1
    return named or ("broadcast.server" if beside else None)


class Box(NamedTuple):
    layer: str
    lines: list[str]  # the names of its modules
    top: float
    height: float


def draw(root: Path = ROOT) -> str:
    """The drawing as SVG text."""
    arrows = sorted(_arrows(root))
    boxes = _boxes(root, arrows)
    senders = [layer for layer in LAYERS if any(source == layer for source, _ in arrows)]
    lanes = {layer: MARGIN + BOX_WIDTH + 24 + LANE * (len(senders) - i) for i, layer in enumerate(senders)}
    width = MARGIN * 2 + BOX_WIDTH + 24 + LANE * (len(senders) + 1)
    last = list(boxes.values())[-1]
    height = last.top + last.height + MARGIN
    body = [_arrow_head(layer) for layer in senders]
    for layer in senders:
        body += _bus(layer, [target for source, target in arrows if source == layer], boxes, lanes, arrows)
    for box in boxes.values():
        body += _draw_box(box)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" '
            f'height="{height:g}" font-family="sans-serif">',
            "<title>The layers of Lianbo and what they import</title>",
            f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _arrows(root: Path) -> set[tuple[str, str]]:
    pairs = set()
    for name, imports in read_imports(root).items():
        source = layer_of(name)
        for module in imports.ours:
            target = layer_of(module)
            if source and target and source != target:
                pairs.add((source, target))
    return pairs


def _boxes(root: Path, arrows: list[tuple[str, str]]) -> dict[str, Box]:
    boxes, top = {}, float(MARGIN)
    names = modules(root)
    for layer in LAYERS:
        inner = [
            name.removeprefix(layer + ".").removeprefix("broadcast.")
            for name in names
            if layer_of(name) == layer != name
        ]
        inner = [name for name in inner if "migrations." not in name]  # one file a step of the schema
        if layer not in names:
            continue
        lines = textwrap.wrap(", ".join(inner), WRAP, break_on_hyphens=False)
        ends = 1 + sum(target == layer for _, target in arrows)
        height = max(42 + LINE * len(lines), 12 + 11 * ends)
        boxes[layer] = Box(layer, lines, top, height)
        top += height + GAP
    return boxes


def _bus(
    layer: str, targets: list[str], boxes: dict[str, Box], lanes: dict[str, int], arrows: list[tuple[str, str]]
) -> list[str]:
    """One line leaves the layer, runs down its own lane, and turns off to every layer that it imports."""
    colour, lane, right = LAYERS[layer][1], lanes[layer], MARGIN + BOX_WIDTH
    start = boxes[layer].top + boxes[layer].height - 9
    ends = [(target, _entry(boxes[target], layer, lanes, arrows)) for target in targets]
    heights = [start, *(y for _, y in ends)]
    lines = [
        f'<path d="M{right} {start:g}H{lane}M{lane} {min(heights):g}V{max(heights):g}" fill="none" stroke="{colour}" '
        'stroke-width="1.6"/>'
    ]
    order = list(LAYERS)
    for target, y in ends:
        upward = ' stroke-dasharray="4 3"' if order.index(target) < order.index(layer) else ""
        lines.append(
            f'<path d="M{lane} {y:g}H{right + 2}" fill="none" stroke="{colour}" stroke-width="1.6"{upward} '
            f'marker-end="url(#{layer})"><title>{layer} imports {target}</title></path>'
        )
    return lines


def _entry(box: Box, source: str, lanes: dict[str, int], arrows: list[tuple[str, str]]) -> float:
    """Where an arrow meets the box: every source has a height of its own."""
    sources = [layer for layer in lanes if (layer, box.layer) in arrows]
    return box.top + 12 + 11 * sources.index(source)


def _arrow_head(layer: str) -> str:
    return (
        f'<marker id="{layer}" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto" '
        f'markerUnits="userSpaceOnUse"><path d="M0 0L9 4L0 8z" fill="{LAYERS[layer][1]}"/></marker>'
    )


def _draw_box(box: Box) -> list[str]:
    about, colour = LAYERS[box.layer]
    lines = [
        f'<rect x="{MARGIN}" y="{box.top:g}" width="{BOX_WIDTH}" height="{box.height:g}" rx="5" fill="#f6f7f9" '
        'stroke="#c9ced6"/>',
        f'<rect x="{MARGIN}" y="{box.top:g}" width="6" height="{box.height:g}" rx="3" fill="{colour}"/>',
        f'<text x="{MARGIN + 18}" y="{box.top + 24:g}" font-size="15" font-weight="bold" fill="#1b1f24">{box.layer}'
        f'<tspan font-size="12" font-weight="normal" fill="#57606a" dx="10">{escape(about)}</tspan></text>',
    ]
    for i, line in enumerate(box.lines):
        y = box.top + 44 + LINE * i
        lines.append(f'<text x="{MARGIN + 18}" y="{y:g}" font-size="12" fill="#1b1f24">{escape(line)}</text>')
    return lines


if __name__ == "__main__":
    (ROOT / "docs" / "architecture.svg").write_text(draw(), encoding="utf-8")
    print("docs/architecture.svg is drawn")
