"""Every built-in model conforms."""

from typing import ClassVar

import pytest

from lrbench.registry import MODELS
from lrbench.testing import (
    CausalConformance,
    ModelConformance,
    ReasoningConformance,
    ShortcutConformance,
    contracts,
)

SIZES = {"width": 16, "heads": 2, "inner_width": 32}


class Computed(ModelConformance):
    """For models in closed form. They take no training steps, so they cannot learn histories by heart."""

    test_it_learns_a_few_sequences_by_heart = None


class Variant(ModelConformance):
    """For further options of a model that another class tests. Tests that train it are slow ones."""

    @pytest.mark.slow
    def test_it_learns_a_few_sequences_by_heart(self) -> None:
        super().test_it_learns_a_few_sequences_by_heart()

    @pytest.mark.slow
    def test_the_seed_decides_the_weights(self) -> None:
        super().test_the_seed_decides_the_weights()

    @pytest.mark.slow
    def test_odd_histories_give_finite_scores_losses_and_gradients(self) -> None:
        super().test_odd_histories_give_finite_scores_losses_and_gradients()


class TestPopularity(Computed):
    model = "popularity"


class TestMarkov(Computed):
    model = "markov"


class TestItemKNN(Computed):
    model = "item-knn"
    params: ClassVar = {"neighbours": 5}


class TestEASE(Computed):
    model = "ease"


class TestSASRec(CausalConformance, ShortcutConformance):
    model = "sasrec"
    params = SIZES
    quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0}


class TestSASRecWithSampledSoftmax(Variant, TestSASRec):
    params = SIZES | {
        "loss": "sampled_softmax",
        "shared_negatives": True,
        "temperature": 0.5,
    }


class TestGRU4Rec(CausalConformance):
    model = "gru4rec"
    params: ClassVar = {"width": 16, "hidden_width": 24}
    quiet: ClassVar = {"dropout": 0.0}


class TestCaser(CausalConformance):
    model = "caser"
    params: ClassVar = {"width": 16, "horizontal_filters": 4, "vertical_filters": 2}
    quiet: ClassVar = {"dropout": 0.0, "penalty": 0.0}


class TestCaserWithLowFilters(Variant, TestCaser):
    params: ClassVar = TestCaser.params | {"tallest": 3}


class TestLARES(CausalConformance, ReasoningConformance):
    model = "lares"
    params = SIZES | {"mean_depth": 2}
    quiet: ClassVar = {"dropout": 0.0, "start": "zero", "step_sampler": "constant"}


class TestLARESWithCosine(Variant, TestLARES):
    params = SIZES | {"adapter": "linear", "similarity": "cos", "temperature": 0.1, "start": "normal_zero"}


class TestLARESWithConcatenation(Variant, TestLARES):
    params = SIZES | {"adapter": "concat", "pre_layers": 0, "core_layers": 1}


REAREC_QUIET = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}


class TestLARESOfFilters(Variant, ReasoningConformance):
    model = "lares"
    quiet = TestLARES.quiet
    params = SIZES | {"mean_depth": 2, "backbone": "fmlp"}


class TestLARESOfUnits(Variant, TestLARES):
    params = SIZES | {"mean_depth": 2, "backbone": "hstu"}


class TestLARESOfMixtures(Variant, ReasoningConformance):
    model = "lares"
    quiet = TestLARES.quiet
    params = SIZES | {"mean_depth": 2, "backbone": "bsarec", "padding": "tokens"}
    # In training the padding token takes part in the softmax.
    as_trained: ClassVar = {"padding": "absent"}


class TestRecurrence(CausalConformance, ReasoningConformance):
    model = "recurrence"
    params = SIZES
    quiet = REAREC_QUIET


class TestRecurrenceWithStepEmbedding(Variant, TestRecurrence):
    params = SIZES | {"step_embedding": True, "steps": 3}


class TestERL(CausalConformance, ReasoningConformance):
    model = "erl"
    params = SIZES | {"temperature": 0.5}
    quiet = REAREC_QUIET


class TestERLOnBERT4Rec(Variant, ReasoningConformance):
    model = "erl"
    quiet = TestERL.quiet
    params = SIZES | {"temperature": 0.5, "backbone": "bert4rec"}


class TestERLWithViews(Variant, TestERL):
    params = SIZES | {"temperature": 0.5, "chain": "views"}


class TestPRL(CausalConformance, ReasoningConformance):
    model = "prl"
    params = SIZES | {"temperature": 0.5, "warm_up": 0}
    quiet = REAREC_QUIET | {"noise_std": 1e-14}


class TestPRLOnBERT4Rec(Variant, ReasoningConformance):
    model = "prl"
    quiet = TestPRL.quiet
    params = SIZES | {"temperature": 0.5, "backbone": "bert4rec"}


class TestPRLWithViews(Variant, TestPRL):
    params = SIZES | {"temperature": 0.5, "chain": "views"}


class TestPLR(CausalConformance, ReasoningConformance):
    model = "plr"
    params = SIZES
    quiet = REAREC_QUIET
    # Inference adds the encoder's state to what training scores.
    as_trained: ClassVar = {"inference": "reasoning"}


class TestPLROnBERT4Rec(Variant, ReasoningConformance):
    model = "plr"
    quiet = TestPLR.quiet
    as_trained = TestPLR.as_trained
    params = SIZES | {"backbone": "bert4rec", "streams": 3, "steps": 1, "gate": "mean"}


class TestPLRWithViews(Variant, TestPLR):
    params = SIZES | {"chain": "views"}


class TestPLRScoredByItsReasoning(Variant, TestPLR):
    params = SIZES | {"inference": "reasoning"}


class TestPLROfAttention(Variant, TestPLR):
    params = SIZES | {"step_network": "attention"}


class TestBERT4Rec(ModelConformance):
    model = "bert4rec"
    params = SIZES
    quiet: ClassVar = {"dropout": 0.0, "last_only": 1.0}


class TestBERT4RecWithoutHead(Variant, TestBERT4Rec):
    params = TestBERT4Rec.params | {"head": False}


class TestHSTU(CausalConformance):
    model = "hstu"
    params: ClassVar = {"width": 16, "heads": 2, "shared_negatives": True}
    quiet: ClassVar = {"dropout": 0.0}


class TestOriginalSASRec(CausalConformance, ShortcutConformance):
    model = "sasrec-original"
    params: ClassVar = {"width": 16, "heads": 2}
    # Positions are counted from the end, so an item has another one in a prefix than in the whole sequence.
    quiet: ClassVar = {"dropout": 0.0, "positions": "start"}


class TestOriginalSASRecWithPadding(Variant, TestOriginalSASRec):
    params = TestOriginalSASRec.params | {"padding": "attended"}
    # More padding comes before a prefix than before the whole sequence.
    quiet = TestOriginalSASRec.quiet | {"padding": "absent"}


class TestESASRec(CausalConformance, ShortcutConformance):
    model = "esasrec"
    params: ClassVar = {"width": 16, "heads": 2, "layers": 2, "expansion": 2, "shared_negatives": True}
    # Positions are counted from the end, so an item has another one in a prefix than in the whole sequence.
    quiet: ClassVar = {"dropout": 0.0, "input_dropout": 0.0, "item_dropout": 0.0, "positions": "start"}


class TestCL4SRec(CausalConformance, ShortcutConformance):
    model = "cl4srec"
    params = SIZES
    quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0, "contrast_weight": 0.0}


class TestDuoRec(CausalConformance, ShortcutConformance):
    model = "duorec"
    params = SIZES
    quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0}


class TestDuoRecOnOneTargetOfEachSequence(Variant, TestDuoRec):
    params = SIZES | {"alignment_rows": "sequence", "contrast": "us", "similarity": "cos"}
    quiet: ClassVar = TestDuoRec.quiet | {"alignment_rows": "target"}


class TestFMLPRec(ShortcutConformance):
    model = "fmlp"
    params: ClassVar = {"width": 16}
    quiet: ClassVar = {"dropout": 0.0}


class TestFMLPRecWithPaddingTokens(Variant, TestFMLPRec):
    params: ClassVar = {"width": 16, "padding": "tokens"}


class TestBSARec(ShortcutConformance):
    model = "bsarec"
    params: ClassVar = {"width": 16, "heads": 2, "cutoff": 3}
    quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0}


class TestBSARecWithPaddingTokens(Variant, TestBSARec):
    params: ClassVar = {"width": 16, "cutoff": 3, "padding": "tokens"}


class TestLatentRL(CausalConformance, ReasoningConformance):
    model = "latent-rl"
    params = SIZES | {"freeze_backbone": False, "latents": 2}
    quiet: ClassVar = {"dropout": 0.0}
    stage = "sft"


class TestDiffuReason(CausalConformance, ReasoningConformance):
    model = "diffureason"
    params = SIZES | {"steps": 1, "sampler_steps": 2, "rollouts": 2, "policy_targets": 4}
    quiet = REAREC_QUIET | {"start": "zero"}
    # Training denoises from a random level; only the hypothesis is scored in both.
    as_trained: ClassVar = {"sampler_steps": 0}


class TestDiffuReasonFromItsHypothesis(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"start": "hypothesis", "denoiser": "modulated", "scores": "cosine"}


class TestDiffuReasonOfTargets(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"policy": "target", "denoiser": "attention", "condition": "mean"}


class TestDiffuReasonWithoutNoise(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"refinement": "deterministic", "policy_weight": 0}


class TestDiffuReasonWithViews(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"chain": "views", "denoiser": "history"}


class TestDiffuReasonOfTheHistory(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"denoiser": "history", "guidance": 0.5}


class TestDisenReason(CausalConformance, ReasoningConformance):
    model = "disenreason"
    learning_rate = 0.01  # at twice this rate random counts keep it from learning
    params = SIZES | {"users": 4, "bands": 2}
    quiet: ClassVar = {"dropout": 0.0, "attention_dropout": 0.0}


class TestDisenReasonAsMixture(Variant, TestDisenReason):
    learning_rate = 0.02  # at half this rate it takes nearly all the steps it is given
    params = TestDisenReason.params | {"fusion": "mixture", "residual": "project", "pivot_input": "items"}


class TestDisenReasonByTheBestUser(Variant, TestDisenReason):
    params = TestDisenReason.params | {"fusion": "max", "count": "fixed", "pivot": "whole", "pooling": "rms"}


class TestDisenReasonWithLearnedQueries(Variant, TestDisenReason):
    params = TestDisenReason.params | {"queries": "learned", "pivot": "last", "last_state": False}
    uses_state = False


class TestDisenReasonWithRandomCounts(Variant, TestDisenReason):
    params = TestDisenReason.params | {"count": "random", "pivot": "shuffled-bands"}
    quiet: ClassVar = TestDisenReason.quiet | {"count": "stop"}


class TestManCAR(ReasoningConformance):
    model = "mancar"
    params = SIZES | {"steps": 2, "context_items": 2, "context_neighbours": 3, "teacher_neighbours": 3}
    quiet = REAREC_QUIET
    # Training scores all steps, each at its own temperature.
    as_trained: ClassVar = {"steps": 0, "step_schedule": "constant"}


class TestManCARWithFrozenTargets(Variant, TestManCAR):
    params = TestManCAR.params | {"frozen_targets": "epoch", "step_schedule": "reversed"}
    quiet = TestManCAR.quiet | {"frozen_targets": "never"}  # the table of an epoch's start teaches no items


class TestManCARWithoutContext(Variant, CausalConformance, TestManCAR):
    # The graph, and with it the teacher, is made of all training items, later ones included.
    params = TestManCAR.params | {
        "backbone": "sasrec",
        "graph": "none",
        "context_items": 0,
        "teacher_weight": 0,
        "rescale": False,
    }


class TestManCARWithViews(Variant, TestManCAR):
    params = TestManCAR.params | {"chain": "views", "teacher_weight": 0}


class TestDiffuRec(ModelConformance):
    model = "diffurec"
    params: ClassVar = {"width": 16, "heads": 2, "layers": 1, "noise_levels": 4}
    quiet: ClassVar = {"dropout": 0.0, "input_dropout": 0.0, "latent": "zero"}


TESTED = [
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, ModelConformance) and hasattr(kind, "model")
]


def test_every_registered_model_is_tested_here() -> None:
    """Models that read titles have tests of their own: they are neither exact in float64 nor made of ids."""
    on_ids = {name for name in MODELS.names() if not MODELS.load(name).reads_titles}
    assert {kind.model for kind in TESTED} == on_ids


@pytest.mark.parametrize("kind", TESTED)
def test_a_model_is_tested_for_what_it_is_and_for_nothing_else(kind: type[ModelConformance]) -> None:
    further = (CausalConformance, ReasoningConformance, ShortcutConformance)
    assert contracts(kind().build(quiet=True)) == [one for one in further if issubclass(kind, one)]


class TestERLOnHSTU(Variant, TestERL):
    params = SIZES | {"temperature": 0.5, "backbone": "hstu"}


class TestPLROnHSTU(Variant, TestPLR):
    params = SIZES | {"backbone": "hstu", "streams": 3}


class TestDiffuReasonOnHSTU(Variant, TestDiffuReason):
    params = TestDiffuReason.params | {"backbone": "hstu"}


class TestHSTUWithSizesOfItsOwn(Variant, TestHSTU):
    params: ClassVar = TestHSTU.params | {"query_width": 5, "value_width": 7}
