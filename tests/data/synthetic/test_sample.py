"""The embedded sample: its size and shape, its known best value, and how far simple rankings fall short."""

import numpy as np
import pytest
from small_data import leave_one_out

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.dataset import PreparedDataset
from lrbench.data.synthetic.behaviour import predictive
from lrbench.data.synthetic.sample import SEED, Sample, generate_sample, sample_dataset


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate_sample(SEED)


@pytest.fixture(scope="module")
def dataset() -> PreparedDataset:
    return sample_dataset(Filters())


@pytest.fixture(scope="module")
def probabilities(sample):
    return predictive(sample.behaviour, sample.items, sample.lengths - 1)


def recall_at_10(sample, scores):
    """Recall@10 of each user's last item, the items of the history left out."""
    users = np.arange(len(sample.lengths))
    for user in users:
        scores[user, sample.items[user, : sample.lengths[user] - 1]] = -1
    targets = scores[users, sample.items[users, sample.lengths - 1]][:, None]
    ranks = 1 + (scores > targets).sum(axis=1) + ((scores == targets).sum(axis=1) - 1) / 2
    return (ranks <= 10).mean()


def test_the_same_everywhere(sample):
    """Whoever sees this fail has numbers of another sample: results on it cannot be compared."""
    assert sample.sha256() == "8b6e1707ef7e736e01292ee45f49f2c019f2f6e78a43021eb983e87e6bc029f1"


# One protocol for each kind of filters. A window of months before the sample's would leave nothing of it.
KINDS = {rules.filters: name for name, rules in PROTOCOLS.items() if rules.filters.window is None}


@pytest.mark.parametrize("name", KINDS.values())
def test_protocols_leave_it_as_generated(sample, name):
    dataset = sample_dataset(PROTOCOLS[name].filters)
    assert dataset.record.synthetic
    assert dataset.record.name == "sample"
    final = dataset.record.final
    assert (final.users, final.items, final.interactions) == (2_000, 1_000, 25_000)
    assert 0.3 < dataset.record.best_recall_at_10 < 0.6
    generated = {
        f"u{user + 1}": [f"i{item + 1}" for item in row[:length]]
        for user, (row, length) in enumerate(zip(sample.items, sample.lengths, strict=True))
    }
    sequences, names = dataset.sequences, dataset.item_ids.to_list()
    for number, user in enumerate(dataset.user_ids):
        start, stop = sequences.offsets[number : number + 2]
        assert [names[item] for item in sequences.items[start:stop]] == generated[user]


def test_shape(sample, dataset):
    assert np.median(sample.lengths) == 9
    assert sample.lengths.min() == 5
    assert np.quantile(sample.lengths, 0.95) > 3 * np.median(sample.lengths)
    counts = np.sort(np.bincount(sample.items[sample.items >= 0]))
    assert counts[0] >= 5
    assert counts[-100:].sum() > 5 * counts[:100].sum()  # a tenth of the items against another tenth
    gaps = np.diff(dataset.sequences.times)
    within = np.ones(len(gaps), dtype=bool)
    within[dataset.sequences.offsets[1:-1] - 1] = False
    assert (gaps[within] >= 0).all()
    assert 0.2 < (gaps[within] == 0).mean() < 0.5
    assert dataset.titles.null_count() == 0


def test_the_best_value_is_what_the_best_ranking_earns(sample, dataset, probabilities):
    best = dataset.record.best_recall_at_10
    assert best == pytest.approx(np.sort(probabilities)[:, -10:].sum(axis=1).mean())
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert abs(recall_at_10(sample, probabilities.copy()) - best) < 3 * np.sqrt(best * (1 - best) / 2_000)


def test_simple_rankings_stay_well_below(sample, dataset):
    best = dataset.record.best_recall_at_10
    counts, transitions = np.zeros(1_000), np.zeros((1_000, 1_000))
    for row, length in zip(sample.items, sample.lengths, strict=True):
        np.add.at(counts, row[: length - 1], 1)
        np.add.at(transitions, (row[: length - 2], row[1 : length - 1]), 1)
    last = sample.items[np.arange(2_000), sample.lengths - 2]
    popularity = recall_at_10(sample, np.tile(counts, (2_000, 1)))
    markov = recall_at_10(sample, transitions[last] + counts / 1e6)
    assert 0.02 < popularity < 0.1
    assert 3 * popularity < markov < 0.7 * best


def test_targets_are_the_generated_last_items(sample, dataset):
    test = leave_one_out(dataset.sequences).test
    last = {
        f"u{user + 1}": f"i{row[length - 1] + 1}"
        for user, (row, length) in enumerate(zip(sample.items, sample.lengths, strict=True))
    }
    found = zip(dataset.user_ids.gather(test.users), dataset.item_ids.gather(test.targets), strict=True)
    assert dict(found) == last


def test_filters_that_remove_something_have_no_known_best():
    dataset = sample_dataset(Filters(k_core=7))
    assert dataset.record.final.interactions < 25_000
    assert dataset.record.best_recall_at_10 is None
