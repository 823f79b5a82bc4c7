"""``lrbench plot``: a figure of a suite's results."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
    parse_choices,
    parse_width,
)
from lrbench.errors import RequestError

if TYPE_CHECKING:
    from lrbench.report.plots import PlotSource
    from lrbench.store.layout import Results

__all__ = ["plot"]


def plot(
    kind: option.Kind,
    words: option.OptionAndSuite = None,
    output: option.Figure = None,
    metric: option.Metric = None,
    cost: option.CostAxis = None,
    width: option.FigureWidth = None,
    datasets: Datasets = None,
    only: Only = None,
    hide: Hide = None,
    sort: Sort = None,
    rename: Rename = None,
    masked: Masked = None,
    groups: Groups = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Draw a figure as PDF, PNG or SVG, in the size in which it will be printed."""
    from lrbench.cli.named_suite import find_prepared, recorded_suite
    from lrbench.report.build import ReportOptions, build_report
    from lrbench.report.group_table import read_group_table
    from lrbench.report.layout import WIDTHS
    from lrbench.report.plots import PLOTS, PlotSource
    from lrbench.store.layout import Results

    if kind not in PLOTS.names():
        PLOTS.load(kind)  # raises an error that names the plots
    os.environ.pop("MPLBACKEND", None)  # a notebook names one for screens, which may not be installed here
    if groups is not None and kind != "groups":
        raise RequestError(f"--groups belongs to the plot groups, not to {kind}.", "Leave --groups out.")
    if cost is not None and kind != "pareto":
        raise RequestError(f"--cost belongs to the plot pareto, not to {kind}.", "Leave --cost out.")
    layout = Results(results)
    name, suite = _option_and_suite(kind, words or [], layout)
    record = recorded_suite(layout, suite)
    options = ReportOptions(
        metrics=(metric,) if metric else (record.primary_metric, *([sort] if sort else [])),
        masked=masked,
        choices=parse_choices(datasets, only, hide, sort, rename),
        groups=None if groups is None else read_group_table(groups),
    )
    inches = None if width is None else parse_width(width)
    drawn = record if metric is None else record.model_copy(update={"primary_metric": metric})
    prepared = find_prepared(record, data_dir, catalog) if kind == "groups" else None
    source = PlotSource(
        report=build_report(drawn, layout, options, prepared),
        width=WIDTHS[inches] if isinstance(inches, str) else inches,
        cost=cost or "flops",
        option=name,
    )
    _write(kind, source, output)


def _write(kind: str, source: "PlotSource", output: Path | None) -> None:
    """Draw the figure into a file, or as SVG to standard output."""
    from lrbench.cli.console import message_console, say
    from lrbench.files import write_bytes
    from lrbench.report.plots import plot as draw

    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(draw(kind, source, "svg"))
        return
    path = output or Path(f"{kind}.pdf")
    write_bytes(path, draw(kind, source, path.suffix.removeprefix(".")))
    say(message_console(), f"Wrote {path}.")


def _option_and_suite(kind: str, words: list[str], results: "Results") -> tuple[str, str | None]:
    """Return the option of a grid, empty for other plots, and the suite if it was given.

    Args:
        kind: of the plot.
        words: what came after it.
        results: has the records of the suites that ran.

    Raises:
        RequestError: the option is missing, or there is a word too many.
    """
    wanted = 2 if kind == "grid" else 1
    if kind == "grid" and not words:
        example = results.command("plot", kind, "mean_depth")
        raise RequestError("A grid needs the option that rows differ in.", f"For instance: {example}")
    if kind == "grid" and len(words) == 1 and words[0] in {path.stem for path in results.suites()}:
        raise RequestError(
            "A grid needs the option that rows differ in, and then the suite.",
            f"For instance: {results.command('plot', kind, 'mean_depth', words[0])}",
        )
    if len(words) > wanted:
        usage = "lrbench plot grid OPTION [SUITE]" if kind == "grid" else "lrbench plot KIND [SUITE]"
        raise RequestError(f'"{words[wanted]}" is one word too many.', usage)
    option = words[0] if kind == "grid" else ""
    rest = words[1:] if kind == "grid" else words
    return option, rest[0] if rest else None
