"""DiffuRec's reverse chain, its control, and where its noise goes."""

import torch

from lrbench.data.batches import TrainingData
from lrbench.models.sequential.diffurec import DiffuRec, DiffuRecConfig
from lrbench.testing import pack_lists, training_view

HISTORIES = [[1, 2, 3, 4], [5, 6], [7, 1, 2, 3, 8]]


def network(**options: object) -> DiffuRec:
    torch.manual_seed(0)
    config = DiffuRecConfig.model_validate(
        {"width": 8, "heads": 2, "layers": 1, "noise_levels": 6, **options}
    )
    return DiffuRec(config, 12, 6).double().eval()


def encoded(model: DiffuRec, seed: int = 0) -> torch.Tensor:
    with torch.no_grad():
        return model.encode(pack_lists(HISTORIES), (0,), torch.Generator().manual_seed(seed))[0]


def test_the_last_reverse_step_returns_the_prediction() -> None:
    """With a network that ignores x_t (λ = 0), all levels give one prediction, and so does the chain."""
    chain, control = network(uncertainty=0), network(latent="zero")
    control.load_state_dict(chain.state_dict())
    torch.testing.assert_close(encoded(chain), encoded(control))


def test_noise_hardly_matters_at_the_authors_setting_and_does_at_a_large_one() -> None:
    for uncertainty, matters in ((0.001, False), (1.0, True)):
        model = network(uncertainty=uncertainty)
        change = (encoded(model, 1) - encoded(model, 2)).abs().mean() / encoded(model).abs().mean()
        assert (change > 0.05) == matters


def test_noise_goes_to_the_sequence_of_its_target() -> None:
    """The rows of a batch are in another order than their sequences. Each still predicts its own target."""
    model = network(uncertainty=0).train()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    data = TrainingData(training_view(HISTORIES, 12), 6, "prefixes")
    (batch,) = data.batches(100, torch.device("cpu"))
    loss = model.stages["denoising"](model).losses(batch)["loss"]
    states = encoded_prefixes(model, data)
    expected = torch.nn.functional.cross_entropy(
        model.score(states), torch.from_numpy(data.target_items).long()
    )
    torch.testing.assert_close(loss, expected)


def encoded_prefixes(model: DiffuRec, data: TrainingData) -> torch.Tensor:
    numbers = torch.arange(data.n_targets).numpy()
    return model.encode(data.prefixes(numbers, torch.device("cpu")), (0,), None)[0]
