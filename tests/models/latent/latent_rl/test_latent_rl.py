"""A reinforced latent: what is trained when, and advantages by hand."""

import pytest
import torch

from lrbench.data.batches import TrainingData
from lrbench.models.latent.latent_rl.model import LatentRL
from lrbench.models.latent.latent_rl.network import LatentRLConfig
from lrbench.models.latent.latent_rl.stages import batch_advantages
from lrbench.testing import CPU, pack_lists, training_view

DATA = TrainingData(training_view([[1, 2, 3, 4], [5, 6, 7], [2, 8]], 10), 6)


def latent_rl(**options: object) -> LatentRL:
    torch.manual_seed(0)
    return LatentRL(LatentRLConfig(width=8, inner_width=8, **options), 10, 6)


def test_advantages_of_two_rows() -> None:
    """Clean rewards 1 and 3, so the baseline is 2; differences −1, 2, 1, −2; their norm √10."""
    advantages = batch_advantages(torch.tensor([[1.0, 4.0], [3.0, 0.0]]))
    torch.testing.assert_close(advantages, torch.tensor([[-1.0, 2.0], [1.0, -2.0]]) / 10**0.5)


@pytest.mark.parametrize(
    ("stage", "trained"),
    [("supervised", {"embedding", "encoder"}), ("sft", {"attention"}), ("grpo", {"attention"})],
)
def test_each_stage_trains_its_part(stage: str, trained: set[str]) -> None:
    model = latent_rl().train()
    lesson = model.stages[stage](model)
    lesson.begin(DATA, CPU)
    (batch,) = DATA.batches(100, CPU)
    lesson.losses(batch)["loss"].backward()
    moved = {
        name.split(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }
    assert moved == trained
    assert lesson.selection_depth() == (0 if stage == "supervised" else 1)


def test_the_first_of_a_group_is_clean() -> None:
    model = latent_rl().eval()
    sequences = pack_lists([[1, 2, 3], [4]])
    clean = model.reason(sequences, everywhere=False, latents=1)
    group = model.reason(sequences, everywhere=False, latents=1, group=4)
    torch.testing.assert_close(group[1, :, 0], clean[1, :, 0])
    assert not torch.allclose(group[1, :, 1], clean[1, :, 0])


def test_latents_at_every_position_are_those_of_the_prefixes() -> None:
    model = latent_rl(latents=2, reach=2, dropout=0.0).double().eval()
    everywhere = model.reason(pack_lists([[1, 2, 3]]), everywhere=True, latents=2)
    for length in (1, 2, 3):
        prefix = model.reason(pack_lists([[1, 2, 3][:length]]), everywhere=False, latents=2)
        torch.testing.assert_close(everywhere[:, length - 1], prefix[:, 0])


def test_stages_of_latents_need_latents() -> None:
    LatentRLConfig(latents=0).check_against_protocol(20, ("supervised",))
    with pytest.raises(ValueError, match="latents = 0"):
        LatentRLConfig(latents=0).check_against_protocol(20, ("supervised", "sft"))
