"""Run orders while a view shows how far they are; trials and searches for settings go this one way."""

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
    """Run orders, and tell which failed.

    Args:
        orders: at least one.
        titles: id → what to call it.
        request: says where they run.
        learned: what finished trials cost.
        console: on stderr.

    Returns:
        What was done and what failed; and why the executor could not go on, if so.
    """
    broken: LrbenchError | None = None
    executor = request.place.open(request.results, len(orders), learned)
    metric = request.suite.protocol.selection_metric
    with make_view(console, titles, metric) as view, stop_asked(console) as stop:
        try:
            run_orders(orders, executor, view.show, learned, stop)
        except LrbenchError as error:
            broken = error  # what was done until then is told first
    for failure in view.failed:
        say(console, f"Failed: {titles[failure.trial]}: {failure.reason}")
    return view, broken
