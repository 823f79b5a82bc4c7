"""``lrbench status``: the sentence that it prints for a trial that failed."""

import shutil
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.cli.app import run
from lrbench.execution.failures import record_failure
from lrbench.store.layout import Results


def raised(message: str) -> Exception:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "details", "shown"),
    [
        (
            "the worker process ended with code -9",
            "Loading\nlast words",
            "the worker process ended with code -9",
        ),
        ("the worker process ended with code -9", "", "the worker process ended with code -9"),
        (raised("loss is NaN"), "", "ValueError: loss is NaN"),
    ],
    ids=["process that said something", "process that said nothing", "exception"],
)
def test_a_failed_trial_shows_its_reason(
    error: Exception | str, details: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path / "results")
    make_suite(results.root, [Made("SASRec")], seeds=(1,), proposed=())
    (folder,) = results.trials()
    shutil.rmtree(folder)
    record_failure(results, folder.name, error, details)
    assert run(["status", "--results", str(results.root)]) == 0
    told = "".join(capsys.readouterr().out.splitlines())
    assert f"{folder.name} failed: {shown}  " in told
