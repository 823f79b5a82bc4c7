"""Run tasks while a view shows their progress."""

from collections.abc import Sequence

from rich.console import Console

from lrbench.cli.console import say
from lrbench.cli.interrupts import stop_asked
from lrbench.cli.run_progress import SuiteView, make_view
from lrbench.cli.run_request import RunRequest
from lrbench.cli.run_tasks import TaskList
from lrbench.errors import LrbenchError
from lrbench.execution.events import TrialDone, TrialFailed
from lrbench.execution.order import TrialOrder
from lrbench.execution.past_costs import PastCosts
from lrbench.execution.schedule import run_orders

__all__ = ["run_and_show"]


def run_and_show(
    tasks: TaskList, request: RunRequest, past_costs: PastCosts, console: Console
) -> tuple[SuiteView, LrbenchError | None]:
    """Run the first tasks and those that follow them, and print which failed.

    Args:
        tasks: at least one may begin at once.
        request: says where they run.
        past_costs: what finished trials cost.
        console: on stderr.

    Returns:
        The view, which knows what was done and what failed. Then the error with which the run could not go
        on, or ``None``.

    Raises:
        KeyboardInterrupt: the user stopped the run.
    """
    broken: LrbenchError | None = None
    executor = request.place.open(request.results, len(tasks.first) + tasks.upcoming, past_costs)
    with (
        make_view(console, request.suite.protocol.selection_metric) as view,
        stop_asked(console) as stop,
    ):

        def follow(ended: TrialDone | TrialFailed) -> Sequence[TrialOrder]:
            new = tasks.after(ended)
            view.expect(new, tasks.upcoming)
            return [task.order for task in new]

        view.expect(tasks.first, tasks.upcoming)
        try:
            run_orders([task.order for task in tasks.first], executor, view.show, past_costs, stop, follow)
        except LrbenchError as error:
            broken = error  # the caller first says what was done until then
    for failure in view.failed:
        say(console, f"Failed: {view.tasks[failure.trial].title}: {failure.reason}")
    return view, broken
