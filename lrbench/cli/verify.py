"""``lrbench verify``: check that the stored weights give the stored ranks again."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lrbench.cli.console import message_console, say
from lrbench.cli.evaluate import Only
from lrbench.cli.options import Catalog, DataDir, Plugins, ResultsDir, parse_list, parse_name
from lrbench.errors import CheckError, LrbenchError, RequestError

if TYPE_CHECKING:
    from lrbench.data.obtain import Library
    from lrbench.store.evaluations import LaterEvaluation
    from lrbench.store.layout import Results
    from lrbench.store.trials import TrialRecord

__all__ = ["verify"]

Outcome = Literal["as stored", "faulty", "without weights", "unknown here"]
"""What was found of a trial. It is unknown here if its model or its dataset is, or its data cannot be had."""


def verify(
    trial: Annotated[
        str | None,
        typer.Argument(
            metavar="TRIAL|SUITE",
            parser=parse_name,
            help="A trial's folder, its id, or the start of its id. "
            "Or a suite's name or file, for all its finished trials. "
            "Without it: everything in the results folder.",
        ),
    ] = None,
    only: Only = None,
    results: ResultsDir = Path("results"),
    data_dir: DataDir = None,
    catalog: Catalog = None,
    plugins: Plugins = None,
) -> None:
    """Compare stored files with their digests, and stored ranks with those of the stored weights.

    The exit code is 1 if a file was changed, a rank differs, or a trial has no weights to rank with.
    """
    from lrbench.data.obtain import open_library
    from lrbench.store.layout import Results
    from lrbench.store.record_faults import record_faults

    layout, library = Results(results), open_library(data_dir, catalog)
    folders = _named(layout, trial, only)
    alone = trial is not None and len(folders) == 1
    outcomes = Counter(_verified(folder, library, alone) for folder in folders)
    damaged = record_faults(layout) if trial is None else []
    for fault in damaged:
        say(message_console(), fault)
    _judge(outcomes, len(damaged))


def _named(results: "Results", trial: str | None, only: str | None) -> list[Path]:
    """Return the folders of the trials that were asked for, each once.

    Raises:
        RequestError: there is no such trial or suite, no trial is finished, or rows of no suite were chosen.
    """
    from lrbench.cli.evaluation_target import find_rows

    if trial is not None:
        rows = find_rows(results, trial, None if only is None else parse_list(only, "--only"))
        for row in rows:
            row.tell_missing_seeds()
        return list(dict.fromkeys(folder for row in rows for folder in row.folders))
    if only is not None:
        suite = results.command("verify", "SUITE", "--only", only)
        raise RequestError("--only chooses rows of a suite, and no suite is named.", f"Name it: {suite}")
    if not (folders := results.trials()):
        run = results.command("run", "SUITE.toml")
        raise RequestError(f"There are no trials in {results.root}.", f"Run a suite first: {run}")
    return folders


def _verified(folder: Path, library: "Library", alone: bool) -> Outcome:
    """Check one trial, and say what is wrong with it or that nothing is.

    Args:
        folder: of the trial.
        library: where datasets are.
        alone: whether it is the only trial to check. What cannot be checked is then an error, not a fault.

    Returns:
        What was found. Of a trial without weights nothing is said here.

    Raises:
        LrbenchError: the only trial's model or dataset is not known here, or its data cannot be had.
    """
    from lrbench.execution.stored_trial import OtherDataError
    from lrbench.store.integrity import stored_faults
    from lrbench.store.layout import WEIGHTS_FILE

    if not (folder / WEIGHTS_FILE).exists() and not stored_faults(folder, left_out=[WEIGHTS_FILE]):
        return "without weights"
    console = message_console()
    try:
        count, faults = _check_trial(folder, library)
    except (RequestError, OtherDataError) as error:  # for instance, a plug-in is needed
        count, faults = 0, stored_faults(folder)
        if not faults:
            if alone:
                raise
            say(console, f"{folder.name} is not ranked again. {error.cause} {error.remedy}")
            return "unknown here"
    for fault in faults:
        say(console, f"{folder.name}: {fault}")
    if faults:
        return "faulty"
    say(console, f"All {count:,} ranks of {folder.name} are as stored.")
    return "as stored"


def _judge(outcomes: Mapping[Outcome, int], records: int) -> None:
    """Say whether anything is wrong.

    Args:
        outcomes: how many trials have each outcome.
        records: how many records of suites, searches and evaluations are damaged.

    Raises:
        CheckError: a record is damaged, or a trial is not as it was stored or was not ranked again.
    """
    from lrbench.wording import counted

    trials = sum(outcomes.values())
    reasons: dict[Outcome, str] = {
        "without weights": "have no weights here",
        "unknown here": "have a model or data that are not known here",
    }
    skipped = [
        f"{outcomes[outcome]} of {trials} trials {reason}, so they were not ranked again. Their other files "
        "are as they were stored."
        for outcome, reason in reasons.items()
        if outcomes[outcome]
    ]
    if outcomes["faulty"] or records:
        for sentence in skipped:
            say(message_console(), sentence)
        more = f" and {counted(records, 'record')}" if records else ""
        raise CheckError(
            f"{outcomes['faulty']} of {trials} trials{more} are not as they were stored.",
            "Move a damaged folder away and run its suite again. Ranks that differ by rounding come from "
            "another machine, device, version or number of threads. trial.json says which were used.",
        )
    if skipped:
        export = "lrbench export SUITE --archive FILE --weights"
        without = f"If they were imported, import an archive that has weights, from where they ran: {export}"
        raise CheckError(" ".join(skipped), without if outcomes["without weights"] else "")


def _check_trial(folder: Path, library: "Library") -> tuple[int, list[str]]:
    """Return how many ranks were compared, and a sentence for everything that is wrong.

    What ``lrbench evaluate`` ranked after the trial is compared too.

    Raises:
        RequestError: the trial's model or dataset is not known here.
        OtherDataError: its data cannot be had here.
    """
    from lrbench.execution.stored_trial import OtherDataError, load_trial
    from lrbench.execution.verification import rank_again, rank_evaluation_again
    from lrbench.store.integrity import stored_faults

    faults, compared = stored_faults(folder), 0
    try:
        stored = load_trial(folder, library)
        comparison = rank_again(stored)
        compared += comparison.ranks
        faults += [comparison.sentence] if comparison.differing else []
        evaluation = _evaluation(folder, stored.record)
        if evaluation is not None:
            comparison = rank_evaluation_again(stored, evaluation)
            compared += comparison.ranks
            faults += [f"Evaluated later: {comparison.sentence}"] if comparison.differing else []
    except (RequestError, OtherDataError):
        raise
    except LrbenchError as error:
        return 0, list(dict.fromkeys([*faults, error.cause]))
    return compared, faults


def _evaluation(folder: Path, record: "TrialRecord") -> "LaterEvaluation | None":
    """Return what was ranked after a trial, if its folder is in a results folder."""
    from lrbench.store.evaluations import read_evaluation
    from lrbench.store.layout import results_of

    results = results_of(folder)
    return None if results is None else read_evaluation(results, record)
