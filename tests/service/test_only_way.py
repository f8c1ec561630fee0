"""That there is one way to the air, told from the source: nobody but approvals and prepared endings clears anything."""

import ast
from pathlib import Path

BROADCAST = Path(__file__).parents[2] / "broadcast"
CLEARS = {
    "service/approvals.py",
    "service/endings.py",
    "service/broadcasts.py",
}  # the last one where nobody asks: its gate did
STARTS = {"service/approvals.py", "service/endings.py"}


def calls() -> list[tuple[str, str, str]]:
    """Of every module: what is called on what."""
    found = []
    for path in BROADCAST.rglob("*.py"):
        name = str(path.relative_to(BROADCAST))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found.append((name, ast.unparse(node.func.value).rpartition(".")[2], node.func.attr))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found.append((name, "", node.func.id))
    return found


def test_only_approvals_and_prepared_endings_say_that_something_is_cleared() -> None:
    assert {name for name, _, call in calls() if call == "Cleared"} == CLEARS


def test_nobody_else_starts_or_corrects_a_broadcast() -> None:
    reached = {
        name
        for name, on, call in calls()
        if on in ("broadcasts", "_broadcasts") and call in ("start", "update", "all_clear")
    }
    assert reached == STARTS


def test_only_plans_say_that_words_are_those_of_an_approved_plan() -> None:
    said = {
        str(path.relative_to(BROADCAST))
        for path in BROADCAST.rglob("*.py")
        if "Source.PLAN" in path.read_text(encoding="utf-8")
    }
    asks = {
        "domain/approval_policy.py",
        "service/drills.py",
        "web/plans.py",
    }  # they look what would be asked, and send nothing
    assert said == {"service/plans.py"} | asks
