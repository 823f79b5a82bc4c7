"""What a running suite shows: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lrbench.cli.console import say
from lrbench.cli.live_table import ResizableLive, live_table
from lrbench.execution.events import Event, TrialBusy, TrialDone, TrialFailed, TrialNote, TrialStarted
from lrbench.training.news import EpochDone
from lrbench.wording import duration

__all__ = ["SuiteView", "make_view"]

_LINE_EVERY = 30.0  # seconds between two plain lines about one trial


def make_view(console: Console, titles: Mapping[str, str], metric: str) -> "SuiteView":
    """Return a live view for a terminal, or plain lines for a file or a pipe.

    Args:
        console: on stderr.
        titles: trial id → its name in messages.
        metric: name of the selection metric.
    """
    return (LiveView if console.is_terminal else SuiteView)(console, titles, metric)


class SuiteView:
    """Plain lines: one when a trial starts, ends or fails, and at most one in 30 seconds in between."""

    def __init__(self, console: Console, titles: Mapping[str, str], metric: str) -> None:
        self.console = console
        self.titles = titles
        self.metric = metric
        self.done = 0
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
        """How many trials have ended, done or failed."""
        return self.done + len(self.failed)

    def show(self, event: Event) -> None:
        """Show an event, and count what is done and what has failed."""
        match event:
            case TrialStarted():
                self.say(event.trial, f"started on {event.device}")
            case EpochDone():
                self.epoch(event)
            case TrialDone():
                self.done += 1
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
        count = f"[{self.ended}/{len(self.titles)}]"
        say(self.console, f"{count} {self.titles[trial]}: {text}")

    def done_text(self, event: TrialDone) -> str:
        """Return the line about a complete trial."""
        value = event.metrics[self.metric]
        when = "found complete" if event.found else f"done in {duration(event.seconds)}"
        return f"{when}, valid {self.metric} {value:.4f}; {self.time_left()}"

    def time_left(self) -> str:
        """Say how long the rest of the suite may take at the pace so far."""
        rest = len(self.titles) - self.ended
        if not rest:
            return "all trials ended"
        pace = (time.monotonic() - self.started) / max(self.ended, 1)
        return f"about {duration(pace * rest)} left at this pace"


class LiveView(SuiteView):
    """A table of running trials under a bar for the suite, redrawn in place."""

    def __init__(self, console: Console, titles: Mapping[str, str], metric: str) -> None:
        super().__init__(console, titles, metric)
        self.running: dict[str, EpochDone | TrialStarted] = {}
        self.bar = Progress(
            TextColumn("suite"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self.task = self.bar.add_task("suite", total=len(titles))
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
        self.bar.update(self.task, completed=self.ended)

    def epoch(self, event: EpochDone) -> None:
        """Show an epoch in the trial's row."""
        self.running[event.trial] = event

    def render(self) -> Group:
        """Return the table and the bar; while nothing runs, the bar alone."""
        rows = [
            [self.titles[trial], *(epoch_cells(event, "") if isinstance(event, EpochDone) else ["starting"])]
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
    return [
        event.stage,
        f"{event.epoch}/{event.max_epochs}",
        f"loss {event.loss:.3f}" if metric else f"{event.loss:.3f}",
        f"{named}{event.metric:.4f}" if event.metric is not None else "-",
        f"best {event.best_metric:.4f}" if metric and event.best_metric is not None else _number(event),
        duration((event.max_epochs - event.epoch) * event.seconds) + (" at most left" if metric else ""),
    ]


def _number(event: EpochDone) -> str:
    return f"{event.best_metric:.4f}" if event.best_metric is not None else "-"
