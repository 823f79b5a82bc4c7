"""Options of ``lrbench report`` and ``lrbench plot`` that no other verb has."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrbench.cli.options import check_output, parse_list, parse_name
from lrbench.errors import RequestError
from lrbench.paths import expanded

__all__ = [
    "Answer",
    "Baseline",
    "Brief",
    "CostAxis",
    "Digits",
    "Figure",
    "FigureWidth",
    "Format",
    "Full",
    "Kind",
    "Metric",
    "Metrics",
    "OptionAndSuite",
    "Output",
    "Percent",
    "Published",
    "Spread",
    "SpreadOption",
    "Tables",
    "chosen_tables",
]


class SpreadOption(StrEnum):
    """Where a table of a paper shows standard deviations."""

    inline = "inline"
    table = "table"
    none = "none"


Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="One of terminal, markdown, latex, csv, json, html, methods (LaTeX) and methods-markdown.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        parser=expanded,
        callback=check_output,
        help="Write to this file. Without it, or with -: to standard output.",
    ),
]
Answer = Annotated[
    bool, typer.Option("--answer", help="Show only the answer in words: is it better, and why?")
]
Brief = Annotated[bool, typer.Option("--brief", help="Show only answer, quality and warnings.")]
Full = Annotated[bool, typer.Option("--full", help="Show every table, and every warning in detail.")]
Tables = Annotated[
    str | None,
    typer.Option("--tables", metavar="A,B", help="Show only these tables, e.g. quality,depth."),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="A,B",
        help="Metrics of the quality table, e.g. recall@10,ndcg@10; other tables have the suite's metric. "
        "Without it: all of the protocol, or two in LaTeX.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="LABEL", help="Show differences from this row, in percent."),
]
Digits = Annotated[
    int | None,
    typer.Option(
        "--digits",
        metavar="N",
        min=1,
        max=8,
        help="Decimals of metrics in tables. Without it: 4, or 2 with --percent.",
        show_default=False,
    ),
]
Percent = Annotated[
    bool,
    typer.Option(
        "--percent", help="Print metrics in percent: 9.21, not 0.0921. CSV and JSON stay as they are."
    ),
]
Spread = Annotated[
    SpreadOption,
    typer.Option(
        "--spread",
        help="With LaTeX: put standard deviations beside the means, into a table of their own, or nowhere.",
    ),
]
Published = Annotated[
    Path | None,
    typer.Option(
        "--published",
        metavar="FILE",
        parser=expanded,
        help="A TOML file with published numbers of your own, in the form of lrbench's published.toml.",
    ),
]

Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="One of depth, pareto, forest, grid, convergence, tuning, groups and critical-difference.",
    ),
]
OptionAndSuite = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OPTION|SUITE",
        parser=parse_name,
        help="With grid: first the option in which rows differ. "
        "Then name or file of a suite. Without it: the suite that ran last.",
        show_default=False,
    ),
]
Figure = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        parser=expanded,
        callback=check_output,
        help="Write this .pdf, .png or .svg file. Without it: KIND.pdf. With -: SVG to standard output.",
    ),
]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="NAME", help="Draw this metric, not the primary one.")
]
CostAxis = Annotated[
    Literal["flops", "latency", "training"] | None,
    typer.Option("--cost", help="With pareto: the cost on the horizontal axis. Without it: flops."),
]
FigureWidth = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="WIDTH",
        help="Width of the figure: column (3.33 in), text (7 in) or a number of inches. "
        "The font size does not change.",
    ),
]


def chosen_tables(answer: bool, brief: bool, full: bool, tables: str | None) -> tuple[str, ...]:
    """Return the names of the tables that were asked for by ``--answer`` or ``--tables``.

    If there are none, ``brief`` and ``full`` decide the length of the report.

    Raises:
        RequestError: several of the options were given, or there is no such table.
    """
    from lrbench.report.layout import ANSWERS
    from lrbench.report.tables import check_sections

    options = {"--answer": answer, "--brief": brief, "--full": full, "--tables": tables}
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise RequestError(f"{given[0]} and {given[1]} exclude each other.", "Give one of them.")
    names = [*ANSWERS] if answer else parse_list(tables, "--tables")
    check_sections(names)
    return tuple(names)
