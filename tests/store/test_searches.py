import json
from pathlib import Path

import pytest
from small_data import trial_config
from store.search_records import TRIALS, search_record

from lrbench.errors import CheckError, LrbenchError
from lrbench.store.layout import Results
from lrbench.store.searches import (
    Ended,
    FinalistRun,
    read_ended,
    read_search,
    write_ended,
    write_search,
)


def test_a_search_is_read_as_it_was_written(tmp_path: Path) -> None:
    results, record = Results(tmp_path), search_record()
    write_search(record, results)
    assert list(tmp_path.rglob("*.json")) == [tmp_path / "searches" / f"{record.id}.json"]
    read = read_search(results, record.id)
    assert read.model_copy(update={"digest": ""}) == record
    assert read.settings == {"dropout": 0.1}


def test_a_changed_search_is_refused(tmp_path: Path) -> None:
    results, record = Results(tmp_path), search_record()
    write_search(record, results)
    path = results.search(record.id)
    path.write_text(path.read_text(encoding="utf-8").replace("0.2", "0.9"), encoding="utf-8")
    with pytest.raises(CheckError, match="digest"):
        read_search(results, record.id)


def test_the_record_of_another_search_is_refused(tmp_path: Path) -> None:
    results, record = Results(tmp_path), search_record()
    write_search(record, results)
    results.search(record.id).rename(results.search("search-other"))
    with pytest.raises(CheckError, match=f"is the record of another search, {record.id}"):
        read_search(results, "search-other")


@pytest.mark.parametrize("wrong", [{"chosen": 1}, {"chosen": 2}, {"trials": 3}])
def test_a_search_that_contradicts_itself_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"not complete|every trial"):
        search_record(**wrong)


def test_trials_of_an_interrupted_search_are_kept(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert read_ended(results, "search-x") == Ended()
    ended = Ended(trials=TRIALS, finals=(FinalistRun(number=0, seed=2, value=0.2),))
    write_ended(results, "search-x", ended)
    assert read_ended(results, "search-x") == ended
    path = results.running("search-x") / "search.json"
    path.write_text(path.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    with pytest.raises(LrbenchError, match="damaged"):
        read_ended(results, "search-x")


def test_the_id_covers_budget_and_space_and_untuned_trials_keep_theirs() -> None:
    record = search_record()
    other = record.config.model_copy(update={"users": 50})
    assert record.id.startswith("search-walks-loo-20-sasrec-s1-")
    assert other.id != record.id
    config = trial_config()
    tuned = config.model_copy(update={"search": record.id})
    assert tuned.id != config.id
    assert "search" not in json.dumps(config._identity())
