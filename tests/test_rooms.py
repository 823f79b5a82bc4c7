"""The rooms keep to themselves: what imports what, and what is loaded when."""

import ast
import re
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


FLOORS = (
    "ground",  # files at the top of the package: errors, arrays, whole-or-absent writing, …
    "objectives",
    "stats",
    "config",
    "data",
    "store",
    "models",
    "evaluation",
    "training",
    "execution",
    "report",
    "cli",
)
"""The rooms from the lowest to the highest; a file imports from its own room and from lower ones."""

ATTIC = ("__init__", "__main__", "selftest", "testing")
"""Files at the top of the package that use every room; no room imports them but the command line."""

WITHOUT_TORCH = ("stats", "report", "config", "store")


def parts_of(path: Path) -> tuple[str, ...]:
    """The dotted name of a file below ``lrbench``, split."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def room_of(parts: tuple[str, ...]) -> str:
    if len(parts) == 1 and parts[0] not in FLOORS:
        return "attic" if parts[0] in ATTIC else "ground"
    return parts[0]


def own_imports(path: Path) -> set[tuple[str, ...]]:
    """The modules of lrbench that a file imports, each as the split name below ``lrbench``.

    What is imported for type checkers alone does not count: it is no arrow when the code runs.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if is_module(name) else node.module for name in below]
        found |= {tuple(name.split(".")[1:]) for name in names if name.startswith("lrbench.")}
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


FILES = sorted(PACKAGE.rglob("*.py"))
ARROWS = {parts_of(path): own_imports(path) for path in FILES}


def test_no_arrow_leads_upward() -> None:
    upward = [
        (importing, imported)
        for importing, everything in ARROWS.items()
        for imported in everything
        if room_of(importing) != "attic"
        and not (room_of(importing) == "cli" and room_of(imported) == "attic")
        and (
            room_of(imported) == "attic" or FLOORS.index(room_of(imported)) > FLOORS.index(room_of(importing))
        )
    ]
    assert not upward


def test_other_rooms_enter_by_the_hall() -> None:
    """What lies in a sub-folder of a room is imported by that room alone."""
    through_the_wall = [
        (importing, imported)
        for importing, everything in ARROWS.items()
        for imported in everything
        if len(imported) > 2 and room_of(importing) != room_of(imported)
    ]
    assert not through_the_wall


def test_neither_files_nor_back_rooms_go_round_in_a_circle() -> None:
    files = {importing: everything - {importing} for importing, everything in ARROWS.items()}
    assert not circle(files)
    folders: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for importing, everything in ARROWS.items():
        targets = {imported[:-1] for imported in everything if len(imported) > 2}
        if len(importing) > 2:
            folders.setdefault(importing[:-1], set()).update(targets - {importing[:-1]})
    assert not circle(folders)


def circle(graph: dict[tuple[str, ...], set[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """A closed walk in the graph, or nothing."""
    done: set[tuple[str, ...]] = set()

    def walk(node: tuple[str, ...], trail: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        found = next((found for target in graph.get(node, ()) if (found := walk(target, [*trail, node]))), [])
        done.add(node)
        return found

    return next((found for node in graph if (found := walk(node, []))), [])


@pytest.mark.parametrize(
    "graph", [{("a",): {("a",)}}, {("a",): {("b",)}, ("b",): {("c",)}, ("c",): {("a",)}}]
)
def test_a_circle_is_found(graph: dict[tuple[str, ...], set[tuple[str, ...]]]) -> None:
    assert circle(graph)


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_rooms_without_torch(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        assert not any(name.split(".")[0] == "torch" for name in imports(path)), path


def test_statistics_are_functions_of_arrays() -> None:
    for path in (PACKAGE / "stats").rglob("*.py"):
        assert "polars" not in imports(path), path
        assert all(room_of(imported) in ("ground", "stats") for imported in own_imports(path)), path


def test_nothing_but_the_command_line_and_reports_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in ("cli", "report", "__main__.py"):
            continue
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names or path.name == "worker.py", path  # a worker's events are its output


def test_what_needs_no_torch_loads_none() -> None:
    """Not even through what they import. ``tests/cli/test_start.py`` says the same of the command line."""
    code = "import sys, lrbench.stats.crossed, lrbench.store.trials; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_models_load_no_language_model_before_one_is_built() -> None:
    code = (
        "import sys; from lrbench.registry import MODELS; [MODELS.load(name) for name in MODELS.names()]; "
        "sys.exit(any(m in sys.modules for m in ('transformers', 'peft', 'tokenizers', 'accelerate')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_map_for_contributors_names_every_room_and_back_room_in_this_order() -> None:
    guide = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| .+ \|(.*)\|$", guide, re.MULTILINE)
    assert tuple(room for room, _ in rows) == FLOORS[1:]
    for room, named in rows:
        folders = {path.parent.name for path in (PACKAGE / room).glob("*/__init__.py")}
        assert set(re.findall(r"`(\w+)/`", named)) == folders, room


def test_no_test_imports_another() -> None:
    """What several tests use is a helper in a file of its own, so that each of them can change alone."""
    files = [path for folder in ("tests", "benchmarks") for path in (PACKAGE.parent / folder).rglob("*.py")]
    borrowed = {(path.name, name) for path in files for name in imports(path) if ".test_" in f".{name}"}
    assert files
    assert not borrowed


def test_every_configuration_has_a_type() -> None:
    untyped = [
        (path.name, node.lineno)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.arg) and node.arg == "config" and node.annotation
        if ast.unparse(node.annotation) == "Any"
    ]
    assert not untyped
