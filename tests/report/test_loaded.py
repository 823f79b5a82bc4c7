"""Results in Python: the frames agree with the report, and a session as in a notebook works."""

import math
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from synthetic_results import USERS

import lrbench
from lrbench.errors import RequestError
from lrbench.report.choices import Choices
from lrbench.report.layout import Layout
from lrbench.report.loaded import LoadedSuite
from lrbench.report.numbers import MetricStyle
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord


@pytest.fixture(scope="module")
def loaded(suite: SuiteRecord, root: Path) -> LoadedSuite:
    found = lrbench.load(root, "demo")
    assert isinstance(found, LoadedSuite)
    return found


def test_metrics_average_to_the_rows_of_the_report(loaded: LoadedSuite, report: Report) -> None:
    means = loaded.metrics("ndcg@10").group_by("label", "dataset").agg(pl.col("value").mean())
    for row in report.rows:
        if row.metric == "ndcg@10":
            found = means.filter(label=row.label, dataset=row.dataset)["value"].item()
            assert found == pytest.approx(row.mean)
    masked = loaded.metrics("ndcg@10", masked=True)
    assert masked["value"].sum() > loaded.metrics("ndcg@10")["value"].sum()
    assert set(loaded.metrics()["metric"]) == set(report.metrics)


def test_one_row_per_trial(loaded: LoadedSuite, suite: SuiteRecord) -> None:
    assert loaded.trials["trial"].to_list() == [cell.trial for cell in suite.trials]
    assert loaded.trials.columns[:4] == ["label", "dataset", "seed", "trial"]
    assert set(loaded.trials["version:torch"]) == {"2.13.0"}
    assert Path(loaded.trials["folder"][0]).is_dir()


def test_ranks_and_histories_carry_their_row(loaded: LoadedSuite, suite: SuiteRecord) -> None:
    ranks = loaded.ranks.filter(label="LARES", dataset="sample", seed=1, split="test", depth=4).collect()
    assert len(ranks) == 400
    history = loaded.history
    assert history.columns[:3] == ["label", "dataset", "seed"]
    assert (
        history.filter(label="LARES", dataset="sample", seed=2)["stage"].to_list()
        == ["spt"] * 8 + ["rpt"] * 4
    )
    assert history["loss"].null_count() == 0


def test_comparisons_are_those_of_the_report(loaded: LoadedSuite, report: Report) -> None:
    frame = loaded.compare("LARES", "SASRec")
    assert frame["dataset"].to_list() == ["sample", "amazon-2014-beauty"]
    for line in frame.iter_rows(named=True):
        declared = next(
            c for c in report.comparisons if (c.dataset, c.baseline) == (line["dataset"], "SASRec")
        )
        assert line["difference"] == declared.contrast.difference
        assert (line["ci_low"], line["ci_high"]) == declared.contrast.interval()
    assert len(loaded.compare("SASRec", metrics=["ndcg@10", "recall@5"])) == 2 * 2 * 3
    both, one = (loaded.compare("SASRec", datasets=names) for names in ((), ["amazon-*"]))
    assert one.select("baseline", "difference", "p").equals(
        both.filter(dataset="amazon-2014-beauty").select("baseline", "difference", "p")
    )


def test_reports_and_figures(loaded: LoadedSuite, tmp_path: Path) -> None:
    assert loaded.report("markdown").startswith("## demo")
    chosen = loaded.report("json", choices=Choices(only=("LARES",)))
    assert '"label": "SASRec"' not in chosen
    picture = loaded.plot("depth", width="column")
    assert str(picture._repr_svg_()).startswith("<?xml")
    assert picture._repr_png_() is None
    picture.save(tmp_path / "deep" / "depth.svg")
    assert (tmp_path / "deep" / "depth.svg").read_bytes() == picture.content
    assert "<table" in loaded._repr_html_()


def test_a_prompt_shows_a_line_not_everything(loaded: LoadedSuite, suite: SuiteRecord) -> None:
    """A figure alone has tens of thousands of characters."""
    assert repr(loaded) == f"<suite demo: {len(suite.labels)} rows, sample, amazon-2014-beauty>"
    assert repr(loaded.plot("depth")) == "Picture(kind='svg')"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda suite: suite.compare("LARS"), 'no label "LARS". Did you mean "LARES"'),
        (lambda suite: suite.metrics("ndgc@10"), "Unknown metric"),
        (lambda suite: suite.report("latx"), 'Did you mean "latex"'),
        (lambda suite: suite.plot("dept"), 'Did you mean "depth"'),
        (lambda suite: suite.metrics(["ndcg@10"]), "['ndcg@10'] is no name of a metric"),
        (lambda suite: suite.compare("LARES", metrics="ndcg@10"), 'Write metrics=["ndcg@10"].'),
        (lambda suite: suite.compare("LARES", datasets="sample"), 'Write datasets=["sample"].'),
        (lambda suite: suite.compare("LARES", datasets=["smaple"]), 'Did you mean "sample"'),
        (lambda suite: suite.report(metrics="ndcg@10"), 'Write metrics=["ndcg@10"].'),
        (lambda suite: suite.report(choices=Choices(only="LARES")), 'Write only=["LARES"].'),  # type: ignore[arg-type]
        (lambda suite: suite.report(layout=Layout(tables="quality")), 'Write tables=["quality"].'),  # type: ignore[arg-type]
        (lambda suite: suite.report(layout=Layout(tables=("qualty",))), 'Did you mean "quality"'),
        (lambda suite: suite.report(layout=Layout(length="short")), "Choose from brief, usual, full"),  # type: ignore[arg-type]
        (lambda suite: suite.report(layout=Layout(spread="under")), "Choose from inline, table, none"),  # type: ignore[arg-type]
        (lambda suite: suite.report("latex", layout=Layout(width="page")), '"page" is no width'),  # type: ignore[arg-type]
        (lambda suite: suite.report("latex", layout=Layout(width=-3)), '"-3" is no width'),
        (lambda suite: suite.report(style=MetricStyle(digits=-1)), "Use 1 to 8"),
        (lambda suite: suite.plot("depth", width="page"), '"page" is no width'),
        (lambda suite: suite.plot("depth", width=0), '"0" is no width'),
        (lambda suite: suite.plot("depth", width=math.nan), '"nan" is no width'),
        (lambda suite: suite.plot("pareto", cost="money"), "Choose from flops, latency, training"),
    ],
)
def test_wrong_requests(loaded: LoadedSuite, call: object, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        call(loaded)  # type: ignore[operator]
    assert message in str(caught.value)


def test_frames_of_a_suite_without_finished_trials(loaded: LoadedSuite, tmp_path: Path) -> None:
    suite = LoadedSuite(loaded.suite, Results(tmp_path))
    assert suite.trials.is_empty()
    expected = loaded.trials.select(name for name in loaded.trials.columns if ":" not in name)
    assert suite.trials.schema == expected.schema
    for frame in (suite.history, suite.metrics()):
        assert frame.columns[:3] == ["label", "dataset", "seed"]


def test_an_unknown_suite(root: Path) -> None:
    with pytest.raises(RequestError, match='There is no suite "dem"'):
        lrbench.load(root, "dem")


def test_a_session_needs_no_torch(root: Path) -> None:
    script = (
        "import sys, lrbench\n"
        f"suite = lrbench.load({str(root)!r})\n"
        "print(suite.metrics('ndcg@10').pivot('dataset', index=['label', 'seed'], values='value'))\n"
        "print(suite.compare('LARES', 'SASRec'))\n"
        "suite._repr_html_()\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_groups_of_ones_own(loaded: LoadedSuite, root: Path, tmp_path: Path) -> None:
    table = tmp_path / "users.csv"
    rows = "".join(f"u{user},{'phone' if user % 3 else 'desk'}\n" for user in range(USERS))
    table.write_text(f"user,device\n{rows}", encoding="utf-8")
    found = lrbench.load(root, "demo", groups=table).groups
    sizes = {(line["group"], line["n_users"]) for line in found.iter_rows(named=True)}
    assert sizes == {("phone", USERS - (USERS + 2) // 3), ("desk", (USERS + 2) // 3)}
    assert set(found["trait"]) == {"device"}
    first = found.filter(group="phone").row(0, named=True)
    assert first["ci_low"] < first["difference"] < first["ci_high"]
    with pytest.raises(RequestError, match="No groups of users were given"):
        _ = loaded.groups


def test_metrics_in_percent(loaded: LoadedSuite) -> None:
    text = loaded.report("markdown", metrics=["ndcg@10"], style=MetricStyle(2, percent=True))
    assert "NDCG@10 (%)" in text
    assert "Metrics and their differences are in percent." in text
    means = loaded.metrics("ndcg@10").group_by("dataset", "label").agg(pl.col("value").mean())
    for mean in means["value"]:
        assert f"{100 * mean:.2f}" in text
