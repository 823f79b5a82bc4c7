"""The smoke suite, run as a person runs it, on a small file in the form of MovieLens."""

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
from desk import Desk
from small_data import walks

from lrbench.resources import find_suite

SUITE = "llm-smoke"
FILMS = """
[dataset.films]
edition = "films made for tests"
family = "Tests"
licence = "none"
reader = "movielens-csv"
options = { member = "films/ratings.csv" }
path = "films.zip"
"""
LABELS = ("SASRec", "BIGRec", "D3", "LatentR3 without RL", "LatentR3")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with films of which two have one title, after the suite ran."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    rows = ["userId,movieId,rating,timestamp"]
    for user, items in enumerate(walks(users=30, items=24), start=1):
        rows += [f"{user},{item + 1},4.0,{1000 + time}" for time, item in enumerate(items)]
    films = ["movieId,title,genres", "1,Film A (1999),Drama", "2,Film A (1999),Comedy"]
    films += [f"{item},Film {chr(62 + item)} ({1990 + item}),Drama" for item in range(3, 25)]
    with zipfile.ZipFile(desk.folder / "films.zip", "w") as archive:
        archive.writestr("films/ratings.csv", "\n".join(rows) + "\n")
        archive.writestr("films/movies.csv", "\n".join(films) + "\n")
    (desk.folder / "films.toml").write_text(FILMS, encoding="utf-8")
    told = desk.run("fetch", "films", "--catalog", "films.toml").stderr
    assert "titles: 8.3% are also those of another item, 0.0% are scraps of a web page" in told
    assert "times: 0.0% of the users have their last two interactions at the same time" in told
    text = find_suite("llm-smoke").read_text(encoding="utf-8")
    suite = desk.suite(text.replace("ml-latest-small", "films").replace("max_epochs = 20", "max_epochs = 2"))
    desk.run("run", suite, "--catalog", "films.toml", "--workers", "1", "--device", "cpu")
    return desk


@pytest.mark.slow
def test_all_rows_have_ranks_of_the_same_targets(desk: Desk) -> None:
    report = json.loads(desk.run("report", SUITE, "--format", "json").stdout)
    assert {row["label"] for row in report["rows"]} == set(LABELS)
    assert {row["n_users"] for row in report["rows"]} == {30}
    assert "because its beam search did not find them or items have equal titles" in str(report["warnings"])


@pytest.mark.slow
def test_the_weight_of_d3_was_chosen_and_equal_titles_were_counted(desk: Desk) -> None:
    records = {
        record["model"]: record
        for path in Path(desk.folder, "results", "trials").glob("*/trial.json")
        if (record := json.loads(path.read_text(encoding="utf-8")))["model"] != "latentr3"
    }
    choice = records["d3"]["stages"][-1]
    assert choice["stopped"] == "chosen"
    assert choice["tried"][str(choice["chosen"])] == max(choice["tried"].values())
    metrics = records["bigrec-beam"]["metrics"]["test"]["0"]
    assert records["bigrec-beam"]["title_metrics"]["recall@5"] >= metrics["recall@5"]
    assert records["sasrec"]["title_metrics"] == {}


@pytest.mark.slow
def test_stored_weights_give_the_stored_ranks(desk: Desk) -> None:
    """Also those of a weight that was chosen on validation."""
    told = desk.run("verify", "--catalog", "films.toml").stderr
    assert told.count("are as stored.") == 5


@pytest.mark.slow
def test_latents_are_in_the_ranks(desk: Desk) -> None:
    (path,) = [
        path.parent
        for path in Path(desk.folder, "results", "trials").glob("*latentr3*/trial.json")
        if len(json.loads(path.read_text(encoding="utf-8"))["stages"]) == 2
    ]
    ranks = pl.read_parquet(path / "ranks.parquet")
    assert set(ranks["depth"]) == {0, 1}
    assert set(ranks["intervention"]) == {"none", "zero", "matched"}
