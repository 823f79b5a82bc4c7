"""Join two records of one suite, of which parts ran in different results folders."""

from pathlib import Path

from lrbench.errors import RequestError
from lrbench.store.declarations import Declaration, extended
from lrbench.store.suites import SuiteRecord, declared_at, merged

__all__ = ["joined"]

REMEDY = "Import it into another folder: --results DIR"


def joined(own: SuiteRecord, archived: SuiteRecord, root: Path) -> SuiteRecord:
    """Return the record that holds all datasets, seeds and trials of two records.

    Args:
        own: the record of the results folder.
        archived: the record of the archive.
        root: the results folder, for messages.

    Raises:
        RequestError: they are different suites of one name, test different claims, or have different trials
            for one row, dataset and seed.
    """
    if _holds(own, archived):
        return own
    if _holds(archived, own):
        return archived
    if own.definition != archived.definition:
        raise RequestError(
            f"The suite {own.name} in {root} differs from the suite of that name in the archive.", REMEDY
        )
    trials = {(cell.label, cell.dataset, cell.seed): cell.trial for cell in own.trials}
    for cell in archived.trials:
        if trials.get((cell.label, cell.dataset, cell.seed), cell.trial) != cell.trial:
            raise RequestError(
                f"{cell.label} on {cell.dataset} with seed {cell.seed} has one trial in {root} and another "
                "in the archive.",
                REMEDY,
            )
    return merged(archived, own).model_copy(update={"declarations": _declarations(own, archived)})


def _holds(later: SuiteRecord, earlier: SuiteRecord) -> bool:
    """Whether ``later`` is ``earlier`` with more seeds, datasets or declarations, or the same."""
    return (
        later.definition == earlier.definition
        and set(later.trials) >= set(earlier.trials)
        and set(later.searches) >= set(earlier.searches)
        and set(later.datasets) >= set(earlier.datasets)
        and all(set(later.seeds_for(name)) >= set(earlier.seeds_for(name)) for name in earlier.datasets)
        and later.declarations[: len(earlier.declarations)] == earlier.declarations
    )


def _declarations(own: SuiteRecord, archived: SuiteRecord) -> tuple[Declaration, ...]:
    """Return the history of the one claim that both records test.

    It begins with the declaration that more trials had preceded. The whole is called declared before the
    runs only if each part was.

    Raises:
        RequestError: they test different claims, or one of them changed its claim.
    """
    histories = [record.declarations or (declared_at(record, None, None),) for record in (own, archived)]
    claims = [claim for history in histories for claim in history]
    if not all(claim.same_claim(claims[0]) for claim in claims):
        raise RequestError(
            f"The suite {own.name} was declared to test something else in the archive, or its declaration "
            "was changed.",
            REMEDY,
        )
    first = max((history[0] for history in histories), key=_doubt)
    history: tuple[Declaration, ...] = (first,)
    for claim in sorted(claims, key=_moment):
        history = extended(history, claim)
    return history


def _doubt(claim: Declaration) -> tuple[bool, int, float]:
    """Order first declarations by what had been seen: unknown is most. Of equal ones the earlier is more."""
    return claim.finished is None, claim.finished or 0, -_moment(claim)


def _moment(claim: Declaration) -> float:
    return 0.0 if claim.time is None else claim.time.timestamp()
