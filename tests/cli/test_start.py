"""A command starts without what only some verbs need."""

import gc
import os
import subprocess
import sys

import pytest

from lrbench.cli.app import run
from lrbench.cli.verbs import SUMMARIES, load_verb


@pytest.mark.parametrize(
    ("first", "then", "unwanted"),
    [
        pytest.param(
            "sys",
            "import lrbench.cli.app",
            "new & {'torch', 'polars', 'numpy', 'pydantic', 'scipy'}",
            id="nothing heavy before a verb is known",
        ),
        pytest.param(
            # Temporary files bring random numbers, and those OpenSSL: a tenth of the time that help takes.
            "typer.rich_utils",
            "import lrbench.cli.app",
            "new & {'_hashlib', 'tempfile', 'shlex'}",
            id="little beyond the parser for help",
        ),
        pytest.param(
            "typer.rich_utils",
            "from lrbench.cli.app import run; run(['--help'])",
            "new & {f'lrbench.cli.{verb}' for verb in ('run', 'report', 'fetch', 'options')}",
            id="no verb for the list of verbs",
        ),
        pytest.param(
            # An interrupt before ``main`` ends in a traceback: only what Python itself loads may come first.
            "sys, gc",
            "from lrbench.__main__ import main",
            "new - {'lrbench', 'lrbench.__main__'}",
            id="nothing before interrupts are handled",
        ),
    ],
)
def test_a_start_imports_only_what_it_needs(first: str, then: str, unwanted: str) -> None:
    code = (
        f"import sys; import {first}; before = {{*sys.modules}}; {then}; "
        f"new = {{*sys.modules}} - before; sys.exit(str({unwanted} or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_verb_runs_with_garbage_collection_which_is_off_during_the_imports() -> None:
    gc.disable()
    try:
        run(["list", "protocols"])
        assert gc.isenabled()
    finally:
        gc.enable()


def test_the_version_is_that_of_the_installed_package() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrbench", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    name, version = done.stdout.split()
    assert name == "lrbench"
    assert version[0].isdigit()


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_list_of_verbs_says_what_a_verb_s_own_help_says_first(name: str) -> None:
    paragraph = (load_verb(name).__doc__ or "").split("\n\n")[0]
    assert " ".join(paragraph.split()) == SUMMARIES[name]


@pytest.mark.parametrize(
    ("words", "number", "found"),
    [("lrbench rep", 1, "report"), ("lrbench run --wor", 2, "--workers")],
)
def test_a_shell_completes_verbs_and_options(words: str, number: int, found: str) -> None:
    asked = {"_LRBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    code = "from lrbench.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [found]
