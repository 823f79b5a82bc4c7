"""Published numbers stand beside those that they can be compared with, and beside no others."""

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.config.protocol import PROTOCOLS
from lrbench.config.suite import read_suite_file
from lrbench.data.catalogue_files import load_catalogue
from lrbench.execution.rows import resolve_rows
from lrbench.metrics import metric_function
from lrbench.registry import MODELS
from lrbench.report.formats.markdown import Markdown
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.published import Publication, load_publications, published_values
from lrbench.report.report import PublishedValue, Report
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
    assert "SASRec on sample, Someone: there more items." in text
    low, high = value.predicted
    assert f"[{low:.4f}, {high:.4f}]" in text.replace("\\", "")


def test_what_ships_names_datasets_protocols_models_and_metrics_that_exist() -> None:
    datasets = load_catalogue().datasets
    for entry in load_publications():
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
            for entry in load_publications():
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
        ("amazon-2023-musical-instruments", "lares", "port", "recall@10", 0.0610),
        ("amazon-2023-video-games", "duorec", "LARES, as transcribed by others", "ndcg@10", 0.0477),
        ("amazon-2023-cds-and-vinyl", "erl", "RR", "ndcg@20", 0.0212),
        ("amazon-2023-cds-and-vinyl", "mancar", "MC", "ndcg@10", 0.0282),
        ("amazon-2023-musical-instruments", "prl", "MC", "recall@10", 0.0225),
    ],
)
def test_figures_are_those_of_the_publication(
    dataset: str, model: str, source: str, metric: str, value: float
) -> None:
    entries = [
        entry
        for entry in load_publications()
        if (entry.dataset, entry.source) == (dataset, source) and model in entry.models
    ]
    assert value in [entry.metrics.get(metric) for entry in entries]
