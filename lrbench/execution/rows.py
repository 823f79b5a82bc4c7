"""Rows of a suite: each label with its resolved configuration, checked against its model."""

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
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.config.tuning import SearchConfig, Space, Tune
from lrbench.errors import RequestError
from lrbench.execution.planning.controls import QUANTITIES, control_entry
from lrbench.execution.planning.spaces import check_tuning, ends_of, find_space, with_settings
from lrbench.execution.planning.stage_checks import check_replayable, check_training_rows
from lrbench.execution.planning.stages import resolve_stages
from lrbench.models.base import Model, ModelConfig
from lrbench.registry import MODELS, model_origin
from lrbench.store.suites import ControlRecord, Match
from lrbench.text import appearance

__all__ = [
    "REASONING_DEPTHS",
    "Row",
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
    def settings_key(self) -> str:
        """Label under which chosen settings are kept: that of its model for a control that inherits them."""
        return self.control.of if self.control is not None and self.inherits else self.label

    @property
    def depth(self) -> int:
        """The depth that reports use."""
        return self.model.configured_depth(self.config)

    @property
    def is_matched(self) -> bool:
        """Whether it is a control whose network is fitted to each dataset."""
        return self.control is not None and self.control.control in QUANTITIES

    def trial(self, dataset: str, fingerprint: str, seed: int) -> TrialConfig:
        """Return the trial of this row on one dataset with one seed."""
        return TrialConfig(
            dataset=dataset,
            fingerprint=fingerprint,
            protocol=self.protocol.of(dataset),
            model=self.model_name,
            plugin=model_origin(self.model_name),
            params=self.params,
            stages=self.stages,
            evaluation=self.evaluation,
            seed=seed,
            search=self.search,
        )

    def search_config(self, dataset: str, fingerprint: str, tune: Tune) -> SearchConfig:
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
            finalists=tune.finalists if tune.finalists > 1 else 0,
            finalist_runs=tune.finalist_runs if tune.finalists > 1 else 0,
        )


def resolve_rows(suite: Suite) -> tuple[Row, ...]:
    """Return the rows of a suite, with every control after its row; check each row against its model.

    Raises:
        RequestError: an unknown model, option, stage or setting, or an impossible combination.
    """
    rows: list[Row] = []
    for entry, row in _with_controls(suite, {}):
        rows.append(_with_space(row, entry, suite, rows))
        _check_effects(rows[-1])
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


def _check_effects(row: Row) -> None:
    """Refuse options without effect, unless the row is derived from another or its options are searched."""
    if row.control is not None or row.space or row.settings_of is not None:
        return
    try:
        row.config.check_effects([stage.name for stage in row.stages])
    except ValueError as error:
        cause, remedy = cause_and_remedy(str(error))
        raise RequestError(f'"{row.label}": {cause}', remedy) from None


def tuned_rows(suite: Suite, chosen: Mapping[str, tuple[str, Mapping[str, JsonValue]]]) -> tuple[Row, ...]:
    """Return the rows of a suite with the settings that searches chose.

    Args:
        suite: the resolved suite.
        chosen: label → the search's id and its settings; other rows keep their own.
    """
    rows = [row for _, row in _with_controls(suite, {label: found for label, (_, found) in chosen.items()})]
    return tuple(
        replace(row, search=chosen[row.settings_key][0]) if row.settings_key in chosen else row
        for row in rows
    )


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
    stages = resolve_stages(entry, model, suite, where)
    try:
        protocol = _protocol(entry, suite, where)
        config.check_against_protocol(protocol.max_length, [stage.name for stage in stages])
        model.check_options(config)
        model.check_stages(config, [stage.name for stage in stages])
        check_training_rows(model, config, stages)
        check_replayable(model, config, stages)
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
