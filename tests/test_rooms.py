"""The rooms keep to themselves: what imports what, and what is loaded when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lrbench

PACKAGE = Path(lrbench.__file__).parent


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("models", ("lrbench.training", "lrbench.execution", "lrbench.cli", "lrbench.report")),
        ("objectives", ("lrbench.models", "lrbench.training")),
        (
            "data",
            ("lrbench.models", "lrbench.training", "lrbench.evaluation", "lrbench.report", "lrbench.cli"),
        ),
        ("evaluation", ("lrbench.training", "lrbench.execution", "lrbench.report", "lrbench.cli")),
        ("training", ("lrbench.execution", "lrbench.report", "lrbench.cli")),
        ("execution", ("lrbench.report", "lrbench.cli")),
        ("stats", ("torch", "polars", "lrbench.store", "lrbench.report")),
        ("report", ("torch", "lrbench.models", "lrbench.training", "lrbench.execution", "lrbench.cli")),
        ("config", ("torch", "lrbench.data", "lrbench.store")),
        ("store", ("torch", "lrbench.training", "lrbench.execution", "lrbench.report")),
    ],
)
def test_rooms_know_nothing_of_those_after_them(room: str, forbidden: tuple[str, ...]) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        for module in imports(path):
            assert not any(module == name or module.startswith(f"{name}.") for name in forbidden), path


def test_nothing_but_the_command_line_and_reports_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in ("cli", "report", "__main__.py"):
            continue
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names or path.name == "worker.py", path  # a worker's events are its output


@pytest.mark.parametrize("module", ["lrbench.cli.app", "lrbench.stats.crossed", "lrbench.store.trials"])
def test_what_needs_no_torch_loads_none(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, lrbench.cli.app; sys.exit(any(m in sys.modules for m in ('torch', 'polars', 'scipy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
