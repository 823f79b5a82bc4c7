"""Fine-tuning: gradients part by part, what is trained, what is stored, and that a model learns."""

from typing import Any

import pytest
import torch
from models.language.conftest import Make
from safetensors.torch import save_file

from lrbench.data.batches import TrainingData
from lrbench.models.language.accumulation import accumulated
from lrbench.models.language.fine_tuning import FineTuning
from lrbench.testing import MAX_LENGTH, pack_lists, random_histories, training_view

CPU = torch.device("cpu")
HISTORIES = [[3, 1, 4, 1, 5], [9, 2, 6], [5, 3, 5, 8, 9, 7]]


def lesson(model: Any, histories: list[list[int]] = HISTORIES) -> tuple[FineTuning, Any]:
    stage = FineTuning(model)
    data = TrainingData(training_view(histories), MAX_LENGTH, stage.training_rows())
    keep = stage.begin(data, CPU)
    (batch,) = data.batches(10_000, CPU, keep=keep)
    return stage, batch


def test_parts_add_up_by_hand() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
    unused = torch.nn.Parameter(torch.tensor(1.0))
    loss = accumulated((lambda: weight[0] ** 2, weight.prod), (weight, unused))
    assert loss.item() == 10
    (3 * loss).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [3 * (4 + 3), 3 * 2]
    assert unused.grad is None


def test_a_batch_in_parts_teaches_what_it_teaches_at_once(make: Make) -> None:
    gradients, losses = [], []
    for tokens in (1, 100_000):
        model = make("latentr3", part_tokens=tokens)
        stage, batch = lesson(model)
        loss = stage.losses(batch)["loss"]
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        gradients.append(torch.autograd.grad(loss, trained))
        losses.append(loss)
    torch.testing.assert_close(*losses)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_mean_over_target_tokens(make: Make) -> None:
    model = make("bigrec-beam")
    stage, batch = lesson(model)
    expected, tokens = torch.zeros(()), 0
    for row, item in zip(model.prompts.of(batch.sequences), batch.next_items.tolist(), strict=True):
        answer = model.prompts.answers[item]
        logits = model.language.network(torch.tensor([[*row, *answer]])).logits[0].log_softmax(-1)
        places = torch.arange(len(row) - 1, len(row) + len(answer) - 1)
        expected = expected - logits[places, torch.tensor(answer)].sum()
        tokens += len(answer)
    torch.testing.assert_close(stage.losses(batch)["loss"], expected / tokens)


def test_few_rows_are_drawn(make: Make) -> None:
    model = make("bigrec-beam", few_shot=4)
    _, batch = lesson(model)
    assert len(batch.target_ids) == 4


def test_adapters_alone_are_trained_and_stored(make: Make) -> None:
    model = make("bigrec-beam", lora_rank=2)
    stage, batch = lesson(model)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], 1.0)
    stage.losses(batch)["loss"].backward()
    optimiser.step()
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert all("lora_" in name for name in moved | set(model.state_dict()))
    again = make("bigrec-beam", lora_rank=2)
    again.load_state_dict(model.state_dict())
    packed = pack_lists(random_histories(4))
    with torch.no_grad():
        assert torch.equal(again.encode(packed, (0,), None), model.encode(packed, (0,), None))


def test_weights_are_stored_once_and_come_back(make: Make, tmp_path: Any) -> None:
    model, other = make("latentr3", seed=1), make("latentr3", seed=2)
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, tmp_path / "w")
    other.load_state_dict(model.state_dict())
    packed = pack_lists(random_histories(4))
    with torch.no_grad():
        assert torch.equal(other.encode(packed, (0, 1), None), model.encode(packed, (0, 1), None))
    with pytest.raises(RuntimeError, match="missing or unknown weights: attention"):
        other.load_state_dict({n: w for n, w in model.state_dict().items() if n != "attention.key.bias"})


@pytest.mark.parametrize("rank", [0, 2])
def test_coarse_weights_train_and_rank(make: Make, rank: int) -> None:
    """The path of a GPU: weights in bfloat16; adapters, sums of losses and scores in float32."""
    exact, coarse = (
        make("latentr3", base_precision=kind, lora_rank=rank) for kind in ("float32", "bfloat16")
    )
    losses = []
    for model in (exact, coarse):
        stage, batch = lesson(model)
        losses.append(stage.losses(batch)["loss"])
        losses[-1].backward()
    assert losses[1].dtype == torch.float32
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.02)
    moved = {name: weight for name, weight in coarse.language.named_parameters() if weight.grad is not None}
    assert moved
    assert {weight.dtype for weight in moved.values()} == {torch.float32 if rank else torch.bfloat16}
    assert all("lora_" in name for name in moved) == bool(rank)
    packed = pack_lists(random_histories(4))
    with torch.no_grad():
        found, expected = (model.encode(packed, (0, 1), None) for model in (coarse, exact))
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert expected.isfinite().all()


@pytest.mark.slow
def test_it_learns_a_few_answers_by_heart(make: Make) -> None:
    histories = [[first, (5 * first + 7) % 23] for first in range(4)]  # four titles that differ
    model = make("latentr3", ranking="catalogue")
    stage, batch = lesson(model, histories)
    optimiser = torch.optim.Adam(model.parameters(), 0.003)
    for _ in range(160):
        model.train()
        optimiser.zero_grad()
        stage.losses(batch)["loss"].backward()
        optimiser.step()
    model.eval()
    targets = torch.tensor([target for _, target in histories])
    with torch.no_grad():
        scores = model.encode(pack_lists([[first] for first, _ in histories]), (1,), None)[0]
    assert torch.equal(scores, scores.masked_fill(scores > scores.gather(1, targets[:, None]), torch.inf))
