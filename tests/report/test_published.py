"""Published numbers are shown beside numbers that they can be compared with, and beside no others."""

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.config.protocol import PROTOCOLS
from lrbench.config.suite import read_suite_file
from lrbench.data.catalogue_files import load_catalogue
from lrbench.errors import RequestError
from lrbench.execution.rows import resolve_rows
from lrbench.metrics import metric_function
from lrbench.registry import MODELS
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats.markdown import Markdown
from lrbench.report.formats.terminal import Terminal
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.published import Publication, published_values, read_published, shipped_numbers
from lrbench.report.report import PublishedSource, PublishedValue, Report
from lrbench.resources import find_suite
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results


def publication(**changes: object) -> Publication:
    usual = {
        "dataset": "sample",
        "protocol": "loo-20",
        "masked": False,
        "models": ["sasrec", "sasrec-original"],
        "metrics": {"ndcg@10": 0.2},
        "source": "Someone",
        "differs": "longer histories",
    }
    return Publication.model_validate(usual | changes)


@pytest.fixture
def measured(tmp_path: Path) -> list[Measured]:
    rows = (Made("Popularity", 0.0, "popularity", deterministic=True), Made("SASRec", 1.0))
    suite = make_suite(tmp_path, rows, proposed=())
    trials, _ = finished_trials(suite, Results(tmp_path))
    return measure(trials, suite.datasets, suite.labels, ("ndcg@10",), masked=False)


def test_a_value_stands_beside_the_label_of_its_model(measured: list[Measured]) -> None:
    (value,) = published_values(measured, [publication()])
    own = measured[1].metrics["ndcg@10"]
    assert (value.label, value.metric, value.published) == ("SASRec", "ndcg@10", 0.2)
    assert (value.mean, value.sd, value.n_seeds) == (own.mean, own.seed_sd, 3)
    assert value.relative == pytest.approx(own.mean / 0.2 - 1)


def test_ranks_treat_the_history_as_the_publication_does(measured: list[Measured]) -> None:
    kept, left_out = published_values(measured, [publication(), publication(masked=True)])
    assert left_out.mean > kept.mean


@pytest.mark.parametrize(
    "changes",
    [{"dataset": "ml-1m"}, {"protocol": "loo-50"}, {"models": ["lares"]}, {"params": {"loss": "x"}}],
)
def test_another_dataset_protocol_model_or_option_is_not_compared(
    measured: list[Measured], changes: dict[str, object]
) -> None:
    assert not list(published_values(measured, [publication(**changes)]))


def test_protocols_that_differ_in_the_mask_or_in_the_choice_of_epoch_share_their_entries() -> None:
    kept, left_out = PROTOCOLS["loo-50"], PROTOCOLS["loo-50-masked"]
    assert kept.ranks_alike(left_out)
    assert kept.ranks_alike(PROTOCOLS["loo-50-masked-recall"])
    assert not kept.ranks_alike(PROTOCOLS["loo-20"])
    assert not left_out.ranks_alike(PROTOCOLS["loo-200"])


@pytest.mark.parametrize(
    ("mean", "reproduced"), [(0.1945, True), (0.2059, True), (0.193, False), (0.207, False)]
)
def test_three_percent_counts_as_reproduced(mean: float, reproduced: bool) -> None:
    value = PublishedValue("d", "l", "ndcg@10", False, 0.2, mean, 0.0, 1, "Someone", "nothing")
    assert value.reproduced is reproduced


def test_the_table_names_source_and_difference(report: Report) -> None:
    value = PublishedValue("sample", "SASRec", "recall@10", True, 0.1, 0.12, 0.01, 3, "Someone", "more items")
    text = Markdown().render(replace(report, published=(value,)))
    assert "| SASRec | Recall@10 |" in " ".join(text.split())
    assert "+20.0" in text
    assert "SASRec on sample, what differs in Someone: more items." in text
    source = PublishedSource("Someone", "A title", 2020, "Table 7", "https://doi.org/10.1/x")
    text = Terminal(120, styled=False).render(
        replace(report, published=(value,), published_sources=(source,))
    )
    assert "Someone: “A title”, 2020, Table 7: https://doi.org/10.1/x" in " ".join(text.split())
    low, high = value.predicted
    assert f"[{low:.4f}, {high:.4f}]" in text.replace("\\", "")


OWN = """
[sources."Me 2026"]
title = "My paper"
year = 2026
table = "Table 1"
link = "10.1145/1.2"

[[value]]
dataset = "sample"
protocol = "loo-20"
masked = false
models = ["sasrec"]
metrics = { "ndcg@10" = 0.15 }
source = "Me 2026"
differs = "nothing"
"""


def test_a_file_of_the_users_own_is_printed_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    numbers = read_published(tmp_path / "own.toml")
    assert numbers.value[:-1] == shipped_numbers().value
    suite = make_suite(tmp_path, (Made("SASRec", 1.0),), proposed=())
    report = build_report(suite, Results(tmp_path), ReportOptions(published=numbers))
    (value,) = report.published
    assert (value.published, value.source) == (0.15, "Me 2026")
    assert report.published_sources == (
        PublishedSource("Me 2026", "My paper", 2026, "Table 1", "https://doi.org/10.1145/1.2"),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"loo-20"', '"loo-21"', 'value 1: There is no protocol "loo-21". Did you mean "loo-20"?'),
        ('"ndcg@10"', '"hit@10"', "value 1: "),
        ("0.15", "15.0", "value 1: ndcg@10 = 15.0 is not between 0 and 1. Write 0.0523 for 5.23 %."),
        ('source = "Me 2026"', 'source = "Me 2025"', 'no source "Me 2025". .* Did you mean "Me 2026"?'),
        ('"Me 2026"]', '"ReaRec 2025"]', 'lrbench has another source "ReaRec 2025"'),
        ("10.1145/1.2", "my shelf", "link"),
        ("masked", "maskd", '"masked" is missing'),
        ("[[value]]", "[[values]]", "values"),
        ("2026\ntable", '"2026"\ntable', "year"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "own.toml").write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RequestError, match=message) as caught:
        read_published(tmp_path / "own.toml")
    assert "own.toml" in str(caught.value)
    assert "\n" not in caught.value.cause


def test_every_shipped_number_names_a_source_that_is_printed_in_full() -> None:
    numbers = shipped_numbers()
    assert {entry.source for entry in numbers.value} == set(numbers.sources)
    assert all(source.link.startswith("https://") for source in numbers.sources.values())


def test_what_ships_names_datasets_protocols_models_and_metrics_that_exist() -> None:
    datasets = load_catalogue().datasets
    for entry in shipped_numbers().value:
        assert entry.dataset in datasets
        assert entry.protocol in PROTOCOLS
        for model in entry.models:
            assert set(entry.params) <= set(MODELS.load(model).Config.model_fields), entry
        for metric in entry.metrics:
            metric_function(metric)


@pytest.mark.parametrize("name", ["published-lares", "published-rearec", "published-mancar"])
def test_a_suite_of_a_publication_has_rows_for_its_numbers(name: str) -> None:
    """Every dataset but those without a published row has a number for each proposed row."""
    suite = read_suite_file(find_suite(name))
    aside = {"amazon-2023-baby-products"} if name == "published-lares" else set()
    found = set()
    for row in resolve_rows(suite):
        for dataset in suite.datasets:
            protocol = row.protocol.of(dataset)
            for entry in shipped_numbers().value:
                if (
                    entry.dataset == dataset
                    and row.model_name in entry.models
                    and protocol.ranks_alike(PROTOCOLS[entry.protocol].of(dataset))
                    and all(row.params[option] == value for option, value in entry.params.items())
                ):
                    found.add((row.label, dataset))
    assert {dataset for _, dataset in found} == set(suite.datasets) - aside
    assert set(suite.comparison.proposed) <= {label for label, _ in found}
    assert {"SASRec"} <= {label for label, _ in found}


@pytest.mark.parametrize(
    ("dataset", "model", "source", "metric", "value"),
    [
        ("amazon-2023-musical-instruments", "lares", "RecBole 3.0", "recall@10", 0.0610),
        ("amazon-2023-video-games", "duorec", "LARES 2025, transcribed", "ndcg@10", 0.0477),
        ("amazon-2023-cds-and-vinyl", "erl", "ReaRec 2025", "ndcg@20", 0.0212),
        ("amazon-2023-cds-and-vinyl", "mancar", "ManCAR 2026", "ndcg@10", 0.0282),
        ("amazon-2023-cds-and-vinyl", "mancar", "ManCAR 2026", "ndcg@10", 0.0182),
        ("amazon-2023-musical-instruments", "prl", "ManCAR 2026", "recall@10", 0.0225),
    ],
)
def test_figures_are_those_of_the_publication(
    dataset: str, model: str, source: str, metric: str, value: float
) -> None:
    entries = [
        entry
        for entry in shipped_numbers().value
        if (entry.dataset, entry.source) == (dataset, source) and model in entry.models
    ]
    assert value in [entry.metrics.get(metric) for entry in entries]
