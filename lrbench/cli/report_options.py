"""Options of ``lrbench report`` and ``lrbench plot`` that no other verb has."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrbench.cli.options import check_output, parse_list
from lrbench.errors import RequestError
from lrbench.paths import expanded, expanded_text

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
        help="terminal, markdown, latex, csv, json, html, methods (LaTeX) or methods-markdown.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        parser=expanded,
        callback=check_output,
        help="Write to a file. Without it, or with -: standard output.",
    ),
]
Answer = Annotated[bool, typer.Option("--answer", help="Only the answer in words: is it better, and why?")]
Brief = Annotated[bool, typer.Option("--brief", help="Only answer, quality and warnings.")]
Full = Annotated[bool, typer.Option("--full", help="Every table and every warning in detail.")]
Tables = Annotated[
    str | None,
    typer.Option("--tables", metavar="A,B", help="Only these tables, e.g. quality,comparison,depth."),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="A,B",
        help="Columns, e.g. recall@10,ndcg@10. Without it: those of the protocol; in LaTeX two.",
    ),
]
Baseline = Annotated[
    str | None, typer.Option("--baseline", metavar="LABEL", help="Show percentages against this row.")
]
Digits = Annotated[
    int | None,
    typer.Option(
        "--digits",
        min=1,
        max=8,
        help="Decimals of metrics in tables. Without it: 4, or 2 with --percent.",
        show_default=False,
    ),
]
Percent = Annotated[
    bool,
    typer.Option("--percent", help="Print metrics in percent: 9.21, not 0.0921. Files for machines stay."),
]
Spread = Annotated[
    SpreadOption,
    typer.Option("--spread", help="LaTeX: standard deviations beside the means, in a table, or nowhere."),
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
        help="depth, pareto, forest, grid, convergence, tuning, groups or critical-difference.",
    ),
]
OptionAndSuite = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OPTION] [SUITE]",
        parser=expanded_text,
        help="OPTION: for grid alone, the option that rows differ in. "
        "SUITE: a suite's name or file; without it the latest.",
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
        help="A .pdf, .png or .svg. Without it: KIND.pdf. With -: SVG on standard output.",
    ),
]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="NAME", help="Draw this metric, not the primary one.")
]
CostAxis = Annotated[
    Literal["flops", "latency", "training"], typer.Option("--cost", help="The cost on the axis of pareto.")
]
FigureWidth = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="WIDTH",
        help="column (3.33 in), text (7 in) or a number of inches; text keeps its size.",
    ),
]


def chosen_tables(answer: bool, brief: bool, full: bool, tables: str | None) -> tuple[str, ...]:
    """Return the names of the tables that were asked for; none: as long as ``brief`` and ``full`` say.

    Raises:
        RequestError: several of the options were given, or there is no such table.
    """
    from lrbench.report.tables import check_sections

    options = {"--answer": answer, "--brief": brief, "--full": full, "--tables": tables}
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise RequestError(f"{given[0]} and {given[1]} exclude each other.", "Give one of them.")
    names = ["answer"] if answer else parse_list(tables, "--tables")
    check_sections(names)
    return tuple(names)
