"""``lrbench plot``: a figure of a suite's results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, SuiteName, check_output

if TYPE_CHECKING:
    from lrbench.data.dataset import PreparedDataset

__all__ = ["plot"]


def plot(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="depth, pareto, convergence, groups or critical-difference."),
    ],
    suite: SuiteName = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", callback=check_output, help="A .pdf, .png or .svg; none: KIND.pdf."
        ),
    ] = None,
    masked: Annotated[
        bool | None,
        typer.Option(
            "--masked/--unmasked",
            help="Leave out the items of the user's history, or rank all items; none: as the protocol says.",
        ),
    ] = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Draw a figure: PDF for papers, PNG, SVG."""
    from lrbench.cli.console import message_console, say
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.files import write_bytes
    from lrbench.report.plots import PlotSource
    from lrbench.report.plots import plot as draw
    from lrbench.store.layout import Results

    layout = Results(results)
    record = recorded_suite(layout, suite)

    def prepared(name: str) -> "PreparedDataset":
        from lrbench.data.obtain import open_library

        return open_library(data_dir, catalog).obtain(name, record.protocol.filters)

    source = PlotSource(
        suite=record,
        results=layout,
        masked=record.protocol.mask_seen if masked is None else masked,
        prepared=prepared,
    )
    path = output or Path(f"{kind}.pdf")
    write_bytes(path, draw(kind, source, path.suffix.removeprefix(".")))
    say(message_console(), f"Wrote {path}.")
