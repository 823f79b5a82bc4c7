"""What a model is to the rest of the tool: a configuration, an encoder with depths, and stages.

The trainer knows stages, not models. Ranking knows ``encode`` and ``score``, not networks. A new model is one
file with a :class:`ModelConfig` and a :class:`Model`, plus a line in the registry.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, ClassVar, Generic, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor, nn
from typing_extensions import TypeVar

from lrbench.bounds import LARGEST_SIZE, MOST_STEPS
from lrbench.config.base import FrozenConfig
from lrbench.config.training import TrainingRows
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.packing import Packed
from lrbench.data.sequences import TrainingView
from lrbench.models.batch_draws import BatchDraws

__all__ = [
    "AuthorsTraining",
    "ChoiceStage",
    "ConfigT",
    "FitStage",
    "GradientStage",
    "Model",
    "ModelConfig",
    "Stage",
    "Terms",
]

Terms = dict[str, Tensor]
"""Loss terms by name. ``loss`` is differentiated; the others are recorded."""


class ModelConfig(FrozenConfig):
    """Base of all model configurations. Each field has a docstring with its meaning.

    If a default is not from the class's ``source``, the docstring of the field says where it is from.
    """

    source: ClassVar[str]
    """Source of the defaults of the fields that this class itself declares: a paper, or code and commit. A
    subclass names a source for its own fields. Model pages print the sources."""

    @model_validator(mode="after")
    def _refuse_impossible_sizes(self) -> Self:
        """Refuse sizes that no machine can hold. Numbers of layers, steps and depths have a lower limit."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            most = MOST_STEPS if name.endswith(("layers", "steps", "depth")) else LARGEST_SIZE
            if isinstance(value, int) and value > most:
                raise ValueError(f"{name} is {value:,}. The largest is {most:,}.")
        return self

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse combinations that cannot work, before anything trains.

        Args:
            max_length: the longest history of the protocol.
            stages: names of the stages that will run.

        Raises:
            ValueError: a sentence that says which options clash.
        """

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options that have another value than their default, but no effect.

        It is called for the rows that a suite writes. It is not called for controls, which keep the options
        of their model, nor for rows whose options are searched.

        An option counts as without effect if the value of another option leaves it out. It does not if its
        part is ablated: a weight or a number is 0, or a stage does not run. Such rows are the ends of grids,
        or keep the settings of a whole model.

        Args:
            stages: names of the stages that will run.

        Raises:
            ValueError: a sentence that names the option and says what to set instead.
        """

    def refuse_changed(self, options: Sequence[str], cause: str, remedy: str) -> None:
        """Refuse options that have another value than their default, as :meth:`check_effects` does.

        Args:
            options: names of options without effect.
            cause: a clause that says why they have none.
            remedy: what to set so that they have one, in the imperative.

        Raises:
            ValueError: the first of these options that is not at its default, the cause and the remedy.
        """
        for option in options:
            if not self.is_default(option):
                raise ValueError(f"{option} has no effect, as {cause}. Leave {option} out, or {remedy}.")

    def is_default(self, option: str) -> bool:
        """Whether an option has its default value."""
        field = type(self).model_fields[option]
        return bool(getattr(self, option) == field.get_default(call_default_factory=True))

    @property
    def needs_times(self) -> bool:
        """Whether the model needs the times of interactions."""
        return False

    @property
    def needs_members(self) -> bool:
        """Whether the model needs to know which member of an account made each interaction."""
        return False


ConfigT = TypeVar("ConfigT", bound=ModelConfig, default=Any)
"""The configuration of a model class."""


@dataclass(frozen=True)
class AuthorsTraining:
    """How the authors of a model train it, if that differs from the defaults of lrbench."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Training settings as a suite's ``[training]`` table takes them. None is a default, here or in
    :attr:`Model.stage_defaults`."""

    note: str = ""
    """What no setting can say, in full sentences."""

    whose: str = "its authors"
    """Whose settings these are."""


class Model(nn.Module, ABC, Generic[ConfigT]):
    """A recommender that encodes packed histories and scores all items.

    Args:
        config: its configuration.
        n_items: items of the catalogue, numbered from 0. There is no padding item.
        max_length: length of the longest history it will get.
    """

    Config: ClassVar[type[ModelConfig]]
    """The configuration class."""

    summary: ClassVar[str]
    """One sentence for listings, with the source."""

    stages: ClassVar[Mapping[str, type["Stage"]]]
    """All training stages by name, in the order in which they may run, each once."""

    default_stages: ClassVar[tuple[str, ...]]
    """The stages that run unless a suite says otherwise."""

    stage_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """By stage, training settings that replace lrbench's defaults. They are those of the model's authors."""

    authors_training: ClassVar[AuthorsTraining | None] = None
    """Training settings of its authors that are no defaults; ``None``: not stated."""

    reasons: ClassVar[bool] = False
    """Whether it takes latent reasoning steps, so that depth has a meaning."""

    deterministic: ClassVar[bool] = False
    """Whether training has no randomness, so that one seed is enough."""

    sized_by_data: ClassVar[frozenset[str]] = frozenset()
    """Names of buffers whose sizes depend on the training part. Loading gives them the stored sizes."""

    reads_titles: ClassVar[bool] = False
    """Whether it reads the titles of items, so that a dataset must have some."""

    latency_batches: ClassVar[tuple[int, ...]] = (1, 256)
    """Batch sizes, in users, with which latency is measured: one request, and more if that is cheap."""

    score_dtype: torch.dtype | None = None
    """Type in which training computes the scores of all items; ``None``: the type of the states. The trainer
    sets it from the training setting ``precision``. Losses pass it to their functions."""

    batch_draws: BatchDraws | None = None
    """Seeds what a step draws once for its batch, if several processes share it. The trainer sets it."""

    config: ConfigT

    def __init__(self, config: ConfigT, n_items: int, max_length: int) -> None:
        super().__init__()
        self.config = config
        self.n_items = n_items
        self.max_length = max_length
        self.left_out: frozenset[str] = frozenset()
        """Names of the weights of parts that :meth:`leave_out` removed."""

    def leave_out(self, *parts: str) -> None:
        """Remove parts that no pass uses with this configuration. They become ``None``.

        A model calls it when all weights are drawn. The other weights then have the initial values that they
        have beside these parts. Earlier versions kept and stored such parts.

        Args:
            parts: names of modules and parameters, such as ``denoiser.null``.
        """
        for part in parts:
            owner, _, name = part.rpartition(".")
            names = {weight for weight, _ in self.named_parameters() if f"{weight}.".startswith(f"{part}.")}
            self.left_out |= names
            setattr(self.get_submodule(owner), name, None)

    @classmethod
    def on_catalogue(cls, config: ConfigT, titles: Sequence[str], max_length: int) -> Self:
        """Return a model for a catalogue of items. Only a model that reads titles looks at them.

        Args:
            config: its configuration.
            titles: of all items. An item without a title has a name instead.
            max_length: length of the longest history it will get.
        """
        return cls(config, len(titles), max_length)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights and buffers. Those in :attr:`sized_by_data` may have any size."""
        for name in self.sized_by_data & state_dict.keys():
            setattr(self, name, getattr(self, name).new_empty(state_dict[name].shape))
        return super().load_state_dict(state_dict, strict, assign)

    def read_training_part(self, view: TrainingView) -> None:
        """Compute what the network reads beside weights and histories, such as a graph of items.

        It is called before the cost of an untrained network is measured. A stage that needs it calls it too.
        """

    @classmethod
    def check_options(cls, config: ConfigT) -> None:
        """Refuse options that this network does not support, before anything trains.

        Raises:
            ValueError: a sentence that says what is missing.
        """

    @classmethod
    def check_stages(cls, config: ConfigT, names: Sequence[str]) -> None:
        """Refuse stages in a wrong order, repeated stages, and a first stage that refines an untrained
        network.

        Args:
            config: the configuration.
            names: stages of this model that will run, at least one.

        Raises:
            ValueError: a sentence that says which stages to run instead.
        """
        for name in names:
            if not issubclass(cls.stages[name], FitStage | GradientStage | ChoiceStage):
                raise ValueError(
                    f"stage {name} is neither a FitStage nor a GradientStage nor a ChoiceStage; derive it "
                    "from one"
                )
        ordered = [name for name in cls.stages if name in names]
        if list(names) != ordered:
            wanted, given = json.dumps(ordered), json.dumps(list(names))
            raise ValueError(f"stages run once each and in the model's order: stages = {wanted}, not {given}")
        first = names[0]
        if cls.stages[first].refines(config):
            earlier = takewhile(lambda name: name != first, cls.stages)
            training = [name for name in earlier if not cls.stages[name].refines(config)]
            raise ValueError(
                f"stage {first} refines a network that an earlier stage has trained, and there is none; "
                f"put {' or '.join(training)} first"
            )

    @classmethod
    def causal(cls, config: ConfigT) -> bool:
        """Whether no state depends on later items. One pass can then train on all positions."""
        return True

    @classmethod
    def configured_depth(cls, config: ConfigT) -> int:
        """The depth that reports use. It is 0 for a model that does not reason."""
        return 0

    @classmethod
    def noisy(cls, config: ConfigT) -> bool:
        """Whether inference draws noise, so that several draws differ."""
        return False

    @property
    def draws_noise(self) -> bool:
        """Whether :meth:`encode` draws noise now. A control can make a model draw that otherwise does not."""
        return self.noisy(self.config)

    def drawn_once(self) -> AbstractContextManager[None]:
        """Context of what a step draws once for its batch. Processes that share the batch draw it alike."""
        return nullcontext() if self.batch_draws is None else self.batch_draws.alike()

    def one_step(self) -> AbstractContextManager[None]:
        """Context around the losses of one training step. What is drawn once per step is drawn on entry."""
        return nullcontext()

    @abstractmethod
    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """Encode each history at each depth, in one pass.

        Args:
            sequences: packed histories.
            depths: numbers of reasoning steps, ascending; (0,) for a model that does not reason.
            noise: source of the initial latent noise; ``None``: torch's default source.

        Returns:
            User states, (depths, sequences, width), in the order given to ``pack``.
        """

    @abstractmethod
    def score(self, states: Tensor) -> Tensor:
        """Score all items for user states, (rows, width) → (rows, items)."""


class Stage(Generic[ConfigT]):
    """A training phase of a model with this configuration."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def refines(cls, config: ConfigT) -> bool:
        """Whether it needs a network that another stage has trained, so that it cannot be the first."""
        return False


class FitStage(Stage[ConfigT], ABC):
    """A stage of a single call: counting, or a closed form."""

    @abstractmethod
    def fit(self, view: TrainingView) -> None:
        """Set the model's buffers from the training part."""


class ChoiceStage(Stage[ConfigT], ABC):
    """A stage that chooses one setting of a trained model by the selection metric on validation."""

    @classmethod
    def refines(cls, config: ConfigT) -> bool:
        """Yes: the model must have been trained before."""
        return True

    @abstractmethod
    def candidates(self) -> tuple[float, ...]:
        """Return the values to try. If several are equally good, the first of them is chosen."""

    @abstractmethod
    def encode(self, sequences: Packed) -> Tensor:
        """Encode each history with each candidate, (candidates, sequences, width)."""

    @abstractmethod
    def choose(self, candidate: float) -> None:
        """Keep a candidate in the model's buffers."""


class GradientStage(Stage[ConfigT], ABC):
    """A stage of epochs of gradient steps with early stopping."""

    @classmethod
    def rows_for(cls, model: type[Model[ConfigT]], config: ConfigT) -> TrainingRows:
        """Which rows it trains a model on. No model needs to exist yet.

        The rows are all positions at once if the network is causal, otherwise each prefix. A stage that hides
        future items itself (a cloze task) may take positions in any case.
        """
        return "positions" if model.causal(config) else "prefixes"

    @classmethod
    def replayable(cls, model: type[Model[ConfigT]], config: ConfigT) -> bool:
        """Whether a step can be recorded on a device and replayed with other batches (``graph = true``).

        Three conditions must hold:

        * :meth:`losses` uses only tensors of the batch and of the model.
        * It reads no number on the host that differs between batches of one shape. :meth:`phase` is the
          exception.
        * No loss depends on targets of weight 0.
        """
        return False

    @classmethod
    def allows_data_parallel(cls, config: ConfigT) -> bool:
        """Whether several processes can share a batch. No model needs to exist yet.

        They can if the loss is a mean over targets and compares no rows of a batch with each other. A term
        that depends on the weights alone, such as a penalty, may be added. What a step draws once for its
        batch must be drawn within :meth:`Model.drawn_once`.
        """
        return False

    def weight(self, batch: TrainingBatch) -> int:
        """Number of terms over which the loss of a batch is a mean: the targets, unless overridden.

        Processes that share a batch weight their parts of the loss by it.
        """
        return len(batch.target_ids)

    def phase(self) -> Hashable:
        """A value that changes if :meth:`losses` computes something else, as after a warm-up.

        A recorded step is replayed only in the phase in which it was recorded.
        """
        return None

    def training_rows(self) -> TrainingRows:
        """Which rows it trains its model on. See :meth:`rows_for`."""
        return self.rows_for(type(self.model), self.model.config)

    def most_targets(self, available: int) -> int:
        """The most of so many training targets that an epoch uses, where a setting limits their number.

        Estimates of time use it. A stage that filters its rows by what they hold need not.
        """
        return available

    def selection_depth(self) -> int:
        """The reasoning depth at which validation selects its epoch."""
        depth: int = self.model.configured_depth(self.model.config)
        return depth

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_] | None:
        """Prepare the stage. It is called before the first epoch, and again after a resumption.

        The model then has the weights with which the stage began.

        Returns:
            Which targets to train on, (targets,), or ``None`` for all of them.
        """
        return None

    def begin_epoch(self, epoch: int) -> None:
        """Receive the number of the epoch that starts, from 1."""

    @abstractmethod
    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the loss terms of one batch. The model is in training mode."""
