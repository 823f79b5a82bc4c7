"""``lrbench evaluate`` over all seeds of a suite's rows, on tiny trained models."""

import json
import re
import shutil

import polars as pl
import pytest
from desk import Desk

from lrbench.store.layout import Results
from lrbench.store.mean_metrics import mean_metrics
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
[[models]]
label = "PRL without steps"
model = "prl"
params = { width = 8, inner_width = 8, steps = 0 }
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.run("run", desk.suite(SUITE), "--workers", "2")
    desk.keep_results()
    return desk


def test_a_row_shows_means_over_its_seeds(desk: Desk) -> None:
    """At the reported depth, the printed means are those of the stored ranks."""
    results = Results(desk.folder / "results")
    cells = [cell for cell in find_suite_record(results, "tiny").trials if cell.label == "ERL"]
    records = [read_record(results.trial(cell.trial)) for cell in cells]
    depth = str(records[0].depth)
    done = desk.run("evaluate", "tiny", "--only", "ERL", "--depth", f"0,{depth}", "--interventions", "zero")
    assert "ERL on walks, mean over 2 seeds (1, 2)" in done.stdout
    assert "SASRec" not in done.stdout
    ranks = [read_ranks(results.trial(cell.trial)).filter(split="test").collect() for cell in cells]
    means = [mean_metrics(rows, record.protocol) for rows, record in zip(ranks, records, strict=True)]
    for metric_place, metric in enumerate(records[0].protocol.metrics):
        expected = sum(mean["test"][depth][metric] for mean in means) / 2
        (row,) = re.findall(rf"^test +{depth} +(.*)$", done.stdout, re.MULTILINE)
        assert float(row.split()[metric_place]) == pytest.approx(expected, abs=6e-5)
        (own,) = re.findall(r"^none +(.*)$", done.stdout, re.MULTILINE)
        assert float(own.split()[metric_place]) == pytest.approx(expected, abs=6e-5)
    assert re.search(r"^zero ", done.stdout, re.MULTILINE)


def test_all_rows_are_evaluated_and_their_ranks_named(desk: Desk) -> None:
    done = desk.run("evaluate", "tiny", "--depth", "1", "--output", "all.parquet")
    assert "SASRec on walks: sasrec takes no reasoning steps, so it has only depth 0." in done.stderr
    assert "PRL without steps on walks: prl takes no reasoning steps, so it has only depth 0." in done.stderr
    ranks = pl.read_parquet(desk.folder / "all.parquet")
    found = ranks.select("label", "dataset", "seed", "depth").unique().sort("label", "seed").rows()
    assert found == [
        ("ERL", "walks", 1, 1),
        ("ERL", "walks", 2, 1),
        ("PRL without steps", "walks", 1, 0),
        ("PRL without steps", "walks", 2, 0),
        ("SASRec", "walks", 1, 0),
        ("SASRec", "walks", 2, 0),
    ]


def test_seeds_that_are_not_finished_are_left_out_and_told(desk: Desk) -> None:
    folder = desk.copy_of_results("half")
    (trial,) = (folder / "trials").glob("*sasrec-s2*")
    trial.rename(folder / "gone")
    done = desk.run("evaluate", "tiny", "--only", "SASRec", "--results", "half")
    assert "SASRec on walks, seed 1: 1 seed left out, as no trial is finished." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tin",), 'There is no trial and no suite "tin" in results. Did you mean "tiny"?'),
        (("x",), "Suites there: tiny. See the trials: lrbench list trials"),
        (("tiny", "--only", "ELR"), '"ELR" matches no row. Did you mean "ERL"?'),
        (("tiny", "--only", "SASRec", "--interventions", "zero"), "and there is none in sasrec."),
        (("walks-loo-20-erl-s1", "--only", "ERL"), "suite"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    refused = desk.run("evaluate", *arguments, code=2)
    assert message in " ".join(refused.stderr.split())
    assert refused.stdout == ""


def test_one_trial_is_evaluated_as_before(desk: Desk) -> None:
    done = desk.run("evaluate", "walks-loo-20-erl-s1", "--depth", "0-1")
    assert done.stdout.splitlines()[0].startswith("walks-loo-20-erl-s1")
    assert len(re.findall(r"^(?:valid|test) +[01] ", done.stdout, re.MULTILINE)) == 4


def test_reports_show_what_was_evaluated(desk: Desk) -> None:
    folder = desk.copy_of_results("deeper")
    before = {path: path.read_bytes() for path in (folder / "trials").rglob("*.*")}
    desk.run(
        "evaluate", "tiny", "--only", "ERL", "--depth", "9", "--interventions", "zero", "--results", "deeper"
    )
    report = json.loads(desk.run("report", "tiny", "--format", "json", "--results", "deeper").stdout)
    later = [point["depth"] for point in report["depths"] if point["evaluated_later"]]
    assert later == [9]
    assert [loss["intervention"] for loss in report["interventions"][0]["losses"]] == ["zero"]
    text = " ".join(desk.run("report", "tiny", "--full", "--results", "deeper").stdout.split())
    assert "Depths that lrbench evaluate ranked after the runs: ERL on walks 9." in text
    assert {path: path.read_bytes() for path in before} == before


def test_weights_of_another_seed_are_not_ranked(desk: Desk) -> None:
    """They have the same shapes; their ranks would be kept as those of the trial."""
    results = desk.copy_of_results("exchanged")
    cells = [cell for cell in find_suite_record(Results(results), "tiny").trials if cell.label == "ERL"]
    first, second = (Results(results).trial(cell.trial) / "weights.safetensors" for cell in cells)
    shutil.copyfile(second, first)
    told = desk.run("evaluate", first.parent.name, "--depth", "1", "--results", str(results), code=1)
    assert "weights.safetensors was changed after the trial wrote it" in told.stderr
    assert not Results(results).evaluation(first.parent.name).exists()
