import numpy as np
import pytest

from lrbench.errors import RequestError
from lrbench.metrics import metric_function, mrr, ndcg, recall

RANKS = np.array([1.0, 2.5, 10.0, 10.5, 40.0])


def test_values_worked_by_hand() -> None:
    np.testing.assert_array_equal(recall(RANKS, 10), [1, 1, 1, 0, 0])
    np.testing.assert_allclose(ndcg(RANKS, 10), [1, 1 / np.log2(3.5), 1 / np.log2(11), 0, 0])
    np.testing.assert_allclose(mrr(RANKS), [1, 0.4, 0.1, 1 / 10.5, 0.025])


def test_names_lead_to_functions() -> None:
    np.testing.assert_array_equal(metric_function("recall@2")(RANKS), recall(RANKS, 2))
    np.testing.assert_array_equal(metric_function("ndcg@20")(RANKS), ndcg(RANKS, 20))
    np.testing.assert_array_equal(metric_function("mrr")(RANKS), mrr(RANKS))


@pytest.mark.parametrize("name", ["ndcg", "ndcg@", "ndcg@0", "hit@10", "recall@ten", "mrr@10"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="Unknown metric"):
        metric_function(name)
