"""``lrbench report``: a suite's results with their statistics, in a chosen format."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    check_output,
    parse_choices,
    parse_list,
    parse_width,
)
from lrbench.errors import RequestError
from lrbench.paths import absolute

if TYPE_CHECKING:
    from rich.console import Console

    from lrbench.report.report import Report
    from lrbench.store.layout import Results

__all__ = ["report"]

FILE_WIDTH = 120
"""Columns of the text tables in a file."""


class SpreadOption(StrEnum):
    """Where a table of a paper shows standard deviations."""

    inline = "inline"
    table = "table"
    none = "none"


def report(
    suite: SuiteName = None,
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="terminal, markdown, latex, csv, json, html, methods (LaTeX) or methods-markdown.",
        ),
    ] = "terminal",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            callback=check_output,
            help="Write to a file. Without it, or with -: standard output.",
        ),
    ] = None,
    answer: Annotated[
        bool, typer.Option("--answer", help="Only the answer in words: is it better, and why?")
    ] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Only answer, quality and warnings.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Every table and every warning in detail.")] = False,
    tables: Annotated[
        str | None,
        typer.Option("--tables", metavar="A,B", help="Only these tables, e.g. quality,comparison,depth."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="A,B",
            help="Columns, e.g. recall@10,ndcg@10. Without it: those of the protocol; in LaTeX two.",
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="LABEL", help="Show percentages against this row.")
    ] = None,
    datasets: Datasets = None,
    only: Only = None,
    hide: Hide = None,
    sort: Sort = None,
    rename: Rename = None,
    digits: Annotated[int, typer.Option("--digits", min=1, max=8, help="Decimals of metrics in tables.")] = 4,
    width: Width = "text",
    spread: Annotated[
        SpreadOption,
        typer.Option("--spread", help="LaTeX: standard deviations beside the means, in a table, or nowhere."),
    ] = SpreadOption.inline,
    masked: Masked = None,
    groups: Groups = None,
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            metavar="FILE",
            help="A TOML file with published numbers of your own, in the form of lrbench's published.toml.",
        ),
    ] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Show what a suite found: the answer in words, means over seeds, declared tests, costs and warnings."""
    from lrbench.cli.console import message_console, say
    from lrbench.cli.named_suite import find_prepared, recorded_suite
    from lrbench.files import write_text
    from lrbench.report.build import ReportOptions, build_report
    from lrbench.report.formats import FORMATS, usual_metrics
    from lrbench.report.group_table import read_group_table
    from lrbench.report.layout import Layout
    from lrbench.report.published import read_published
    from lrbench.report.tables import check_sections
    from lrbench.report.warnings import summarised
    from lrbench.store.layout import Results

    kind, terminal = FORMATS.load(format_name), FORMATS.load("terminal")
    names = _chosen_tables(answer, brief, full, tables)
    check_sections(names)
    layout = Layout(
        tables=tuple(names),
        length="brief" if brief else "full" if full else "usual",
        width=parse_width(width),
        spread=spread.value,
    )
    folder = Results(results)
    record = recorded_suite(folder, suite)
    options = ReportOptions(
        metrics=tuple(parse_list(metrics, "--metrics")) or usual_metrics(format_name, record),
        baseline=baseline,
        masked=masked,
        digits=digits,
        groups=None if groups is None else read_group_table(absolute(groups)),
        published=None if published is None else read_published(absolute(published)),
        choices=parse_choices(datasets, only, hide, sort, rename),
        command=shlex.join(["lrbench", *sys.argv[1:]]),
    )
    content = build_report(record, folder, options, find_prepared(record, data_dir, catalog))
    to_file = output is not None and str(output) != "-"
    messages = message_console()
    _remember_look(folder, content, messages)
    if kind is not terminal or to_file:
        for line in summarised(content.warnings):
            say(messages, f"Warning: {line}")
    if output is None or not to_file:
        typer.echo(kind().render(content, layout), nl=False)
        return
    renderer = terminal(FILE_WIDTH, styled=False) if kind is terminal else kind()  # type: ignore[call-arg]
    write_text(output, renderer.render(content, layout))
    say(messages, f"Wrote {output}.")


def _remember_look(folder: "Results", content: "Report", messages: "Console") -> None:
    """Keep how many seeds somebody has seen: adding seeds after a look is told by later reports."""
    from datetime import UTC, datetime

    from lrbench.cli.console import say
    from lrbench.store.declarations import Look, record_look

    seeds = min((row.n_seeds for row in content.rows if not row.deterministic), default=0)
    if not content.comparisons or not seeds:
        return
    try:
        record_look(
            folder.looks(content.suite), Look(time=datetime.now(UTC).replace(microsecond=0), seeds=seeds)
        )
    except OSError as error:
        say(
            messages,
            f"Note: this report is not on record, since the results folder cannot be written: {error}.",
        )


def _chosen_tables(answer: bool, brief: bool, full: bool, tables: str | None) -> list[str]:
    """Return the names of the tables that were asked for; none: as long as ``brief`` and ``full`` say."""
    given = [
        name
        for name, is_given in (
            ("--answer", answer),
            ("--brief", brief),
            ("--full", full),
            ("--tables", tables),
        )
        if is_given
    ]
    if len(given) > 1:
        raise RequestError(f"{given[0]} and {given[1]} exclude each other.", "Give one of them.")
    return ["answer"] if answer else parse_list(tables, "--tables")
