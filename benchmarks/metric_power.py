"""Compare metrics: which of them tells the rows of a suite apart, and what would each have decided?

Two figures judge a metric, as in Sakai (2006). It should find many pairs of different rows different, and
few halves of one row's runs. The script also counts what the declared families show if the metric is the
primary one.

Choose the primary metric on such a page of *other* data. If a metric is chosen after its tests have been
seen, the tests are exploratory.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from lrbench.errors import LrbenchError, RequestError
from lrbench.report.comparisons import declared_comparisons
from lrbench.report.findings import ALPHA, Comparison, Verdict
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.loaded import load
from lrbench.report.pairs import Pair
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord

METRICS = (
    "recall@5", "recall@10", "recall@20", "recall@50", "recall@100",
    "ndcg@5", "ndcg@10", "ndcg@20", "ndcg@50", "ndcg@100", "mrr",
)  # fmt: skip
HALVINGS = 40
"""How often the runs of a row are halved at random."""

FAMILIES = ("systems", "reasoning")

COLUMNS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "ndcg@50", "ndcg@100", "mrr")
"""Metrics by which rows are compared with their own network without steps."""


def main() -> None:
    """Read the ranks of suites and print a page. A wrong request ends with a sentence and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", metavar="RESULTS=SUITE", help="folder of results and suite")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    parts = [PREFACE]
    try:
        for named in options.suites:
            parts += _sections(named, options.seed)
    except LrbenchError as error:
        parser.error(str(error))
    print("\n\n".join(parts))


PREFACE = f"""# Metrics compared

`python benchmarks/metric_power.py RESULTS=SUITE …` made this page from stored ranks. Every test is the
crossed test.

| column | meaning |
|:--|:--|
| p ≤ .05, p ≤ .001 | share of the pairs of different rows with such a p-value, not corrected |
| one row halved | share of random halves of one row's runs with p ≤ .05; {HALVINGS} halvings a row. \
At most 5 % are right |
| systems, reasoning | comparisons of the declared families with p ≤ .05 after Holm, better + worse, \
if this metric were the primary one |

Rows that repeat another row's ranks are counted once. The suites declared another primary metric, so the last
two columns are exploratory. The pairs share rows, so the shares are not independent."""


def _sections(named: str, seed: int) -> list[str]:
    """Return a section for each dataset of a suite that is named as ``RESULTS=SUITE``."""
    folder, equals, name = named.rpartition("=")
    if not equals:
        raise RequestError(f'"{named}" names no suite in a folder.', "Write RESULTS=SUITE: results=audit")
    suite = load(folder, name).suite
    measured = _complete_rows(suite, Results(Path(folder)))
    return [
        _section(
            suite, dataset, [row for row in measured if row.dataset == dataset], np.random.default_rng(seed)
        )
        for dataset in dict.fromkeys(row.dataset for row in measured)
    ]


def _complete_rows(suite: SuiteRecord, results: Results) -> list[Measured]:
    """Measure the rows that have all their runs, at least six: a half is tested with three or more.

    Raises:
        RequestError: there is no such row.
    """
    finished, _ = finished_trials(suite, results)
    measured = measure(finished, suite.datasets, suite.labels, METRICS, suite.protocol.mask_seen)
    complete = [row for row in measured if 6 <= len(row.trials) == len(suite.seeds_for(row.dataset))]
    if not complete:
        raise RequestError(f"No row of {suite.name} has six runs or more.", "Train more seeds.")
    return complete


def _section(
    suite: SuiteRecord, dataset: str, rows: Sequence[Measured], generator: np.random.Generator
) -> str:
    different = list({row.fingerprint: row for row in rows}.values())
    families = {
        metric: declared_comparisons(rows, suite.model_copy(update={"primary_metric": metric}))
        for metric in METRICS
    }
    power = [
        [metric, *_shares(different, metric, generator), *_shown(families[metric])] for metric in METRICS
    ]
    n_pairs = len(different) * (len(different) - 1) // 2
    counts = f"{len(different)} rows, {n_pairs:,} pairs, {different[0].metrics[METRICS[0]].users:,} users."
    return "\n\n".join(
        [
            f"## {suite.name}: {dataset}",
            counts,
            _table(["metric", "p ≤ .05", "p ≤ .001", "one row halved", *FAMILIES], power),
            "Each row against its own network without steps: the difference, and in brackets p after Holm.",
            _table(["row", *COLUMNS], list(_without_steps(suite, families))),
        ]
    )


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return tabulate(lines, headers=heading, tablefmt="pipe", disable_numparse=True)


def _shares(rows: Sequence[Measured], metric: str, generator: np.random.Generator) -> list[str]:
    pairs = np.array([Pair(*pair).contrast(metric).p for pair in itertools.combinations(rows, 2)])
    halves = np.array(list(_halved([row.metrics[metric] for row in rows], generator)))
    return [f"{100 * np.mean(found):.1f} %" for found in (pairs <= ALPHA, pairs <= 0.001, halves <= ALPHA)]


def _halved(rows: Sequence[UserMetrics], generator: np.random.Generator) -> Iterator[float]:
    for row in rows:
        for _ in range(HALVINGS):
            order, half = generator.permutation(row.seeds), row.seeds // 2
            yield crossed(UserMetrics(row.values[order[:half]]), UserMetrics(row.values[order[half:]])).p


def _shown(comparisons: Sequence[Comparison]) -> list[str]:
    verdicts = Counter((comparison.family, comparison.verdict) for comparison in comparisons)
    return [f"{verdicts[name, Verdict.BETTER]} + {verdicts[name, Verdict.WORSE]}" for name in FAMILIES]


def _without_steps(suite: SuiteRecord, families: Mapping[str, Sequence[Comparison]]) -> Iterator[list[str]]:
    """Yield each row's differences from the network without steps, by metric."""
    cells = {
        (comparison.proposed, metric): _signed(comparison)
        for metric in COLUMNS
        for comparison in families[metric]
        if (own := suite.controls.get(comparison.baseline)) and own.control == "no-reasoning"
    }
    for row in suite.proposed:
        if (row, COLUMNS[0]) in cells:
            yield [row, *(cells[row, metric] for metric in COLUMNS)]


def _signed(comparison: Comparison) -> str:
    p = "< .001" if comparison.p_adjusted < 0.0005 else f"{comparison.p_adjusted:.3f}"
    return f"{comparison.contrast.difference:+.4f} ({p})".replace("0.", ".").replace("-", "−")


if __name__ == "__main__":
    main()
