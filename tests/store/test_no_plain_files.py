"""A results folder of somebody else may hold pipes and devices. None is waited for or read without end."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store.search_records import search_record
from synthetic_results import Made, make_ranks, make_suite, sealed_trial
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.errors import LrbenchError
from lrbench.store.evaluations import keep_evaluation
from lrbench.store.layout import Results
from lrbench.store.record_faults import record_faults
from lrbench.store.searches import write_search
from lrbench.store.trials import read_history, read_ranks, read_record

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such files"),
    pytest.mark.timeout(30),
]
MADE = Made("A", 1.0, "lares", depth=1, depths=(0, 1))
IMPOSTORS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    results = Results(tmp_path)
    trial = make_suite(tmp_path, [MADE], seeds=[1], proposed=[]).trials[0].trial
    sealed_trial(tmp_path, trial)
    keep_evaluation(results, read_record(results.trial(trial)), make_ranks(MADE, "sample", 1), {}, "cpu", {})
    write_search(search_record(), results)
    return results


@pytest.mark.parametrize("kind", ["suites/demo.json", "searches/*.json", "evaluations/*/*", "trials/*/*"])
@pytest.mark.parametrize("impostor", IMPOSTORS.values(), ids=IMPOSTORS)
def test_a_stored_file_that_is_none_is_a_sentence(
    kind: str, impostor: Callable[[Path], None], results: Results
) -> None:
    for path in sorted(results.root.glob(kind)):
        if path.name == "history.parquet":  # no report's numbers rest on it
            continue
        content = path.read_bytes()
        path.unlink()
        impostor(path)
        assert record_faults(results), path
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(content)
    assert record_faults(results) == []


def test_tables_are_not_waited_for(results: Results) -> None:
    (folder,) = results.trials()
    for name, read in (("ranks.parquet", read_ranks), ("history.parquet", read_history)):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(LrbenchError, match=f"{name} is missing, damaged"):
            read(folder)


@pytest.mark.parametrize("impostor", IMPOSTORS.values(), ids=IMPOSTORS)
def test_what_a_failed_or_running_trial_left_is_not_waited_for(
    impostor: Callable[[Path], None], results: Results
) -> None:
    (folder,) = results.trials()
    trial = folder.name
    folder.rename(results.root / "aside")
    for path in (results.error(trial), results.lock(trial), results.running(trial) / "log.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        impostor(path)
        for verb in (["status", "demo"], ["logs", trial], ["list", "trials", "demo"]):
            outcome = CliRunner().invoke(app, [*verb, "--results", str(results.root)])
            assert isinstance(outcome.exception, LrbenchError | OSError | None), outcome.exception
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_reason_that_is_no_text_is_shown_all_the_same(results: Results) -> None:
    (folder,) = results.trials()
    folder.rename(results.root / "aside")
    error = results.error(folder.name)
    error.parent.mkdir(parents=True)
    error.write_bytes(b"ValueError: \xff\x1b[2J\n")
    outcome = CliRunner().invoke(app, ["status", "demo", "--results", str(results.root)])
    assert "ValueError: \ufffd\\x1b[2J" in outcome.output.replace("\n", "")
