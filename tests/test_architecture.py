"""What the import contracts in pyproject.toml can't say, and that the drawing shows the code as it is."""

import sys
from pathlib import Path

from docs import draw, draw_delivery

IMPORTS = draw.read_imports()
FOUNDATIONS = {  # the words that everybody uses: they may use each other at most
    "broadcast.clock": set[str](),
    "broadcast.domain.errors": set[str](),
    "endpoints.area_codes": set[str](),
    "endpoints.canonical": set[str](),
}
SANS_IO = (
    "arbitration",
    "area_codes",
    "canonical",
    "delivery",
    "jitter",
    "live_packets",
    "player",
    "protocol",
    "sealing",
)
OUTSIDE = {"asyncio", "os", "pathlib", "select", "socket", "sqlite3", "subprocess", "threading", "time"}


def test_the_drawing_shows_the_imports_of_today() -> None:
    drawn = (draw.ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert drawn == draw.draw(), "stale: run `python3 docs/draw.py` and commit docs/architecture.svg"


def test_the_drawing_of_the_ladder_shows_its_table() -> None:
    drawn = (draw.ROOT / "docs" / "delivery.svg").read_text(encoding="utf-8")
    assert drawn == draw_delivery.draw(), "stale: run `.venv/bin/python docs/draw_delivery.py` and commit the drawing"


def test_the_domain_needs_nothing_but_the_standard_library() -> None:
    third_party = {
        name: sorted(imports.others - sys.stdlib_module_names)
        for name, imports in IMPORTS.items()
        if name.startswith("broadcast.domain") and imports.others - sys.stdlib_module_names
    }
    assert third_party == {}


def test_the_foundations_stand_on_nothing_of_ours() -> None:
    assert {name: set(IMPORTS[name].ours) for name in FOUNDATIONS} == FOUNDATIONS


def test_the_rules_of_the_wire_do_no_input_or_output_and_read_no_clock() -> None:
    reaching_out = {name: IMPORTS[f"endpoints.{name}"].others & OUTSIDE for name in SANS_IO}
    assert {name: reach for name, reach in reaching_out.items() if reach} == {}


def test_every_module_has_a_layer_in_the_drawing() -> None:
    homeless = [name for name in draw.modules() if name not in draw.PACKAGES and draw.layer_of(name) is None]
    assert homeless == []


def test_an_import_is_seen_wherever_it_stands_and_names_the_module(tmp_path: Path) -> None:
    for package in ("broadcast", "endpoints"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "endpoints" / "protocol.py").touch()
    text = "import json\nfrom endpoints import protocol\ndef late():\n    from endpoints.protocol import Board\n"
    (tmp_path / "broadcast" / "clock.py").write_text(text)
    seen = draw.read_imports(tmp_path)["broadcast.clock"]
    assert seen == draw.Imports(ours=frozenset({"endpoints.protocol"}), others=frozenset({"json"}))
