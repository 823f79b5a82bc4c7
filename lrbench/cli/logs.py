"""``lrbench logs``: the log of a trial, or the error with which it failed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.options import ResultsDir, parse_name
from lrbench.errors import LrbenchError

if TYPE_CHECKING:
    from lrbench.store.layout import Results

__all__ = ["logs"]

SECONDS_BETWEEN_LOOKS = 0.2


def logs(
    trial: Annotated[
        str,
        typer.Argument(
            metavar="TRIAL", parser=parse_name, help="A trial's folder, id, or the start of its id."
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines of a running trial until it ends.")
    ] = False,
    results: ResultsDir = Path("results"),
) -> None:
    """Print the log of a trial. For a failed trial, print its error and the last lines of its log.

    With -f, the exit code is 1 if the trial fails.
    """
    from lrbench.cli.console import message_console, say
    from lrbench.store.find_trial import find_started_trial
    from lrbench.store.layout import Results
    from lrbench.store.state import trial_state
    from lrbench.text import printable

    layout, trial_id = find_started_trial(Results(results), trial)
    running = trial_state(layout, trial_id) == "running"
    for text in _new_text(layout, trial_id) if follow and running else [_whole_text(layout, trial_id)]:
        typer.echo(printable(text), nl=False)
    state = trial_state(layout, trial_id)
    if follow and running and state == "failed":
        raise LrbenchError(f"Trial {trial_id} failed.", f"Its traceback: {layout.error(trial_id)}")
    if state == "interrupted":
        say(message_console(), f"Trial {trial_id} is not finished, and no process works on it.")


def _whole_text(layout: "Results", trial_id: str) -> str:
    """Return the log of a trial, or the error file of a trial that has failed.

    Raises:
        LrbenchError: the file is missing.
    """
    from lrbench.files import open_plain
    from lrbench.store.state import trial_state

    failed = trial_state(layout, trial_id) == "failed"
    path = layout.error(trial_id) if failed else _log(layout, trial_id)
    try:
        with open_plain(path) as file:
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise LrbenchError(
            f"Trial {trial_id} has no log: there is no file {path}.", "A trial writes its log while it runs."
        ) from None


def _new_text(layout: "Results", trial_id: str) -> Iterator[str]:
    """Yield whole lines of a running trial's log as they come, and the rest when the trial ends.

    The log is opened again for each look, since a trial that ends moves it to the trial's folder.
    """
    import time

    from lrbench.files import open_plain
    from lrbench.store.state import trial_state

    seen, ended = 0, False
    while not ended:
        ended = trial_state(layout, trial_id) != "running"  # asked before reading, so that no line is lost
        try:
            with open_plain(_log(layout, trial_id)) as file:
                file.seek(seen)
                new = file.read()
        except FileNotFoundError:  # not yet there, or just moved
            new = b""
        lines = new if ended else new[: new.rfind(b"\n") + 1]
        seen += len(lines)
        yield lines.decode("utf-8", errors="replace")
        if not ended:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _log(layout: "Results", trial_id: str) -> Path:
    """Return the log file of a complete trial, or of one under way."""
    from lrbench.store.layout import LOG_FILE

    done = layout.trial(trial_id)
    return (done if done.is_dir() else layout.running(trial_id)) / LOG_FILE
