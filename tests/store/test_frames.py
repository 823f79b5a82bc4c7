from pathlib import Path

from synthetic_results import Made, make_suite

from lrbench.store.frames import finished_trials, suite_ranks
from lrbench.store.layout import Results
from lrbench.store.trials import RANKS


def test_missing_trials_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], proposed=[])
    Results(tmp_path).trial(suite.trials[1].trial).rename(tmp_path / "moved")
    finished, missing = finished_trials(suite, Results(tmp_path))
    assert [trial.cell for trial in finished] == [suite.trials[0], *suite.trials[2:]]
    assert missing == [suite.trials[1]]


def test_suite_ranks_say_which_cell_a_row_belongs_to(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B", depths=(0, 1))], seeds=[1, 2], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    frame = suite_ranks(finished).collect()
    assert frame.columns == ["label", "dataset", "seed", "trial", *RANKS]
    counts = {(label, seed): count for label, seed, count in frame.group_by("label", "seed").len().rows()}
    assert counts == {("A", 1): 800, ("A", 2): 800, ("B", 1): 1600, ("B", 2): 1600}
    assert suite_ranks([]).collect().columns == frame.columns
