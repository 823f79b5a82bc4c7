"""What a running suite shows: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lrbench.cli.console import say
from lrbench.cli.live_table import ResizableLive, live_table
from lrbench.cli.run_tasks import Task
from lrbench.execution.events import Event, TrialBusy, TrialDone, TrialFailed, TrialNote, TrialStarted
from lrbench.training.news import EpochDone
from lrbench.wording import about, duration

__all__ = ["SuiteView", "make_view"]

_LINE_EVERY = 30.0  # seconds between two plain lines about one trial


def make_view(console: Console, metric: str) -> "SuiteView":
    """Return a live view for a terminal, or plain lines for a file or a pipe.

    Args:
        console: on stderr.
        metric: name of the selection metric.
    """
    return (LiveView if console.is_terminal else SuiteView)(console, metric)


class SuiteView:
    """Plain lines: one when a task starts, ends or fails, and at most one in 30 seconds in between."""

    def __init__(self, console: Console, metric: str) -> None:
        self.console = console
        self.metric = metric
        self.tasks: dict[str, Task] = {}
        self.upcoming = 0
        self.done: list[Task] = []
        self.failed: list[TrialFailed] = []
        self.started = time.monotonic()
        self.last_line: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @property
    def ended(self) -> int:
        """How many tasks have ended, done or failed."""
        return len(self.done) + len(self.failed)

    @property
    def total(self) -> int:
        """How many tasks there are, with those that will follow."""
        return len(self.tasks) + self.upcoming

    def expect(self, tasks: Sequence[Task], upcoming: int) -> None:
        """Add tasks.

        Args:
            tasks: may begin now.
            upcoming: how many more will follow.
        """
        self.tasks.update((task.id, task) for task in tasks)
        self.upcoming = upcoming

    def show(self, event: Event) -> None:
        """Show an event, and count what is done and what has failed."""
        match event:
            case TrialStarted():
                self.say(event.trial, f"started on {event.device}")
            case EpochDone():
                self.epoch(event)
            case TrialDone():
                self.done.append(self.tasks[event.trial])
                self.say(event.trial, self.done_text(event))
            case TrialFailed():
                self.failed.append(event)
                see = "" if event.error_file is None else f" (see {event.error_file})"
                self.say(event.trial, f"FAILED: {event.reason}{see}")
            case TrialBusy():
                self.say(event.trial, f"{event.reason}; this one waits, and others go first")
            case TrialNote():
                self.say(event.trial, event.text)

    def epoch(self, event: EpochDone) -> None:
        """Show an epoch."""
        now = time.monotonic()
        if now - self.last_line.get(event.trial, now - _LINE_EVERY) >= _LINE_EVERY:
            self.say(event.trial, f"{event.stage} {' '.join(epoch_cells(event, self.metric)[1:])}")

    def say(self, trial: str, text: str) -> None:
        """Print one line about a trial."""
        self.last_line[trial] = time.monotonic()
        count = f"[{self.ended}/{self.total}]"
        say(self.console, f"{count} {self.tasks[trial].title}: {text}")

    def done_text(self, event: TrialDone) -> str:
        """Return the line about a complete trial."""
        value = event.metrics[self.metric]
        when = "found complete" if event.found else f"done in {duration(event.seconds)}"
        return f"{when}, valid {self.metric} {value:.4f}; {self.time_left()}"

    def time_left(self) -> str:
        """Say how long the rest may take at the pace so far. A search counts by its trainings."""
        if self.ended == self.total:
            return "all trials ended"
        ended = [*self.done, *(self.tasks[failure.trial] for failure in self.failed)]
        trained = sum(task.trainings for task in ended)
        rest = sum(task.trainings for task in self.tasks.values()) + self.upcoming - trained
        pace = (time.monotonic() - self.started) / max(trained, 1)
        return f"{about(pace * rest)} left at this pace"


class LiveView(SuiteView):
    """A table of running trials under a bar for the suite, redrawn in place."""

    def __init__(self, console: Console, metric: str) -> None:
        super().__init__(console, metric)
        self.running: dict[str, EpochDone | TrialStarted] = {}
        self.bar = Progress(
            TextColumn("suite"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self.bar_task = self.bar.add_task("suite", total=None)
        self.live = ResizableLive(self.render, console)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.clear()
        self.live.stop()

    def show(self, event: Event) -> None:
        """Show an event. Starts and epochs change the table and print no line."""
        match event:
            case TrialStarted():
                self.running[event.trial] = event
                return
            case TrialDone() | TrialFailed():
                self.running.pop(event.trial, None)
            case EpochDone() | TrialBusy() | TrialNote():
                pass
        super().show(event)
        self.bar.update(self.bar_task, completed=self.ended)

    def expect(self, tasks: Sequence[Task], upcoming: int) -> None:
        """Add tasks, and make the bar as long."""
        super().expect(tasks, upcoming)
        self.bar.update(self.bar_task, total=self.total)

    def epoch(self, event: EpochDone) -> None:
        """Show an epoch in the trial's row."""
        self.running[event.trial] = event

    def render(self) -> Group:
        """Return the table and the bar; while nothing runs, the bar alone."""
        rows = [
            [
                self.tasks[trial].title,
                *(epoch_cells(event, "") if isinstance(event, EpochDone) else ["starting"]),
            ]
            for trial, event in self.running.items()
        ]
        tables = [live_table(rows, self.metric, self.console.width)] if rows else []
        return Group(*tables, self.bar)


def epoch_cells(event: EpochDone, metric: str) -> list[str]:
    """Return stage, epoch, loss, metric, best metric, and the longest time that the stage can still take.

    Args:
        event: the news of an epoch.
        metric: name of the selection metric, for cells that stand alone in a line; empty: for a table, whose
            headings name the cells.
    """
    named = f"{metric} " if metric else ""
    left = duration((event.max_epochs - event.epoch) * event.seconds)
    return [
        event.stage,
        f"{event.epoch}/{event.max_epochs}",
        f"loss {event.loss:.3f}" if metric else f"{event.loss:.3f}",
        f"{named}{event.metric:.4f}" if event.metric is not None else "-",
        f"best {event.best_metric:.4f}" if metric and event.best_metric is not None else _number(event),
        f"{'' if left.startswith('<') else 'at most '}{left} left" if metric else left,
    ]


def _number(event: EpochDone) -> str:
    return f"{event.best_metric:.4f}" if event.best_metric is not None else "-"
