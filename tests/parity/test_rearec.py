"""ReaRec's two learning methods against the authors' numbers (left padding; the padding item is row 50)."""

from itertools import combinations

import pytest
import torch
from parity.published import Published, by_user, calls, last_target_batch, training_data
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.models.latent.rearec import prl as progressive
from lrbench.models.latent.rearec.erl import ERL, ERLConfig
from lrbench.models.latent.rearec.network import ReaRecNetwork
from lrbench.models.latent.rearec.prl import PRL, PRLConfig
from lrbench.models.layers.token_chain import encode_items
from lrbench.objectives.divergence import pairwise_divergence

SOURCE, OWN = r"trm_encoder\.layer\.(\d+)\.", r"encoder.blocks.\1."
NAMES = {
    r"item_emb\.weight": "embedding.items.weight",
    r"pos_emb\.weight": "embedding.positions.weight",
    r"model\.LayerNorm\.(\w+)": r"embedding.norm.\1",
    r"model\.reason_pos_emb\.weight": "step_positions.weight",
    SOURCE + r"multi_head_attention\.LayerNorm\.(\w+)": OWN + r"mixer.norm.\2",
    SOURCE + r"multi_head_attention\.dense\.(\w+)": OWN + r"mixer.inner.output.\2",
    SOURCE + r"multi_head_attention\.(\w+)_layer\.(\w+)": OWN + r"mixer.inner.\2.\3",
    SOURCE + r"feed_forward\.LayerNorm\.(\w+)": OWN + r"feed_forward.norm.\2",
    SOURCE + r"feed_forward\.dense_1\.(\w+)": OWN + r"feed_forward.inner.expand.\2",
    SOURCE + r"feed_forward\.dense_2\.(\w+)": OWN + r"feed_forward.inner.contract.\2",
}
SIZES = {"width": 16, "inner_width": 32, "steps": 3}
QUIET = {"dropout": 0, "attention_dropout": 0, "input_dropout": 0}


class ReaRec(Published):
    """The table of positions has a last row for padding, which is none of ours."""

    def renumbered(self, key: str, value: Tensor) -> Tensor:
        if not key.endswith("pos_emb.weight") or "reason" in key:
            return value
        assert "grad" not in key or not value[-1].any()
        return value[:-1]


def loaded(published: ReaRec, model: ReaRecNetwork) -> ReaRecNetwork:
    published.load(model, NAMES)
    return model.eval()


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture
def erl(dtype: torch.dtype) -> tuple[ReaRec, ERL]:
    published = ReaRec("rearec_erl", dtype)
    return published, loaded(published, ERL(ERLConfig(**SIZES, **QUIET), 51, 8))


@pytest.fixture
def prl(dtype: torch.dtype) -> tuple[ReaRec, PRL]:
    published = ReaRec("rearec_prl", dtype)
    return published, loaded(published, PRL(PRLConfig(**SIZES, **QUIET), 51, 8))


def the_batch(published: ReaRec) -> TrainingBatch:
    return last_target_batch(training_data(published, ("in.item_seq", "in.item_len")), 6)


def test_states(erl: tuple[ReaRec, ERL], prl: tuple[ReaRec, PRL]) -> None:
    for published, model in (erl, prl):
        compare_states(published, model)


def compare_states(published: ReaRec, model: ReaRecNetwork) -> None:
    sequences = published.sequences()
    hidden = model.embedding(sequences)

    def close(actual: Tensor, key: str) -> None:
        published.equal(actual, published.at_tokens(published.cases[key], sequences), key)

    close(hidden, "out.eval.step0_normalised_input")
    states, _ = encode_items(model.encoder, hidden, sequences, everywhere=True)
    for number, block in enumerate(model.encoder.blocks):
        hidden = block(hidden, sequences)
        close(hidden, f"out.eval.item_positions_block{number}")
    torch.testing.assert_close(states, hidden)

    for everywhere in (True, False):
        of_blocks = newest_states(model, sequences, everywhere)
        for number, of_block in enumerate(of_blocks):
            published.close(of_block.transpose(0, 1), f"out.eval.last_position_block{number}_all_steps")
    states, _ = model.reason(sequences, everywhere=False, steps=3)
    published.close(states.transpose(0, 1), "out.eval.states_all_steps")
    for step in range(3):
        published.close(
            model.step_input(states[step], step)[:, None], f"out.eval.step{step + 1}_normalised_input"
        )
    (users,) = model.encode(sequences, (3,), None)
    published.close(model.score(users), "out.eval.logits")


def newest_states(model: ReaRecNetwork, sequences: Packed, everywhere: bool) -> list[Tensor]:
    """Of each block, its states at the newest position of every step, (steps + 1, sequences, width)."""
    of_blocks = [list[Tensor]() for _ in model.encoder.blocks]

    def note(number: int, state: Tensor) -> None:
        rows = state.flatten(1)  # of a later step, (rows, streams, width) with one stream
        at_tokens = len(rows) == sequences.n_tokens
        of_blocks[number].append(rows[sequences.last] if at_tokens else rows)

    hooks = [
        block.feed_forward.register_forward_hook(lambda *seen, number=number: note(number, seen[-1]))
        for number, block in enumerate(model.encoder.blocks)
    ]
    model.reason(sequences, everywhere, steps=3)
    for hook in hooks:
        hook.remove()
    return [torch.stack(states) for states in of_blocks]


@pytest.mark.parametrize("everywhere", [True, False])
def test_ensemble_reasoning(erl: tuple[ReaRec, ERL], everywhere: bool) -> None:
    published, model = erl
    batch = the_batch(published)
    states = training_states(model, batch, everywhere)
    published.close(states.transpose(0, 1), "out.train.states_all_steps")
    published.close(model.score(states.mean(0)), "out.train.logits_mean_state")
    items, pairs = model.item_vectors(), published.cases["out.train.kl_pairs"]
    both_ways = (pairs + pairs.transpose(1, 2)) / 2  # a pair's two directions are never apart here
    for i, j in combinations(range(4), 2):
        of_rows = [pairwise_divergence(pair.unsqueeze(1), items) for pair in states[[i, j]].unbind(1)]
        published.equal(torch.stack(of_rows), both_ways[:, i, j], f"divergence of {i} and {j}")
    published.close(pairwise_divergence(states, items), "out.train.kl_loss")
    terms = model.stages["supervised"](model).losses(batch)
    published.close(terms["cross_entropy"], "out.train.loss_ce")
    published.close(terms["loss"], "out.train.loss_total")
    terms["loss"].backward()
    published.close_gradients(model, "out.train", NAMES)


def begun(published: Published, model: PRL, case: str, batch: TrainingBatch) -> progressive.Progressive:
    """The stage in an epoch of the warm-up or after it, with the published draws of noise."""
    stage = model.stages["supervised"](model)
    stage.begin(training_data(published, ("in.item_seq", "in.item_len")), torch.device("cpu"))
    stage.begin_epoch(2 if case == "warmup" else 3)
    draws = iter(published.cases["in.noise"])

    def given(state: Tensor) -> Tensor:
        """The draws are at the rows that count; nothing depends on the others."""
        noise = torch.zeros_like(state)
        rows = batch.rows if len(state) > 6 else torch.arange(6)
        noise[rows] = next(draws).squeeze(1)[batch.sequences.sequence_of[batch.rows]] * 0.01
        return noise

    stage.jitter = given
    return stage


@pytest.mark.parametrize("case", ["warmup", "noise"])
def test_states_of_progressive_reasoning(prl: tuple[ReaRec, PRL], case: str) -> None:
    published, model = prl
    batch = the_batch(published)
    jitter = begun(published, model, case, batch).jitter
    states, noisy = model.training_states(batch, None if case == "warmup" else jitter)
    every_state = by_user(states.transpose(0, 1), batch)
    published.close(every_state, f"out.{case}.states_all_steps")
    published.close(by_user(model.score(states[-1]), batch), f"out.{case}.logits_last_step")
    if noisy is not None:  # the chains part after step 0
        every_noisy = torch.cat((every_state[:, :1], by_user(noisy.transpose(0, 1), batch)), 1)
        published.close(every_noisy, "out.noise.noisy_states_all_steps")


@pytest.mark.parametrize("case", ["warmup", "noise"])
def test_losses_of_progressive_reasoning(
    prl: tuple[ReaRec, PRL], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, model = prl
    batch, cases = the_batch(published), published.cases
    predictions = calls(monkeypatch, progressive, "cross_entropy")
    contrasts = calls(monkeypatch, progressive, "info_nce")
    terms = begun(published, model, case, batch).losses(batch)
    published.close(terms["cross_entropy"], f"out.{case}.loss_ce")
    temperatures = cases[f"out.{case}.temperatures_per_step"].tolist()
    for step, ((state, items, *_), loss) in enumerate(predictions[1:]):
        assert temperatures[step] == pytest.approx(
            model.config.temperature * model.config.annealing ** (3 - step)
        )
        scaled_logits = cases[f"out.{case}.scaled_logits_per_step"][:, step]
        published.equal(by_user(state @ items.T, batch), scaled_logits, f"scaled logits of step {step}")
        of_step = cases[f"out.{case}.loss_progressive_per_step"][step]
        published.equal(loss, of_step, f"progressive loss of step {step}")
    published.close(terms["progression"], f"out.{case}.loss_progressive")
    for step, ((similarities, *_), _) in enumerate(contrasts):
        users_by_users = by_user(by_user(similarities, batch).T, batch).T
        published.equal(
            users_by_users, cases["out.noise.contrast_logits"][:, step], f"contrast of step {step}"
        )
    assert ("contrast" in terms) == (case == "noise")
    if "contrast" in terms:
        published.close(terms["contrast"], "out.noise.loss_contrastive")
    published.close(terms["loss"], f"out.{case}.loss_total")
    terms["loss"].backward()
    published.close_gradients(model, f"out.{case}", NAMES)


def training_states(model: ReaRecNetwork, batch: TrainingBatch, everywhere: bool) -> Tensor:
    """States of the targets by either way of training."""
    if not everywhere:
        return model.training_states(batch)[0]
    return model.reason(batch.sequences, everywhere=True, steps=3)[0][:, batch.rows]
