"""From a suite to trials: every configuration resolved and checked before anything trains."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lrbench.bounds import MOST_TRIALS
from lrbench.config.suite import Suite
from lrbench.config.trial import TrialConfig
from lrbench.errors import RequestError
from lrbench.execution.rows import Row
from lrbench.store.suites import SuiteRecord, SuiteTrial, TunedRow

__all__ = ["Plan", "PlannedTrial", "make_plan", "row_seeds"]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the labels that share it."""

    config: TrialConfig
    labels: tuple[str, ...]
    reused: int = 0
    """Number of its first stages that an earlier trial of the plan trains."""

    reused_from: str | None = None
    """The label of that trial."""


@dataclass(frozen=True)
class Plan:
    """The trials of a suite, and the record that lists them."""

    suite: Suite
    rows: tuple[Row, ...]
    trials: tuple[PlannedTrial, ...]
    """Each trial once, by dataset, seed and row. Trials that reuse stages of others come last."""

    record: SuiteRecord


def make_plan(
    suite: Suite,
    rows: Sequence[Row],
    datasets: Mapping[str, str],
    matched: Mapping[str, Sequence[Row]] | None = None,
    searches: Sequence[TunedRow] = (),
) -> Plan:
    """Make the trials of a suite.

    Args:
        suite: the resolved suite; its ``datasets`` are replaced by the keys of ``datasets``. The keys of its
            ``dataset_seeds`` must be such true names.
        rows: from :func:`resolve_rows`.
        datasets: true dataset name → fingerprint of its prepared form.
        matched: dataset name → rows from :func:`lrbench.execution.fitted_rows.match_rows`. Without them, the
            networks of matched controls have the sizes that their recipes give them.
        searches: which rows are tuned, by dataset. Rows whose search is not complete are not in ``matched``.

    Raises:
        RequestError: the suite has too many trials.
    """
    matched = matched or {}
    if (count := sum(len(suite.seeds_for(name)) for name in datasets) * len(rows)) > MOST_TRIALS:
        raise RequestError(
            f'The suite "{suite.name}" has {count:,} trials.',
            f"At most {MOST_TRIALS:,} can be planned at once: choose fewer seeds, rows or datasets.",
        )
    labels: dict[str, list[str]] = {}
    configs: dict[str, TrialConfig] = {}
    cells = []
    for label, config in _pairs(suite, rows, datasets, matched):
        configs.setdefault(config.id, config)
        sharing = labels.setdefault(config.id, [])
        if label not in sharing:
            sharing.append(label)
        cells.append(SuiteTrial(label=label, dataset=config.dataset, seed=config.seed, trial=config.id))
    record = SuiteRecord(
        name=suite.name,
        protocol=suite.protocol,
        datasets=tuple(datasets),
        labels=tuple(row.label for row in rows),
        seeds=suite.seeds,
        dataset_seeds={name: seeds for name, seeds in suite.dataset_seeds.items() if name in datasets},
        primary_metric=suite.primary_metric,
        proposed=suite.comparison.proposed,
        against=suite.comparison.against,
        margin=suite.comparison.margin,
        controls={row.label: row.control for row in rows if row.control is not None},
        matches=tuple(row.match for fitted in matched.values() for row in fitted if row.match is not None),
        tune=suite.tune,
        searches=tuple(searches),
        definition=_definition(suite, rows),
        text=suite.text,
        trials=tuple(cells),
    )
    trials = _planned(_ordered(configs.values()), labels)
    return Plan(suite, tuple(rows), trials, record)


def row_seeds(suite: Suite, row: Row, dataset: str) -> tuple[int, ...]:
    """Return the suite's seeds for which a row has a trial. To a deterministic model all seeds are one."""
    seeds = suite.seeds_for(dataset)
    return seeds[:1] if row.model.deterministic else seeds


def _pairs(
    suite: Suite,
    rows: Sequence[Row],
    datasets: Mapping[str, str],
    matched: Mapping[str, Sequence[Row]],
) -> Iterator[tuple[str, TrialConfig]]:
    """Yield each row's label with its trial, by dataset and seed. Rows with equal trials share one."""
    for name, fingerprint in datasets.items():
        for seed in suite.seeds_for(name):
            for row in matched.get(name, rows):
                if seed in row_seeds(suite, row, name):
                    yield row.label, row.trial(name, fingerprint, 0 if row.model.deterministic else seed)


def _ordered(configs: Collection[TrialConfig]) -> list[TrialConfig]:
    """Put trials that reuse stages after the trials that train these stages."""
    trained = {config.training_ids[-1] for config in configs}

    def key(config: TrialConfig) -> tuple[bool, int]:
        begun = sum(training_id in trained for training_id in config.training_ids[:-1])
        return config.evaluation.latents == "noise", begun

    return sorted(configs, key=key)


def _planned(ordered: Sequence[TrialConfig], labels: Mapping[str, Sequence[str]]) -> tuple[PlannedTrial, ...]:
    trained: dict[str, str] = {}  # training id → label
    trials = []
    for config in ordered:
        own, ids = tuple(labels[config.id]), config.training_ids
        reused = max((count for count, name in enumerate(ids, 1) if name in trained), default=0)
        trials.append(PlannedTrial(config, own, reused, trained[ids[reused - 1]] if reused else None))
        trained.setdefault(ids[-1], own[0])
    return tuple(trials)


def _definition(suite: Suite, rows: Sequence[Row]) -> str:
    """Hash of what the rows mean, so that results of an edited suite are not mixed with older ones."""
    parts = [row.trial("", "", 0).id + row.label for row in rows]
    if suite.tune is not None:
        parts += [row.search_config("", "", suite.tune).id for row in rows if row.space]
        parts += [f"{row.label} has the settings of {row.settings_of}" for row in rows if row.settings_of]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
