"""The records of suites that several processes write."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.cli.run_tasks import keep_record
from lrbench.commands import repeating
from lrbench.errors import RequestError
from lrbench.plugins import PLUGINS
from lrbench.store import suites
from lrbench.store.commands import command_to_run
from lrbench.store.layout import Results
from lrbench.store.seal import content_digest
from lrbench.store.suites import SuiteRecord, add_to_suite, find_suite_record, read_suite


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
        ('datasets = ["sample"]\nseeds = [1, 2, 3]', ()),
        ('datasets = ["sample", "ml-1m"]\nseeds = [1, 2, 3]', ("sample",)),
    ):
        assert suite.model_copy(update={"text": text}).part == part
    part_of_it = suite.model_copy(update={"name": "audit", "text": text})
    command = command_to_run(part_of_it, Results(tmp_path))
    assert command == f"lrbench run audit --results {tmp_path} --datasets sample --rerun missing"


def test_the_command_to_run_a_suite_names_its_plug_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = '[[models]]\nmodel = "sasrec"\n[[models]]\nmodel = "mine"\n[[models]]\nextends = "A"\n'
    text = f"seeds = [1, 2, 3]\n{rows}"
    suite, results = make_suite(tmp_path).model_copy(update={"text": text}), Results(Path("results"))
    assert suite.models == ("sasrec", "mine")
    assert command_to_run(suite, results) == "lrbench run SUITE.toml --plugin FILE --rerun missing"
    (tmp_path / "my models.py").write_text(
        "from lrbench.models.classical.popularity import Popularity\nMODELS = {'mine': Popularity}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv(PLUGINS, str(tmp_path / "my models.py"))
    given = f"--plugin '{tmp_path}/my models.py'"
    assert command_to_run(suite, results) == f"lrbench run SUITE.toml {given} --rerun missing"
    monkeypatch.chdir(tmp_path)
    assert results.command("run", "x.toml") == "lrbench run x.toml --plugin 'my models.py'"
    assert results.command("report", "demo") == "lrbench report demo"


def test_the_command_to_run_a_suite_names_its_file_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, results = make_suite(tmp_path), Results(Path("results"))
    monkeypatch.chdir(tmp_path)
    for name, inside in (("my suites/first.toml", "demo"), ("other.toml", "other"), ("demo.toml", "other")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'name = "{inside}"\nmodels = []\n', encoding="utf-8")
    assert command_to_run(suite, results) == "lrbench run SUITE.toml --rerun missing"
    (tmp_path / "demo.toml").write_text('name = "demo"\nmodels = []\n', encoding="utf-8")
    assert command_to_run(suite, results) == "lrbench run demo.toml --rerun missing"
    with repeating(["other.toml", f"{'x' * 300}.toml", "my suites/first.toml"]):
        assert command_to_run(suite, results) == "lrbench run 'my suites/first.toml' --rerun missing"


@pytest.mark.parametrize(
    ("seeds", "of_datasets", "text", "option"),
    [
        ((7,), {}, "seeds = [1, 2]", "--seeds 7 "),
        ((1, 2, 3), {}, "seeds = [3, 2, 1]", ""),
        ((1, 2), {}, "", ""),
        ((1, 2), {}, "datasets = ['sample']", "--seeds 1,2 "),
        ((1, 2, 3, 4, 5), {}, "datasets = ['sample']", ""),
        ((1, 2), {}, "seeds = [9]\ndataset_seeds = { sample = [1, 2] }", ""),
        ((9,), {"sample": (1, 2)}, "seeds = [9]\ndataset_seeds = { sample = [3] }", ""),
    ],
)
def test_the_command_to_run_a_suite_names_seeds_that_its_file_lacks(
    tmp_path: Path,
    seeds: tuple[int, ...],
    of_datasets: dict[str, tuple[int, ...]],
    text: str,
    option: str,
) -> None:
    changes = {"seeds": seeds, "dataset_seeds": of_datasets, "text": text, "name": "audit"}
    suite = make_suite(tmp_path).model_copy(update=changes)
    assert command_to_run(suite, Results(Path("results"))) == f"lrbench run audit {option}--rerun missing"


@pytest.mark.parametrize(
    "text",
    [
        "this is = = not toml",
        "datasets = 5",
        "models = 'x'\nseeds = 5",
        "models = [1]",
        "dataset_seeds = 4",
        f"x = {'[' * 10_000}",
    ],
)
def test_a_text_that_is_no_suite_file_counts_as_unknown(tmp_path: Path, text: str) -> None:
    suite = make_suite(tmp_path).model_copy(update={"text": text})
    assert (suite.part, suite.other_seeds, suite.models) == ((), (), ())
    assert command_to_run(suite, Results(Path("results"))) == "lrbench run SUITE.toml --rerun missing"


def test_a_suite_that_runs_again_is_the_latest_and_its_record_stays(tmp_path: Path) -> None:
    record, results = make_suite(tmp_path, [Made("A")], proposed=[]), Results(tmp_path)
    add_to_suite(record.model_copy(update={"definition": "d"}), results)
    path = results.suite(record.name)
    before, text = path.stat().st_mtime_ns, path.read_text(encoding="utf-8")
    time.sleep(0.02)
    add_to_suite(record.model_copy(update={"definition": "d"}), results)
    assert path.read_text(encoding="utf-8") == text
    assert path.stat().st_mtime_ns > before


def test_without_a_name_the_suite_that_ran_last_is_read(tmp_path: Path) -> None:
    record, results = make_suite(tmp_path, [Made("A")], proposed=[]), Results(tmp_path)
    for name, time_of in (("first", 3), ("demo", 1), ("last", 2)):
        add_to_suite(record.model_copy(update={"name": name, "definition": "d"}), results)
        os.utime(results.suite(name), (time_of, time_of))
    assert find_suite_record(results, None).name == "first"


def stored(tmp_path: Path) -> tuple[SuiteRecord, Path]:
    record = make_suite(tmp_path, [Made("A")], proposed=[]).model_copy(update={"definition": "d"})
    add_to_suite(record, Results(tmp_path))
    return record, Results(tmp_path).suite(record.name)


@pytest.mark.parametrize("damage", ["cut", "edited"])
def test_a_damaged_record_is_set_aside_and_told(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record, path = stored(tmp_path)
    text = path.read_text(encoding="utf-8")
    damaged = text[:-20] if damage == "cut" else text.replace('"margin": 0.02', '"margin": 0.03')
    path.write_text(damaged, encoding="utf-8")
    keep_record(record, Results(tmp_path))
    aside = path.with_name("demo.unusable")
    assert aside.read_text(encoding="utf-8") == damaged
    assert read_suite(path).trials == record.trials
    said = "".join(capsys.readouterr().err.split())
    assert f"Therecordofthesuitedemowasdamaged.Itiskeptas{aside}." in said
    assert Results(tmp_path).suites() == [path]


def test_a_record_of_a_newer_version_is_refused_and_stays(tmp_path: Path) -> None:
    record, path = stored(tmp_path)
    values = {**json.loads(path.read_text(encoding="utf-8")), "more": 1}
    values["digest"] = content_digest({name: value for name, value in values.items() if name != "digest"})
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RequestError, match="Use the version that wrote it"):
        add_to_suite(record, Results(tmp_path))
    assert json.loads(path.read_text(encoding="utf-8")) == values


def test_a_record_that_cannot_be_opened_is_refused_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, path = stored(tmp_path)
    before = path.read_bytes()

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(suites, "read_plain", refuse)
    with pytest.raises(RequestError, match="Permission denied"):
        add_to_suite(record, Results(tmp_path))
    assert path.read_bytes() == before
