import pytest
from small_data import small_dataset

from lrbench.data.dataset import DatasetSummary, StepCounts


def test_a_trial_keeps_the_facts_and_the_final_sizes() -> None:
    record = small_dataset().record
    summary = record.summary
    assert (summary.name, summary.edition, summary.fingerprint) == (
        record.name,
        record.edition,
        record.fingerprint,
    )
    assert summary.counts == record.final
    assert summary.synthetic


def test_the_summaries_of_older_trials_are_read() -> None:
    older = {
        "name": "ml-100k",
        "edition": "MovieLens 100K",
        "synthetic": False,
        "fingerprint": "0123456789abcdef",
        "source": "ml-100k.zip (movielens-tab)",
        "verified": True,
        "counts": {"step": "5-core", "users": 943, "items": 1349, "interactions": 99287},
        "best_recall_at_10": None,
        "notes": ["a note"],
    }
    assert DatasetSummary.model_validate(older).model_dump(mode="json") == older


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("/home/anna/secret/ml-100k.zip (movielens-tab)", "ml-100k.zip (movielens-tab)"),
        (r"C:\Users\anna\ml-100k.zip (movielens-tab)", "ml-100k.zip (movielens-tab)"),
        ("https://host/a/ml-100k.zip (movielens-tab)", "https://host/a/ml-100k.zip (movielens-tab)"),
    ],
)
def test_a_trial_keeps_no_folders_of_a_file(source: str, kept: str) -> None:
    """Archives and reports are published. The record of the prepared data stays on its machine."""
    record = small_dataset().record.model_copy(update={"source": source})
    assert record.summary.source == kept
    assert record.source == source


def test_sizes_are_said_in_words() -> None:
    counts = StepCounts(step="5-core", users=1, items=2, interactions=10_000)
    assert counts.sizes == ("1 user", "2 items", "10,000 interactions")
