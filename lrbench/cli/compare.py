"""``lrbench compare``: compare any rows of a suite after the runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.options import Datasets, Masked, ResultsDir, parse_list, parse_name

if TYPE_CHECKING:
    from polars import DataFrame

    from lrbench.store.suites import SuiteRecord

__all__ = ["compare"]


def compare(
    suite: Annotated[str, typer.Argument(metavar="SUITE", parser=parse_name, help="A suite's name or file.")],
    labels: Annotated[
        list[str],
        typer.Argument(
            metavar="LABEL",
            help="The first row is compared with each of the others. "
            "A single row is compared with all rows of the suite.",
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="A,B",
            help="Metrics to compare, e.g. recall@10,ndcg@10. Without it: the primary metric.",
        ),
    ] = None,
    datasets: Datasets = None,
    masked: Masked = None,
    results: ResultsDir = Path("results"),
) -> None:
    """Compare rows of a suite after the runs: difference, 95 % interval and verdict by dataset.

    Such a comparison is descriptive, unless the suite declares it. The report then has its verdict.
    """
    from lrbench.cli.console import message_console, result_console, say
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.report.loaded import LoadedSuite, select_labels
    from lrbench.store.layout import Results
    from lrbench.wording import counted, listed

    layout = Results(results)
    loaded = LoadedSuite(recorded_suite(layout, suite), layout)
    frame = loaded.compare(
        labels[0],
        *labels[1:],
        metrics=parse_list(metrics, "--metrics"),
        datasets=parse_list(datasets, "--datasets"),
        masked=masked,
    )
    compared = set(frame["baseline"])
    lacking = [label for label in select_labels(loaded.suite, labels[1:]) if label not in compared]
    if lacking:
        say(message_console(), f"Left out, as no trial is finished: {listed(lacking)}.")
    console = result_console()
    for line in frame.iter_rows(named=True):
        say(console, _sentence(line))
    if interim := frame["interim"].sum():
        told = f"{interim} of {counted(len(frame), 'comparison')}"
        say(
            message_console(),
            f"Interim: rows of {told} lack seeds of the suite, so nothing is decided there.",
        )
    say(message_console(), _note(loaded.suite, frame, masked, layout.command("report", loaded.suite.name)))


def _note(suite: "SuiteRecord", frame: "DataFrame", masked: bool | None, to_report: str) -> str:
    """Say over what the p-values are corrected, and where those of declared comparisons are.

    Args:
        suite: it declares families of comparisons.
        frame: the comparisons that were made.
        masked: whether items of the history were left out of the ranks; ``None``: as the protocol says.
        to_report: the command that prints the suite's report.
    """
    from lrbench.report.families import family_labels

    corrected = "The p-values are corrected over these lines (Benjamini and Hochberg)."
    if masked not in (None, suite.protocol.mask_seen) and suite.proposed:
        other = "the suite declared its tests for the other ranking"
        return f"These comparisons are descriptive: {other}. {corrected}"
    pairs = {frozenset(pair) for family in family_labels(suite).values() for pair in family}
    declared = [
        line
        for line in frame.iter_rows(named=True)
        if line["metric"] == suite.primary_metric and frozenset((line["proposed"], line["baseline"])) in pairs
    ]
    if not declared:
        return f"These comparisons are descriptive: they were not declared before the runs. {corrected}"
    others = "" if len(declared) == len(frame) else " All others are descriptive."
    interim = sum(line["interim"] for line in declared)
    waits = f", of which {interim} {'waits' if interim == 1 else 'wait'} for runs" if interim else ""
    return (
        f"{corrected} Declared in the suite: {len(declared)} of {len(frame)}{waits}. For these cite the "
        f"verdicts of the report, which corrects over their family: {to_report}.{others}"
    )


def _sentence(line: dict[str, Any]) -> str:
    from lrbench.report.numbers import interval, metric_title, p_value, percent, plain, signed

    p = p_value(line["p_bh"])
    means = f"{plain(line['proposed_mean'])} against {plain(line['baseline_mean'])}"
    difference = f"{signed(line['difference'])} {interval(line['ci_low'], line['ci_high'])}".strip()
    interim = " (interim)" if line["interim"] else ""
    test = f"p {p if p.startswith('<') else f'= {p}'}: {line['verdict']}{interim}"
    return (
        f"{line['dataset']}, {metric_title(line['metric'])}: {line['proposed']} against {line['baseline']}: "
        f"{means}, {difference} ({percent(line['relative'])} %), "
        f"{line['verdict'] + ', ' + line['reason'] if line['reason'] else test}."
    )
