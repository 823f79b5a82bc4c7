"""Graph, context, teacher, schedules and halting, on small cases worked by hand."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.latent.mancar import swing
from lrbench.models.latent.mancar.context import with_context
from lrbench.models.latent.mancar.model import ManCAR, teacher_distribution
from lrbench.models.latent.mancar.network import ManCARConfig
from lrbench.models.latent.mancar.swing import swing_neighbours
from lrbench.testing import pack_lists, training_view

SIZES = {
    "width": 8,
    "heads": 2,
    "inner_width": 16,
    "context_items": 2,
    "context_neighbours": 2,
    "teacher_neighbours": 3,
}
QUIET = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}
HISTORIES = [[0, 1, 2], [0, 1, 3], [0, 1], [2, 3, 4], [2, 3, 0], [5, 6]]
CPU = torch.device("cpu")


def swing_by_hand(histories: list[list[int]], n_items: int) -> np.ndarray:
    """The formula, pair by pair of users, without a limit on common users."""
    owned = [set(history) for history in histories]
    weights = np.zeros((n_items, n_items))
    for first, second in combinations(owned, 2):
        common = first & second
        weight = 2 / (((len(first) + 5) * (len(second) + 5)) ** 0.3 * (len(common) + 1))
        for i in common:
            for j in common - {i}:
                weights[i, j] += weight
    popularity = np.array([sum(item in items for items in owned) for item in range(n_items)])
    return weights / np.sqrt(np.maximum(popularity, 1))


def network(**options: object) -> ManCAR:
    torch.manual_seed(0)
    return ManCAR(ManCARConfig.model_validate({**SIZES, **QUIET, **options}), 7, 6).double().eval()


def test_the_graph_is_what_the_formula_says() -> None:
    expected = swing_by_hand(HISTORIES, 7)
    nearest = swing_neighbours(training_view(HISTORIES, 7), 6, longest=50)
    for item in range(7):
        order = sorted(np.flatnonzero(expected[item]), key=lambda other: (-expected[item, other], other))
        assert nearest[item].tolist() == order + [-1] * (6 - len(order))


def test_only_the_latest_items_take_part() -> None:
    histories = [[4, 0, 1], [4, 0, 1], [4, 2]]
    nearest = swing_neighbours(training_view(histories, 5), 2, longest=2)
    assert nearest.tolist() == [[1, -1], [0, -1], [-1, -1], [-1, -1], [-1, -1]]


@pytest.mark.parametrize("histories", [[[0, 1]], [[0, 1], [2, 3]], [[0], [1]]])
def test_without_items_that_two_users_share_there_is_no_neighbour(histories: list[list[int]]) -> None:
    assert (swing_neighbours(training_view(histories, 4), 2, longest=50) == -1).all()


def test_blocks_of_user_pairs_add_up_to_the_same_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = np.random.default_rng(0).integers(0, 9, (60, 5)).tolist()
    at_once = swing_neighbours(training_view(histories, 9), 4, 50)
    for pairs in (1, 100):  # one pair of items at a time; two pairs with ten common users
        monkeypatch.setattr(swing, "_USER_PAIRS_IN_MEMORY", pairs)
        assert (swing_neighbours(training_view(histories, 9), 4, 50) == at_once).all()


def test_a_draw_of_common_users_is_repeatable() -> None:
    histories = np.random.default_rng(0).integers(0, 9, (60, 5)).tolist()
    first, second = (swing_neighbours(training_view(histories, 9), 4, 50) for _ in range(2))
    assert (first == second).all()
    assert (first >= 0).any()


def test_context_comes_before_the_history_and_has_no_position() -> None:
    neighbours = np.array([[1, 2], [0, -1], [3, 4], [-1, -1], [2, 0]])
    packed = with_context(pack_lists([[0, 1, 2], [3]]), neighbours, latest=2)
    first, last = packed.first.tolist(), packed.last.tolist()
    items, positions = packed.items.tolist(), packed.history_positions.tolist()
    assert items[first[0] : last[0] + 1] == [3, 4, 0, 0, 1, 2]  # of item 2, of item 1, then the history
    assert positions[first[0] : last[0] + 1] == [-3, -2, -1, 0, 1, 2]
    assert items[first[1] : last[1] + 1] == [3]
    model = network()
    embedded = model.embedding.sum(packed)
    torch.testing.assert_close(embedded[first[0]], model.embedding.items.weight[3])
    here = model.embedding.items.weight[2] + model.embedding.positions.weight[2]
    torch.testing.assert_close(embedded[last[0]], here)


def test_loaded_weights_bring_their_graph_to_the_host() -> None:
    model, again = network(), network()
    model.read_training_part(training_view(HISTORIES, 7))
    plain = again.with_context(pack_lists(HISTORIES)).items
    again.load_state_dict(model.state_dict())
    expected = model.with_context(pack_lists(HISTORIES)).items
    assert again.with_context(pack_lists(HISTORIES)).items.tolist() == expected.tolist()
    assert len(plain) < len(expected)


def test_the_teacher_gives_the_target_most_and_falls_with_the_rank() -> None:
    targets, neighbours = torch.tensor([4, 2]), torch.tensor([[1, 2, 3], [2, 5, -1]])
    candidates, mass = teacher_distribution(targets, neighbours, 2.0)
    assert candidates.tolist() == [[4, 1, 2, 3], [2, 2, 5, 0]]
    falling = torch.exp(-torch.arange(4).double() / 2)
    torch.testing.assert_close(mass[0], falling / falling.sum())
    # The target itself and a missing neighbour have no mass; item 5 moves up to rank 1.
    kept = falling[:2] / falling[:2].sum()
    torch.testing.assert_close(mass[1], torch.stack([kept[0], kept[0] * 0, kept[1], kept[0] * 0]))


def losses(model: ManCAR) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Terms, the states behind them and the targets."""
    data = TrainingData(training_view(HISTORIES, 7), 6, "prefixes")
    stage = model.stages["supervised"](model)
    stage.begin(data, CPU)
    stage.begin_epoch(1)
    (batch,) = data.batches(100, CPU)
    states, _ = model.training_states(batch)
    return stage.losses(batch), states, batch.targets


def test_losses_are_what_the_formulas_say() -> None:
    model = network(steps=1)
    terms, states, targets = losses(model)
    scores = states @ model.embedding.items.weight.T  # (2, targets, items)
    scores = scores / torch.tensor([1.0, 4.0]).double()[:, None, None]
    logs = scores.log_softmax(-1)
    chosen = logs.gather(2, targets[None, :, None].expand(2, -1, 1))
    torch.testing.assert_close(terms["cross_entropy"], -chosen.mean())
    data = TrainingData(training_view(HISTORIES, 7), 6, "prefixes")
    last = torch.from_numpy(data.view.items[data.target_at - 1]).long()
    total = 0.0
    for step, temperature in enumerate((2.0, 1.0)):
        candidates, mass = teacher_distribution(targets, model.neighbours[last, :3], temperature)
        full = torch.zeros(len(targets), 7, dtype=torch.float64).scatter_add(1, candidates, mass)
        total = total + torch.nn.functional.kl_div(logs[step], full, reduction="batchmean")
    torch.testing.assert_close(terms["teacher"], total)


def test_a_frozen_table_gets_no_gradient_from_the_loss_and_a_live_one_does() -> None:
    for frozen in ("never", "epoch"):
        model = network(steps=0, frozen_targets=frozen, context_items=0, step_schedule="constant")
        terms, _, _ = losses(model)
        terms["loss"].backward()
        gradient = model.embedding.items.weight.grad
        never_input = gradient[6]  # item 6 is a target and never an input
        assert (never_input.abs().max() == 0) == (frozen == "epoch")


@pytest.mark.parametrize(
    ("schedule", "expected"), [("increasing", [1, 4, 9]), ("constant", [1, 1, 1]), ("reversed", [9, 4, 1])]
)
def test_temperatures_of_steps(schedule: str, expected: list[int]) -> None:
    model = network(steps=2, step_schedule=schedule)
    stage = model.stages["supervised"](model)
    assert stage._temperatures(torch.zeros(3, 1, 8)).flatten().tolist() == expected


def test_the_state_fed_back_has_the_mean_length_of_the_items() -> None:
    scaled, plain = network(), network(rescale=False)
    plain.load_state_dict({n: w for n, w in scaled.state_dict().items() if n not in plain.left_out})
    for model in (scaled, plain):
        model.step_positions.weight.data.zero_()
    state = torch.randn(4, 8, dtype=torch.float64)
    length = scaled.embedding.items.weight.norm(dim=-1).mean()
    by_hand = state / state.norm(dim=-1, keepdim=True) * length
    torch.testing.assert_close(scaled.step_input(state, 0), plain.step_input(by_hand, 0))


def test_a_history_that_halts_keeps_its_state() -> None:
    model = network(steps=4, halting=1e-9)
    states = torch.randn(5, 2, 8, dtype=torch.float64)
    states[2, 0] = states[1, 0]  # the first history does not change in step 2
    kept = model._halted(states)
    assert torch.equal(kept[:, 1], states[:, 1])
    assert torch.equal(kept[:3, 0], states[:3, 0])
    assert torch.equal(kept[3:, 0], states[2, 0].expand(2, 8))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"graph": "none"}, "no neighbours"),
        ({"steps": 0, "step_schedule": "reversed"}, "needs steps"),
        ({"steps": 0, "teacher_schedule": "reversed"}, "needs steps"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ManCARConfig.model_validate({**SIZES, **options}).check_against_protocol(50, ("supervised",))
