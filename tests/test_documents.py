"""Our own documents: their links lead somewhere, and their commands exist."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from lrbench.cli.app import app, verb_with_options
from lrbench.cli.verbs import SUMMARIES
from lrbench.config.accounts import Accounts
from lrbench.config.suite_file import EvaluationTable
from lrbench.config.training import TrainingConfig

TOP = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=TOP, capture_output=True, text=True, check=False)
    tracked = [TOP / line for line in listed.stdout.splitlines()]
    return [path for path in tracked or sorted(TOP.glob("*.md")) if path.exists()]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(TOP)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = document if not name else (document.parent / name).resolve()
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(
    ("heading", "table"),
    [("Training", TrainingConfig), ("Evaluation", EvaluationTable), ("Accounts", Accounts)],
)
def test_the_page_on_suites_names_every_setting_with_its_default(
    heading: str, table: type[BaseModel]
) -> None:
    page = (TOP / "docs" / "suites.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    assert list(listed) == list(table.model_fields)
    for name, field in table.model_fields.items():
        if field.default not in (None, ()):
            assert listed[name].strip("`") == json.dumps(field.default), name


def commands() -> list[str]:
    """Every line of a shell example that calls lrbench, up to a comment or a further command."""
    found = []
    for document in documents():
        for block in SHELL.findall(document.read_text(encoding="utf-8")):
            for line in re.split(r"\n|&&", block):
                if line.strip().startswith("lrbench "):
                    found.append(line.split("#")[0].strip())
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_commands_of_examples_exist(command: str) -> None:
    _, verb, *rest = shlex.split(command)
    if verb.startswith("--"):
        group = typer.main.get_command(app)
        assert verb in {option for parameter in group.params for option in parameter.opts}
        return
    assert verb in SUMMARIES
    parameters = verb_with_options(verb).params
    options = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    given = [word.split("=")[0] for word in rest if word.startswith("--")]
    assert set(given) <= options, set(given) - options


def test_there_are_examples() -> None:
    assert len(commands()) > 5
    assert len(documents()) > 5
