"""Run orders while a view shows their progress. An order is a trial, or a search for settings."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from lrbench.cli.console import say
from lrbench.cli.interrupts import stop_asked
from lrbench.cli.run_progress import SuiteView, make_view
from lrbench.cli.run_request import RunRequest
from lrbench.errors import LrbenchError
from lrbench.execution.learned import Learned
from lrbench.execution.order import TrialOrder
from lrbench.execution.schedule import run_orders

__all__ = ["run_and_show"]


def run_and_show(
    orders: Sequence[TrialOrder],
    titles: Mapping[str, str],
    request: RunRequest,
    learned: Learned,
    console: Console,
) -> tuple[SuiteView, LrbenchError | None]:
    """Run orders, and print which failed.

    Args:
        orders: at least one.
        titles: id of an order → its name in messages.
        request: says where they run.
        learned: what finished trials cost.
        console: on stderr.

    Returns:
        The view, which counts what was done and what failed. Then the error with which the executor could
        not go on, or ``None``.

    Raises:
        KeyboardInterrupt: the user stopped the run.
    """
    broken: LrbenchError | None = None
    executor = request.place.open(request.results, len(orders), learned)
    metric = request.suite.protocol.selection_metric
    with make_view(console, titles, metric) as view, stop_asked(console) as stop:
        try:
            run_orders(orders, executor, view.show, learned, stop)
        except LrbenchError as error:
            broken = error  # the caller first says what was done until then
    for failure in view.failed:
        say(console, f"Failed: {titles[failure.trial]}: {failure.reason}")
    return view, broken
