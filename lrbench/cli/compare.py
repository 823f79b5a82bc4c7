"""``lrbench compare``: compare rows of a suite that nobody declared to compare before the runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lrbench.cli.options import Masked, ResultsDir, parse_list, parse_name

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
    masked: Masked = None,
    results: ResultsDir = Path("results"),
) -> None:
    """Compare rows of a suite after the runs: difference, 95 % interval and verdict by dataset.

    Such a comparison is descriptive, since it was not declared before the runs.
    """
    from lrbench.cli.console import message_console, result_console, say
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.report.loaded import LoadedSuite, select_labels
    from lrbench.store.layout import Results
    from lrbench.wording import listed

    layout = Results(results)
    loaded = LoadedSuite(recorded_suite(layout, suite), layout)
    frame = loaded.compare(labels[0], *labels[1:], metrics=parse_list(metrics, "--metrics"), masked=masked)
    compared = set(frame["baseline"])
    lacking = [label for label in select_labels(loaded.suite, labels[1:]) if label not in compared]
    if lacking:
        say(message_console(), f"Left out, as no trial is finished: {listed(lacking)}.")
    console = result_console()
    for line in frame.iter_rows(named=True):
        say(console, _sentence(line))
    say(
        message_console(),
        "These comparisons are descriptive: they were not declared before the runs. "
        "The p-values are corrected over these lines (Benjamini and Hochberg).",
    )


def _sentence(line: dict[str, Any]) -> str:
    from lrbench.report.numbers import interval, metric_title, p_value, percent, plain, signed

    p = p_value(line["p_bh"])
    means = f"{plain(line['proposed_mean'])} against {plain(line['baseline_mean'])}"
    difference = f"{signed(line['difference'])} {interval(line['ci_low'], line['ci_high'])}".strip()
    test = f"p {p if p.startswith('<') else f'= {p}'}: {line['verdict']}"
    return (
        f"{line['dataset']}, {metric_title(line['metric'])}: {line['proposed']} against {line['baseline']}: "
        f"{means}, {difference} ({percent(line['relative'])} %), "
        f"{line['verdict'] + ', ' + line['reason'] if line['reason'] else test}."
    )
