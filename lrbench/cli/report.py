"""``lrbench report``: a suite's results with their statistics, in a chosen format."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lrbench.cli import report_options as option
from lrbench.cli.options import (
    Catalog,
    DataDir,
    Datasets,
    Groups,
    Hide,
    Masked,
    Only,
    Plugins,
    Rename,
    ResultsDir,
    Sort,
    SuiteName,
    Width,
    parse_choices,
    parse_list,
    parse_width,
)
from lrbench.errors import RequestError

if TYPE_CHECKING:
    from lrbench.report.layout import Layout
    from lrbench.report.published import PublishedNumbers
    from lrbench.report.report import Report
    from lrbench.store.layout import Results

__all__ = ["report"]

ENDINGS = {
    ".csv": ("csv",),
    ".htm": ("html",),
    ".html": ("html",),
    ".json": ("json",),
    ".md": ("markdown", "methods-markdown"),
    ".tex": ("latex", "methods"),
}
"""Ending of a file → the formats that it may hold."""

NO_TEXTS = frozenset(
    (".docx", ".eps", ".jpg", ".ods", ".odt", ".parquet", ".pdf", ".png", ".svg", ".xlsx", ".zip")
)
"""Endings of files that no format of the report can be."""

FILE_WIDTH = 120
"""Width of the text tables in a file, in characters."""


def report(
    suite: SuiteName = None,
    format_name: option.Format = "terminal",
    output: option.Output = None,
    answer: option.Answer = False,
    brief: option.Brief = False,
    full: option.Full = False,
    tables: option.Tables = None,
    metrics: option.Metrics = None,
    baseline: option.Baseline = None,
    datasets: Datasets = None,
    only: Only = None,
    hide: Hide = None,
    sort: Sort = None,
    rename: Rename = None,
    digits: option.Digits = None,
    percent: option.Percent = False,
    width: Width = "text",
    spread: option.Spread = option.SpreadOption.inline,
    masked: Masked = None,
    groups: Groups = None,
    published: option.Published = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Show what a suite found: the answer in words, means over seeds, tests, costs and warnings."""
    import shlex

    from lrbench.cli.named_suite import find_prepared, recorded_suite
    from lrbench.report.build import ReportOptions, build_report
    from lrbench.report.formats import FORMATS, usual_metrics
    from lrbench.report.group_table import read_group_table
    from lrbench.report.layout import Layout
    from lrbench.report.numbers import MetricStyle
    from lrbench.report.published import read_published
    from lrbench.store.layout import Results

    FORMATS.load(format_name)  # an unknown format is refused before anything is read
    _check_ending(output, format_name)
    layout = Layout(
        tables=option.chosen_tables(answer, brief, full, tables),
        length="brief" if brief else "full" if full else "usual",
        width=parse_width(width),
        spread=spread.value,
    )
    folder = Results(results)
    record = recorded_suite(folder, suite)
    numbers = None if published is None else read_published(published)
    options = ReportOptions(
        metrics=tuple(parse_list(metrics, "--metrics")) or usual_metrics(format_name, record, layout.length),
        baseline=baseline,
        masked=masked,
        style=MetricStyle(digits or (2 if percent else 4), percent),
        groups=None if groups is None else read_group_table(groups),
        published=numbers,
        choices=parse_choices(datasets, only, hide, sort, rename),
        command=shlex.join(["lrbench", *sys.argv[1:]]),
    )
    content = build_report(record, folder, options, find_prepared(record, data_dir, catalog))
    _remember_look(folder, content)
    if numbers is not None:
        _tell_unused(numbers, published, content)
    _show(content, layout, format_name, None if output is None or str(output) == "-" else output)


def _tell_unused(numbers: "PublishedNumbers", file: Path | None, content: "Report") -> None:
    """Say so if no number of the person's own file of published numbers fits a row."""
    from lrbench.cli.console import message_console, say
    from lrbench.report.published import own_numbers_shown

    if not own_numbers_shown(numbers, content.published):
        say(
            message_console(),
            f"Note: no number of {file} fits a row of {content.suite}. "
            "Dataset, protocol, model and params must be those of a row.",
        )


def _check_ending(output: Path | None, format_name: str) -> None:
    """Refuse a file whose ending is that of another format, or of files that are no text."""
    ending = "" if output is None else output.suffix.lower()
    if ending in NO_TEXTS:
        raise RequestError(
            f"lrbench report writes text, and {output} has the ending of another kind of file.",
            "Choose --format latex, html or csv. lrbench plot writes figures.",
        )
    formats = ENDINGS.get(ending, (format_name,))
    if format_name not in formats:
        raise RequestError(
            f"The report would be written as {format_name}, and {output} has the ending of another format.",
            f"Choose --format {formats[0]}, or give another ending.",
        )


def _show(content: "Report", layout: "Layout", format_name: str, file: Path | None) -> None:
    """Write the report to a file or to standard output.

    Warnings are part of the report on the terminal. With another format or a file, they also go to stderr.
    """
    from lrbench.cli.console import message_console, say
    from lrbench.files import write_text
    from lrbench.report.formats import FORMATS
    from lrbench.report.warnings import summarised

    kind, terminal = FORMATS.load(format_name), FORMATS.load("terminal")
    messages = message_console()
    if file is not None or kind is not terminal:
        for line in summarised(content.warnings):
            say(messages, f"Warning: {line}")
    if file is None:
        typer.echo(kind().render(content, layout), nl=False)
        return
    renderer = terminal(FILE_WIDTH, styled=False) if kind is terminal else kind()  # type: ignore[call-arg]
    write_text(file, renderer.render(content, layout))
    say(messages, f"Wrote {file}.")


def _remember_look(folder: "Results", content: "Report") -> None:
    """Record how many seeds this report shows. Later reports say if seeds were added after it was seen."""
    from datetime import UTC, datetime

    from lrbench.cli.console import message_console, say
    from lrbench.store.declarations import Look, record_look

    if not content.seen_seeds:
        return
    look = Look(time=datetime.now(UTC).replace(microsecond=0), seeds=content.seen_seeds)
    try:
        record_look(folder.looks(content.suite), look)
    except OSError as error:
        say(
            message_console(),
            f"Note: lrbench could not record that this report was made: {error}.",
        )
