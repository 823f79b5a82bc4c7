"""Pages that are generated from the program itself, so that they cannot disagree with it, and their links."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).resolve().parents[1]

LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(((?!https?:|mailto:|#)[^)\s]+)\)")
"""A link to a file. Its groups are the text and the target."""

MOVED = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the repository's top folder, with their names on the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and pages from the top folder of the repository."""
    pages = {
        "commands.md": commands(),
        "models.md": models(),
        "contributing.md": (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "changelog.md": (TOP / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Make the links of the repository those of the site, and show the controls of each model."""
    if page.file.src_uri == "controls.md":
        markdown += "\n" + fenced(lrbench("list", "models", "--controls"))
    return LINK.sub(link_of_site, markdown)


def link_of_site(found: re.Match[str]) -> str:
    """Return a link to a page of the site. A file that the site does not have is named instead."""
    text, target = found.groups()
    path = target.removeprefix("../").removeprefix("docs/")
    path = MOVED.get(path, path)
    if path.partition("#")[0].startswith(("results/", "suites/", "benchmarks/", "tests/")):
        return f"{text} (`{path}` in the repository)"
    return f"[{text}]({path})"


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
