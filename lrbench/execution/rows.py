"""Rows of a suite: each label with its resolved configuration, checked against its model and a dataset."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from lrbench.config.accounts import Accounts
from lrbench.config.base import parse_config
from lrbench.config.controls import Control
from lrbench.config.messages import cause_and_remedy
from lrbench.config.protocol import Protocol
from lrbench.config.suite import Suite
from lrbench.config.suite_file import Entry
from lrbench.config.suite_rows import merge_tables
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.config.tuning import SearchConfig, Space, Tune
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.errors import RequestError, did_you_mean
from lrbench.execution.planning.controls import QUANTITIES, Build, control_entry, match
from lrbench.execution.planning.spaces import check_tuning, ends_of, find_space, with_settings
from lrbench.execution.planning.stage_checks import check_recorded, check_training_rows
from lrbench.models.base import Model, ModelConfig
from lrbench.plugins import plugin_fingerprint
from lrbench.registry import MODELS
from lrbench.store.suites import ControlRecord, Match
from lrbench.text import appearance

__all__ = [
    "REASONING_DEPTHS",
    "Row",
    "check_rows",
    "match_rows",
    "resolve_rows",
    "tuned_rows",
]

REASONING_DEPTHS = tuple(range(9))
"""Depths at which reasoning models are ranked unless a suite says otherwise: 0 to 8."""


@dataclass(frozen=True)
class Row:
    """One label of a suite with its model's configuration, independent of data and seed."""

    label: str
    model_name: str
    model: type[Model]
    config: ModelConfig
    params: dict[str, JsonValue]
    stages: tuple[StageConfig, ...]
    evaluation: EvaluationConfig
    protocol: Protocol
    """The suite's, with this row's own accounts."""

    control: ControlRecord | None = None
    """The row from which a control is derived, and how; ``None``: the row is no control."""

    match: Match | None = None
    """How close a matched control is to its model; ``None``: it is none, or is not yet matched."""

    space: Space = field(default_factory=dict)
    """The space in which settings are searched; empty: nothing is tuned."""

    settings_of: str | None = None
    """Label of the row whose search also chooses this row's settings; ``None``: its own search, or none."""

    search: str | None = None
    """The search that chose its settings, once it is complete."""

    inherits: bool = False
    """Whether a control takes the settings that were chosen for its model."""

    @property
    def searched(self) -> str:
        """Label of the row whose search chooses this row's settings, if it is tuned."""
        return self.control.of if self.control is not None and self.inherits else self.label

    @property
    def depth(self) -> int:
        """The depth that reports use."""
        return self.model.configured_depth(self.config)

    def trial(self, dataset: str, fingerprint: str, seed: int) -> TrialConfig:
        """Return the trial of this row on one dataset with one seed."""
        return TrialConfig(
            dataset=dataset,
            fingerprint=fingerprint,
            protocol=self.protocol.of(dataset),
            model=self.model_name,
            plugin=plugin_fingerprint(self.model_name),
            params=self.params,
            stages=self.stages,
            evaluation=self.evaluation,
            seed=seed,
            search=self.search,
        )

    def searching(self, dataset: str, fingerprint: str, tune: Tune) -> SearchConfig:
        """Return the search for this row's settings on one dataset."""
        config = self.trial(dataset, fingerprint, tune.seed)
        own = {name: getattr(config, name) for name in TrialConfig.model_fields}
        return SearchConfig(
            **own | {"evaluation": EvaluationConfig(), "search": None},
            space=self.space,
            trials=tune.trials,
            sampler=tune.sampler,
            pruning=tune.pruning,
            users=tune.users,
            own_first=True,
            warm_up=tune.warm_up if tune.pruning == "median" else 0,
        )


def resolve_rows(suite: Suite) -> tuple[Row, ...]:
    """Return the rows of a suite, with every control after its row; check each row against its model.

    Raises:
        RequestError: an unknown model, option, stage or setting, or an impossible combination.
    """
    rows: list[Row] = []
    for entry, row in _with_controls(suite, {}):
        rows.append(_with_space(row, entry, suite, rows))
    repeated = [label for label, count in Counter(row.label for row in rows).items() if count > 1]
    if repeated:
        raise RequestError(
            f'The label "{repeated[0]}" is used twice.',
            f'Labels name rows; with a grid, put each option into the label: "{repeated[0]} {{option}}".',
        )
    looks: dict[str, str] = {}
    for row in rows:
        if (other := looks.setdefault(appearance(row.label), row.label)) != row.label:
            raise RequestError(
                f'The labels "{other}" and "{row.label}" look alike.', "Rename one of the rows."
            )
    _check_same_targets(rows)
    check_tuning(suite, {row.label: row.space for row in rows})
    return tuple(rows)


def tuned_rows(suite: Suite, chosen: Mapping[str, tuple[str, Mapping[str, JsonValue]]]) -> tuple[Row, ...]:
    """Return the rows of a suite with the settings that searches chose.

    Args:
        suite: the resolved suite.
        chosen: label → the search's id and its settings; other rows keep their own.
    """
    rows = [row for _, row in _with_controls(suite, {label: found for label, (_, found) in chosen.items()})]
    return tuple(
        replace(row, search=chosen[row.searched][0]) if row.searched in chosen else row for row in rows
    )


def check_rows(rows: Sequence[Row], dataset: PreparedDataset) -> None:
    """Check rows against a dataset.

    Raises:
        RequestError: the protocol cannot split the dataset, or a row needs data that the dataset lacks.
    """
    protocols = {row.protocol.model_dump_json(): row.protocol for row in rows}
    views = {key: _split(dataset, protocol).train for key, protocol in protocols.items()}
    for row in rows:
        view = views[row.protocol.model_dump_json()]
        if row.config.needs_members and view.members is None:
            raise RequestError(
                f'"{row.label}" needs to know which user each interaction belongs to, and '
                f"{row.protocol.name} does not merge users into accounts.",
                'Use the protocol "shared-merge", or leave out the option that needs accounts.',
            )
        if row.config.needs_times and view.times is None:
            raise RequestError(
                f'"{row.label}" needs times of the interactions, and {dataset.record.name} has none '
                f"({dataset.record.source}).",
                "Fetch a form of the dataset with time-stamps, or leave out the option that needs them.",
            )
        if row.model.reads_titles and dataset.titles.null_count() == len(dataset.titles):
            raise RequestError(
                f'"{row.label}" reads titles of items, and {dataset.record.name} has none '
                f"({dataset.record.source}).",
                "Put the list of titles that the catalogue names into the mirror folder and fetch the "
                "dataset again, or choose a dataset with titles.",
            )


def match_rows(rows: Sequence[Row], dataset: PreparedDataset) -> tuple[Row, ...]:
    """Check rows against a dataset, and fit the networks of matched controls to it.

    Raises:
        RequestError: as in :func:`check_rows`, or a control cannot be matched.
    """
    check_rows(rows, dataset)
    by_label = {row.label: row for row in rows}
    return tuple(_matched(row, by_label, dataset) for row in rows)


def _split(dataset: PreparedDataset, protocol: Protocol) -> Split:
    """Split a dataset; an error names it."""
    try:
        return split(dataset.sequences, protocol.of(dataset.record.name))
    except RequestError as error:
        raise RequestError(f"{dataset.record.name}: {error.cause}", error.remedy) from None


def _check_same_targets(rows: Sequence[Row]) -> None:
    """Refuse rows whose accounts give them different held-out interactions, as they cannot be compared."""
    accounts = {row.label: row.protocol.accounts for row in rows if row.protocol.accounts is not None}
    of_accounts = [label for label, made in accounts.items() if made.scope == "account"]
    if of_accounts and len(set(accounts.values())) > 1:
        raise RequestError(
            f'"{of_accounts[0]}" has one target per account, and another row has other accounts. '
            "All rows of a suite must have the same targets.",
            'Write scope = "member", or give all rows the same accounts.',
        )


def _with_controls(
    suite: Suite, chosen: Mapping[str, Mapping[str, JsonValue]]
) -> Iterator[tuple[Entry, Row]]:
    """Yield every row with its entry, and every control after its row.

    Args:
        suite: the resolved suite.
        chosen: label → settings that replace the row's own.
    """
    for own in suite.models:
        entry = with_settings(own, chosen[own.label]) if own.label in chosen else own
        yield entry, _row(entry, suite)
        for control in entry.controls:
            inherits = not _searches_itself(own, control, suite.tune)
            derived = control_entry(entry if inherits else own, control)
            if not inherits and derived.label in chosen:
                derived = with_settings(derived, chosen[derived.label])
            yield derived, _as_control(_row(derived, suite), own, control, suite.evaluation.draws, inherits)


def _searches_itself(entry: Entry, control: Control, tune: Tune | None) -> bool:
    """Whether a control has a search of its own.

    A control that is matched to its model has a size only after the model's search. One that reads noise is
    the trained model itself.
    """
    if tune is None or tune.controls == "inherit" or not entry.tune or entry.settings_of is not None:
        return False
    return control not in QUANTITIES and control != "noise-only"


def _protocol(entry: Entry, suite: Suite, where: str) -> Protocol:
    """Return the suite's protocol with the row's own accounts."""
    if not entry.accounts:
        return suite.protocol
    made = suite.protocol.accounts.model_dump() if suite.protocol.accounts else {}
    accounts = parse_config(Accounts, {**made, **entry.accounts}, f"{where} (accounts)")
    return suite.protocol.sharing(accounts)


def _row(entry: Entry, suite: Suite) -> Row:
    """Resolve and check one row, without its space and its controls."""
    where = f'"{entry.label}"'
    model = MODELS.load(str(entry.model))
    config = parse_config(model.Config, entry.params, f"{where} ({entry.model})")
    stages = _stages(entry, model, suite, where)
    try:
        protocol = _protocol(entry, suite, where)
        config.check_against_protocol(protocol.max_length, [stage.name for stage in stages])
        model.check_options(config)
        model.check_stages(config, [stage.name for stage in stages])
        check_training_rows(model, config, stages)
        check_recorded(model, config, stages)
    except ValueError as error:
        cause, remedy = cause_and_remedy(str(error))
        raise RequestError(f"{where}: {cause}", remedy) from None
    depth = model.configured_depth(config)
    depths: tuple[int, ...] = (0,)
    if depth:
        declared = REASONING_DEPTHS if suite.evaluation.depths is None else suite.evaluation.depths
        depths = (*declared, depth)
    draws = suite.evaluation.draws if model.noisy(config) else 1
    evaluation: dict[str, Any] = {"depths": depths, "draws": draws}
    if depth:
        evaluation["interventions"] = suite.evaluation.interventions
    return Row(
        label=entry.label,
        model_name=str(entry.model),
        model=model,
        config=config,
        params=config.model_dump(mode="json"),
        stages=stages,
        evaluation=parse_config(EvaluationConfig, evaluation, "evaluation"),
        protocol=protocol,
    )


def _with_space(row: Row, entry: Entry, suite: Suite, rows: Sequence[Row]) -> Row:
    """Add the space in which the row is tuned, after each value was checked in the row by itself."""
    if suite.tune is None or not entry.tune or row.inherits:
        return row
    if entry.settings_of is not None:
        source = next(other for other in rows if other.label == entry.settings_of)
        _try_values(source.space, entry, suite)
        return replace(row, settings_of=source.label)
    space = find_space(entry, row.model, [stage.name for stage in row.stages], suite)
    _try_values(space, entry, suite)
    return replace(row, space=space)


def _try_values(space: Space, entry: Entry, suite: Suite) -> None:
    """Refuse a space with a value that the row's model does not accept."""
    for option, values in space.items():
        for value in ends_of(values):
            _row(with_settings(entry, {option: value}), suite)


def _as_control(row: Row, entry: Entry, control: Control, draws: int, inherits: bool) -> Row:
    evaluation = row.evaluation
    if control == "noise-only":
        evaluation = evaluation.model_copy(update={"latents": "noise", "draws": draws, "interventions": ()})
    record = ControlRecord(of=entry.label, control=control)
    return replace(row, evaluation=evaluation, control=record, inherits=inherits)


def _matched(row: Row, by_label: Mapping[str, Row], dataset: PreparedDataset) -> Row:
    if row.control is None or row.control.control not in QUANTITIES:
        return row
    parent = by_label[row.control.of]
    build, record = match(
        row.label,
        row.control.control,
        Build(row.model_name, row.params),
        Build(parent.model_name, parent.params),
        dataset,
        row.protocol.of(dataset.record.name),
    )
    return replace(row, config=build.config, params=build.config.model_dump(mode="json"), match=record)


def _stages(entry: Entry, model: type[Model], suite: Suite, where: str) -> tuple[StageConfig, ...]:
    """Return the settings of each stage.

    They come from four places. A later place overrides an earlier one:

    1. ``training`` of the suite,
    2. ``stage_defaults`` of the model,
    3. ``training`` of the row,
    4. ``training.stages.NAME`` of the suite, then of the row.
    """
    names = model.default_stages if entry.stages is None else entry.stages
    if not names:
        raise RequestError(f"{where}: no stage is left to train.", f"Stages: {', '.join(model.stages)}.")
    common = {key: value for key, value in suite.training.items() if key != "stages"}
    own = {key: value for key, value in entry.training.items() if key != "stages"}
    by_stage = merge_tables(_table(suite.training, where), _table(entry.training, where))
    for name in by_stage:
        if not any(name in MODELS.load(str(other.model)).stages for other in suite.models):
            raise RequestError(
                f'{where}: training.stages names "{name}", and no model of the suite has this stage.',
                did_you_mean(name, model.stages),
            )
    stages = []
    for name in names:
        if name not in model.stages:
            raise RequestError(f'{where}: there is no stage "{name}".', did_you_mean(name, model.stages))
        values: dict[str, Any] = {**common, **model.stage_defaults.get(name, {}), **own}
        values |= by_stage.get(name, {})
        training = parse_config(TrainingConfig, values, f"{where}, training of stage {name}")
        stages.append(StageConfig(name=name, training=training))
    return tuple(stages)


def _table(training: Mapping[str, Any], where: str) -> dict[str, Any]:
    stages = training.get("stages", {})
    if not isinstance(stages, dict) or not all(isinstance(value, dict) for value in stages.values()):
        raise RequestError(f"{where}: training.stages is not a table of tables.", "[training.stages.NAME]")
    return stages
