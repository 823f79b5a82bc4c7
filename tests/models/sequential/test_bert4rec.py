"""Which items BERT4Rec hides in training, and which items it sees at inference."""

import numpy as np
import pytest
import torch

from lrbench.data.batches import TrainingData
from lrbench.models.sequential.bert4rec import BERT4Rec, BERT4RecConfig, Cloze
from lrbench.testing import CPU, pack_lists, training_view


def stage(**options: object) -> Cloze:
    torch.manual_seed(0)
    return Cloze(BERT4Rec(BERT4RecConfig(width=8, inner_width=8, **options), 20, 6))


def test_a_batch_holds_whole_training_sequences_and_the_latest_where_too_long() -> None:
    cloze = stage()
    data = TrainingData(training_view([[1, 2, 3], list(range(4, 11))], 20), 6)
    (batch,) = data.batches(100, CPU)
    whole = cloze._whole(batch)
    found = {tuple(whole.items[a : b + 1].tolist()) for a, b in zip(whole.first, whole.last, strict=True)}
    assert found == {(1, 2, 3), (5, 6, 7, 8, 9, 10)}


def test_shares_of_hidden_items() -> None:
    sequences = pack_lists([[1, 2, 3, 4, 5, 6]] * 3000)
    hidden = stage(mask_ratio=0.3, last_only=0.25).draw(sequences).reshape(3000, 6)
    assert hidden.any(1).all()
    # Of the items before the last, 0.75 · 0.3 are hidden.
    assert abs(hidden[:, :-1].mean() - 0.225) < 0.015
    alone = hidden[:, -1] & ~hidden[:, :-1].any(1)
    # In a quarter of the sequences the last item alone is hidden by choice. In 0.7⁵ of the others it is also
    # hidden alone: by chance (0.3), or because nothing else is (0.7).
    assert abs(alone.mean() - (0.25 + 0.75 * 0.7**5)) < 0.03


@pytest.mark.parametrize(("drop_first", "expected"), [(False, [3, 6]), (True, [2, 6])])
def test_the_mask_token_stands_behind_as_much_of_the_history_as_fits(
    monkeypatch: pytest.MonkeyPatch, drop_first: bool, expected: list[int]
) -> None:
    model, shown = stage(drop_first=drop_first).model.eval(), []
    plain = model.embed
    monkeypatch.setattr(model, "embed", lambda *given: (shown.append(given), plain(*given))[1])
    model.encode(pack_lists([[1, 2], [1, 2, 3, 4, 5, 6]]), (0,), None)
    ((sequences, items),) = shown
    assert sequences.lengths.tolist() == expected
    assert items[sequences.last].tolist() == [20, 20]


def test_without_a_head_the_last_block_meets_the_items() -> None:
    model = stage(head=False).model.eval()
    histories = pack_lists([[1, 2], [3, 4, 5]])
    asked = histories.appended(np.full(2, 20), histories.host.lengths)
    last_block = model.encoder(model.embed(asked, asked.items), asked)[asked.last]
    scores = model.score(model.encode(histories, (0,), None)[0])
    torch.testing.assert_close(scores, last_block @ model.embedding.items.weight[:20].T)
    assert not any(name.startswith("head") for name, _ in model.named_parameters())
