"""Conformance tests for models. A test class of a few lines derives from them, also in other packages.

::

    class TestSASRec(CausalConformance):
        model = "sasrec"
        params: ClassVar = {"width": 16, "heads": 2, "inner_width": 32}
        quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0}

========================  ==========================================================================
class                     for
========================  ==========================================================================
``ModelConformance``      every model
``CausalConformance``     models whose states depend on no later item, trained on all positions at once
``ReasoningConformance``  models that take latent reasoning steps
``ShortcutConformance``   models that override ``last_states``, a shorter way to the last state
========================  ==========================================================================

If several apply to a model, its test derives from several. ``ModelConformance`` warns of missing ones. The
tests need pytest. Exact properties are tested in float64, so that tolerances can be small.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lrbench.config.training import TrainingRows
from lrbench.data.batches import TrainingData
from lrbench.data.packing import Packed, pack
from lrbench.data.sequences import TrainingView
from lrbench.models.base import FitStage, GradientStage, Model, Terms
from lrbench.models.next_item import NextItemModel
from lrbench.models.reasoning import ReasoningModel, Recipe, Replacement
from lrbench.registry import MODELS

__all__ = [
    "CausalConformance",
    "ModelConformance",
    "ReasoningConformance",
    "ShortcutConformance",
    "contracts",
    "pack_lists",
    "random_histories",
    "training_view",
]

CPU = torch.device("cpu")
N_ITEMS, MAX_LENGTH = 23, 9
_OVERFIT_STEPS = 400
_LARGEST_GRADIENT = 1_000.0


def pack_lists(histories: Sequence[Sequence[int]]) -> Packed:
    """Pack histories that are given as lists, on the CPU."""
    stops = np.cumsum([len(history) for history in histories])
    return pack(np.concatenate(histories).astype(np.int32), np.concatenate([[0], stops[:-1]]), stops, CPU)


def training_view(histories: Sequence[Sequence[int]], n_items: int = N_ITEMS) -> TrainingView:
    """Return a training part in which each history is that of one user."""
    stops = np.cumsum([len(history) for history in histories])
    items = np.concatenate(histories).astype(np.int32)
    return TrainingView(items, np.concatenate([[0], stops[:-1]]), stops, n_items)


def random_histories(number: int, seed: int = 0, shortest: int = 1) -> list[list[int]]:
    """Draw histories.

    Args:
        number: how many.
        seed: of the generator.
        shortest: smallest length. The largest is the maximum length of the models under test.
    """
    source = np.random.default_rng(seed)
    lengths = source.integers(shortest, MAX_LENGTH + 1, number)
    return [source.integers(N_ITEMS, size=length).tolist() for length in lengths]


class ModelConformance:
    """Properties of every model. Class attributes name the model and its options."""

    model: ClassVar[str]
    """Registered name of the model."""

    params: ClassVar[Mapping[str, Any]] = {}
    """Options that make the model small. They do not change its randomness."""

    quiet: ClassVar[Mapping[str, Any]] = {}
    """Further options that switch off all randomness of training and inference (dropout, noise)."""

    as_trained: ClassVar[Mapping[str, Any]] = {}
    """Further options with which inference scores the states that training scores, if it usually does not."""

    stage: ClassVar[str | None] = None
    """The stage that alone teaches the model to predict. ``None``: its first stage."""

    learning_rate: ClassVar[float] = 0.02
    """Learning rate of the test that learns a few sequences by heart."""

    def kind(self) -> type[Model]:
        """Return the class under test. Override it for a model that is not registered."""
        return MODELS.load(self.model)

    def build(
        self, seed: int = 0, quiet: bool = False, dtype: torch.dtype = torch.float64, **changes: Any
    ) -> Model:
        """Return a freshly initialised model in evaluation mode.

        Args:
            seed: of the initial weights.
            quiet: whether the options of ``quiet`` are set.
            dtype: type of the weights.
            changes: further options.
        """
        kind = self.kind()
        config = kind.Config.model_validate({**self.params, **(self.quiet if quiet else {}), **changes})
        config.check_against_protocol(MAX_LENGTH, kind.default_stages)
        kind.check_options(config)
        torch.manual_seed(seed)
        return kind(config, N_ITEMS, MAX_LENGTH).to(dtype).eval()

    def fitted(self, **options: Any) -> Model:
        """Return a model whose scores differ between items. It is fitted, unless gradients train it."""
        model = self.build(**options)
        stage = next(iter(model.stages.values()))(model)
        if isinstance(stage, FitStage):
            stage.fit(training_view(random_histories(20)))
        return model

    def test_it_is_tested_for_all_that_it_is(self) -> None:
        """Warns of conformance classes that apply to the model, but from which its test does not derive."""
        missing = [kind.__name__ for kind in contracts(self.build(quiet=True)) if not isinstance(self, kind)]
        if missing:
            warnings.warn(f"derive this test from {', '.join(missing)} as well", stacklevel=2)

    def test_shapes(self) -> None:
        """States are (depths, sequences, width), and scores are (sequences, items)."""
        model = self.fitted()
        depths = self._depths(model)
        states = model.encode(pack_lists([[1], [2, 3, 4], [5, 6]]), depths, None)
        assert states.ndim == 3
        assert states.shape[:2] == (len(depths), 3)
        assert model.score(states[0]).shape == (3, N_ITEMS)

    def test_a_history_scores_the_same_alone_and_in_company(self) -> None:
        """A history's scores do not depend on the other histories of its batch, nor on their order."""
        model = self.fitted(quiet=True)
        histories = random_histories(12)
        together = self._scores(model, histories)
        alone = torch.cat([self._scores(model, [history]) for history in histories], dim=1)
        torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-10)

    def test_odd_histories_give_finite_scores_losses_and_gradients(self) -> None:
        """Odd histories hold one item, or one item repeated. Odd training data has one target in all."""
        odd = [[3], [7] * MAX_LENGTH, [5, 5], [4, 4]]
        assert torch.isfinite(self._scores(self.fitted(), odd)).all()
        for histories in (odd, [[3, 5]]):
            for name in self.kind().stages:
                model = self.build()
                terms = self._taught(model, name, training_view(histories), steps=1)
                assert all(torch.isfinite(term).all() for term in terms.values()), name
                assert all(torch.isfinite(parameter).all() for parameter in model.parameters()), name
                assert torch.isfinite(self._scores(model, odd)).all(), name

    def test_saved_weights_score_the_same(self) -> None:
        """The state dict holds everything on which scores depend."""
        model, other = self.fitted(seed=1), self.build(seed=2)
        other.load_state_dict(model.state_dict())
        histories = random_histories(5)
        assert torch.equal(self._scores(model, histories), self._scores(other, histories))

    def test_the_seed_decides_the_weights(self) -> None:
        """A seed gives the same weights twice. Another seed gives others, unless training draws nothing."""
        first, again, other = (self._trained(seed) for seed in (3, 3, 4))
        weights, same, others = first.state_dict(), again.state_dict(), other.state_dict()
        for name, weight in weights.items():
            assert torch.equal(weight, same[name]), name
        unchanged = all(torch.equal(weight, others[name]) for name, weight in weights.items())
        assert unchanged == first.deterministic

    def test_every_weight_is_trained(self) -> None:
        """Each weight gets a gradient in a step of some stage. A network is not larger than what it uses."""
        model = self.build(dtype=torch.float32)
        assert not self._never_trained(model, model.default_stages)

    def test_it_learns_a_few_sequences_by_heart(self) -> None:
        """It predicts the last items of all 14 sequences. Four sequences begin like others."""
        histories = [[first, *tail] for first, tail in enumerate(random_histories(10, shortest=3))]
        histories += [[*history[:2], *reversed(history)][:MAX_LENGTH] for history in histories[:4]]
        known = {tuple(history[:-1]): history for history in histories}
        assert len(known) == 14
        model = self.build(quiet=True, dtype=torch.float32)
        lesson = self._lesson(model, training_view(histories))
        optimiser = torch.optim.Adam(model.parameters(), self.learning_rate)
        targets = torch.tensor([history[-1] for history in histories])
        depth = model.configured_depth(model.config)
        for number in range(_OVERFIT_STEPS):
            lesson.step(optimiser)
            if number % 5 == 4:
                (states,) = self._encode(model, list(known), (depth,))
                if torch.equal(model.score(states).argmax(1), targets):
                    return
        pytest.fail(f"not learned in {_OVERFIT_STEPS} steps")

    def _depths(self, model: Model) -> tuple[int, ...]:
        return (0, 1, 3) if model.reasons else (0,)

    def _lesson(self, model: Model, view: TrainingView, rows: TrainingRows | None = None) -> "_Lesson":
        """Return the stage under test, ready to train on ``view``."""
        stage = model.stages[self.stage or next(iter(model.stages))](model)
        assert isinstance(stage, GradientStage)
        return _Lesson(stage, TrainingData(view, MAX_LENGTH, rows or stage.training_rows()))

    def _encode(
        self, model: Model, histories: Sequence[Sequence[int]], depths: Sequence[int], seed: int = 0
    ) -> Tensor:
        with torch.no_grad():
            return model.encode(pack_lists(histories), depths, torch.Generator().manual_seed(seed))

    def _scores(self, model: Model, histories: Sequence[Sequence[int]]) -> Tensor:
        """Return scores at several depths, (depths, histories, items)."""
        states = self._encode(model, histories, self._depths(model))
        return torch.stack([model.score(state) for state in states])

    def _trained(self, seed: int) -> Model:
        """Return a model after one step of each default stage."""
        model = self.build(seed, dtype=torch.float32)
        for name in model.default_stages:
            self._taught(model, name, training_view(random_histories(4, shortest=2)), steps=1)
        return model

    def _never_trained(self, model: Model, stages: Sequence[str]) -> set[str]:
        """Return the weights that get no gradient in two steps of each stage."""
        untrained = {name for name, _ in model.named_parameters()}
        view = training_view([*random_histories(30), list(range(MAX_LENGTH + 1))])
        for stage in stages:
            self._taught(model, stage, view, steps=2)
            untrained -= {
                name
                for name, weight in model.named_parameters()
                if weight.grad is not None and weight.grad.any()
            }
            model.zero_grad()
        return untrained

    def _taught(self, model: Model, name: str, view: TrainingView, steps: int) -> Terms:
        """Take some steps of one stage, or fit it. Return the loss terms of the last step."""
        stage = model.stages[name](model)
        terms: Terms = {}
        match stage:
            case FitStage():
                stage.fit(view)
            case GradientStage():
                lesson = _Lesson(stage, TrainingData(view, MAX_LENGTH, stage.training_rows()))
                optimiser = torch.optim.Adam(model.parameters())
                for _ in range(steps):
                    terms = lesson.step(optimiser)
        return terms


class CausalConformance(ModelConformance):
    """Properties of models whose states depend on no later item, trained on all positions at once."""

    def test_all_positions_at_once_teach_what_prefixes_teach(self) -> None:
        """One pass over each sequence has the loss and the gradients of one row per target."""
        model = self.build(quiet=True)
        view = training_view(random_histories(8, shortest=2))
        losses, gradients = [], []
        kinds: tuple[TrainingRows, ...] = ("positions", "prefixes")
        for rows in kinds:
            torch.manual_seed(0)  # the draws of a loss for a batch do not depend on its rows
            losses.append(self._lesson(model, view, rows).loss())
            trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
            gradients.append(torch.autograd.grad(losses[-1], trained, allow_unused=True))
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-10)
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)

    def test_later_items_do_not_reach_earlier_targets(self) -> None:
        """The loss of early targets does not depend on the items after them."""
        model = self.build(quiet=True)
        early = np.tile([True, True, False, False, False], 2)
        losses = []
        for tail in ([4, 5, 6], [7, 8, 9]):
            torch.manual_seed(0)
            lesson = self._lesson(model, training_view([[1, 2, 3, *tail], [3, 2, 1, *tail]]))
            losses.append(lesson.loss(early))
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-10)


class ReasoningConformance(ModelConformance):
    """Properties of models that take latent reasoning steps."""

    uses_state: ClassVar[bool] = True
    """Whether a step depends on the state before it. It does not with a learned query for each step."""

    def test_depths_lie_on_one_trajectory(self) -> None:
        """With the same noise, the state at a depth is the same alone and on the way to a deeper one."""
        model = self._reasoning_model()
        histories = random_histories(6)
        together = self._encode(model, histories, (0, 1, 2, 3, 4))
        for index, depth in enumerate((0, 1, 2, 3, 4)):
            alone = self._encode(model, histories, (depth,))
            torch.testing.assert_close(together[index], alone[0], rtol=1e-9, atol=1e-10)
        assert not any(torch.allclose(together[1], together[depth]) for depth in (0, 4))

    def test_depth_0_is_the_encoder_without_noise(self) -> None:
        """No noise reaches depth 0. It reaches other depths if and only if the model says it is noisy."""
        model = self._reasoning_model()
        histories = random_histories(6)
        first, second = (self._encode(model, histories, (0, 2), seed) for seed in (1, 2))
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1]) != model.noisy(model.config)

    def test_depth_0_is_the_encoder_alone(self) -> None:
        """The control without reasoning takes no step. With the weights that both share, scores are equal."""
        model = self._reasoning_model()
        recipe = model.without_reasoning(model.config)
        kind = MODELS.load(recipe.model) if recipe.model else type(model)
        alone = kind(kind.Config.model_validate(recipe.params), N_ITEMS, MAX_LENGTH).double().eval()
        assert alone.configured_depth(alone.config) == 0
        weights = model.state_dict()
        shared = {name for name, weight in alone.state_dict().items() if weight.numel()}
        assert shared <= weights.keys()
        alone.load_state_dict({name: weights[name] for name in shared}, strict=False)
        histories = random_histories(6)
        whole, part = (
            each.score(self._encode(each, histories, (0,))[0]).log_softmax(-1) for each in (model, alone)
        )
        torch.testing.assert_close(whole, part, rtol=1e-9, atol=1e-10)

    def test_every_weight_of_a_control_is_trained(self) -> None:
        """A control with weights that nothing uses would be smaller than the model that it is matched to."""
        own = self._reasoning_model()
        for recipe in (method(own.config) for method in _controls(own)):
            model = _built(recipe, type(own))
            stages = recipe.stages or model.default_stages
            assert not self._never_trained(model, stages), (recipe, type(model))

    def test_first_gradients_are_of_ordinary_size(self) -> None:
        """Neither the model's nor a control's. Adam remembers a huge first gradient for hundreds of steps."""
        own = self._reasoning_model()
        controls = (method(own.config) for method in _controls(own))
        for recipe in (Recipe(own.config.model_dump()), *controls):
            kind = MODELS.load(recipe.model) if recipe.model else type(own)
            for name in recipe.stages or kind.default_stages:
                model = _built(recipe, type(own))
                self._taught(model, name, training_view(random_histories(8)), steps=1)
                sizes = {
                    parameter: float(weight.grad.norm())
                    for parameter, weight in model.named_parameters()
                    if weight.grad is not None
                }
                assert all(size < _LARGEST_GRADIENT for size in sizes.values()), (recipe, name, sizes)

    def test_depth_k_takes_k_steps(self) -> None:
        """Each step starts from the state before it. Only the first step may start from noise or zeros."""
        model = self._reasoning_model()
        taken_over = []
        for depth in range(5):
            with patch.object(model, "carried", wraps=model.carried) as carried:
                self._encode(model, random_histories(6), (depth,))
            taken_over.append(carried.call_count)
        assert taken_over in ([0, 1, 2, 3, 4], [0, 0, 1, 2, 3])

    def test_a_replaced_state_reaches_deeper_states_only(self) -> None:
        """Zeros or the state of another history change deeper states. A history's own state changes none."""
        model = self._reasoning_model(quiet=True)
        histories = random_histories(6)
        own = self._encode(model, histories, (0, 3))
        order = torch.arange(len(histories))
        for replacement, same in (
            (Replacement("other", order), True),
            (Replacement("other", order.roll(1)), not self.uses_state),
            (Replacement("zero"), not self.uses_state),
        ):
            model.replacement = replacement
            states = self._encode(model, histories, (0, 3))
            torch.testing.assert_close(states[0], own[0], rtol=1e-9, atol=1e-10)
            assert torch.allclose(states[1], own[1]) == same, replacement

    def test_inference_takes_the_steps_of_training(self) -> None:
        """One term of the loss is the cross-entropy that inference has at the depth of selection."""
        model = self._reasoning_model(quiet=True, **self.as_trained)
        lesson = self._lesson(model, training_view(random_histories(8)))
        terms = lesson.terms()
        model.eval()
        targets = np.arange(lesson.data.n_targets)
        (states,) = model.encode(lesson.data.prefixes(targets, CPU), (lesson.stage.selection_depth(),), None)
        items = torch.from_numpy(lesson.data.target_items).long()
        expected = F.cross_entropy(model.score(states), items)
        assert any(torch.allclose(term, expected, rtol=1e-9, atol=1e-10) for term in terms.values())

    def _reasoning_model(self, **options: Any) -> ReasoningModel:
        model = self.build(**options)
        assert isinstance(model, ReasoningModel)
        return model


def _controls(model: ReasoningModel) -> list[Callable[[Any], Recipe]]:
    """Return the methods that give the recipes of a model's controls."""
    return [model.without_reasoning, model.without_recurrence, model.same_losses]


def _built(recipe: Recipe, own: type[Model]) -> Model:
    """Build the network of a recipe. ``own`` is the class of the model whose control it is."""
    kind = MODELS.load(recipe.model) if recipe.model else own
    torch.manual_seed(0)
    return kind(kind.Config.model_validate(recipe.params), N_ITEMS, MAX_LENGTH)


class ShortcutConformance(ModelConformance):
    """Properties of models that compute the last state of a sequence by a shorter way than all states."""

    def test_a_shorter_way_to_the_last_state_leads_there(self) -> None:
        """The shorter way gives the state that all tokens' states hold at the last token."""
        model = self.fitted(quiet=True)
        assert isinstance(model, NextItemModel)
        sequences = pack_lists(random_histories(12))
        expected = model.token_states(sequences)[sequences.last]
        torch.testing.assert_close(model.last_states(sequences), expected, rtol=1e-9, atol=1e-10)


def contracts(model: Model) -> list[type[ModelConformance]]:
    """Return the further conformance classes that apply to a model, by its attributes and methods."""
    trained = any(issubclass(stage, GradientStage) for stage in model.stages.values())
    shortcut = isinstance(model, NextItemModel) and type(model).last_states is not NextItemModel.last_states
    applies = {
        CausalConformance: trained and model.causal(model.config),
        ReasoningConformance: model.reasons,
        ShortcutConformance: shortcut,
    }
    return [kind for kind, holds in applies.items() if holds]


class _Lesson:
    """A stage that has begun. All its data is one batch."""

    def __init__(self, stage: GradientStage, data: TrainingData) -> None:
        self.stage = stage
        self.data = data
        self.keep = stage.begin(data, CPU)
        stage.begin_epoch(1)

    def loss(self, only: NDArray[np.bool_] | None = None) -> Tensor:
        """Return the loss of all targets, or of those that ``only`` marks, (targets,), in training mode."""
        return self.terms(only)["loss"]

    def terms(self, only: NDArray[np.bool_] | None = None) -> Terms:
        """Return the loss terms of all targets, or of those that ``only`` marks, (targets,)."""
        self.stage.model.train()
        (batch,) = self.data.batches(self.data.n_targets, CPU, keep=self.keep)
        if only is not None:
            chosen = only[batch.target_ids]
            batch = replace(
                batch,
                rows=batch.rows[torch.from_numpy(chosen)],
                targets=batch.targets[torch.from_numpy(chosen)],
                target_ids=batch.target_ids[chosen],
                sequence_of=batch.sequence_of[chosen],
                users=batch.users[torch.from_numpy(chosen)],
                one_each=False,
            )
        return self.stage.losses(batch)

    def step(self, optimiser: torch.optim.Optimizer) -> Terms:
        """Take one step on all data and return its loss terms. It leaves the model in evaluation mode."""
        optimiser.zero_grad()
        terms = self.terms()
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        self.stage.model.eval()
        return terms
