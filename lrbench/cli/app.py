"""The Typer application: which verbs there are. Each lives in a file of its own."""

from typing import Annotated

import typer

import lrbench
from lrbench.cli.doctor import doctor
from lrbench.cli.evaluate import evaluate, verify
from lrbench.cli.fetch import fetch
from lrbench.cli.inspect import inspect
from lrbench.cli.listing import listing
from lrbench.cli.plot import plot
from lrbench.cli.report import report
from lrbench.cli.run import run
from lrbench.cli.status import status

__all__ = ["app"]

app = typer.Typer(
    name="lrbench",
    help="Benchmark latent-reasoning recommenders: one protocol, isolating controls, honest statistics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"lrbench {lrbench.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Benchmark latent-reasoning recommenders: one protocol, isolating controls, honest statistics."""


for verb in (fetch, inspect, run, status, report, plot, evaluate, verify, doctor):
    app.command()(verb)
app.command("list")(listing)
