"""The scheduler. It decides which trial begins next, and what to do when a trial ends or its worker dies."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from lrbench.config.tuning import SearchConfig
from lrbench.errors import LrbenchError
from lrbench.execution.events import (
    Event,
    TrialBusy,
    TrialDied,
    TrialDone,
    TrialFailed,
    TrialNote,
    TrialStopped,
)
from lrbench.execution.executor import Executor
from lrbench.execution.failures import record_failure
from lrbench.execution.order import TrialOrder
from lrbench.execution.past_costs import PastCosts
from lrbench.execution.workers.waiting import WaitingOrders
from lrbench.store.trials import read_record
from lrbench.training.news import EpochDone
from lrbench.wording import counted

__all__ = ["MOST_DEATHS", "Follow", "run_orders"]

Follow = Callable[[TrialDone | TrialFailed], Sequence[TrialOrder]]
"""Returns the orders that may begin now that one is done or has failed."""

MOST_DEATHS = 3
"""A trial fails after so many deaths of its worker without a finished epoch in between."""


def run_orders(
    orders: Sequence[TrialOrder],
    executor: Executor,
    watch: Callable[[Event], None],
    past_costs: PastCosts | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
    follow: Follow = lambda ended: (),
) -> None:
    """Run all orders and those that follow them, and pass on what happens.

    A trial whose worker dies goes on from its checkpoint. It fails once it has died
    :data:`MOST_DEATHS` times without finishing an epoch in between; the others go on.

    Args:
        orders: the earlier ones begin first if nothing is known about their costs.
        executor: where they run. It is closed at the end, also after an error.
        watch: called with every event that the user may want to see.
        past_costs: what finished trials cost. Trials that finish now are added.
        stop_asked: whether to stop after the next checkpoints.
        follow: called after ``watch`` for each order that is done or has failed.

    Raises:
        LrbenchError: the executor cannot go on, so that some trials have not begun.
        KeyboardInterrupt: ``stop_asked`` was true, all trials have stopped, and not all are done or failed.
    """
    try:
        _Run(orders, executor, watch, past_costs or PastCosts(), stop_asked, follow).run()
    finally:
        executor.close()


class _Run:
    """The state of one run; see :func:`run_orders`."""

    def __init__(
        self,
        orders: Sequence[TrialOrder],
        executor: Executor,
        watch: Callable[[Event], None],
        past_costs: PastCosts,
        stop_asked: Callable[[], bool],
        follow: Follow,
    ) -> None:
        self.waiting = WaitingOrders(orders, lambda order: past_costs.seconds(order.config))
        self.executor = executor
        self.watch = watch
        self.past_costs = past_costs
        self.stop_asked = stop_asked
        self.follow = follow
        self.stopping = False
        self.left = False  # whether something was not done because the run was to stop
        self.running: dict[str, TrialOrder] = {}
        self.deaths: Counter[str] = Counter()

    def run(self) -> None:
        while self.waiting or self.running:
            if self.stop_asked() and not self.stopping:
                self.stopping, self.left = True, bool(self.waiting)
                self.waiting.close()
                self.executor.stop()
            self._begin()
            for event in self.executor.poll():
                self._handle(event)
        if self.left:
            raise KeyboardInterrupt

    def _begin(self) -> None:
        """Submit orders that may begin, until the executor is full.

        Raises:
            LrbenchError: nothing runs, and nothing can ever be submitted.
        """
        if self.waiting and not self.running and self.executor.fault is not None:
            raise LrbenchError(
                f"{counted(len(self.waiting), 'trial')} did not begin, as no worker can be kept running: "
                f"{self.executor.fault}.",
                "Remove the cause and run the same command again.",
            )
        if not self.waiting or self.executor.full:
            return
        for order in self.waiting.free():
            if self.executor.submit(order):
                self.waiting.begin(order)
                self.running[order.config.id] = order
            if self.executor.full:
                return

    def _handle(self, event: Event) -> None:
        """Update the state of the run, and pass the event on if the user may want to see it."""
        match event:
            case TrialBusy():
                self._busy(event)
            case TrialDied():
                self._died(event)
            case TrialStopped():
                self.running.pop(event.trial)
                self.left = True
            case TrialDone() | TrialFailed():
                self._ended(event)
            case EpochDone():
                self.deaths[event.trial] = 0
                self.watch(event)
            case _:
                self.watch(event)

    def _ended(self, event: TrialDone | TrialFailed) -> None:
        order = self.running.pop(event.trial)
        self.waiting.finish(order)
        if isinstance(event, TrialDone):
            order.results.events(event.trial).unlink(missing_ok=True)
            with suppress(LrbenchError):  # a record that cannot be read is left out; reports name it
                self.past_costs.add(read_record(order.results.trial(event.trial)))
        self.watch(event)
        following = self.follow(event)
        if self.stopping:
            self.left = self.left or bool(following)
        else:
            self.waiting.add(following)

    def _busy(self, event: TrialBusy) -> None:
        """Let the trial begin later, unless the run is to stop."""
        order = self.running.pop(event.trial)
        if self.stopping:
            self.left = True
        elif self.waiting.put_back(order, wait=True):
            self.watch(event)

    def _died(self, event: TrialDied) -> None:
        """Let the trial go on from its checkpoint, or fail if that has been tried often enough.

        An attempt that will get more memory does not count. A search goes on after memory ran out for good,
        with other settings.
        """
        order = self.running[event.trial]
        self.deaths[event.trial] += not event.relief
        deaths = self.deaths[event.trial]
        searches = isinstance(order.config, SearchConfig)
        if (event.final and not searches) or deaths >= MOST_DEATHS:
            often = f"; {counted(deaths, 'worker')} died without finishing an epoch" if deaths > 1 else ""
            self._ended(record_failure(order.results, event.trial, event.reason + often, event.details))
            return
        del self.running[event.trial]
        if self.stopping:
            self.left = True
        else:
            self.waiting.put_back(order.model_copy(update={"memory_ran_out": event.final}), wait=False)
            how = "with other settings" if event.final else event.relief or "from its checkpoint"
            self.watch(TrialNote(trial=event.trial, text=f"{event.reason}; it goes on {how}"))
