"""The best settings of a search are trained again with other seeds, and the best mean wins."""

from pathlib import Path

import pytest
from small_data import order
from small_search import broken_off
from small_search import search as three_trials

from lrbench.config.base import parse_config
from lrbench.config.tuning import SearchConfig, Tune
from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.tuning import attempt
from lrbench.execution.tuning.finalists import best_trial, runs_of_finalists
from lrbench.execution.tuning.search import run_search
from lrbench.store.layout import Results
from lrbench.store.searches import FinalistRun, SearchRecord, SearchTrial, read_search
from lrbench.training.news import EpochDone


def search(**changes: object) -> SearchConfig:
    return three_trials(**{"finalists": 2, "finalist_runs": 2} | changes)


def trial(number: int, value: float | None, state: str = "complete") -> SearchTrial:
    return SearchTrial.model_validate({"number": number, "settings": {}, "state": state, "value": value})


def run(number: int, value: float | None, seed: int = 8) -> FinalistRun:
    return FinalistRun(number=number, seed=seed, value=value)


def test_the_best_complete_trials_are_trained_again_with_the_seeds_after_that_of_the_search() -> None:
    trials = [trial(0, 0.2), trial(1, 0.9, "pruned"), trial(2, None, "failed"), trial(3, 0.3), trial(4, 0.3)]
    runs = [(each.number, seed) for each, seed in runs_of_finalists(search(finalists=3), trials)]
    assert runs == [(3, 8), (3, 9), (4, 8), (4, 9), (0, 8), (0, 9)]


def test_one_complete_trial_needs_no_finalists() -> None:
    assert runs_of_finalists(search(), [trial(0, 0.2), trial(1, None, "failed")]) == []


def test_without_finalists_the_best_trial_is_chosen() -> None:
    trials = [trial(0, 0.2), trial(1, 0.3), trial(2, 0.3), trial(3, 0.9, "pruned")]
    assert runs_of_finalists(search(finalists=0, finalist_runs=0), trials) == []
    assert best_trial(trials, []) == 1
    assert best_trial([trial(0, None, "failed")], []) is None


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({4: (0.1, 0.2), 2: (0.2, 0.2)}, 2),  # the luckiest trial was only lucky
        ({4: (0.3, 0.2), 2: (0.2, 0.2)}, 4),
        ({4: (0.2, 0.2), 2: (0.1, 0.3)}, 4),  # equal: the better trial
        ({4: (0.9, None), 2: (0.1, 0.1)}, 2),  # settings that fail with a seed are out
        ({4: (None, None), 2: (None, 0.1)}, None),
    ],
)
def test_the_best_mean_of_the_runs_decides_whatever_the_trials_were(
    values: dict[int, tuple[float | None, ...]], chosen: int | None
) -> None:
    finals = [run(number, value) for number, found in values.items() for value in found]
    assert best_trial([trial(2, 0.1), trial(4, 0.9)], finals) == chosen


@pytest.fixture(scope="module")
def whole(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with an undisturbed search; only to be read."""
    folder = tmp_path_factory.mktemp("search")
    run_search(order(search(), walks_folder, folder), lambda news: None)
    return folder


def outcome(record: SearchRecord) -> object:
    return [each.model_copy(update={"seconds": 0.0}) for each in (*record.trials, *record.finals)]


def test_a_search_with_finalists_chooses_by_their_runs(whole: Path) -> None:
    record = read_search(Results(whole), search().id)
    ranked = sorted(record.trials, key=lambda each: each.value or 0.0, reverse=True)
    assert record.finalists == [each.number for each in ranked[:2]]
    assert [each.seed for each in record.finals] == [8, 9, 8, 9]
    assert len({each.value for each in (*record.finals, *ranked)}) > 4  # other seeds, other scores
    means = [sum(each.value or 0.0 for each in record.finals[at : at + 2]) / 2 for at in (0, 2)]
    assert record.chosen == record.finalists[means.index(max(means))]
    assert record.confirmed == pytest.approx(max(means))
    assert record.seconds == pytest.approx(sum(each.seconds for each in (*record.trials, *record.finals)))


@pytest.mark.parametrize("epochs", [10, 14])
def test_a_search_that_was_broken_off_among_its_finalists_goes_on_there(
    epochs: int, whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    told = broken_off(search(), epochs, walks_folder, tmp_path)
    later: list[EpochDone] = []
    record = run_search(told, later.append)
    assert len(later) == 21 - epochs  # seven trainings of three epochs; no epoch is trained twice
    assert later[-1].stage == "finalist 4/4 supervised"
    assert outcome(record) == outcome(read_search(Results(whole), search().id))


def test_finalists_that_all_fail_in_one_of_their_runs_are_an_error(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = attempt.train

    def diverging(model: object, config: object, *rest: object) -> None:
        if config.seed == 8:  # type: ignore[attr-defined]
            raise ArithmeticError("the loss is not finite")
        real(model, config, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(attempt, "train", diverging)
    with pytest.raises(
        LrbenchError,
        match=r"All 2 finalists of the search failed in a run\. The last one that failed: the loss is not",
    ):
        run_search(order(search(), walks_folder, tmp_path), lambda news: None)


@pytest.mark.parametrize("wrong", [{"chosen": 0}, {"chosen": 3}])
def test_a_record_whose_choice_was_no_finalist_is_refused(wrong: dict[str, int], whole: Path) -> None:
    record = read_search(Results(whole), search().id)
    (loser,) = {0, 1, 2} - set(record.finalists)
    values = record.model_dump() | {"chosen": loser if wrong["chosen"] == 0 else wrong["chosen"]}
    with pytest.raises(ValueError, match=r"not among its finalists|missing or not complete"):
        SearchRecord.model_validate(values)


def test_searches_without_finalists_keep_their_ids() -> None:
    plain = search(finalists=0, finalist_runs=0)
    assert {"finalists", "finalist_runs"}.isdisjoint(plain._identity())
    assert len({plain.id, search().id, search(finalists=3).id, search(finalist_runs=3).id}) == 4
    assert (plain.trainings, search().trainings) == (3, 7)


def test_the_budget_of_a_suite_is_said_in_words() -> None:
    assert Tune(trials=20).budget == "20 trials"
    assert Tune(trials=20, finalists=3).budget == "20 trials and 6 runs of finalists"
    assert Tune(trials=20, seed=101).seeds == (101,)
    assert Tune(trials=20, seed=101, finalists=3).seeds == (101, 102, 103)


@pytest.mark.parametrize(
    ("tune", "reason"),
    [
        ({"trials": 2, "finalists": 3}, "3 finalists need as many trials"),
        ({"trials": 2, "finalists": 2, "seed": 2**63 - 2}, "must leave room"),
    ],
)
def test_impossible_finalists_are_refused(tune: dict[str, int], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        parse_config(Tune, tune, "tune")
