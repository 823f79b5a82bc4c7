"""DuoRec against the authors' numbers."""

import pytest
import torch
from parity.published import CPU, Published, by_user, calls, last_target_batch, last_targets, training_data
from parity.sasrec_names import NAMES

from lrbench.models.sequential.duorec import Contrastive, DuoRec, DuoRecConfig
from lrbench.objectives.alignment import nt_xent

SETTINGS = [("us_x", "dot"), ("us_x", "cos"), ("su", "dot"), ("un", "dot"), ("us", "cos")]
QUIET = {"dropout": 0, "attention_dropout": 0}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("duorec", request.param)


def duorec(published: Published, **options: object) -> DuoRec:
    model = DuoRec(DuoRecConfig(width=16, inner_width=32, **QUIET, **options), published.n_items, 8)
    published.load(model, NAMES)
    return model


def test_states_and_logits(published: Published) -> None:
    model, sequences = duorec(published), published.sequences()

    def close(actual: torch.Tensor, key: str) -> None:
        published.equal(actual, published.at_tokens(published.cases[key], sequences), key)

    hidden = model.embedding(sequences)
    close(hidden, "out.eval.input_embedding")
    for number, block in enumerate(model.encoder.blocks):
        hidden = block(hidden, sequences)
        close(hidden, f"out.eval.block{number}")
    (users,) = model.encode(sequences, (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")


@pytest.mark.parametrize("similarity", ["dot", "cos"])
def test_contrast_alone(published: Published, similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source has each row's positive before its negatives, ours all rows in their places."""
    first, second = (published.cases[f"in.z_{name}"].requires_grad_() for name in "ij")
    compared = calls(monkeypatch, torch.nn.functional, "cross_entropy")
    loss = nt_xent(first, second, similarity, published.config["tau"])
    prefix = f"out.info_nce.{similarity}"
    published.close(loss, f"{prefix}.loss")
    ((logits, positives), _), rows = compared[0], torch.arange(12)
    others = ~torch.eye(12).bool().index_put((rows, positives), torch.tensor(True))
    sorted_logits = torch.cat((logits[rows, positives][:, None], logits[others].view(12, 10)), 1)
    published.equal(sorted_logits, published.cases[f"{prefix}.logits"], f"{prefix}.logits")
    assert not published.cases[f"{prefix}.labels"].any()
    loss.backward()
    published.close(first.grad, f"{prefix}.z_i_gradient")
    published.close(second.grad, f"{prefix}.z_j_gradient")


@pytest.mark.parametrize(("contrast", "similarity"), SETTINGS)
def test_losses_and_gradients(
    published: Published, contrast: str, similarity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = published.config
    weights = {"unsupervised_weight": config["lmd"], "supervised_weight": config["lmd_sem"]}
    options = {
        "similarity": similarity,
        "contrast_temperature": config["tau"],
        "same_sequence_negatives": True,
    }
    model = duorec(published, contrast=contrast, **weights, **options)
    stage = Contrastive(model)
    data = training_data(published, ("in.item_seq", "in.item_len"), ("in.aug_seq", "in.aug_len"))
    stage.begin(data, CPU)
    stage._same_target.draw = lambda target_ids: last_targets(data, 12)[6:]
    batch, contrasts = last_target_batch(data, 6), calls(monkeypatch, stage, "_contrast")
    terms = stage.losses(batch)
    prefix = f"out.{contrast}.{similarity}"
    if contrast != "un":
        published.close(by_user(contrasts[-1].arguments[1], batch), f"{prefix}.second_view_vector")
    published.close(terms["cross_entropy"], f"{prefix}.loss_ce")
    for name in ("unsupervised", "supervised"):
        key = f"{prefix}.loss_contrast_{name}"
        assert (name in terms) == (key in published.cases)
        if name in terms:
            published.close(terms[name], key)
    published.close(terms["loss"], f"{prefix}.loss_total")
    terms["loss"].backward()
    published.close_gradients(model, prefix, NAMES)
