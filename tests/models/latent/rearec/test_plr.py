"""What parallel streams add up to."""

import numpy as np
import pytest
import torch
from small_data import leave_one_out, small_dataset

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.latent.rearec import plr as plr_file
from lrbench.models.latent.rearec.plr import PLR, PLRConfig
from lrbench.testing import pack_lists


@pytest.fixture
def states() -> torch.Tensor:
    """h_0 and two steps of two streams of one row, of width 1, (3, 1, 2, 1)."""
    return torch.tensor([[1.0, 1.0], [2.0, 4.0], [6.0, 8.0]])[:, None, :, None]


def plr(**options: object) -> PLR:
    torch.manual_seed(0)
    return PLR(PLRConfig(width=1, heads=1, inner_width=2, **options), 5, 4).eval()


def small_batch() -> TrainingBatch:
    data = TrainingData(leave_one_out(small_dataset().sequences).train, 5)
    return next(data.batches(64, torch.device("cpu"), np.random.default_rng(0)))


def test_streams_are_means_over_steps_and_the_gate_weighs_them(states: torch.Tensor) -> None:
    model = plr()
    model.gate.weight.data.zero_()
    model.gate.bias.data.copy_(torch.tensor([3.0, 1.0]).log())  # weights 3/4 and 1/4
    after_one, after_two = 0.75 * 2 + 0.25 * 4, 0.75 * 4 + 0.25 * 6
    summed = model.summed(states).flatten()
    torch.testing.assert_close(summed, torch.tensor([1.0, after_one, after_two]))
    scored = model.representations(states).flatten()
    torch.testing.assert_close(scored, torch.tensor([1.0, 1 + after_one, 1 + after_two]))


def test_variants(states: torch.Tensor) -> None:
    assert plr(gate="mean").summed(states).flatten().tolist() == [1, 3, 5]
    assert plr(gate="mean", inference="reasoning").representations(states).flatten().tolist() == [1, 3, 5]
    assert plr(inference="encoder").representations(states).flatten().tolist() == [1, 1, 1]


def test_streams_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    model = PLR(PLRConfig(width=8, heads=2, inner_width=8, streams=2), 9, 5).eval()
    sequences = pack_lists([[1, 2, 3], [4]])
    before, _ = model.reason(sequences, everywhere=False, steps=2)
    model.triggers.data[1] += 5
    after, _ = model.reason(sequences, everywhere=False, steps=2)
    torch.testing.assert_close(before[:, :, 0], after[:, :, 0])
    assert not torch.allclose(before[1:, :, 1], after[1:, :, 1])


def test_a_step_of_attention_alone_is_what_the_formula_says() -> None:
    """One head, so that the weighted values can be written down."""
    torch.manual_seed(0)
    config = PLRConfig(width=8, heads=1, inner_width=8, streams=2, steps=2, step_network="attention")
    model = PLR(config, 9, 5).double().eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 3)
    sequences = pack_lists([[1, 2, 3], [4, 5]])
    states, _ = model.reason(sequences, everywhere=False, steps=2)
    attention = model.encoder.blocks[0].mixer.inner
    for row in range(2):
        embedded = model.embedding(sequences)[sequences.first[row] : sequences.last[row] + 1]
        for stream in range(2):
            state, tokens = states[0, row, stream] + model.triggers[stream], []
            for step in range(2):
                tokens.append(model.step_input(state, step))
                seen = torch.cat((embedded, torch.stack(tokens)))
                scores = attention.key(seen) @ attention.query(tokens[-1]) / 8**0.5
                state = attention.output(scores.softmax(0) @ attention.value(seen)) + state
                torch.testing.assert_close(states[step + 1, row, stream], state)


def test_views_stand_for_steps_in_all_losses() -> None:
    options = {"width": 8, "inner_width": 8, "streams": 3, "steps": 2, "chain": "views"}
    torch.manual_seed(0)
    model, batch = PLR(PLRConfig(**options), 40, 5), small_batch()
    stage = model.stages["supervised"](model)
    states, _ = model.train().training_states(batch)
    assert states.shape == (3, len(batch.targets), 3, 8)
    thoughts = states[1:].movedim(2, 1).flatten(0, 1)  # six passes
    assert len(thoughts) == 6 and (torch.pdist(thoughts.detach().flatten(1)) > 0).all()
    still, _ = model.eval().training_states(batch)
    torch.testing.assert_close(still, still[:1, :, :1].expand_as(still))
    terms = stage.losses(batch)
    assert set(terms) == {"loss", "cross_entropy", "divergence", "contrast"}
    terms["loss"].backward()
    assert model.triggers is None and model.step_positions is None


def test_without_steps_views_leave_the_encoder_alone() -> None:
    options = {"width": 8, "inner_width": 8, "steps": 0}
    batch = small_batch()
    losses = []
    for chain in ("views", "reasoning"):
        torch.manual_seed(0)
        model = PLR(PLRConfig(**options, chain=chain), 40, 5).eval()
        losses.append(model.stages["supervised"](model).losses(batch)["cross_entropy"])
    torch.testing.assert_close(*losses)


def test_recomputing_the_first_pass_stores_half_and_changes_no_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def results() -> tuple[int, list[torch.Tensor]]:
        """Bytes stored for the backward pass; then the loss and the gradients of all parameters."""
        torch.manual_seed(0)
        model = PLR(PLRConfig(width=8, inner_width=8), 40, 5).double().train()
        stored = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            stored[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = model.stages["supervised"](model).losses(batch)["loss"]
        return sum(stored.values()), [loss, *torch.autograd.grad(loss, list(model.parameters()))]

    batch = small_batch()
    less, recomputed = results()
    monkeypatch.setattr(plr_file, "recomputed", lambda function, module: function())
    more, kept = results()
    torch.testing.assert_close(recomputed, kept)
    assert less < 0.7 * more
