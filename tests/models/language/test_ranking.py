"""Items are ranked by the log-likelihood of their titles, one at a time, all at once, or by a search."""

from typing import Any

import pytest
import torch
from models.language.conftest import TITLES, Make
from torch import Tensor

from lrbench.models.language.recommender import LanguageRecommender
from lrbench.testing import N_ITEMS, pack_lists, random_histories

DEPTHS = (0, 1, 3)
HISTORIES = random_histories(9)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(make: Make) -> LanguageRecommender[Any]:
    return make("latentr3", ranking="catalogue", part_tokens=400)


def scores(model: LanguageRecommender[Any], **changes: Any) -> Tensor:
    before = model.config
    model.config = before.model_copy(update=changes)
    try:
        with torch.no_grad():
            return model.encode(pack_lists(HISTORIES), DEPTHS, None)
    finally:
        model.config = before


def naive(model: LanguageRecommender[Any], history: int, item: int, latents: list[Tensor]) -> Tensor:
    """Mean log-probability of a title's tokens by one pass over the prompt, the latents and the title."""
    (prompt,) = model.prompts.of(pack_lists([HISTORIES[history]]))
    answer = model.prompts.answers[item]
    ids = torch.tensor([*prompt, *answer])
    embedded = model.language.embed(ids)
    embedded = torch.cat((embedded[: len(prompt)], *latents, embedded[len(prompt) :]))
    logits = model.language.network(inputs_embeds=embedded[None]).logits[0].log_softmax(-1)
    start = len(prompt) + len(latents) - 1
    return logits[torch.arange(start, start + len(answer)), torch.tensor(answer)].mean()


@torch.no_grad()
def test_all_titles_at_once_score_as_one_at_a_time(model: LanguageRecommender[Any]) -> None:
    together = scores(model)
    for index, depth in enumerate(DEPTHS):
        for history in (0, 4, 8):
            (prompt,) = model.prompts.of(pack_lists([HISTORIES[history]]))
            made: list[Tensor] = []
            for _ in range(depth):  # a latent is made of all states before it
                embedded = torch.cat((model.language.embed(torch.from_numpy(prompt)), *made))
                inner = model.language.network.get_decoder()
                states = inner(inputs_embeds=embedded[None]).last_hidden_state
                real, at = torch.ones(states.shape[:2]).bool(), torch.arange(states.shape[1])[None]
                made.append(model.attention.over_padded(states, real, at, states[:, -1], at[:, -1]))
            for item in (0, 4, 5, N_ITEMS - 1):
                alone = naive(model, history, item, made)
                torch.testing.assert_close(together[index, history, item], alone, rtol=1e-5, atol=1e-5)


def test_items_with_one_title_are_tied_whatever_the_ranking(model: LanguageRecommender[Any]) -> None:
    assert TITLES[4] == TITLES[5]
    for ranking in ("catalogue", "beam"):
        found = scores(model, ranking=ranking)
        assert torch.equal(found[..., 4], found[..., 5])


def test_a_search_as_wide_as_the_catalogue_finds_all_of_it(model: LanguageRecommender[Any]) -> None:
    for penalty in (0.0, 1.0):
        whole = scores(model, length_penalty=penalty)
        searched = scores(model, length_penalty=penalty, ranking="beam", beams=N_ITEMS)
        torch.testing.assert_close(searched, whole, rtol=1e-5, atol=1e-5)


def test_what_a_search_does_not_find_is_tied_below_what_it_finds(model: LanguageRecommender[Any]) -> None:
    whole, searched = scores(model), scores(model, ranking="beam", beams=3)
    lowest = searched.amin(-1, keepdim=True)
    found = searched > lowest
    titles = [len({TITLES[item] for item in row.nonzero()[:, 0].tolist()}) for row in found.flatten(0, 1)]
    assert set(titles) == {3}
    torch.testing.assert_close(searched[found], whole[found], rtol=1e-5, atol=1e-5)
    assert (searched.masked_fill(~found, torch.inf).amin(-1) - lowest[..., 0] > 1).all()


def test_the_parts_in_which_prompts_are_read_change_nothing(model: LanguageRecommender[Any]) -> None:
    for ranking in ("catalogue", "beam"):
        one, many = (scores(model, ranking=ranking, part_tokens=size) for size in (100_000, 1))
        torch.testing.assert_close(one, many, rtol=1e-5, atol=1e-5)


def test_too_long_a_prompt_loses_its_oldest_titles(make: Make) -> None:
    model = make("bigrec-beam", prompt_tokens=150)
    prompt = model.prompts.of_items(list(range(9)))
    assert len(prompt) <= 150
    text = model.tokens.decode(prompt.tolist())
    assert TITLES[8] in text
    assert f'"{TITLES[0]}"' not in text


def test_words_around_titles_are_those_of_the_template(make: Make) -> None:
    """The released prompt, piece by piece; the thought token of its code is our latent."""
    model = make("latentr3", template="r3", category="music")
    text = model.tokens.decode(model.prompts.of_items([0, 1]).tolist())
    assert text == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request. \n\n### Instruction:\n"
        "Given a list of music the user recetenly enjoy, please write a new music that the user may bought\n"
        f'### User Input: \nThe user has palyed the following musics before: "{TITLES[0]}", "{TITLES[1]}"'
        "\n\n### Response: \n"
    )
    assert model.tokens.decode(model.prompts.answers[0]) == f'"{TITLES[0]}"\n'
    plain = make("latentr3", category="music")
    assert "that a user chose, oldest first" in plain.tokens.decode(plain.prompts.of_items([0]).tolist())
