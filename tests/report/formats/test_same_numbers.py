"""All formats show the same report; what follows the contract of JSON is checked there."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from lrbench.errors import RequestError
from lrbench.report.formats import FORMATS
from lrbench.report.report import Report

ROW_KEYS = {
    "dataset",
    "label",
    "metric",
    "mean",
    "sd",
    "n_seeds",
    "n_users",
    "rank",
    "best",
    "second",
    "ties_with_best",
}
COMPARISON_KEYS = {
    "dataset",
    "metric",
    "proposed",
    "baseline",
    "difference",
    "relative",
    "ci_low",
    "ci_high",
    "t",
    "df",
    "p",
    "p_holm",
    "test",
    "family_size",
    "effect_size",
    "minimum_detectable",
    "verdict",
}


@pytest.fixture(scope="module")
def texts(report: Report, html_page: str) -> dict[str, str]:
    """The report in every format."""
    others = [name for name in FORMATS.names() if name != "html"]
    return {"html": html_page, **{name: FORMATS.load(name)().render(report) for name in others}}


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(part)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "html"])
def test_every_mean_and_spread_is_shown(report: Report, texts: dict[str, str], name: str) -> None:
    text = texts[name]
    for row in report.rows:
        assert f"{row.mean:.4f}" in text
        if row.n_seeds > 1:
            assert f"{row.sd:.4f}" in text


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "html"])
def test_every_caption_warning_and_verdict_is_shown(report: Report, texts: dict[str, str], name: str) -> None:
    text = " ".join(texts[name].replace("\n% ", " ").split())
    assert ("Holm over 6 comparisons" if name == "latex" else "after Holm over the 6 testable of 6") in text
    for warning in report.warnings:
        assert warning.cause.split(":")[0] in text
    assert text.count("better") >= sum(c.verdict == "better" for c in report.comparisons)


@pytest.mark.parametrize("name", FORMATS.names())
def test_text_ends_in_one_newline(texts: dict[str, str], name: str) -> None:
    assert texts[name].endswith("\n")
    assert not texts[name].endswith("\n\n")


def test_unknown_format() -> None:
    with pytest.raises(RequestError, match=r'no format "latx"\. Did you mean "latex"\?'):
        FORMATS.load("latx")


def test_json_contract(report: Report, texts: dict[str, str]) -> None:
    content = json.loads(texts["json"])
    assert (content["suite"], content["protocol"], content["primary_metric"]) == ("demo", "loo-20", "ndcg@10")
    assert all(row.keys() >= ROW_KEYS for row in content["rows"])
    assert all(comparison.keys() >= COMPARISON_KEYS for comparison in content["comparisons"])
    assert len(content["rows"]) == len(report.rows)
    assert all(math.isfinite(number) for number in numbers_in(content))


def test_json_is_unrounded(report: Report, texts: dict[str, str]) -> None:
    content = json.loads(texts["json"])
    assert content["rows"][7] == asdict(report.rows[7])
    comparison, contrast = content["comparisons"][1], report.comparisons[1].contrast
    assert comparison["difference"] == contrast.difference
    assert (comparison["ci_low"], comparison["ci_high"]) == contrast.interval()
    assert (comparison["t"], comparison["df"], comparison["p"]) == (contrast.t, contrast.df, contrast.p)
    assert comparison["p_holm"] == report.comparisons[1].p_adjusted
    assert comparison["checks"]["p_seeds_exact"] is None
    assert [cost["flops_per_user"] for cost in content["costs"]][:2] == [None, report.costs[1].flops_per_user]
    assert "p_bh" in content["descriptive"][0]
    assert "p_holm" not in content["descriptive"][0]


def test_csv_has_one_line_per_row_with_its_comparison_and_cost(report: Report, texts: dict[str, str]) -> None:
    lines = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [float(line["mean"]) for line in lines] == [row.mean for row in report.rows]
    line = next(x for x in lines if (x["label"], x["metric"]) == ("SASRec", "ndcg@10"))
    comparison = next(c for c in report.comparisons if c.baseline == "SASRec")
    assert float(line["difference:LARES"]) == comparison.contrast.difference
    assert line["verdict:LARES"] == "better"
    assert (line["parameters"], line["optimiser_steps"], line["stages"]) == ("123456", "340.0", "supervised")
    assert {x["difference:LARES"] for x in lines if x["metric"] != "ndcg@10"} == {""}
    best = [x["label"] for x in lines if x["best"] == "true" and x["metric"] == "ndcg@10"]
    assert best == ["LARES", "LARES"]
