"""What a benchmark found: figures with their floor and goal, as a table for people and a file for comparison."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    :param floor: the same, measured in the same run without us; None where there is none.
    :param goal: what the number (or the ratio, where `goal_of` says so) must not exceed; None: it is only shown.
    """

    figure: str
    value: float
    unit: str
    floor: float | None = None
    goal: float | None = None
    goal_of: str = "value"

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        measured = self.ratio if self.goal_of == "ratio" else self.value
        return measured is not None and measured <= self.goal


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def write(name: str, figures: Iterable[Figure]) -> Path:
    """Into bench/out/NAME.json."""
    OUT.mkdir(exist_ok=True)
    rows = [
        {
            "figure": one.figure,
            "value": round(one.value, 4),
            "unit": one.unit,
            "floor": None if one.floor is None else round(one.floor, 4),
            "ratio": None if one.ratio is None else round(one.ratio, 3),
            "goal": one.goal,
            "goal_of": one.goal_of,
            "met": one.met,
        }
        for one in figures
    ]
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_all() -> dict[str, list[dict[str, object]]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(OUT.glob("*.json"))}
