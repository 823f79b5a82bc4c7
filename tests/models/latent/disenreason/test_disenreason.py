"""Bands, pivot, latent users and their fusion, on small cases."""

import pytest
import torch
from torch import Tensor

from lrbench.models.latent.disenreason.extraction import Extraction, alive
from lrbench.models.latent.disenreason.model import DisenReason
from lrbench.models.latent.disenreason.network import DisenReasonConfig
from lrbench.models.latent.disenreason.pivot import Pivot, band_filters
from lrbench.models.latent.disenreason.rows import by_row
from lrbench.testing import pack_lists

SIZES = {"width": 8, "heads": 2, "inner_width": 16}
HISTORIES = [[1, 2, 3, 4], [5, 6], [7, 1, 9, 2, 3, 8]]


def network(**options: object) -> DisenReason:
    torch.manual_seed(0)
    return DisenReason(DisenReasonConfig.model_validate({**SIZES, **options}), 12, 6).double().eval()


def encoded(model: DisenReason, depths: tuple[int, ...], histories: list[list[int]] = HISTORIES) -> Tensor:
    with torch.no_grad():
        return model.encode(pack_lists(histories), depths, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(("length", "bands"), [(6, 1), (6, 2), (7, 4), (50, 4), (5, 8)])
def test_bands_add_up_to_the_history(length: int, bands: int, shuffled: bool) -> None:
    filters = band_filters(length, bands, shuffled)
    torch.testing.assert_close(filters.sum(0), torch.eye(length, dtype=torch.float64))
    for one in filters:  # a filter passes its own band unchanged
        torch.testing.assert_close(one @ one, one)


def test_bands_are_those_of_the_fourier_transform() -> None:
    signal = torch.randn(6, dtype=torch.float64)
    spectrum = torch.fft.rfft(signal)
    low, high = spectrum.clone(), spectrum.clone()
    low[2:], high[:2] = 0, 0
    expected = torch.stack([torch.fft.irfft(part, 6) for part in (low, high)])
    torch.testing.assert_close(band_filters(6, 2) @ signal, expected)


def test_mean_pooling_makes_all_bands_but_the_first_vacuous() -> None:
    """Over a whole window: why attention pooling is the default."""
    sequences = pack_lists([[1, 2, 3, 4, 5, 6]])
    states = torch.randn(6, 8, dtype=torch.float64)
    for pooling, vacuous in (("mean", True), ("rms", False), ("attention", False)):
        pivot = Pivot(6, 8, "bands", 2, pooling).double()
        pivot.attention.data.normal_()
        pooled = by_row(pivot._pooled, states[-1:], states, sequences, everywhere=False)
        assert (pooled[:, 1].abs().max() < 1e-6) == vacuous, pooling


@pytest.mark.parametrize("pooling", ["attention", "mean", "rms"])
def test_pooled_bands_are_those_of_the_filtered_prefix(pooling: str) -> None:
    """By the formula: filter the prefix, which zeros follow, then pool over its positions."""
    sequences = pack_lists(HISTORIES)
    states = torch.randn(12, 8, dtype=torch.float64)
    pivot = Pivot(6, 8, "bands", 2, pooling).double()
    pivot.attention.data.normal_()
    everywhere = by_row(pivot._pooled, states, states, sequences, everywhere=True)
    whole = by_row(pivot._pooled, states[sequences.last], states, sequences, everywhere=False)
    torch.testing.assert_close(everywhere[sequences.last], whole)
    for first, length in zip(sequences.first, sequences.lengths, strict=True):
        for end in range(1, int(length) + 1):
            window = torch.zeros(6, 8, dtype=torch.float64)
            window[:end] = states[first : first + end]
            bands = (pivot.filters @ window)[:, :end]  # (bands, positions, width)
            match pooling:
                case "attention":
                    weights = (bands @ pivot.attention).softmax(1)
                    expected = (weights.unsqueeze(-1) * bands).sum(1)
                case "mean":
                    expected = bands.mean(1)
                case _:
                    expected = bands.square().mean(1).sqrt()
            found = everywhere[first + end - 1]
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_users_count_until_two_in_a_row_are_alike() -> None:
    a, b = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    rows = [[a, b, a, b], [a, a, b, a], [a, b, b, a]]
    users = torch.stack([torch.stack(row) for row in rows]).movedim(1, 0)  # (users, rows, width)
    assert alive(users, 0.8).T.tolist() == [
        [True, True, True, True],
        [True, False, False, False],
        [True, True, False, False],
    ]


@pytest.mark.parametrize("residual", ["subtract", "project", "none"])
def test_what_remains_after_a_user(residual: str) -> None:
    torch.manual_seed(0)
    extraction = Extraction(8, 2, 16, 0.0, residual).double()
    sequences = pack_lists(HISTORIES)
    states = torch.randn(12, 8, dtype=torch.float64)
    before = torch.randn(3, 8, dtype=torch.float64)
    user, rest = extraction(before, extraction.memory(states), sequences, everywhere=False)
    match residual:
        case "subtract":
            torch.testing.assert_close(rest + user, before)
        case "project":
            torch.testing.assert_close((rest * user).sum(-1), torch.zeros(3, dtype=torch.float64))
        case _:
            assert torch.equal(rest, before)


def test_attention_of_one_head_is_what_the_formula_says() -> None:
    torch.manual_seed(0)
    extraction = Extraction(8, 1, 16, 0.0, "subtract").double()
    states, query = torch.randn(6, 8, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    sequences = pack_lists([[1, 2, 3, 4], [5, 6]])  # laid shortest first: tokens 0-1 are the second history
    found = by_row(extraction._attend, query, extraction.memory(states), sequences, everywhere=False)
    keys, values = extraction.memory(states).chunk(2, -1)
    for row, tokens in ((0, slice(2, 6)), (1, slice(0, 2))):
        weights = (keys[tokens] @ query[row] / 8**0.5).softmax(0)
        torch.testing.assert_close(found[row], weights @ values[tokens])


def test_a_gate_adds_the_weighted_users_to_the_last_state() -> None:
    model = network(users=3, count="fixed")
    last, users = torch.randn(2, 8, dtype=torch.float64), torch.randn(3, 2, 8, dtype=torch.float64)
    counted = torch.tensor([[True, True], [True, False], [False, False]])
    fused = model.fused(last, users, counted)
    shares = (users[:2, 0] @ model.gate(last)[0]).softmax(0)
    torch.testing.assert_close(fused[0], last[0] + shares @ users[:2, 0])
    torch.testing.assert_close(fused[1], last[1] + users[0, 1])


def test_a_mixture_is_a_distribution_and_the_maximum_takes_the_best() -> None:
    mixture, best = network(users=3, fusion="mixture"), network(users=3, fusion="max", count="fixed")
    scores = mixture.score(encoded(mixture, (0, 2, 3))[1])
    torch.testing.assert_close(scores.exp().sum(-1), torch.ones(3, dtype=torch.float64))
    with torch.no_grad():
        _, users = best.last_and_users(pack_lists(HISTORIES), 3, everywhere=False)
        expected = (users @ best.item_vectors().T).amax(0)
    torch.testing.assert_close(best.score(encoded(best, (3,))[0]), expected)


@pytest.mark.parametrize("fusion", ["gate", "mixture", "max"])
def test_depth_0_ranks_by_the_last_state(fusion: str) -> None:
    model = network(fusion=fusion, users=2)
    with torch.no_grad():
        last, _ = model.last_and_users(pack_lists(HISTORIES), 0, everywhere=False)
        plain = last @ model.item_vectors().T
    order = model.score(encoded(model, (0,))[0]).argsort(-1)
    assert torch.equal(order, plain.argsort(-1))


def test_random_numbers_of_users_follow_those_of_training() -> None:
    model = network(users=3, count="random")
    model.seen_counts.copy_(torch.tensor([0.0, 1.0, 0.0]))
    users = torch.randn(3, 5, 8, dtype=torch.float64)
    assert model.counted(users).sum(0).tolist() == [2] * 5


def test_long_training_goes_on_counting_latent_users() -> None:
    """A million targets are counted sixteen times in sixteen epochs. That is where float32 stops counting."""
    model = network(users=3).float().train()
    model.seen_counts[0] = 2**24
    users = torch.ones(3, 5, 8)  # all alike, so only the first counts
    model.counted(users)
    assert model.seen_counts.tolist() == [2**24 + 5, 0, 0]


@pytest.mark.parametrize("pivot", ["bands", "shuffled-bands"])
def test_bands_that_cannot_be_made_are_refused(pivot: str) -> None:
    """Fifty items have 26 frequencies. Twenty bands of two frequencies each would need 40."""
    config = DisenReasonConfig.model_validate({"bands": 20, "pivot": pivot})
    with pytest.raises(ValueError, match=r"bands = 20 .* the 26 frequencies of 50 items.* Set bands = 13"):
        config.check_against_protocol(50, ["supervised"])
    config.model_copy(update={"bands": 13}).check_against_protocol(50, ["supervised"])
    config.model_copy(update={"pivot": "last"}).check_against_protocol(50, ["supervised"])
