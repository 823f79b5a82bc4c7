"""Interventions change the latent and nothing else."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from small_data import small_dataset

from lrbench.config.interventions import INTERVENTIONS, Intervention
from lrbench.config.protocol import find_protocol
from lrbench.config.trial import EvaluationConfig
from lrbench.data.packing import Packed
from lrbench.data.sequences import EvaluationView, Split, TrainingView
from lrbench.data.splitting import split
from lrbench.evaluation import rank_everything
from lrbench.evaluation.interventions import (
    Arrangement,
    arranged,
    kinds_of_histories,
    mean_divergence,
    rank_with,
)
from lrbench.evaluation.rank_everything import rank_interventions
from lrbench.evaluation.ranking import Ranks, rank_targets
from lrbench.models.reasoning import ReasoningModel
from lrbench.registry import MODELS
from lrbench.store.trials import RANKS

CPU = torch.device("cpu")
QUIET = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}
SMALL = {"width": 8, "heads": 2, "inner_width": 16}
MODELS_WITH_STEPS = {
    "erl": SMALL | QUIET | {"steps": 2},
    "plr": SMALL | QUIET | {"steps": 2, "streams": 2},
    "lares": SMALL | {"dropout": 0.0, "mean_depth": 3, "start": "zero"},
    "latent-rl": SMALL | {"latents": 2},
    "diffureason": SMALL | QUIET | {"steps": 1, "sampler_steps": 2, "start": "zero", "policy_weight": 0.0},
    "disenreason": SMALL | {"users": 3},
    "mancar": SMALL | QUIET | {"steps": 2},
}


@pytest.fixture(scope="module")
def parts() -> Split:
    return split(small_dataset().sequences, find_protocol("loo-20"))


def reasoner(name: str, n_items: int) -> ReasoningModel:
    kind = MODELS.load(name)
    torch.manual_seed(0)
    model = kind(kind.Config.model_validate(MODELS_WITH_STEPS[name]), n_items, 20)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 5)
    assert isinstance(model, ReasoningModel)
    return model.eval()


@pytest.mark.parametrize("name", MODELS_WITH_STEPS)
def test_ones_own_latent_changes_no_rank(name: str, parts: Split) -> None:
    """The identity: every user is its own donor. Another user's latent does change ranks."""
    model = reasoner(name, parts.test.n_items)
    depth = model.configured_depth(model.config)
    plain = rank_targets(model, parts.test, (depth,), 0, CPU)
    users = len(parts.test)
    chunk_places = np.arange(users) % 512
    identity = Arrangement("shuffle", np.random.default_rng(0).permutation(users), chunk_places)
    same = rank_with(model, parts.test, depth, identity, 0, CPU)
    np.testing.assert_array_equal(same.rank, plain.rank)
    np.testing.assert_array_equal(same.rank_masked, plain.rank_masked)
    shuffled = arranged("shuffle", chunk_places, parts.test.owners, 0)
    other = rank_with(model, parts.test, depth, shuffled, 0, CPU)
    assert (other.rank != plain.rank).mean() > 0.2
    again = rank_targets(model, parts.test, (depth,), 0, CPU)  # without an intervention, as before it
    np.testing.assert_array_equal(again.rank, plain.rank)


def test_both_sides_of_a_divergence_start_from_the_same_noise(parts: Split) -> None:
    """The identity again, with a model whose latents start from noise."""
    kind = MODELS.load("lares")
    torch.manual_seed(0)
    model = kind(kind.Config(**SMALL, dropout=0.0, mean_depth=2), parts.test.n_items, 20).eval()
    assert isinstance(model, ReasoningModel) and model.draws_noise
    places = np.arange(len(parts.test))
    identity = Arrangement("shuffle", places, places % 512)
    assert mean_divergence(model, parts.test, 2, identity, 3, CPU) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [("lares", {"mean_depth": 2}), ("diffureason", {"steps": 1}), ("disenreason", {"count": "random"})],
)
def test_noise_that_replaces_nothing_changes_nothing(
    name: str, options: dict[str, object], parts: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that asks for the noise, and goes on with its state, keeps the noise of its own."""
    monkeypatch.setitem(MODELS_WITH_STEPS, name, SMALL | options)
    model = reasoner(name, parts.test.n_items)
    depth = model.configured_depth(model.config)
    assert model.draws_noise
    places = np.arange(len(parts.test))
    plain = rank_with(model, parts.test, depth, Arrangement("shuffle", places, places % 512), 3, CPU)
    carried = ReasoningModel.carried

    def inert(self: ReasoningModel, state: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        carried(self, state, *given, **named)
        return state

    monkeypatch.setattr(ReasoningModel, "carried", inert)
    noise = Arrangement("noise", places, None)
    assert mean_divergence(model, parts.test, depth, noise, 3, CPU) == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(rank_with(model, parts.test, depth, noise, 3, CPU).rank, plain.rank)


def test_noise_that_replaces_latents_is_that_of_the_seed(parts: Split) -> None:
    model = reasoner("erl", parts.test.n_items)
    noise = Arrangement("noise", np.arange(len(parts.test)), None)
    ranks = [rank_with(model, parts.test, 2, noise, seed, CPU).rank for seed in (1, 1, 2)]
    assert np.array_equal(ranks[0], ranks[1])
    assert not np.array_equal(ranks[0], ranks[2])


@pytest.mark.parametrize("kind", INTERVENTIONS)
def test_a_model_that_does_not_read_its_latent_keeps_its_ranks(kind: Intervention, parts: Split) -> None:
    """At depth 0 no step takes anything over, so no intervention can matter."""
    model = reasoner("erl", parts.test.n_items)
    plain = rank_targets(model, parts.test, (0,), 0, CPU)
    kinds = kinds_of_histories(parts.test, parts.train, plain.rank[0])
    arrangement = arranged(kind, kinds, parts.test.owners, 0)
    changed = rank_with(model, parts.test, 0, arrangement, 0, CPU)
    np.testing.assert_array_equal(changed.rank, plain.rank)
    assert mean_divergence(model, parts.test, 0, arrangement, 0, CPU) == pytest.approx(0, abs=1e-9)


def test_donors_are_other_users_of_the_chunk() -> None:
    arrangement = arranged("shuffle", np.zeros(1100, dtype=np.int64), np.arange(1100), 0)
    assert arrangement.donors is not None
    for start, size in ((0, 512), (512, 512), (1024, 76)):
        donors = arrangement.donors[start : start + size]
        assert sorted(donors) == list(range(size))
        assert (donors != np.arange(size)).all()
    assert sorted(arrangement.order) == list(range(1100))


def test_what_steps_get_is_what_the_intervention_says() -> None:
    kinds = np.zeros(8, dtype=np.int64)
    found = {
        kind: arranged(kind, kinds, np.arange(8), 0).replacement(slice(0, 8), CPU, torch.Generator())
        for kind in INTERVENTIONS
    }
    assert {kind: each.kind for kind, each in found.items()} == {
        "zero": "zero",
        "noise": "noise",
        "shuffle": "other",
        "matched": "other",
    }


def test_latents_of_noise_change_stored_ranks_and_leave_the_model_as_it_was(parts: Split) -> None:
    model = reasoner("erl", parts.test.n_items)
    ranks = []
    for latents in ("own", "noise", "own"):
        evaluation = EvaluationConfig(depths=(2,), latents=latents)
        rows, _ = rank_everything.rank_everything(model, small_dataset(), parts, evaluation, 1, CPU)
        ranks.append(rows["rank"])
    assert ranks[0].equals(ranks[2])
    assert not ranks[0].equals(ranks[1])


def test_the_order_is_drawn_from_the_seed() -> None:
    kinds = np.arange(40) // 4
    for kind in ("zero", "shuffle", "matched"):
        first, again, other = (arranged(kind, kinds, np.arange(40), seed).order for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_matched_donors_are_of_the_same_kind_where_there_are_any() -> None:
    kinds = np.array([2, 0, 1, 0, 2, 0, 3])
    arrangement = arranged("matched", kinds, np.arange(7), 0)
    assert arrangement.donors is not None
    in_place = kinds[arrangement.order]
    donors = in_place[arrangement.donors]
    alone = np.isin(in_place, [1, 3])
    assert (donors[~alone] == in_place[~alone]).all()
    assert (arrangement.donors != np.arange(7)).all()


@pytest.mark.parametrize("kind", ["shuffle", "matched"])
def test_a_history_of_the_same_user_is_no_donor(kind: Intervention) -> None:
    """With several targets per user. A matched donor is of the same kind if another user has one there."""
    owners, kinds = np.repeat(np.arange(150), 8), np.tile([0, 0, 0, 1], 300)
    kinds[owners == 3] = 2  # all histories of this kind are of one user
    arrangement = arranged(kind, kinds, owners, 0)
    assert arrangement.donors is not None
    starts = np.arange(1200) // 512 * 512
    donors = arrangement.order[arrangement.donors + starts]
    assert (owners[donors] != owners[arrangement.order]).all()
    if kind == "matched":
        own = kinds[arrangement.order]
        assert (kinds[donors] == own)[own < 2].all()


def test_histories_of_one_user_keep_their_latents() -> None:
    arrangement = arranged("matched", np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 0)
    assert arrangement.donors is not None
    assert arrangement.donors.tolist() == [0, 1, 2, 3, 4]


def test_histories_of_one_kind_are_alike(parts: Split) -> None:
    view = parts.test
    ranks = np.random.default_rng(0).integers(1, 40, len(view)).astype(float)
    kinds = kinds_of_histories(view, parts.train, ranks)
    for kind in np.unique(kinds):
        alike = kinds == kind
        for values in ((view.stops - view.starts)[alike], ranks[alike]):
            assert values.max() < 2 * 2 ** np.floor(np.log2(values.min()))
    assert len(np.unique(kinds)) > 3


def test_kinds_differ_by_the_quartile_of_the_targets_training_count() -> None:
    """Items 0 to 3 occur 1 to 4 times in training. Held-out interactions of item 0 do not count."""
    items = np.repeat([0, 1, 2, 3, 0], [1, 2, 3, 4, 9]).astype(np.int32)
    train = TrainingView(items, np.array([0]), np.array([10]), 4)
    users = np.arange(8)
    targets = np.array([0, 1, 2, 3, 0, 1, 2, 3], dtype=np.int32)
    view = EvaluationView(items, users, np.zeros(8, np.int64), np.full(8, 5), targets, 4)
    assert kinds_of_histories(view, train, np.full(8, 3.0)).tolist() == targets.tolist()


def test_the_donor_of_a_token_is_as_far_from_the_end() -> None:
    from lrbench.models.latent.lares.network import _donor_tokens
    from lrbench.testing import pack_lists

    sequences: Packed = pack_lists([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    tokens = _donor_tokens(sequences, torch.tensor([2, 0, 1]))
    items = sequences.items[tokens]
    given = {int(item): int(got) for item, got in zip(sequences.items, items, strict=True)}
    assert given == {1: 7, 2: 8, 3: 9, 4: 2, 5: 3, 6: 4, 7: 4, 8: 4, 9: 5}


def test_the_donor_of_padding_is_padding() -> None:
    from lrbench.models.latent.lares.network import _donor_tokens
    from lrbench.testing import pack_lists

    padded: Packed = pack_lists([[1, 2, 3], [4], [5, 6, 7, 8]]).padded(4, 0, left=False)
    assert torch.equal(_donor_tokens(padded, torch.arange(3)), torch.arange(12))
    assert _donor_tokens(padded, torch.tensor([1, 2, 0])).tolist() == [4, 4, 4, 5, 11, 11, 11, 11, 0, 0, 1, 2]


def test_the_divergence_is_the_mean_kl_of_the_scores(parts: Split) -> None:
    model = reasoner("erl", parts.test.n_items).double()
    few = dataclasses.replace(
        parts.test,
        users=parts.test.users[:5],
        starts=parts.test.starts[:5],
        stops=parts.test.stops[:5],
        targets=parts.test.targets[:5],
    )
    arrangement = Arrangement("shuffle", np.arange(5), np.array([1, 2, 3, 4, 0]))
    found = mean_divergence(model, few, 2, arrangement, 0, CPU)
    from lrbench.data.batches import evaluation_batches
    from lrbench.models.reasoning import Replacement

    ((_, sequences),) = evaluation_batches(few, 20, 512, CPU)
    with torch.no_grad():
        own = model.score(model.encode(sequences, (2,), None)[0]).softmax(-1)
        model.replacement = Replacement("other", torch.tensor([1, 2, 3, 4, 0]))
        other = model.score(model.encode(sequences, (2,), None)[0]).softmax(-1)
    assert found == pytest.approx(float((own * (own / other).log()).sum(-1).mean()))


def test_noise_differs_between_splits_and_draws_and_interventions_get_that_of_the_test_ranks(
    parts: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seeds = reasoner("erl", parts.test.n_items), list[int]()
    made = []

    def ranked(model: object, view: EvaluationView, depths: Sequence[int], seed: int, *rest: object) -> Ranks:
        seeds.append(seed)
        counts = np.random.default_rng(seed).integers(0, 3, (4, len(depths), len(view)))
        made.append(Ranks(1.0 + counts[0], 5.0 + counts[1], counts[2], counts[3]))
        return made[-1]

    monkeypatch.setattr(rank_everything, "rank_targets", ranked)
    evaluation = EvaluationConfig(depths=(0, 2), draws=2, interventions=("noise",))
    arguments = model, small_dataset(), parts, evaluation
    rows, tied = rank_everything.rank_everything(*arguments, 1, CPU)
    assert len(set(seeds)) == 4  # two splits of two draws
    assert tied == pytest.approx(
        {depth: np.mean([made[draw].ties[place] > 0 for draw in (2, 3)]) for place, depth in ((0, 0), (1, 2))}
    )
    for name in ("rank", "rank_masked", "ties", "ties_masked"):
        expected = np.concatenate([getattr(ranks, name).ravel() for ranks in made])
        assert rows[name].to_list() == expected.tolist()
    of_tests = seeds[2:]
    rank_everything.rank_everything(*arguments, 2, CPU)
    assert not set(seeds[4:]) & set(seeds[:4])
    seeds.clear()
    monkeypatch.setattr(
        rank_everything, "rank_with", lambda *given: ranked(model, parts.test, (2,), given[-2])
    )
    rank_interventions(*arguments, 1, CPU)
    assert seeds == [of_tests[0], *of_tests]  # the first is for the kinds of users


def test_rows_are_stored_like_draws(parts: Split) -> None:
    model = reasoner("erl", parts.test.n_items)
    evaluation = EvaluationConfig(depths=(2,), interventions=("zero", "matched"))
    rows, divergence = rank_interventions(model, small_dataset(), parts, evaluation, 1, CPU)
    assert rows.schema == RANKS
    assert rows["intervention"].value_counts().sort("intervention").rows() == [
        ("matched", len(parts.test)),
        ("zero", len(parts.test)),
    ]
    assert set(divergence) == {"zero", "matched"}
    assert all(value > 0 for value in divergence.values())
