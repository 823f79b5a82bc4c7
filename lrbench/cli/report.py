"""``lrbench report``: a suite's results with their statistics, in a chosen format."""

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.options import Plugins, ResultsDir, SuiteName, check_output, parse_list

__all__ = ["report"]

FILE_WIDTH = 120
"""Columns of the text tables in a file."""


def report(
    suite: SuiteName = None,
    format_name: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="terminal, markdown, latex, csv, json or html."),
    ] = "terminal",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", callback=check_output, help="Write to a file instead of stdout."
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", metavar="A,B", help="Columns, e.g. recall@10,ndcg@10; none: the protocol's."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="LABEL", help="Show percentages against this row.")
    ] = None,
    masked: Annotated[
        bool | None,
        typer.Option(
            "--masked/--unmasked",
            help="Leave out the items of the user's history, or rank all items; none: as the protocol says.",
        ),
    ] = None,
    results: ResultsDir = Path("results"),
    plugins: Plugins = None,
) -> None:
    """Show what a suite found: means over seeds, the tests that were declared, costs and warnings."""
    from lrbench.cli.console import message_console, say
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.files import write_text
    from lrbench.report.build import ReportOptions, build_report
    from lrbench.report.formats import FORMATS
    from lrbench.store.layout import Results

    kind, terminal = FORMATS.load(format_name), FORMATS.load("terminal")
    layout = Results(results)
    options = ReportOptions(tuple(parse_list(metrics)), baseline, masked)
    content = build_report(recorded_suite(layout, suite), layout, options)
    messages = message_console()
    if kind is not terminal or output is not None:
        for warning in content.warnings:
            say(messages, f"Warning: {warning}")
    if output is None:
        typer.echo(kind().render(content), nl=False)
        return
    renderer = terminal(FILE_WIDTH, styled=False) if kind is terminal else kind()  # type: ignore[call-arg]
    write_text(output, renderer.render(content))
    say(messages, f"Wrote {output}.")
