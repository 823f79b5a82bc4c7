"""D3's assistant and BIGRec's grounding, against sums by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from models.language.conftest import TITLES, Make

from lrbench.config.protocol import find_protocol
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import EvaluationView
from lrbench.models.language.assisted.bigrec_ground import BigRecGround, BigRecGroundConfig
from lrbench.models.language.assisted.d3 import D3, D3Config
from lrbench.models.language.assisted.recommender import AssistantTraining, AssistedRecommender, WeightChoice
from lrbench.testing import MAX_LENGTH, N_ITEMS, pack_lists, random_histories, training_view
from lrbench.training.choice import choose

CPU = torch.device("cpu")
HISTORIES = random_histories(3)


@torch.no_grad()
def test_the_assistant_shares_each_token_by_the_items_below_it(make: Make) -> None:
    """Over the path of an item, shares of shares multiply to the probability of its title."""
    model = make("d3", language_weight=0.25, ranking="catalogue")
    assert isinstance(model, D3)
    packed = pack_lists(HISTORIES)
    shares = model.assistant_scores(packed).softmax(-1)
    titles = torch.zeros(len(HISTORIES), N_ITEMS)
    for item, title in enumerate(TITLES):
        titles[:, item] = shares[:, [other for other, name in enumerate(TITLES) if name == title]].sum(1)
    scores = model.encode(packed, (0,), None)[0]
    plain = make("d3", language_weight=1.0, ranking="catalogue")
    plain.load_state_dict({n: w for n, w in model.state_dict().items() if not n.startswith("assistant")})
    expected = 0.25 * plain.encode(packed, (0,), None)[0] + 0.75 * titles.log()
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)


def test_the_assistant_is_trained_alone_and_ranks_alone(make: Make) -> None:
    model = make("d3")
    stage = AssistantTraining(model)
    data = TrainingData(training_view(HISTORIES), MAX_LENGTH, stage.training_rows())
    stage.begin(data, CPU)
    (batch,) = data.batches(100, CPU)
    stage.losses(batch)["loss"].backward()
    moved = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert moved == {"assistant"}
    packed = pack_lists(HISTORIES)
    with torch.no_grad():
        assert torch.equal(model.encode(packed, (0,), None)[0], model.assistant_scores(packed))


@pytest.mark.parametrize(
    ("config", "stages", "wanted"),
    [
        (D3Config(base="tiny"), ("assistant", "sft"), "assistant, sft and choice"),
        (D3Config(base="tiny", language_weight=0.5), ("sft",), "assistant and sft"),
        (D3Config(base="tiny", language_weight=0.5), ("assistant",), "assistant and sft"),
        (D3Config(base="tiny", language_weight=1), ("assistant", "sft"), "are sft"),
        (BigRecGroundConfig(base="tiny", correction="popularity"), ("sft",), "sft and choice"),
        (BigRecGroundConfig(base="tiny", correction="collaborative"), ("sft",), "assistant, sft and choice"),
        (BigRecGroundConfig(base="tiny"), ("sft", "choice"), "are sft"),
    ],
)
def test_stages_fit_the_options(config: Any, stages: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        config.check_against_protocol(10, stages)


def test_a_correction_that_is_not_made_has_no_weight() -> None:
    BigRecGroundConfig(base="tiny", correction="popularity", correction_weight=1.0).check_effects(("sft",))
    with pytest.raises(ValueError, match="correction_weight has no effect"):
        BigRecGroundConfig(base="tiny", correction_weight=1.0).check_effects(("sft",))


@torch.no_grad()
def test_a_written_title_is_grounded_in_itself(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("bigrec-ground")
    assert isinstance(model, BigRecGround)
    monkeypatch.setattr(model, "written", lambda sequences: [TITLES[7], TITLES[0], "Heat Again and Again"])
    scores = model.encode(pack_lists(HISTORIES), (0,), None)[0]
    assert scores.argmax(1)[:2].tolist() == [7, 0]
    assert scores[0, 7].abs() < 1e-2
    assert scores.isfinite().all()


@torch.no_grad()
def test_popular_items_come_nearer(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model, plain = (make("bigrec-ground", correction=kind) for kind in ("popularity", "none"))
    assert isinstance(model, BigRecGround)
    model.popularity[3] = 10.0
    for each in (model, plain):
        monkeypatch.setattr(each, "written", lambda sequences: [TITLES[7]])
    packed = pack_lists([[1]])
    distances = -plain.encode(packed, (0,), None)[0, 0]
    scaled = (distances - distances.min()) / (distances.max() - distances.min())
    without, corrected = model.encode_with(packed, (0.0, 2.0))[:, 0]
    torch.testing.assert_close(-without, scaled)
    torch.testing.assert_close(-corrected, scaled * torch.where(torch.arange(N_ITEMS) == 3, 0.25, 1.0))


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "option", "options"),
    [
        ("d3", "language_weight", {}),
        ("bigrec-ground", "correction_weight", {"correction": "popularity"}),
        ("bigrec-ground", "correction_weight", {"correction": "collaborative"}),
    ],
)
def test_weights_tried_together_are_weights_set_one_by_one(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, option: str, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(BigRecGround, "written", lambda model, sequences: [TITLES[7], TITLES[0], "Heat"])
    model, packed = make(name, **options), pack_lists(HISTORIES)
    assert isinstance(model, AssistedRecommender)
    together = model.encode_with(packed, model.weights)
    for weight, found in zip(model.weights, together, strict=True):
        alone = make(name, **options, **{option: weight})
        torch.testing.assert_close(alone.encode(packed, (0,), None)[0], found, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_validation_chooses_the_weight_and_weights_keep_it(make: Make) -> None:
    """Targets are SASRec's own favourites, so that it gets as much weight as there is."""
    model = make("d3", ranking="catalogue")
    assert isinstance(model, D3)
    assert model.weight == 1
    histories = [[3, 1, 4], [9, 2, 6], [8, 8]]
    best = model.assistant_scores(pack_lists(histories)).argmax(1).tolist()
    flat, offsets = [], [0]
    for history, target in zip(histories, best, strict=True):
        flat += [*history, target]
        offsets.append(len(flat))
    starts, stops = np.array(offsets[:-1]), np.array(offsets[1:]) - 1
    items = np.array(flat, dtype=np.int32)
    view = EvaluationView(items, np.arange(3), starts, stops, items[stops], N_ITEMS)
    chosen, tried = choose(WeightChoice(model), view, find_protocol("loo-10"), 1, CPU)
    assert tried.keys() == set(model.weights)
    assert tried[chosen] == max(tried.values()) == tried[0.1]
    assert chosen == model.weight == 0.1
    again = make("d3", seed=1, ranking="catalogue")
    again.load_state_dict(model.state_dict())
    assert isinstance(again, D3)
    assert again.weight == 0.1


@torch.no_grad()
def test_what_it_writes_is_what_greedy_choice_writes(make: Make) -> None:
    model = make("bigrec-ground", beams=1, title_tokens=8)
    assert isinstance(model, BigRecGround)
    written = model.written(pack_lists(HISTORIES))
    for history, text in zip(HISTORIES, written, strict=True):
        ids = model.prompts.of_items(history).tolist()
        start = len(ids)
        for _ in range(10):
            ids.append(int(model.language.network(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == model.tokens.end:
                break
        answer = [token for token in ids[start:] if token != model.tokens.end]
        assert text == model.tokens.decode(answer).strip().partition("\n")[0].strip('"')


def test_an_answer_is_its_first_line(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("bigrec-ground")
    assert isinstance(model, BigRecGround)
    text = torch.tensor([model.tokens.encode('"Heat"\n\n"Alien"\n')])

    def generate(input_ids: torch.Tensor, **options: Any) -> torch.Tensor:
        return torch.cat((input_ids, text.expand(len(input_ids), -1)), 1)

    monkeypatch.setattr(model.language.network, "generate", generate)
    assert model.written(pack_lists(HISTORIES)) == ["Heat"] * len(HISTORIES)


@torch.no_grad()
def test_vectors_of_titles_are_of_the_base_without_adapters(make: Make) -> None:
    model = make("bigrec-ground")
    assert isinstance(model, BigRecGround)
    rows = [np.array(title) for title in model.prompts.titles[:3]]
    before = model._vectors(rows)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.add_(1.0)
    assert torch.equal(model._vectors(rows), before)
    assert not torch.allclose(model.language.read(rows, CPU).last_states[:, 0], before)
