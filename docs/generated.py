"""Pages that are generated from the program itself, so that they cannot disagree with it."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

TOP = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and pages from the top folder of the repository."""
    pages = {
        "commands.md": commands(),
        "models.md": models(),
        "controls.md": controls(),
        "contributing.md": (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "changelog.md": (TOP / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def commands() -> str:
    """Return every verb with its help."""
    from lrbench.cli.app import app

    group = typer.main.get_command(app)
    verbs = group.list_commands(typer.Context(group))
    head = "# Commands\n\nExit codes: 0 done, 1 a trial failed or a check did not hold, 2 a wrong request."
    return "\n".join([head, *(f"\n## {verb}\n\n{fenced(lrbench(verb, '--help'))}" for verb in verbs)]) + "\n"


def models() -> str:
    """Return every model's page: its description, stages, and options with the sources of their defaults."""
    from lrbench.registry import MODELS  # imports torch

    head = "# Models\n\nEach page is what `lrbench list models NAME` prints."
    pages = (f"\n## {name}\n\n{fenced(lrbench('list', 'models', name))}" for name in MODELS.names())
    return "\n".join([head, *pages]) + "\n"


def controls() -> str:
    """Return the explanation of controls, and what they are for each model."""
    text = (TOP / "docs" / "controls.in").read_text(encoding="utf-8")
    return text + "\n" + fenced(lrbench("list", "models", "--controls"))


@cache
def lrbench(*arguments: str) -> str:
    """Return what the program prints."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "lrbench", *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, cwd=TOP
    ).stdout.rstrip()


def fenced(text: str) -> str:
    """Return a block of plain text."""
    lines = (line.rstrip() for line in text.splitlines())
    return "```text\n" + "\n".join(lines).strip("\n") + "\n```\n"
