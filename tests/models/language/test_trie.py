import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.models.language.trie import Trie, build_trie

END = 9
ANSWERS = [[1, 2, END], [1, 3, 4, END], [5, END], [1, 2, END]]


def path_of(trie: Trie, item: int) -> list[int]:
    leaf = int(trie.leaf_of_item[item])
    return [int(trie.token[node]) for node in (*trie.path(leaf), leaf)]


def test_a_small_one_by_hand() -> None:
    trie = build_trie(ANSWERS)
    assert trie.token.tolist() == [-1, 1, 2, END, 3, 4, END, 5, END]
    assert trie.parent.tolist() == [-1, 0, 1, 2, 1, 4, 5, 0, 7]
    assert trie.depth.tolist() == [0, 1, 2, 3, 2, 3, 4, 1, 2]
    assert trie.stop.tolist() == [9, 7, 4, 4, 7, 7, 7, 9, 9]
    assert trie.leaf_of_item.tolist() == [3, 6, 8, 3]
    children, of = trie.children_of(np.array([0, 1]))
    assert children.tolist() == [1, 7, 2, 4]
    assert of.tolist() == [0, 0, 1, 1]


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=12))
def test_every_item_is_where_its_tokens_lead(bodies: list[list[int]]) -> None:
    answers = [[*body, END] for body in bodies]
    trie = build_trie(answers)
    assert [path_of(trie, item) for item in range(len(answers))] == answers
    assert len(set(trie.leaf_of_item.tolist())) == len(set(map(tuple, answers)))
    assert trie.is_leaf[trie.leaf_of_item].all()


def test_an_answer_within_another_is_refused() -> None:
    with pytest.raises(ValueError, match="beginning of another"):
        build_trie([[1], [1, 2]])
