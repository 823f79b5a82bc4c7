from collections.abc import Callable
from typing import Any

import pytest
import torch

from lrbench.models.language.recommender import LanguageRecommender
from lrbench.registry import MODELS
from lrbench.testing import MAX_LENGTH, N_ITEMS

NAMES = ("The Matrix", "Toy Story", "Heat", "Alien")
PARTS = ("", ": Part Two", " Returns", " Again", " Forever", ' "Uncut"')
TITLES = [f"{name}{part}" for part in PARTS for name in NAMES][:N_ITEMS]
TITLES[5] = TITLES[4]  # two items with one title

Make = Callable[..., LanguageRecommender[Any]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        import transformers  # noqa: F401
    except ImportError:
        skip = pytest.mark.skip(reason="language models need the extra llm")
        for item in items:
            if "tests/models/language" in item.path.as_posix():
                item.add_marker(skip)


@pytest.fixture(scope="session")
def make() -> Make:
    """Builds a small language model over the titles, in evaluation mode."""

    def made(name: str, seed: int = 0, **options: Any) -> LanguageRecommender[Any]:
        kind = MODELS.load(name)
        torch.manual_seed(seed)
        config = kind.Config.model_validate({"base": "tiny", **options})
        model = kind.on_catalogue(config, TITLES, MAX_LENGTH).eval()
        assert isinstance(model, LanguageRecommender)
        return model

    return made
