"""The records of suites that several processes write."""

import threading
import time
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.plugins import PLUGINS
from lrbench.store import suites
from lrbench.store.commands import command, command_to_run
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, add_to_suite, read_suite


def test_processes_that_add_to_a_suite_at_once_keep_each_others_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_suite(tmp_path, [Made("A")], seeds=range(1, 7), proposed=[])
    results = Results(tmp_path / "shared")
    merge = suites.merged

    def slow(new: SuiteRecord, old: SuiteRecord | None) -> SuiteRecord:
        time.sleep(0.02)  # between reading and writing
        return merge(new, old)

    monkeypatch.setattr(suites, "merged", slow)
    parts = [
        whole.model_copy(update={"seeds": (cell.seed,), "trials": (cell,), "definition": "d"})
        for cell in whole.trials
    ]
    threads = [threading.Thread(target=add_to_suite, args=(part, results), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    record = read_suite(results.suite(whole.name))
    assert {cell.seed for cell in record.trials} == {1, 2, 3, 4, 5, 6}
    assert set(record.seeds) == {1, 2, 3, 4, 5, 6}


def test_the_command_to_run_a_part_of_a_suite_names_its_datasets(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    for text, part in (
        ("", ()),
        ('datasets = ["sample"]', ()),
        ('datasets = ["sample", "ml-1m"]', ("sample",)),
    ):
        assert suite.model_copy(update={"text": text}).part == part
    part_of_it = suite.model_copy(update={"name": "audit", "text": text})
    command = command_to_run(part_of_it, Results(tmp_path))
    assert command == f"lrbench run audit --results {tmp_path} --datasets sample --rerun missing"


def test_the_command_to_run_a_suite_names_its_plug_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[[models]]\nmodel = "sasrec"\n[[models]]\nmodel = "mine"\n[[models]]\nextends = "A"\n'
    suite, results = make_suite(tmp_path).model_copy(update={"text": text}), Results(Path("results"))
    assert suite.models == ("sasrec", "mine")
    assert command_to_run(suite, results) == "lrbench run demo.toml --plugin FILE --rerun missing"
    (tmp_path / "my models.py").write_text(
        "from lrbench.models.classical.popularity import Popularity\nMODELS = {'mine': Popularity}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv(PLUGINS, str(tmp_path / "my models.py"))
    given = f"--plugin '{tmp_path}/my models.py'"
    assert command_to_run(suite, results) == f"lrbench run demo.toml {given} --rerun missing"
    monkeypatch.chdir(tmp_path)
    assert command("run", "x.toml", results) == "lrbench run x.toml --plugin 'my models.py'"
    assert command("report", "demo", results) == "lrbench report demo"


def test_a_suite_that_runs_again_is_the_latest_and_its_record_stays(tmp_path: Path) -> None:
    record, results = make_suite(tmp_path, [Made("A")], proposed=[]), Results(tmp_path)
    add_to_suite(record.model_copy(update={"definition": "d"}), results)
    path = results.suite(record.name)
    before, text = path.stat().st_mtime_ns, path.read_text(encoding="utf-8")
    time.sleep(0.02)
    add_to_suite(record.model_copy(update={"definition": "d"}), results)
    assert path.read_text(encoding="utf-8") == text
    assert path.stat().st_mtime_ns > before
