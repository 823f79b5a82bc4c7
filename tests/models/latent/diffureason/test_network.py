"""Thinking, denoising and ranking together."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.latent.diffureason.config import DiffuReasonConfig
from lrbench.models.latent.diffureason.model import DiffuReason
from lrbench.models.latent.diffureason.network import unit_rms
from lrbench.models.latent.rearec.recurrence import Recurrence, RecurrenceConfig
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.testing import pack_lists, training_view

SIZES = {"width": 8, "heads": 2, "inner_width": 16}
HISTORIES = [[1, 2, 3, 4], [5, 6], [7, 1, 9, 2, 3]]


def network(**options: object) -> DiffuReason:
    torch.manual_seed(0)
    return (
        DiffuReason(DiffuReasonConfig.model_validate({**SIZES, "steps": 2, **options}), 12, 6).double().eval()
    )


def encoded(model: DiffuReason, depths: tuple[int, ...], seed: int = 0) -> Tensor:
    with torch.no_grad():
        return model.encode(pack_lists(HISTORIES), depths, torch.Generator().manual_seed(seed))


def test_clean_intents_have_unit_scale() -> None:
    model = network()
    clean = model.clean(torch.arange(12))
    torch.testing.assert_close(clean.square().mean(-1), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(unit_rms(clean), clean)


def test_thinking_comes_first_and_then_the_denoiser() -> None:
    """Depths up to K = 2 are the thinking states, and the next one is the first prediction."""
    model = network(sampler_steps=3)
    states, _ = model.reason(pack_lists(HISTORIES), everywhere=False, steps=2)
    reached = encoded(model, (0, 1, 2, 3, 4, 5))
    torch.testing.assert_close(reached[:3], states.detach())
    assert model.configured_depth(model.config) == 5
    assert not torch.allclose(reached[2], reached[3])


def test_a_denoiser_that_knows_the_answer_is_ranked_whatever_the_noise() -> None:
    model = network(sampler_steps=4)
    answer = torch.randn(8, dtype=torch.float64)
    model.denoiser.leave.weight.data.zero_()
    model.denoiser.leave.bias.data.copy_(answer)
    for seed in (1, 2):
        torch.testing.assert_close(encoded(model, (6,), seed)[0], answer.expand(3, 8))


@pytest.mark.parametrize("start", ["noise", "hypothesis"])
def test_noise_moves_the_intent(start: str) -> None:
    model = network(start=start)
    first, second = (encoded(model, (2, 7), seed) for seed in (1, 2))
    assert torch.equal(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


def test_without_noise_at_the_start_nothing_is_random() -> None:
    for options in ({"start": "zero"}, {"refinement": "deterministic", "policy_weight": 0}):
        model = network(**options)
        assert not model.noisy(model.config)
        assert torch.equal(encoded(model, (7,), 1), encoded(model, (7,), 2))


def test_an_ensemble_is_the_mean_of_its_chains() -> None:
    """With a linear denoiser, the mean of many predictions comes near the prediction from zeros."""
    model, still = network(ensemble=4000, sampler_steps=1), network(start="zero", sampler_steps=1)
    for each in (model, still):
        for block in each.denoiser.blocks:
            block.weight.data.zero_()
            block.bias.data.zero_()
    still.load_state_dict(model.state_dict())
    torch.testing.assert_close(encoded(model, (3,)), encoded(still, (3,)), rtol=0, atol=0.05)


def test_the_length_of_a_prediction_does_not_move_the_chain() -> None:
    """The last layer of the denoiser times 10 gives every prediction times 10."""
    model = network(start="hypothesis")
    before = encoded(model, (3, 4, 5, 6, 7))
    model.denoiser.leave.weight.data.mul_(10)
    model.denoiser.leave.bias.data.mul_(10)
    torch.testing.assert_close(encoded(model, (3, 4, 5, 6, 7)), 10 * before)


def test_a_denoiser_of_the_history_sees_all_items_before_a_row_and_no_later_one() -> None:
    """Its condition of a whole history is that of the last place, if every place is a row."""
    model = network(denoiser="history")
    sequences = pack_lists(HISTORIES)
    with torch.no_grad():
        whole = model.condition(model.think(sequences, everywhere=False, steps=2))
        everywhere = model.condition(model.think(sequences, everywhere=True, steps=2))
    torch.testing.assert_close(everywhere[sequences.last], whole)
    for history, condition in zip(HISTORIES, whole, strict=True):
        items, chain = condition[:-3], condition[-3:]
        assert (items[:, -1] == 0).sum() == len(history)
        assert (chain[:, -1] == 0).all()
    alone = model.think(pack_lists(HISTORIES[:1]), everywhere=False, steps=2)
    with torch.no_grad():
        torch.testing.assert_close(model.condition(alone)[0], torch.cat((whole[0][:4], whole[0][-3:])))


def test_guidance_goes_away_from_the_null_vector() -> None:
    plain, guided = (
        network(start="zero", sampler_steps=1),
        network(start="zero", sampler_steps=1, guidance=2.0),
    )
    guided.load_state_dict(plain.state_dict())
    with torch.no_grad():
        states, _ = plain.reason(pack_lists(HISTORIES), everywhere=False, steps=2)
        zeros, at = torch.zeros(3, 8, dtype=torch.float64), torch.tensor(50)
        with_condition = plain.denoiser(zeros, at, states[-1])
        without = plain.denoiser(zeros, at, plain.denoiser.null.expand(3, 8))
    torch.testing.assert_close(encoded(guided, (3,))[0], 3 * with_condition - 2 * without)


def test_without_tokens_denoiser_and_policy_it_is_the_plain_encoder_bit_for_bit() -> None:
    """The same seed gives the same weights, and the same weights the same loss and gradients."""
    options = {**SIZES, "steps": 0, "dropout": 0.3, "attention_dropout": 0.3, "input_dropout": 0.2}
    losses, gradients = [], []
    for kind, config in (
        (DiffuReason, DiffuReasonConfig.model_validate({**options, "sampler_steps": 0, "policy_weight": 0})),
        (Recurrence, RecurrenceConfig.model_validate({**options, "temperature": 1.0})),
    ):
        torch.manual_seed(3)
        model = kind(config, 12, 6).train()
        data = TrainingData(training_view(HISTORIES, 12), 6)
        (batch,) = data.batches(100, torch.device("cpu"))
        stage = model.stages["supervised"](model)
        stage.begin(data, torch.device("cpu"))
        losses.append(stage.losses(batch)["loss"])
        losses[-1].backward()
        gradients.append(model.embedding.items.weight.grad)
    assert torch.equal(*losses)
    assert torch.equal(*gradients)


@pytest.mark.parametrize(("source", "shown"), [("start", False), ("random", True)])
@pytest.mark.parametrize("start", ["noise", "hypothesis", "zero"])
def test_the_cross_entropy_is_of_an_intent_that_was_not_shown_the_target(
    source: str, shown: bool, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same noise, other targets change the denoised intent only if it is made from them."""
    scored: list[Tensor] = []

    def watched(states: Tensor, items: Tensor, targets: Tensor, dtype: torch.dtype | None) -> Tensor:
        scored.append(states)
        return cross_entropy(states, items, targets, dtype)

    monkeypatch.setattr("lrbench.models.latent.diffureason.model.cross_entropy", watched)
    model = network(cross_entropy_from=source, start=start)
    (batch,) = TrainingData(training_view(HISTORIES, 12), 6).batches(100, torch.device("cpu"))
    for targets in (batch.targets, batch.targets.flip(0)):
        torch.manual_seed(5)
        model.stages["supervised"](model).losses(replace(batch, targets=targets))
    (_, first), (_, second) = scored[:2], scored[2:]
    assert torch.equal(first, second) is not shown


@pytest.mark.parametrize(
    ("options", "stages", "complaint"),
    [
        ({"sampler_steps": 60}, ("joint",), "Raise noise_levels"),
        ({"refinement": "deterministic"}, ("joint",), "has no policy"),
        ({"sampler_steps": 0}, ("supervised", "grpo"), "reinforces the sampler"),
        ({"sampler_steps": 1}, ("joint",), "single sampler step has none"),
        ({"guidance": 2.0, "guidance_dropout": 0.0}, ("joint",), "guidance_dropout = 0 trains none"),
    ],
)
def test_what_cannot_train_is_refused(
    options: dict[str, object], stages: tuple[str, ...], complaint: str
) -> None:
    config = DiffuReasonConfig.model_validate({**SIZES, **options})
    with pytest.raises(ValueError, match=complaint):
        config.check_against_protocol(50, stages)


def test_guidance_without_a_sampler_needs_no_null_vector() -> None:
    config = DiffuReasonConfig(**SIZES, guidance=2.0, guidance_dropout=0.0, sampler_steps=0, policy_weight=0)
    config.check_against_protocol(50, ("joint",))
