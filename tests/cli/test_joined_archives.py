"""``lrbench import`` of several archives of one suite, of which parts ran on different machines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from synthetic_results import Made, files, make_suite

from lrbench.cli.app import run
from lrbench.errors import RequestError
from lrbench.store.declarations import Declaration
from lrbench.store.import_archive import import_archive
from lrbench.store.joined_suites import joined
from lrbench.store.layout import Results
from lrbench.store.suites import TunedRow, read_suite

Claimed = tuple[int, int | None]
"""The day of a declaration, and the number of trials that had finished by then; ``None``: unknown."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def declaration(day: int, finished: int | None = 0, **changes: Any) -> Declaration:
    values = {"proposed": ("LARES",), "primary_metric": "ndcg@10", "margin": 0.02, "seeds": (1, 2, 3)}
    return Declaration.model_validate(
        {**values, "time": datetime(2026, 5, day, tzinfo=UTC), "finished": finished, **changes}
    )


def archive(name: str, **suite: Any) -> str:
    """Make a part of the suite in a folder of its own, and return the path of its archive."""
    make_suite(Path(name), **{"declarations": (declaration(1),), **suite})
    run(["export", "demo", "--results", name, "--archive", f"{name}.zip"])
    return f"{name}.zip"


def imported(*archives: str) -> Results:
    for path in archives:
        run(["import", path, "--results", "all"])
    return Results(Path("all"))


def test_parts_on_different_datasets_and_seeds_become_one_suite(folder: Path) -> None:
    parts = [
        archive("near", datasets=["near"], seeds=[1, 2]),
        archive("far", datasets=["far"], seeds=[1, 2]),
        archive("more", datasets=["near"], seeds=[3]),
    ]
    results = imported(*parts)
    whole = make_suite(folder / "whole", datasets=["near", "far"], seeds=[1, 2, 3])
    joined = read_suite(results.suite("demo"))
    assert joined.datasets == ("near", "far")
    assert joined.seeds == (1, 2, 3)
    assert joined.declarations == (declaration(1),)
    expected = {cell for cell in whole.trials if cell.dataset == "near" or cell.seed in (0, 1, 2)}
    assert set(joined.trials) == expected
    assert {trial.name for trial in results.trials()} == {cell.trial for cell in expected}


def test_import_waits_while_a_run_adds_to_the_suite(folder: Path) -> None:
    """Else the import overwrites what the run has just added."""
    far = archive("far", datasets=["far"])
    results = Results(Path("all"))
    results.suite_lock("demo").parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(results.suite_lock("demo")):
            importing = pool.submit(import_archive, Path(far), results)
            with pytest.raises(TimeoutError):
                importing.result(timeout=2)
            assert not results.suite("demo").exists()
            make_suite(results.root, datasets=["near"], declarations=(declaration(1),))
        importing.result()
    assert read_suite(results.suite("demo")).datasets == ("near", "far")


def test_a_dataset_that_waits_for_its_searches_is_joined(folder: Path) -> None:
    """It has no trials yet. Without it the whole would not be interim."""
    make_suite(Path("own"), datasets=["near"], declarations=(declaration(1),))
    own = read_suite(Results(Path("own")).suite("demo"))
    search = TunedRow(label="LARES", dataset="far", search="search-far")
    waiting = own.model_copy(update={"datasets": ("near", "far"), "searches": (search,)})
    for whole in (joined(own, waiting, folder), joined(waiting, own, folder)):
        assert whole.datasets == ("near", "far")
        assert whole.searches == (search,)


SEARCHED = TunedRow(label="LARES", dataset="near", search="search-near")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("seeds", (1, 2, 3, 4)),
        ("datasets", ("near", "far")),
        ("searches", (SEARCHED,)),
        ("declarations", (declaration(1, finished=3),)),
    ],
)
def test_what_one_record_has_more_is_joined_though_their_trials_are_the_same(
    name: str, more: tuple[Any, ...], folder: Path
) -> None:
    make_suite(Path("own"), datasets=["near"], declarations=(declaration(2),))
    own = read_suite(Results(Path("own")).suite("demo"))
    other = own.model_copy(update={name: more})
    for whole in (joined(own, other, folder), joined(other, own, folder)):
        assert getattr(whole, name) == more


def test_importing_a_part_again_changes_nothing(folder: Path) -> None:
    parts = [archive(name, datasets=[name]) for name in ("near", "far")]
    imported(*parts)
    before = files(folder / "all")
    imported(*parts)
    assert files(folder / "all") == before


def test_one_report_shows_all_parts(capsys: pytest.CaptureFixture[str]) -> None:
    imported(*(archive(name, datasets=[name]) for name in ("near", "far")))
    capsys.readouterr()
    run(["report", "demo", "--results", "all", "--format", "markdown"])
    report = capsys.readouterr().out
    assert "near" in report
    assert "far" in report
    assert "2 datasets" in report


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [
        ((1, 0), (2, 0), (1, 0)),  # both before their runs: since the first of them
        ((2, 0), (1, 0), (1, 0)),
        ((1, 0), (2, 7), (2, 7)),  # one part had seen seven trials
        ((1, 7), (2, 0), (1, 7)),
        ((1, 9), (2, 7), (1, 9)),
        ((1, 0), (2, None), (2, None)),  # one part does not know
    ],
)
def test_the_whole_is_declared_before_the_runs_only_if_each_part_was(
    one: Claimed, other: Claimed, kept: Claimed
) -> None:
    parts = [
        archive("near", datasets=["near"], declarations=(declaration(*one),)),
        archive("far", datasets=["far"], declarations=(declaration(*other),)),
    ]
    assert read_suite(imported(*parts).suite("demo")).declarations == (declaration(*kept),)


def test_seeds_that_a_part_added_later_stay_in_the_history() -> None:
    more = declaration(3, 12, seeds=(1, 2, 3, 4))
    parts = [
        archive("near", datasets=["near"], declarations=(declaration(1), more)),
        archive("far", datasets=["far"], declarations=(declaration(2),)),
    ]
    assert read_suite(imported(*parts).suite("demo")).declarations == (declaration(1), more)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"definition": "another"}, "differs from the suite of that name"),
        ({"declarations": (declaration(1, margin=0.05),)}, "declared to test something else"),
        ({"declarations": (declaration(1, proposed=()), declaration(2))}, "its declaration was changed"),
    ],
)
def test_parts_of_different_suites_are_refused(folder: Path, changes: dict[str, Any], reason: str) -> None:
    imported(archive("near", datasets=["near"]))
    before, other = files(folder / "all"), archive("far", datasets=["far"], **changes)
    with pytest.raises(RequestError, match=reason) as refused:
        imported(other)
    assert "Import it into another folder" in refused.value.remedy
    assert files(folder / "all") == before


def test_two_trials_for_one_place_in_the_suite_are_refused(folder: Path) -> None:
    """Two machines searched for settings, and chose others."""
    first = archive("here", models=[Made("SASRec")], proposed=())
    second = archive("there", models=[Made("SASRec", model="gru4rec")], proposed=())
    imported(first)
    before = files(folder / "all")
    with pytest.raises(RequestError, match="SASRec on sample with seed 1 has one trial in"):
        imported(second)
    assert files(folder / "all") == before
