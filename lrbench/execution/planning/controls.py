"""Rows that controls derive from a reasoning model's row, and networks made to match it.

A control's recipe comes from the model (``ReasoningModel``). Two of the controls are then fitted to each
dataset: the number of blocks and then a width are varied until a quantity matches that of the model. The
quantity is measured on built models. Operations are counted on the lengths of the dataset's own histories.
Item embeddings and the scoring of items are left out: both networks have the same, which would hide a
mismatch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from lrbench.config.base import parse_config
from lrbench.config.controls import Control
from lrbench.config.protocol import Protocol
from lrbench.config.suite_file import Entry
from lrbench.data.dataset import PreparedDataset
from lrbench.data.splitting import split
from lrbench.errors import RequestError
from lrbench.evaluation.cost import count_parameters, encoder_flops
from lrbench.models.base import Model, ModelConfig
from lrbench.models.reasoning import ReasoningModel, Recipe, Sizes
from lrbench.registry import MODELS
from lrbench.store.suites import Match
from lrbench.wording import counted

__all__ = ["QUANTITIES", "TOLERANCE", "Build", "control_entry", "match"]

TOLERANCE = 0.05
"""Largest relative difference at which two networks count as matched."""

QUANTITIES: dict[Control, str] = {
    "parameter-matched": "parameters outside the item embeddings",
    "flops-matched": "floating-point operations to encode a user",
}
"""Controls whose network is fitted to each dataset → the quantity in which it matches the model."""

_METHODS: dict[Control, str] = {
    "no-reasoning": "without_reasoning",
    "parameter-matched": "without_recurrence",
    "flops-matched": "without_recurrence",
    "loss-matched": "same_losses",
}
"""Each control that is trained → the method of the model's class that returns its recipe."""

_MOST_LAYERS = 256
_MOST_SECANTS = 8


@dataclass(frozen=True)
class Build:
    """A registered model and its options, from which a network can be built."""

    model: str
    params: Mapping[str, Any]

    @property
    def kind(self) -> type[Model]:
        """The model's class."""
        return MODELS.load(self.model)

    @property
    def config(self) -> ModelConfig:
        """Its checked configuration."""
        return parse_config(self.kind.Config, self.params, f"control ({self.model})")


def control_entry(parent: Entry, control: Control) -> Entry:
    """Return the row of a control that ``parent`` asks for, before its network is matched.

    Raises:
        RequestError: the row's model does not reason, or takes no steps; or its recipe for the control is
            none, takes steps, or names sizes that are no options.
    """
    kind = MODELS.load(str(parent.model))
    where = f'"{parent.label}"'
    if not issubclass(kind, ReasoningModel):
        raise RequestError(
            f"{where}: controls take reasoning out, and {parent.model} does not reason.",
            "Ask for controls of a reasoning model.",
        )
    config = parse_config(kind.Config, parent.params, f"{where} ({parent.model})")
    if kind.configured_depth(config) == 0:
        raise RequestError(
            f"{where}: controls take reasoning out, and this row takes no reasoning steps.",
            "Leave its controls out, or let it take steps.",
        )
    recipe = _recipe(kind, config, parent.params, control)
    _check_recipe(recipe, str(recipe.model or parent.model), control, where)
    same_model = recipe.model is None
    return Entry(
        label=f"{parent.label}: {control.replace('-', ' ')}",
        model=recipe.model or parent.model,
        params=dict(recipe.params),
        stages=_stages_left(parent, kind, recipe) if same_model else recipe.stages,
        accounts=parent.accounts,
        training=parent.training if same_model else _without_stages(parent.training),
    )


def match(
    label: str, control: Control, base: Build, target: Build, dataset: PreparedDataset, protocol: Protocol
) -> tuple[Build, Match]:
    """Vary the sizes of ``base``, which is derived from ``target``, until it matches ``target``.

    Args:
        label: of the control's row.
        control: one of :data:`QUANTITIES`.
        base: the control's network before it is matched.
        target: the reasoning model.
        dataset: its histories have the lengths that operations are counted on.
        protocol: says which part of the histories a model sees.

    Returns:
        The matched network, and how close it is.

    Raises:
        RequestError: no setting comes within the tolerance.
    """
    if control == "parameter-matched":

        def measure(build: Build) -> float:
            return _parameters_without_items(build, protocol.max_length)
    else:

        def measure(build: Build) -> float:
            return _flops(build, dataset, protocol)

    wanted = measure(target)
    kind, quantity = target.kind, QUANTITIES[control]
    assert issubclass(kind, ReasoningModel)  # its control could not have been derived otherwise
    fitted = _fit(base, kind.without_recurrence(target.config).sizes, wanted, _once(measure), quantity)
    reached = measure(fitted)
    if abs(reached - wanted) > TOLERANCE * wanted:
        raise RequestError(
            f"No {control} network was found: {target.model} has {wanted:,.0f} {quantity}, and the nearest "
            f"{base.model} has {reached:,.0f}.",
            "Leave this control out.",
        )
    return fitted, Match(
        label=label, dataset=dataset.record.name, quantity=quantity, target=wanted, reached=reached
    )


def _once(measure: Callable[[Build], float]) -> Callable[[Build], float]:
    """Return a function that measures each network once and remembers the result."""
    known: dict[tuple[str, str], float] = {}

    def cached(build: Build) -> float:
        key = (build.model, repr(sorted(build.params.items())))
        if key not in known:
            known[key] = measure(build)
        return known[key]

    return cached


def _fit(base: Build, sizes: Sizes, wanted: float, measure: Callable[[Build], float], quantity: str) -> Build:
    """Set the number of blocks, in which the quantity is linear. Then set the width by the secant method.

    Args:
        base: the control's network.
        sizes: names of the options for the number of blocks and for the width, and a divisor of the width.
        wanted: the quantity of the model.
        measure: the quantity of a network.
        quantity: its name.

    Raises:
        RequestError: the number of blocks does not change the quantity.
    """

    def build(layers: int, inner: int) -> Build:
        return replace(base, params={**base.params, sizes.layers: layers, sizes.inner: inner})

    here = int(getattr(base.config, sizes.inner))
    one, two = (measure(build(layers, here)) for layers in (1, 2))
    if one == two:
        raise RequestError(
            f'The option "{sizes.layers}" of {base.model} does not change its {quantity}. So no network can '
            "be matched.",
            "Name another option in the recipe's sizes, or leave this control out.",
        )
    layers = min(max(round(1 + (wanted - one) / (two - one)), 1), _MOST_LAYERS)
    tried = {inner: measure(build(layers, inner)) for inner in (here, 2 * here)}
    for _ in range(_MOST_SECANTS):
        (inner_1, value_1), (inner_2, value_2) = sorted(
            tried.items(), key=lambda pair: abs(pair[1] - wanted)
        )[:2]
        if value_1 == value_2:
            break  # this width changes nothing
        secant = inner_1 + (wanted - value_1) * (inner_2 - inner_1) / (value_2 - value_1)
        inner = max(round(secant / sizes.multiple), 1) * sizes.multiple
        if inner in tried:
            break
        tried[inner] = measure(build(layers, inner))
    return build(layers, min(tried, key=lambda inner: abs(tried[inner] - wanted)))


def _recipe(
    kind: type[ReasoningModel], config: ModelConfig, params: Mapping[str, Any], control: Control
) -> Recipe:
    if control == "noise-only":
        return Recipe(params)
    method = _METHODS[control]
    recipe = getattr(kind, method)(config)
    if not isinstance(recipe, Recipe):
        raise RequestError(
            f"{kind.__name__}.{method} returned no recipe, but a value of the type {type(recipe).__name__}.",
            "It must return lrbench.models.reasoning.Recipe.",
        )
    return recipe


def _check_recipe(recipe: Recipe, model: str, control: Control, where: str) -> None:
    """Refuse a control that reasons, and sizes that its model does not have.

    ``loss-matched`` may have a depth: LARES without recurrence takes one step.
    """
    if control not in ("no-reasoning", *QUANTITIES):
        return
    method, build = _METHODS[control], Build(model, recipe.params)
    sizes = (recipe.sizes.layers, recipe.sizes.inner) if control in QUANTITIES else ()
    for name in sizes:
        if name not in build.kind.Config.model_fields:
            raise RequestError(
                f'{where}: the control {control} varies the option "{name}", which {model} does not have.',
                f"Let {method} return Recipe(…, sizes=Sizes(layers=…, inner=…)) with the names of options "
                "for a number of blocks and for a width, or leave this control out.",
            )
    if steps := build.kind.configured_depth(build.config):
        raise RequestError(
            f"{where}: the control {control} takes {counted(steps, 'reasoning step')}. It must take none.",
            f"Let {method} return options with which configured_depth is 0.",
        )


def _stages_left(parent: Entry, kind: type[ReasoningModel], recipe: Recipe) -> tuple[str, ...] | None:
    """Return the row's stages that the recipe keeps; if it keeps none of them, the recipe's first stage."""
    if recipe.stages is None:
        return parent.stages
    trained = kind.default_stages if parent.stages is None else parent.stages
    return tuple(stage for stage in trained if stage in recipe.stages) or recipe.stages[:1]


def _without_stages(training: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings of stages: the other model has other stages."""
    return {name: value for name, value in training.items() if name != "stages"}


def _parameters_without_items(build: Build, max_length: int) -> float:
    """Return the number of parameters that do not grow with the catalogue, from catalogues of two sizes."""
    small, large = 8, 16
    counts = [count_parameters(build.kind(build.config, n_items, max_length)) for n_items in (small, large)]
    per_item = (counts[1] - counts[0]) / (large - small)
    return counts[0] - small * per_item


def _flops(build: Build, dataset: PreparedDataset, protocol: Protocol) -> float:
    """Return operations per user, with all that the network reads when it is ranked."""
    model = build.kind(build.config, dataset.sequences.n_items, protocol.max_length)
    parts = split(dataset.sequences, protocol)
    model.read_training_part(parts.train)
    return encoder_flops(model, parts.test, model.configured_depth(build.config), torch.device("cpu"))
