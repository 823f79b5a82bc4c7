"""States at the ends of histories: the same in pieces as at once, recomputed as stored."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.latent.lares import last_states, network
from lrbench.models.latent.lares.last_states import pieces, states_before
from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.latent.lares.pretraining import SelfSupervised
from lrbench.testing import training_view

CPU = torch.device("cpu")
HISTORIES = [[1, 2, 3, 4], [5, 2, 3], [6, 7, 8, 9, 2], [9, 4], [3, 3, 3, 3, 3, 3, 3, 3]]
ENOUGH, NONE = 1 << 29, 0


def lares(**options) -> tuple[LARES, TrainingData]:
    torch.manual_seed(0)
    sizes = {"width": 8, "heads": 2, "inner_width": 8, "pre_layers": 1, "core_layers": 2}
    model = LARES(LARESConfig(**sizes, **options), n_items=10, max_length=5).double()
    return model, TrainingData(training_view(HISTORIES, 10), 5)


def gradients(model: LARES) -> list[Tensor]:
    return [each.grad for each in model.parameters() if each.grad is not None]


def encoded(model: LARES, data: TrainingData, steps: int) -> tuple[Tensor, list[Tensor]]:
    """States before all targets, and gradients of a loss of them."""
    torch.manual_seed(3)
    model.zero_grad()
    states = states_before(model, data, np.arange(data.n_targets)[::-1].copy(), steps, CPU)
    (states * torch.arange(states.numel()).view(states.shape).double().cos()).sum().backward()
    return states.detach(), gradients(model)


@pytest.mark.parametrize("options", [{}, {"backbone": "fmlp", "padding": "tokens"}])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_pieces_are_encoded_like_all_histories_at_once(
    options: dict, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = lares(dropout=0.0, start="zero", **options)
    whole = encoded(model, data, steps)
    monkeypatch.setattr(last_states, "MOST_TOKENS", 8)
    torch.testing.assert_close(encoded(model, data, steps), whole)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_states_after_each_step_are_those_of_the_unrolled_core(steps: int) -> None:
    model, data = lares(dropout=0.0, start="zero")
    ids = np.arange(data.n_targets)
    histories = data.prefixes(ids, CPU)
    unrolled = model.unroll(model.prepare(histories), histories, steps)
    expected = torch.stack([state[histories.last] for state in unrolled])
    torch.testing.assert_close(states_before(model, data, ids, steps, CPU), expected)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_recomputed_activations_are_the_stored_ones(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout and noise, so that the recomputation must draw the same."""
    model, data = lares()
    monkeypatch.setattr(last_states, "MOST_TOKENS", 20)
    outcomes = []
    for stored in (ENOUGH, NONE):
        monkeypatch.setattr(last_states, "STORED_BYTES", stored)
        outcomes.append(encoded(model, data, steps))
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)


@pytest.mark.parametrize("rows", ["target", "sequence"])
def test_a_step_of_training_is_the_same_however_much_is_stored(
    rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for stored in (ENOUGH, NONE):
        for module in (network, last_states):
            monkeypatch.setattr(module, "STORED_BYTES", stored)
        model, data = lares(alignment_rows=rows, step_sampler="constant", mean_depth=3)
        stage = SelfSupervised(model)
        stage.begin(data, CPU)
        (batch,) = data.batches(100, CPU)
        torch.manual_seed(4)
        terms = stage.losses(batch)
        terms["loss"].backward()
        outcomes.append(({name: term.detach() for name, term in terms.items()}, gradients(model)))
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)


def test_only_what_the_backward_pass_begins_with_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pieces of three steps: two steps of the last piece fit."""
    model, data = lares()
    monkeypatch.setattr(last_states, "MOST_TOKENS", 20)
    lengths = data.history_lengths(np.arange(data.n_targets))
    *earlier, last = pieces(lengths, 20)
    assert len(earlier) == 2
    two_steps = int(lengths[last].sum()) * 2 * 2 * model.block_bytes
    monkeypatch.setattr(last_states, "STORED_BYTES", two_steps)
    calls = []
    original = last_states.recomputed
    monkeypatch.setattr(last_states, "recomputed", lambda *given: calls.append(given) or original(*given))
    encoded(model, data, 3)
    assert len(calls) == 2 * (1 + 3) + (1 + 1)


def test_pieces_hold_each_history_once_and_about_as_many_items() -> None:
    lengths = np.array([5, 1, 4, 2, 3, 5, 5, 1])
    cut = pieces(lengths, 10)
    assert [piece.tolist() for piece in cut] == [[1, 7, 3, 4], [2, 0], [5, 6]]
    assert [piece.tolist() for piece in pieces(lengths, 26)] == [list(range(8))]
    assert [piece.tolist() for piece in pieces(lengths[:0], 26)] == [[]]
