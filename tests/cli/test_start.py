"""A command starts without what only some verbs need."""

import os
import subprocess
import sys


def test_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys; import lrbench.cli.app; "
        "heavy = {'torch', 'polars', 'numpy', 'pydantic', 'scipy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_needs_little_beyond_its_parser() -> None:
    """Temporary files bring random numbers, and those OpenSSL: a tenth of the time that help takes."""
    code = (
        "import sys; import typer.rich_utils; before = {*sys.modules}; import lrbench.cli.app; "
        "sys.exit(str({'_hashlib', 'tempfile', 'shlex'} & {*sys.modules} - before or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_entry_point_imports_nothing_before_it_heeds_interrupts() -> None:
    """Until ``main`` runs an interrupt ends in a traceback: only what Python itself loads may come before."""
    code = (
        "import sys; before = {*sys.modules}; from lrbench.__main__ import main; "
        "sys.exit(str({*sys.modules} - before - {'lrbench', 'lrbench.__main__'} or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_the_installed_package() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrbench", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    name, version = done.stdout.split()
    assert name == "lrbench"
    assert version[0].isdigit()


def test_a_shell_completes_verbs() -> None:
    asked = {"_LRBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "lrbench re", "COMP_CWORD": "1"}
    code = "from lrbench.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["report"]
