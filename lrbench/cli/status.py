"""``lrbench status``: how many trials are done, running, interrupted, failed and to do."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.cli.console import result_console, say
from lrbench.cli.options import Plugins, ResultsDir, SuiteName

if TYPE_CHECKING:
    from rich.table import Table

    from lrbench.store.layout import Results
    from lrbench.store.state import State
    from lrbench.store.suites import SuiteRecord

__all__ = ["status"]


def status(suite: SuiteName = None, results: ResultsDir = Path("results"), plugins: Plugins = None) -> None:
    """Show how many trials of a suite are done, running, interrupted, failed and to do.

    For each running trial it names the process. For each failed trial it prints the error and its file.
    """
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.store.layout import Results
    from lrbench.store.state import trial_state
    from lrbench.wording import counted

    layout = Results(results)
    record = recorded_suite(layout, suite, "status")
    searches = {row.search: trial_state(layout, row.search) for row in record.searches}
    states = {cell.trial: trial_state(layout, cell.trial) for cell in record.trials}
    console = result_console()
    if set(searches.values()) == {"done"}:
        say(console, f"Tuning of {record.name} is done for {counted(len(record.searches), 'row')}.")
    elif searches:
        for dataset in dict.fromkeys(row.dataset for row in record.searches):
            say(console, f"Tuning of {record.name}, {record.protocol.name}, {dataset}")
            console.print(_search_table(record, dataset, searches))
        say(console, f"{counted(len(searches), 'search', 'searches')}: {_by_state(searches)}.")
    for dataset in dict.fromkeys(cell.dataset for cell in record.trials):
        say(console, f"Suite {record.name}, {record.protocol.name}, {dataset}")
        console.print(_table(record, dataset, states))
    if states:
        say(console, f"{counted(len(states), 'trial')}: {_by_state(states)}.")
    if set(searches.values()) - {"done"}:
        say(console, "A row's trials are planned once its search is done.")
    for trial, state in (searches | states).items():
        if state == "running":
            say(console, f"{trial} runs: {_where(layout, trial)}")
        if state == "failed":
            say(console, f"{trial} failed: {_reason(layout, trial)}")
            say(console, f"  {layout.error(trial)}")


def _by_state(states: "dict[str, State]") -> str:
    """Return ``1 done, 2 to do``."""
    from lrbench.store.state import STATES

    total = Counter(states.values())
    return ", ".join(f"{total[state]} {state}" for state in STATES if total[state])


def _table(record: "SuiteRecord", dataset: str, states: "dict[str, State]") -> "Table":
    """Return a row for each label, with a column for each state that a trial of the suite is in."""
    from rich.box import SIMPLE
    from rich.table import Table

    from lrbench.store.state import STATES

    shown = [state for state in STATES if state in set(states.values())]
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("label", overflow="fold")
    for state in shown:
        table.add_column(state, justify="right", no_wrap=True)
    counts: dict[str, Counter[str]] = {}
    for cell in record.trials:
        if cell.dataset == dataset:
            counts.setdefault(cell.label, Counter())[states[cell.trial]] += 1
    for label, count in counts.items():
        table.add_row(label, *(str(count[state] or "") for state in shown))
    return table


def _where(layout: "Results", trial: str) -> str:
    """Return who works on a trial and since when, from its lease, which every machine can read."""
    from lrbench.store.claims import holder_of

    holder = holder_of(layout.lock(trial))
    return "by another process" if holder is None else f"{holder}, since {holder.since:%Y-%m-%d %H:%M} UTC"


def _search_table(record: "SuiteRecord", dataset: str, states: "dict[str, State]") -> "Table":
    """Return the state of each search for settings on a dataset."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("label", overflow="fold")
    table.add_column("search", no_wrap=True)
    for row in record.searches:
        if row.dataset == dataset:
            table.add_row(row.label, states[row.search])
    return table


def _reason(layout: "Results", trial: str) -> str:
    """Return the error of a failed trial: the last line of a traceback, else the first line of the file.

    The file has no traceback if the trial's process died. What the process printed last follows there.
    """
    from lrbench.files import open_plain

    with open_plain(layout.error(trial)) as file:
        text = file.read().decode("utf-8", errors="replace")
    lines = text.partition("\n\nLast lines of the log:")[0].strip().splitlines()
    if not lines:
        return "no reason was recorded"
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]
