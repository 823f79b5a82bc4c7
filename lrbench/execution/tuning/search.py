"""One search from its configuration to its record: settings are tried one after the other.

A trial of a search is trained like any other trial. Its value is the selection metric on the validation
targets, at the configured depth of its model. Test targets are never ranked.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile

import torch

from lrbench.config.tuning import SearchConfig
from lrbench.data.dataset import load_prepared
from lrbench.data.splitting import split_to_train
from lrbench.errors import LrbenchError
from lrbench.execution.order import TrialOrder
from lrbench.execution.tuning.attempt import NO_MEMORY, Attempt, SearchRun
from lrbench.execution.tuning.finalists import best_trial, runs_of_finalists
from lrbench.execution.tuning.proposals import propose
from lrbench.execution.tuning.users import count_users, some_users
from lrbench.execution.under_way import folder_under_way
from lrbench.files import remove
from lrbench.seeds import make_deterministic
from lrbench.store.layout import CHECKPOINT_FILE, Results
from lrbench.store.searches import (
    Ended,
    FinalistRun,
    SearchRecord,
    SearchTrial,
    failed_since,
    read_ended,
    write_ended,
    write_search,
)
from lrbench.training.news import EpochDone
from lrbench.versions import versions

__all__ = ["run_search"]

log = logging.getLogger(__name__)


def run_search(
    order: TrialOrder, watch: Callable[[EpochDone], None], note: Callable[[str], None] = log.warning
) -> SearchRecord:
    """Try settings until the budget is spent, and write the search's record.

    If the search has finalists, the settings of its best trials are trained again with other seeds. An
    interrupted search goes on from its last checkpoint.

    On one machine and device, with one number of threads, the same order gives identical results.

    Args:
        order: its ``config`` is the search.
        watch: called after every epoch.
        note: called with a sentence that the user should read.

    Raises:
        LrbenchError: every trial failed, so that there is nothing to choose.
    """
    config, started, code = order.config, datetime.now(UTC), versions()
    assert isinstance(config, SearchConfig)
    running = folder_under_way(order)
    make_deterministic()
    torch.set_num_threads(order.threads)
    dataset = load_prepared(order.dataset_folder)
    whole = split_to_train(dataset.sequences, config.protocol, dataset.record.name)
    parts = some_users(whole, config.protocol, config.users, config.seed)
    run = SearchRun(order, config, dataset, parts, watch, note)
    trials, finals = _spend(run, _kept(order.results, config.id))
    outcomes: list[SearchTrial | FinalistRun] = [*trials, *finals]
    chosen = best_trial(trials, finals)
    if chosen is None:
        raise _all_failed(outcomes)
    record = SearchRecord(
        id=config.id,
        config=config,
        metric=config.protocol.selection_metric,
        trials=tuple(trials),
        finals=tuple(finals),
        chosen=chosen,
        users=count_users(parts, config.protocol),
        seconds=sum(outcome.seconds for outcome in outcomes),
        device=order.device,
        threads=torch.get_num_threads(),
        versions=code,
        started=started,
        ended=datetime.now(UTC),
    )
    write_search(record, order.results)
    for left in (running, order.results.failed(config.id)):
        with suppress(OSError):
            remove(left)
    return record


def _all_failed(outcomes: Sequence[SearchTrial | FinalistRun]) -> LrbenchError:
    """Return the error of a search in which nothing can be chosen."""
    finalists = {outcome.number for outcome in outcomes if isinstance(outcome, FinalistRun)}
    count = len(finalists) or len(outcomes)
    thing = "finalist" if finalists else "trial"
    who = f"All {count} {thing}s" if count > 1 else f"The only {thing}"
    reasons = [outcome.reason for outcome in outcomes if outcome.reason]
    more = (
        " Or run the suite again where there is more memory: what ran out of it is then trained again."
        if NO_MEMORY in reasons
        else ""
    )
    return LrbenchError(
        f"{who} of the search failed{' in a run' if finalists else ''}. "
        f"The last one that failed: {reasons[-1]}",
        f"Change the space, or the settings of the row.{more}",
    )


def _kept(results: Results, search_id: str) -> Ended:
    """Return what has ended of a search that begins or goes on.

    If it failed with nothing to choose, what ran out of memory is forgotten, and what came after it: there
    may be more memory now. This is written, so that a further attempt of the same run forgets nothing.
    """
    ended = read_ended(results, search_id)
    if not failed_since(results, search_id) or best_trial(ended.trials, ended.finals) is not None:
        return ended
    if ended.finals:
        kept = Ended(trials=ended.trials, finals=tuple(takewhile(_had_memory, ended.finals)))
    else:
        kept = Ended(trials=tuple(takewhile(_had_memory, ended.trials)))
    if kept != ended:
        write_ended(results, search_id, kept)
    return kept


def _had_memory(outcome: SearchTrial | FinalistRun) -> bool:
    return outcome.reason != NO_MEMORY


def _spend(run: SearchRun, ended: Ended) -> tuple[list[SearchTrial], list[FinalistRun]]:
    """Train what is left of the budget, and keep what ends."""
    config, results = run.search, run.order.results
    trials, finals = list(ended.trials), list(ended.finals)
    begun = len(trials) + len(finals)

    def keep() -> None:
        write_ended(results, config.id, Ended(trials=tuple(trials), finals=tuple(finals)))
        (results.running(config.id) / CHECKPOINT_FILE).unlink(missing_ok=True)

    def killed() -> bool:
        """Whether the next attempt is the one at which the last process was killed."""
        return run.order.memory_ran_out and len(trials) + len(finals) == begun

    while (number := len(trials)) < config.trials:
        proposal = propose(config, trials)
        place = f"{number + 1}/{config.trials}"
        attempt = Attempt(run, proposal.settings, config.seed, place, proposal.hopeless, killed())
        trials.append(attempt.as_trial(number))
        keep()
    runs = runs_of_finalists(config, trials)
    for trial, seed in runs[len(finals) :]:
        place = f"finalist {len(finals) + 1}/{len(runs)}"
        attempt = Attempt(run, trial.settings, seed, place, killed=killed())
        finals.append(attempt.as_finalist(trial.number))
        keep()
    return trials, finals
