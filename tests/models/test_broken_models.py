"""The conformance test catches models that break its rules."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.errors import RequestError
from lrbench.models.base import Model, Terms
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.latent.lares.model import LARES
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.models.latent.rearec.prl import PRL
from lrbench.models.next_item import NextItemModel
from lrbench.models.reasoning import Recipe
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.testing import (
    CausalConformance,
    ModelConformance,
    ReasoningConformance,
    ShortcutConformance,
    pack_lists,
)


class LooksAhead(SASRec):
    """Every token sees the mean of its whole sequence."""

    last_states = NextItemModel.last_states

    def token_states(self, sequences: Packed) -> Tensor:
        states = super().token_states(sequences)
        totals = torch.zeros(sequences.n_sequences, states.shape[1], dtype=states.dtype)
        totals = totals.index_add(0, sequences.sequence_of, states)
        counts = sequences.sequence_of.bincount().unsqueeze(1)
        return states + (totals / counts)[sequences.sequence_of]


class MindsCompany(SASRec):
    """States are centred over the batch."""

    def finish(self, states: Tensor) -> Tensor:
        return states - states.mean(0)


class ForgetsTheNorm(SASRec):
    """The short way to the last state leaves something out."""

    def last_states(self, sequences: Packed) -> Tensor:
        return super().last_states(sequences) * 1.01


class KeepsAnotherShortcut(SASRec):
    """Its states of tokens are its own, but its short way to the last state is inherited."""

    def token_states(self, sequences: Packed) -> Tensor:
        return super().token_states(sequences) * 1.01


class LosesAToken(SASRec):
    """One state too few."""

    last_states = NextItemModel.last_states

    def token_states(self, sequences: Packed) -> Tensor:
        return super().token_states(sequences)[1:]


def test_too_few_states_are_refused_by_their_shape() -> None:
    model = LosesAToken(SASRecConfig(width=8, heads=2), 9, 5)
    with pytest.raises(RequestError, match=r"LosesAToken.token_states returned \(4, 8\) for 5 tokens"):
        model.last_states(pack_lists([[1, 2], [3, 4, 5]]))


class ForgetsAWeight(SASRec):
    """A weight that is not in the state dict."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.shift = torch.randn(1).double()

    def score(self, states: Tensor) -> Tensor:
        return super().score(states * self.shift)


class DrawsWithoutSeed(SASRec):
    """Initial weights from the clock."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        torch.nn.init.normal_(self.embedding.items.weight, generator=self._clock())

    def _clock(self) -> torch.Generator:
        source = torch.Generator()
        source.seed()
        return source


class NoisyAtDepth0(LARES):
    """Noise reaches the encoder's own state."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        states = super().encode(sequences, depths, noise)
        return states + torch.randn(1, generator=noise).double()


class BackToStart(LARES):
    """Each depth is a new trajectory with its own noise."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        return torch.cat([super(BackToStart, self).encode(sequences, (depth,), noise) for depth in depths])


class OneStepAtDepth0(LARES):
    """The encoder's own state is never scored."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        return super().encode(sequences, [max(depth, 1) for depth in depths], noise)


class ReasonsWithoutReasoning(LARES):
    """Its control without reasoning is the model itself."""

    @classmethod
    def without_reasoning(cls, config: LARESConfig) -> Recipe:
        return Recipe(config.model_dump())


class TwoStepsADepth(LARES):
    """Depth k is 2k steps."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        return super().encode(sequences, [2 * depth for depth in depths], noise)


class TwoStepsInOne(LARES):
    """At inference a step runs the core twice."""

    def step(self, state: Tensor, pre: Tensor, sequences: Packed) -> Tensor:
        stepped = super().step(state, pre, sequences)
        return stepped if self.training else super().step(stepped, pre, sequences)


class StepsBeforeDepth0(PRL):
    """Depth k is 2k + 1 steps, with the encoder's weights alone."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        return super().encode(sequences, [2 * depth + 1 for depth in depths], noise)


class OneStepTooFew(PRL):
    """Depth k is k − 1 steps."""

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        return super().encode(sequences, [max(depth - 1, 0) for depth in depths], noise)


class NeedsCompany(PostTraining):
    """The loss is divided by the number of other targets."""

    def losses(self, batch: TrainingBatch) -> Terms:
        terms = super().losses(batch)
        return terms | {"loss": terms["loss"] / (len(batch.targets) - 1)}


class NeedsCompanyLate(LARES):
    """Its last stage fails on a single target."""

    stages: ClassVar = LARES.stages | {"rpt": NeedsCompany}


class CannotLearn(SASRec):
    """Scores do not depend on the history."""

    def finish(self, states: Tensor) -> Tensor:
        return states * 0 + self.embedding.positions.weight[0]


class KeepsItsState(LARES):
    """It asks what replaces its state, and goes on with its own."""

    def carried(self, state: Tensor, *arguments, **named) -> Tensor:
        super().carried(state, *arguments, **named)
        return state


class ForgetsDonors(LARES):
    """Its steps work on tokens, and it does not say which token gives its state to which."""

    def carried(self, state: Tensor, noise: torch.Generator | None, *_, **named) -> Tensor:
        return super().carried(state, noise)


class CarriesDeadWeight(SASRec):
    """It has weights that no pass uses."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.unused = torch.nn.Linear(2, 2)


class KeepsItsAdapterWithoutSteps(LARES):
    """Without steps it keeps the parts that only steps use."""

    def leave_out(self, *parts: str) -> None:
        pass


QUIET: dict[type[Model], dict[str, object]] = {
    LARES: {"dropout": 0.0, "start": "zero", "step_sampler": "constant"},
    PRL: {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0},
    SASRec: {"dropout": 0.0, "attention_dropout": 0.0},
}


def conformance(broken: type[Model]) -> ModelConformance:
    class Conformance(CausalConformance, ReasoningConformance, ShortcutConformance):
        params: ClassVar = {"width": 16, "heads": 2, "inner_width": 32}
        quiet: ClassVar = next(options for kind, options in QUIET.items() if issubclass(broken, kind))

        def kind(self) -> type[Model]:
            return broken

    return Conformance()


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (LooksAhead, CausalConformance.test_later_items_do_not_reach_earlier_targets),
        (LooksAhead, CausalConformance.test_all_positions_at_once_teach_what_prefixes_teach),
        (MindsCompany, ModelConformance.test_a_history_scores_the_same_alone_and_in_company),
        (ForgetsTheNorm, ShortcutConformance.test_a_shorter_way_to_the_last_state_leads_there),
        (ForgetsAWeight, ModelConformance.test_saved_weights_score_the_same),
        (DrawsWithoutSeed, ModelConformance.test_the_seed_decides_the_weights),
        (CarriesDeadWeight, ModelConformance.test_every_weight_is_trained),
        (KeepsItsAdapterWithoutSteps, ReasoningConformance.test_every_weight_of_a_control_is_trained),
        (NoisyAtDepth0, ReasoningConformance.test_depth_0_is_the_encoder_without_noise),
        (BackToStart, ReasoningConformance.test_depths_lie_on_one_trajectory),
        (OneStepAtDepth0, ReasoningConformance.test_depth_0_is_the_encoder_alone),
        (ReasonsWithoutReasoning, ReasoningConformance.test_depth_0_is_the_encoder_alone),
        (TwoStepsADepth, ReasoningConformance.test_depth_k_takes_k_steps),
        (TwoStepsInOne, ReasoningConformance.test_inference_takes_the_steps_of_training),
        (StepsBeforeDepth0, ReasoningConformance.test_depth_k_takes_k_steps),
        (StepsBeforeDepth0, ReasoningConformance.test_inference_takes_the_steps_of_training),
        (KeepsItsState, ReasoningConformance.test_a_replaced_state_reaches_deeper_states_only),
        (OneStepTooFew, ReasoningConformance.test_depths_lie_on_one_trajectory),
        (OneStepTooFew, ReasoningConformance.test_inference_takes_the_steps_of_training),
        (NeedsCompanyLate, ModelConformance.test_odd_histories_give_finite_scores_losses_and_gradients),
        pytest.param(
            CannotLearn,
            ModelConformance.test_it_learns_a_few_sequences_by_heart,
            marks=pytest.mark.slow,  # it gives up after all steps
        ),
    ],
)
def test_is_caught(broken: type[Model], test: Callable[[ModelConformance], None]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(conformance(broken))


def test_states_of_tokens_without_donors_are_refused() -> None:
    test = ReasoningConformance.test_a_replaced_state_reaches_deeper_states_only
    with pytest.raises(ValueError, match="states in dimension 0 for 6 histories; give"):
        test(conformance(ForgetsDonors))


def test_a_shortcut_to_the_states_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match="defines token_states and inherits last_states"):
        KeepsAnotherShortcut.check_options(SASRecConfig())


def test_a_test_that_leaves_contracts_out_is_warned() -> None:
    class Incomplete(ModelConformance):
        model = "lares"
        params: ClassVar = {"width": 16, "heads": 2, "inner_width": 32}

    with pytest.warns(UserWarning, match="CausalConformance, ReasoningConformance as well"):
        Incomplete().test_it_is_tested_for_all_that_it_is()
