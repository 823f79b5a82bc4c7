"""``lrbench recommend`` on tiny trained models."""

import re

import numpy as np
import polars as pl
import pytest
from desk import Desk

from lrbench.store.layout import Results
from lrbench.store.suites import find_suite_record
from lrbench.store.trials import read_ranks, read_record

SUITE = """
name = "tiny"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1, 2]
[training]
max_epochs = 1
[[models]]
label = "SASRec"
model = "sasrec"
params = { width = 8, inner_width = 8 }
[[models]]
label = "ERL"
model = "erl"
params = { width = 8, inner_width = 8 }
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.run("run", desk.suite(SUITE), "--workers", "2")
    desk.keep_results()
    return desk


def test_lists_put_targets_at_the_places_of_their_stored_ranks(desk: Desk) -> None:
    done = desk.run("recommend", "tiny", "--only", "ERL", "--top", "5", "--output", "lists.parquet")
    results = Results(desk.folder / "results")
    cells = [cell for cell in find_suite_record(results, "tiny").trials if cell.label == "ERL"]
    lists = pl.read_parquet(desk.folder / "lists.parquet")
    assert lists.columns == ["label", "dataset", "seed", "user", "target", "depth", "place", "item", "score"]
    shares = []
    for cell in cells:
        depth = read_record(results.trial(cell.trial)).depth
        stored = read_ranks(results.trial(cell.trial)).filter(split="test", draw=0, depth=depth).collect()
        suffix = "_masked" if read_record(results.trial(cell.trial)).protocol.mask_seen else ""
        own = lists.filter(seed=cell.seed)
        assert own["depth"].unique().to_list() == [depth]
        assert own.group_by("user").len()["len"].unique().to_list() == [5]
        hits = own.filter(pl.col("item") == pl.col("target")).join(stored, on=["user", "target"])
        assert (hits["place"] == hits[f"rank{suffix}"]).all()
        assert len(hits) == (stored[f"rank{suffix}"] <= 5).sum() > 0
        shares.append(len(hits) / len(stored))
    assert done.stdout.startswith("ERL on walks, mean over 2 seeds (1, 2): test, lists of 5\n")
    mean, spread = re.findall(r"\d\.\d{4}", done.stdout.splitlines()[-1])[:2]
    assert float(mean) == pytest.approx(np.mean(shares), abs=6e-5)
    assert float(spread) == pytest.approx(np.std(shares, ddof=1), abs=6e-5)


def test_depths_stand_side_by_side(desk: Desk) -> None:
    done = desk.run("recommend", "tiny", "--depth", "0-1", "--split", "valid", "--output", "lists.csv")
    assert "SASRec on walks: sasrec takes no reasoning steps, so it has only depth 0." in done.stderr
    lists = pl.read_csv(desk.folder / "lists.csv")
    assert lists.select("label", "seed", "depth").unique().sort("label", "seed", "depth").rows() == [
        ("ERL", 1, 0),
        ("ERL", 1, 1),
        ("ERL", 2, 0),
        ("ERL", 2, 1),
        ("SASRec", 1, 0),
        ("SASRec", 2, 0),
    ]
    of_erl = done.stdout[done.stdout.index("ERL on walks") :].splitlines()
    assert re.split(r" {2,}", of_erl[1].strip()) == ["depth", "hit rate", "coverage", "popularity", "overlap"]
    assert of_erl[2].endswith("1.0000 ± 0.0000")
    assert 0 < float(of_erl[3].split()[-3]) <= 1


def test_one_trial_has_no_columns_of_the_suite(desk: Desk) -> None:
    desk.run("recommend", "walks-loo-20-erl-s1", "--output", "one.csv")
    assert pl.read_csv(desk.folder / "one.csv").columns[:2] == ["user", "target"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny", "--output", "lists.pdf"), "lists.pdf is no CSV or Parquet file."),
        (("tiny", "--top", "999"), "--top 999 is more than the 40 items of walks. Give at most 40."),
        (("tiny", "--only", "ELR"), '"ELR" matches no row. Did you mean "ERL"?'),
    ],
)
def test_what_cannot_be_listed_is_refused(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    refused = desk.run("recommend", *arguments, code=2)
    assert message in " ".join(refused.stderr.split())
    assert refused.stdout == ""
    assert not (desk.folder / "lists.pdf").exists()


@pytest.mark.parametrize("verb", ["recommend", "evaluate"])
def test_no_data_is_fetched_for_an_archive_without_weights(desk: Desk, verb: str) -> None:
    if not (desk.folder / "other").exists():
        desk.run("export", "tiny", "--archive", "brief.zip")
        desk.run("import", "brief.zip", "--results", "other")
    refused = desk.run(verb, "tiny", "--results", "other", "--data-dir", "empty", code=1)
    said = " ".join(refused.stderr.split())
    assert "weights.safetensors is missing. If the trial was imported" in said
    assert not (desk.folder / "empty").exists()
