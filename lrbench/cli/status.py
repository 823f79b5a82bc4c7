"""``lrbench status``: what is done, running, failed and to do."""

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
    """Show how many trials of a suite are done, running, failed and to do, and why they failed."""
    from lrbench.cli.named_suite import recorded_suite
    from lrbench.store.layout import Results
    from lrbench.store.state import trial_state

    layout = Results(results)
    record = recorded_suite(layout, suite, "status")
    searches = {row.search: trial_state(layout, row.search) for row in record.searches}
    states = {cell.trial: trial_state(layout, cell.trial) for cell in record.trials}
    console = result_console()
    if searches:
        console.print(_search_table(record, searches))
    console.print(_table(record, states))
    for trial, state in (searches | states).items():
        if state == "running":
            say(console, f"{trial} runs: {_where(layout, trial)}")
        if state == "failed":
            say(console, f"{trial} failed: {_reason(layout, trial)}")
            say(console, f"  {layout.error(trial)}")


def _table(record: "SuiteRecord", states: "dict[str, State]") -> "Table":
    from rich.table import Table

    from lrbench.store.state import STATES

    table = Table(title=f"Suite {record.name}, {record.protocol.name}", title_justify="left")
    table.add_column("dataset")
    table.add_column("label")
    for state in STATES:
        table.add_column(state, justify="right")
    counts: dict[tuple[str, str], Counter[str]] = {}
    for cell in record.trials:
        counts.setdefault((cell.dataset, cell.label), Counter())[states[cell.trial]] += 1
    for (dataset, label), count in counts.items():
        table.add_row(dataset, label, *(str(count[state] or "") for state in STATES))
    total = Counter(states.values())
    table.add_section()
    table.add_row("trials", "", *(str(total[state]) for state in STATES))
    return table


def _where(layout: "Results", trial: str) -> str:
    """Who works on a trial, and since when; any machine that sees the folder can tell."""
    from lrbench.store.claims import holder_of

    holder = holder_of(layout.lock(trial))
    return "by another process" if holder is None else f"{holder}, since {holder.since:%Y-%m-%d %H:%M} UTC"


def _search_table(record: "SuiteRecord", states: "dict[str, State]") -> "Table":
    """The searches for settings; the trials of a row are known once its search is done."""
    from rich.table import Table

    table = Table(title=f"Tuning of {record.name}", title_justify="left")
    for heading in ("dataset", "label", "search"):
        table.add_column(heading)
    for row in record.searches:
        table.add_row(row.dataset, row.label, states[row.search])
    return table


def _reason(layout: "Results", trial: str) -> str:
    """The last line of the traceback: what was raised."""
    from lrbench.files import open_plain

    with open_plain(layout.error(trial)) as file:
        text = file.read().decode("utf-8", errors="replace")
    lines = text.partition("\n\nLast lines of the log:")[0].strip().splitlines()
    return lines[-1] if lines else "no reason was recorded"
